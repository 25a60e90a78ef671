"""Choice of the report that counts in each hour, among several finer than a day, from what each has covered.

What a report has covered whole is in its statements. A page that was cut short makes none, but its entries show that
the report covers the hour at least in part. Neither depends on the order in which pages came, so an audit finds the
same.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.ingest.read_windows import TimeRange
from outlay.books.rollups.report_precedence import (
    HOUR_SECONDS,
    ReportCoverage,
    is_whole_day,
    report_coverage,
    report_for_hour,
)
from outlay.database.engine import execute
from outlay.plugin.contract import Report


class WinnerRun(NamedTuple):
    """Consecutive hours for which the same report counts."""

    report: Report
    start: int
    end: int


_STATEMENTS = text(
    "SELECT report, start, until, observed_at FROM statement WHERE connection_id = :connection "
    "AND report IN :reports AND start < :end AND until > :start"
).bindparams(bindparam("reports", expanding=True))
_ENTRIES = text(
    f"SELECT DISTINCT s.report, e.start - e.start % {HOUR_SECONDS} AS hour FROM entry e "
    "JOIN series s ON s.id = e.series_id WHERE e.connection_id = :connection AND s.report IN :reports "
    "AND e.start >= :start AND e.start < :end"
).bindparams(bindparam("reports", expanding=True))


def sub_daily_reports(reports: Iterable[Report]) -> list[Report]:
    """Return the reports with buckets finer than a day."""
    return [report for report in reports if report.grain is not None and not is_whole_day(report)]


async def winner_runs(
    session: AsyncSession, connection_id: int, reports: Sequence[Report], span: TimeRange
) -> list[WinnerRun]:
    """Return which of these reports counts when, in a span of whole hours."""
    start, end = span
    if len(reports) < 2:
        return [WinnerRun(report, start, end) for report in reports]
    hours = range(start, end, HOUR_SECONDS)
    sayings = await _said(session, connection_id, reports, hours)
    silent = [hour for hour in hours if any(hour not in sayings[report.name].spoken for report in reports)]
    if silent:
        span_of_entries = {"start": silent[0], "end": silent[-1] + HOUR_SECONDS}
        names = [report.name for report in reports]
        for row in await execute(session, _ENTRIES, {"connection": connection_id, "reports": names, **span_of_entries}):
            sayings[row.report].spoken.add(row.hour)
    found: list[WinnerRun] = []
    for hour in hours:
        winner = next(
            (report for report in reports if report is report_for_hour(reports, sayings, hour)),
            found[-1].report if found else reports[0],
        )
        if found and found[-1].report is winner:
            found[-1] = found[-1]._replace(end=hour + HOUR_SECONDS)
        else:
            found.append(WinnerRun(winner, hour, hour + HOUR_SECONDS))
    return found


async def reported_hours(
    session: AsyncSession, connection_id: int, reports: Sequence[Report], report: Report, span: TimeRange
) -> frozenset[tuple[int, str]]:
    """Return the hours of a span that a report covers, each with "told" (all of it) or "spoken" (at least a part).

    Empty if no other report could count for them.
    """
    if is_whole_day(report) or len(sub_daily_reports(reports)) < 2 or span[0] >= span[1]:
        return frozenset()
    first = span[0] // HOUR_SECONDS * HOUR_SECONDS
    saying = (await _said(session, connection_id, [report], range(first, span[1], HOUR_SECONDS)))[report.name]
    return frozenset({(hour, "told") for hour in saying.told} | {(hour, "spoken") for hour in saying.spoken})


async def _said(
    session: AsyncSession, connection_id: int, reports: Sequence[Report], hours: range
) -> dict[str, ReportCoverage]:
    """Return the hours that each report covers, by its statements."""
    rows = await execute(
        session,
        _STATEMENTS,
        {
            "connection": connection_id,
            "reports": [report.name for report in reports],
            "start": hours.start,
            "end": hours[-1] + HOUR_SECONDS,
        },
    )
    stretches: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for row in rows:
        stretches[row.report].append((row.start, row.until, row.observed_at))
    return {report.name: report_coverage(report, stretches[report.name], hours) for report in reports}
