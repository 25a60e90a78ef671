"""Telling people of a model whose price nobody knows: once, ever, in each workspace."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.connections.reauth import responsible
from outlay.core.model_names import canonical
from outlay.database.engine import execute
from outlay.database.tables import Connection

MAX_TOLD_AT_ONCE = 10  # models of one page; the others are told of with a later one


async def tell_unpriced(
    session: AsyncSession, row: Connection, models: Collection[str], now: datetime, admins: Iterable[str]
) -> None:
    """Tells whoever is responsible of those that nobody has been told of."""
    told = 0
    for model in sorted(models):
        key = f"unpriced:{row.workspace_id}:{row.ledger}:{canonical(model)}"
        if told == MAX_TOLD_AT_ONCE or not await _first(session, key):
            continue
        told += 1
        for person in responsible(row, admins):
            await outbox.say(
                session,
                workspace_id=row.workspace_id,
                key=f"{key}:{person}",
                stream=f"unpriced:{row.workspace_id}:{person}",
                kind="unpriced_model",
                payload={"model": model, "name": row.name, "ledger": row.ledger, "to": person},
                now=now,
            )


async def _first(session: AsyncSession, key: str) -> bool:
    """Has nobody been told yet? The outbox forgets what was said long ago; this does not."""
    claimed = await execute(
        session, text("INSERT INTO tick (job, slot) VALUES (:job, 0) ON CONFLICT DO NOTHING"), {"job": key}
    )
    return bool(getattr(claimed, "rowcount", 0))
