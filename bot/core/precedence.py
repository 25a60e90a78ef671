"""Which report counts for a day: the better replaces the lesser for the same slice of money; they are never added.

A ledger lists its reports in order of authority. A report with whole-day buckets takes over once it was read whole
after the day was over and its lag had passed, so that a half-day bill never hides a fuller figure of the same day.
Until then the first report with finer buckets counts; a half-day bill counts only where nothing else speaks.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600


class ReportTerms(Protocol):
    """What precedence needs to know of a report; `bot.plugin.Report` is one."""

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
