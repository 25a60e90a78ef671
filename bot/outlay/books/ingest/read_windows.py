"""When which stretch of a report was last read whole: what makes the newest observation win, not the newest arrival.

A re-poll that finds the same writes no entry. So an entry's own time does not tell that it was confirmed since, and a
bucket that is not there has no time at all; without this, a page that was held up on its way could undo newer ones.
A later statement swallows those inside it, so that only a few rows are kept for each report.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.bulk_write import run_many
from outlay.database.engine import execute, upsert
from outlay.database.tables import Statement

Stretch = tuple[int, int]
_COLUMNS = ("connection_id", "report", "start", "until", "observed_at")


async def newer(session: AsyncSession, connection_id: int, report: str, span: Stretch, at: int) -> Sequence[Stretch]:
    """The stretches of a span that were read after `at`."""
    rows = await execute(
        session,
        text(
            "SELECT start, until FROM statement WHERE connection_id = :connection AND report = :report "
            "AND start < :end AND until > :start AND observed_at > :at"
        ),
        {"connection": connection_id, "report": report, "start": span[0], "end": span[1], "at": at},
    )
    return [(row[0], row[1]) for row in rows]


async def note(session: AsyncSession, connection_id: int, report: str, span: Stretch, at: int) -> None:
    """Notes that a span was read whole at a time. Writes nothing where that is known, or something newer."""
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
