"""What may be forgotten: the hours of days long past. The days stay for ever, and so does what they were derived from.

A day's hours are dropped with the observations that only gave them their shape: those of finer reports on a day for
which a bill of whole days counts, except the report that the bill is split by. What a day's money rests on is never
dropped, so an audit can derive every day again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.bill import splits
from bot.books.closing import lock_workspace
from bot.books.database import execute
from bot.books.tables import Connection, Workspace
from bot.core.precedence import DAY_SECONDS, is_whole_day
from bot.plugin.contract import Report

DAYS_A_RUN = 31  # so that one transaction stays short; the next run goes on
_SHAPES = text(
    """
    DELETE FROM entry WHERE connection_id = :connection AND start >= :day AND start < :end AND series_id IN
    (SELECT id FROM series WHERE connection_id = :connection AND report IN :finer)
    AND EXISTS (SELECT 1 FROM coverage v WHERE v.connection_id = :connection AND v.day = :day AND v.final)
    """
).bindparams(bindparam("finer", expanding=True))


async def folded_until(session: AsyncSession, connection_id: int) -> int:
    """Before this the hours of a connection's days are gone: such a day can only be derived as a whole."""
    statement = select(Workspace.folded_until).join(Connection).where(Connection.id == connection_id)
    return (await session.exec(statement)).first() or 0


async def drop_hours(session: AsyncSession, connection_id: int, day: int) -> None:
    """Forgets the hours of a day; what was summed up from them stays."""
    await execute(
        session,
        text("DELETE FROM spend_hour WHERE connection_id = :connection AND hour >= :day AND hour < :end"),
        {"connection": connection_id, "day": day, "end": day + DAY_SECONDS},
    )


async def fold(
    session: AsyncSession, workspace: Workspace, reports: Mapping[str, Sequence[Report]], *, now: datetime
) -> int:
    """Folds the hours of a workspace that are older than it keeps, at most DAYS_A_RUN days; how many days it folded."""
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
    for connection in connections:
        finer = [
            report.name
            for report in reports.get(connection.ledger, ())
            if report.grain and not is_whole_day(report) and report.name not in splits(reports[connection.ledger])
        ]
        for day in days:
            span = {"connection": connection.id, "day": day, "end": day + DAY_SECONDS}
            await drop_hours(session, connection.id or 0, day)
            await execute(session, _SHAPES, {**span, "finer": finer or [""]})
    workspace.folded_until = max(workspace.folded_until, days[-1] + DAY_SECONDS if len(days) == DAYS_A_RUN else until)
    session.add(workspace)
    return len(days)
