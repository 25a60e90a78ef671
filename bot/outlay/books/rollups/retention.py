"""Retention: the hours of days long past may be deleted. Days are kept forever, and so is what they were derived from.

A day's hours are deleted with the observations that only gave them their shape: those of finer reports on a day for
which a bill of whole days counts, except the report that splits the bill, and except on a day of a gateway's own sums
for which they tell what it could not price. What a day's money depends on is never deleted, but buckets finer than an
hour are compacted by the hour; so an audit can derive every day again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.closing.close_month import lock_workspace
from outlay.books.rollups import entry_compaction
from outlay.books.rollups.bill_allocation import split_report_names
from outlay.books.rollups.report_precedence import DAY_SECONDS, is_whole_day
from outlay.database.engine import execute
from outlay.database.tables import UNPRICED, Connection, Workspace
from outlay.plugin.contract import Report

DAYS_A_RUN = 31  # so that one transaction stays short; the next run continues
ENTRIES_A_RUN = 500_000  # likewise: a run ends with the day that reaches so many entries
_SHAPES = text(
    """
    DELETE FROM entry WHERE connection_id = :connection AND start >= :day AND start < :end AND series_id IN
    (SELECT id FROM series WHERE connection_id = :connection AND report IN :finer)
    AND EXISTS (SELECT 1 FROM coverage v WHERE v.connection_id = :connection AND v.day = :day AND v.final)
    """
).bindparams(bindparam("finer", expanding=True))
_UNKNOWN = text(
    f"""
    SELECT 1 FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :day AND e.start < :end AND s.report IN :finer
    AND (e.basis = {UNPRICED} OR e.price_version <> '') LIMIT 1
    """
).bindparams(bindparam("finer", expanding=True))


async def folded_until(session: AsyncSession, connection_id: int) -> int:
    """Return before when a connection's hours are deleted: such a day can only be derived as a whole."""
    statement = select(Workspace.folded_until).join(Connection).where(Connection.id == connection_id)
    return (await session.exec(statement)).first() or 0


async def drop_hours(session: AsyncSession, connection_id: int, day: int) -> None:
    """Delete the hours of a day; the sums derived from them stay."""
    await execute(
        session,
        text("DELETE FROM spend_hour WHERE connection_id = :connection AND hour >= :day AND hour < :end"),
        {"connection": connection_id, "day": day, "end": day + DAY_SECONDS},
    )


async def fold(
    session: AsyncSession, workspace: Workspace, reports: Mapping[str, Sequence[Report]], *, now: datetime
) -> int:
    """Fold a workspace's hours that are past its retention, at most DAYS_A_RUN days; return how many days."""
    if not workspace.hours_kept_days:
        return 0
    today = int(now.timestamp()) // DAY_SECONDS * DAY_SECONDS
    until = today - workspace.hours_kept_days * DAY_SECONDS
    await lock_workspace(session, workspace.id)
    connections = list(
        await session.exec(
            select(Connection)
            .where(Connection.workspace_id == workspace.id)
            .with_for_update()
            .order_by(col(Connection.id))
        )
    )
    ids = [connection.id for connection in connections] or [0]
    days = [
        row[0]
        for row in await execute(
            session,
            text(
                "SELECT DISTINCT day FROM spend_day WHERE connection_id IN :ids AND day >= :start AND day < :until "
                f"ORDER BY day LIMIT {DAYS_A_RUN}"
            ).bindparams(bindparam("ids", expanding=True)),
            {"ids": ids, "start": workspace.folded_until, "until": until},
        )
    ]
    summed, folded = 0, []
    for day in days:
        for connection in connections:
            summed += await _fold_day(session, connection.id or 0, reports.get(connection.ledger, ()), day)
        folded.append(day)
        if summed >= ENTRIES_A_RUN:
            break
    whole = len(folded) == len(days) < DAYS_A_RUN
    workspace.folded_until = max(workspace.folded_until, until if whole else folded[-1] + DAY_SECONDS)
    session.add(workspace)
    return len(folded)


async def _fold_day(session: AsyncSession, connection_id: int, reports: Sequence[Report], day: int) -> int:
    """Fold a day of a connection; return how many entries were there to compact."""
    split = split_report_names(reports)
    shapes = [
        report.name for report in reports if report.grain and not is_whole_day(report) and report.name not in split
    ]
    await drop_hours(session, connection_id, day)
    span = {"connection": connection_id, "day": day, "end": day + DAY_SECONDS, "finer": shapes or [""]}
    sums = any(is_whole_day(report) and report.basis == "computed" for report in reports)
    if not (sums and (await execute(session, _UNKNOWN, span)).first()):
        await execute(session, _SHAPES, span)
    return await entry_compaction.compact_day(session, connection_id, reports, day)
