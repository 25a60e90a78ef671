"""What has to be said to the outside, written in the transaction of what it tells, and said later, once.

A row's `key` makes it once: saying the same thing again is nothing new. Delivery is leased and fenced: a worker takes a
row for a while, acts outside any transaction, and may only close the row if nobody has taken it over meanwhile.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.database import execute

LEASE_SECONDS = 60
MAX_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Message:
    """A row taken for delivery. `fence` proves later that it is still ours."""

    id: int
    workspace_id: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    fence: int


async def say(
    session: AsyncSession,
    *,
    workspace_id: str,
    key: str,
    stream: str,
    kind: str,
    payload: Mapping[str, Any],
    now: datetime,
) -> None:
    """Writes a message, unless one with this key is there already."""
    at = int(now.timestamp())
    await execute(
        session,
        text(
            "INSERT INTO outbox (key, workspace_id, stream, kind, payload, status, attempts, available_at, "
            "lease_until, fence, error, created_at) VALUES (:key, :workspace, :stream, :kind, :payload, 'waiting', 0, "
            ":at, 0, 0, '', :at) ON CONFLICT (key) DO NOTHING"
        ),
        {
            "key": key,
            "workspace": workspace_id,
            "stream": stream,
            "kind": kind,
            "payload": json.dumps(payload, sort_keys=True),
            "at": at,
        },
    )


async def take(session: AsyncSession, now: datetime) -> Sequence[Message]:
    """Leases the due heads of all streams: within a stream the order is kept."""
    at = int(now.timestamp())
    rows = (
        await execute(
            session,
            text(
                "SELECT o.id, o.workspace_id, o.kind, o.payload, o.attempts, o.fence FROM outbox o "
                "WHERE o.status = 'waiting' AND o.available_at <= :at AND o.lease_until <= :at AND NOT EXISTS "
                "(SELECT 1 FROM outbox b WHERE b.stream = o.stream AND b.status = 'waiting' AND b.id < o.id) "
                f"ORDER BY o.id LIMIT {MAX_AT_ONCE}"
            ),
            {"at": at},
        )
    ).all()
    taken = []
    for row in rows:
        leased = await execute(
            session,
            text(
                "UPDATE outbox SET lease_until = :until, fence = fence + 1, attempts = attempts + 1 "
                "WHERE id = :id AND fence = :fence AND status = 'waiting'"
            ),
            {"id": row.id, "fence": row.fence, "until": at + LEASE_SECONDS},
        )
        if getattr(leased, "rowcount", 0):
            payload = json.loads(row.payload)
            taken.append(Message(row.id, row.workspace_id, row.kind, payload, row.attempts + 1, row.fence + 1))
    return taken


async def close(session: AsyncSession, message: Message, *, status: str, error: str = "") -> bool:
    """Marks a message done or dead. False if somebody else has taken it over: then it is theirs to close."""
    return await _end(session, message, "status = :value", status, error)


async def put_back(session: AsyncSession, message: Message, *, again_at: datetime, error: str) -> bool:
    """Gives a message back, to be tried again at a time."""
    return await _end(session, message, "available_at = :value", int(again_at.timestamp()), error)


async def _end(session: AsyncSession, message: Message, change: str, value: str | int, error: str) -> bool:
    ended = await execute(
        session,
        text(f"UPDATE outbox SET {change}, lease_until = 0, error = :error WHERE id = :id AND fence = :fence"),
        {"id": message.id, "fence": message.fence, "value": value, "error": error},
    )
    return bool(getattr(ended, "rowcount", 0))


async def waiting(session: AsyncSession) -> int:
    """How many messages have not been delivered yet."""
    return int((await execute(session, text("SELECT COUNT(*) FROM outbox WHERE status = 'waiting'"))).scalar() or 0)
