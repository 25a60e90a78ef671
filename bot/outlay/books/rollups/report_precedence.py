"""Report precedence: which of several reports counts for the same slice of money. They are never added.

A ledger lists its reports in order of authority. A report with whole-day buckets takes over once it was read in full
after the day was over and its lag had passed, so that a half-day bill never hides a fuller figure of the same day.
Until then reports with finer buckets count; a half-day bill counts only where no other report covers the day. Among
several finer ones each hour is decided by itself: the first in order of authority that has reported all of the hour,
after the hour and its lag were over. While none has, the last in that order that has reported any of it counts, since
the lesser report stands until the better one is complete.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600


class ReportTerms(Protocol):
    """What precedence needs to know of a report; `outlay.plugin.Report` is one."""

    @property
    def name(self) -> str: ...
    @property
    def grain(self) -> timedelta | None: ...
    @property
    def lag(self) -> timedelta: ...


def is_whole_day(report: ReportTerms) -> bool:
    """Report whether a report has whole-day buckets."""
    return report.grain is not None and report.grain >= timedelta(days=1)


def is_final(report: ReportTerms, day: int, observed_at: int) -> bool:
    """Report whether `day` (seconds since 1970) was observed after the day and the report's lag were over."""
    return observed_at >= day + DAY_SECONDS + report.lag.total_seconds()


def report_for_day(reports: Sequence[ReportTerms], spoke: Mapping[str, bool]) -> ReportTerms | None:
    """Return the report that counts for a day. `spoke`: the reports that cover it, and whether finally."""
    buckets = [report for report in reports if report.grain is not None and report.name in spoke]
    for report in buckets:
        if is_whole_day(report) and spoke[report.name]:
            return report
    for report in buckets:
        if not is_whole_day(report):
            return report
    return buckets[0] if buckets else None


@dataclass(frozen=True, slots=True)
class ReportCoverage:
    """Hours that a report has covered in full (`told`), and hours that it has covered at all (`spoken`)."""

    told: set[int] = field(default_factory=set)
    spoken: set[int] = field(default_factory=set)


def report_coverage(
    report: ReportTerms, stretches: Iterable[tuple[int, int, int]], hours: Iterable[int]
) -> ReportCoverage:
    """Return which hours a report has covered. `stretches`: (start, until, when it was read); each was read in full."""
    found, every = ReportCoverage(), sorted(stretches)
    lag = report.lag.total_seconds()
    for hour in hours:
        end = hour + HOUR_SECONDS
        if any(start < end and min(until, at) > hour for start, until, at in every):
            found.spoken.add(hour)
        reached = hour
        for start, until, at in every:
            if at >= end + lag and start <= reached:
                reached = max(reached, until)
        if reached >= end:
            found.told.add(hour)
    return found


def report_for_hour(
    reports: Sequence[ReportTerms], sayings: Mapping[str, ReportCoverage], hour: int
) -> ReportTerms | None:
    """Return the finer report, in order of authority, that counts for an hour; None if none covers it."""
    for report in reports:
        if hour in sayings[report.name].told:
            return report
    return next((report for report in reversed(reports) if hour in sayings[report.name].spoken), None)
