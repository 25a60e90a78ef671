"""Read windows: when each time range of a report was last read whole, so that the newest observation wins.

A re-poll that finds the same writes no entry. So an entry's own time does not show that it was confirmed since, and an
absent bucket has no time at all; without this, a page that was held up on its way could undo newer ones (the newest
arrival would win). A later statement replaces those inside it, so that only a few rows are stored for each report.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.bulk_write import run_many
from outlay.database.engine import execute, upsert
from outlay.database.tables import Statement

TimeRange = tuple[int, int]
_COLUMNS = ("connection_id", "report", "start", "until", "observed_at")


async def newer(
    session: AsyncSession, connection_id: int, report: str, span: TimeRange, at: int
) -> Sequence[TimeRange]:
    """Return the time ranges overlapping a span that were read after `at`."""
    rows = await execute(
        session,
        text(
            "SELECT start, until FROM statement WHERE connection_id = :connection AND report = :report "
            "AND start < :end AND until > :start AND observed_at > :at"
        ),
        {"connection": connection_id, "report": report, "start": span[0], "end": span[1], "at": at},
    )
    return [(row[0], row[1]) for row in rows]


async def read_until(session: AsyncSession, connection_id: int, report: str, start: int) -> int:
    """Return up to when the time from `start` on has been read whole; `start` if it has not."""
    rows = await execute(
        session,
        text(
            "SELECT MAX(until) FROM statement WHERE connection_id = :connection AND report = :report "
            "AND start <= :start AND until > :start"
        ),
        {"connection": connection_id, "report": report, "start": start},
    )
    return int(rows.scalar_one() or start)


async def record_window(session: AsyncSession, connection_id: int, report: str, span: TimeRange, at: int) -> None:
    """Record that a span was read whole at a time. Write nothing if that is recorded, or something newer."""
    start, until = span
    place = {"connection": connection_id, "report": report, "start": start, "until": until, "at": at}
    known = await execute(
        session,
        text(
            "SELECT 1 FROM statement WHERE connection_id = :connection AND report = :report "
            "AND start <= :start AND until >= :until AND observed_at >= :at LIMIT 1"
        ),
        place,
    )
    if start >= until or known.first():
        return
    await execute(
        session,
        text(
            "DELETE FROM statement WHERE connection_id = :connection AND report = :report "
            "AND start >= :start AND until <= :until AND observed_at <= :at"
        ),
        place,
    )
    row = (connection_id, report, start, until, at)
    await run_many(session, upsert(session, Statement, update=("observed_at",)), _COLUMNS, [row])
