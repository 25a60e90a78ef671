"""Notice of a model whose price is unknown: once, ever, for each workspace and ledger."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.connections.reauth import users_to_notify
from outlay.core.model_names import canonical
from outlay.database.engine import execute
from outlay.database.tables import Connection

MAX_TOLD_AT_ONCE = 10  # models of one page; the others follow with a later page


async def enqueue_unpriced_notice(
    session: AsyncSession, row: Connection, models: Collection[str], now: datetime, admins: Iterable[str]
) -> None:
    """Notify the responsible users of the models that were never reported before."""
    told = 0
    for model in sorted(models):
        key = f"unpriced:{row.workspace_id}:{row.ledger}:{canonical(model)}"
        if told == MAX_TOLD_AT_ONCE or not await _first(session, key):
            continue
        told += 1
        for person in users_to_notify(row, admins):
            await outbox.enqueue(
                session,
                workspace_id=row.workspace_id,
                key=f"{key}:{person}",
                stream=f"unpriced:{row.workspace_id}:{person}",
                kind="unpriced_model",
                payload={"model": model, "name": row.name, "ledger": row.ledger, "to": person},
                now=now,
            )


async def _first(session: AsyncSession, key: str) -> bool:
    """Record a key and return whether it is new. Unlike the outbox, whose old rows are deleted, this is permanent."""
    claimed = await execute(
        session, text("INSERT INTO tick (job, slot) VALUES (:job, 0) ON CONFLICT DO NOTHING"), {"job": key}
    )
    return bool(getattr(claimed, "rowcount", 0))
