"""Which report counts: the better replaces the lesser for the same slice of money; they are never added.

A ledger lists its reports in order of authority. A report with whole-day buckets takes over once it was read whole
after the day was over and its lag had passed, so that a half-day bill never hides a fuller figure of the same day.
Until then reports with finer buckets count; a half-day bill counts only where nothing else speaks. Of several finer
ones it is decided hour by hour: the first in order of authority that has told all of an hour, once the hour and its lag
were over. While none has, the last that has spoken of it, since the lesser stands until the better has told it all.
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
    """Does the report have whole-day buckets?"""
    return report.grain is not None and report.grain >= timedelta(days=1)


def is_final(report: ReportTerms, day: int, observed_at: int) -> bool:
    """Was the report's view of `day` (seconds since 1970) taken after the day and the report's lag?"""
    return observed_at >= day + DAY_SECONDS + report.lag.total_seconds()


def counting(reports: Sequence[ReportTerms], spoke: Mapping[str, bool]) -> ReportTerms | None:
    """The report that counts for a day. `spoke`: the reports that have spoken of it, and whether finally."""
    buckets = [report for report in reports if report.grain is not None and report.name in spoke]
    for report in buckets:
        if is_whole_day(report) and spoke[report.name]:
            return report
    for report in buckets:
        if not is_whole_day(report):
            return report
    return buckets[0] if buckets else None


@dataclass(frozen=True, slots=True)
class Saying:
    """The hours that a report has told all of, and those that it has spoken of at all."""

    told: set[int] = field(default_factory=set)
    spoken: set[int] = field(default_factory=set)


def said(report: ReportTerms, stretches: Iterable[tuple[int, int, int]], hours: Iterable[int]) -> Saying:
    """What a report has said of some hours. `stretches`: (start, until, when it said fully what there is between)."""
    found, every = Saying(), sorted(stretches)
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


def counting_in_hour(reports: Sequence[ReportTerms], sayings: Mapping[str, Saying], hour: int) -> ReportTerms | None:
    """The one of several finer reports, in order of authority, that counts for an hour; None if nobody spoke of it."""
    for report in reports:
        if hour in sayings[report.name].told:
            return report
    return next((report for report in reversed(reports) if hour in sayings[report.name].spoken), None)
