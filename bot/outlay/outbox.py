"""Transactional outbox: messages stored with the change that caused them, delivered later, at least once.

A row's `key` makes it unique: writing the same message again does nothing. Rows of one **stream** are delivered in
order. A row goes down a **lane**, one for each connection (0 is Slack), so that a slow receiver delays nobody else. A
newer row of the same **topic** replaces one that still waits.

Delivery is leased and fenced: a worker leases a row for a while, acts outside any transaction, and may close the row
only if no other worker has leased it meanwhile.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.database.engine import execute

LEASE_SECONDS = 60
MAX_AT_ONCE = 20
MAX_ERROR_CHARACTERS = 300
KEPT = timedelta(days=30)  # then delivered messages are deleted; dead ones stay until sent again
SLACK = 0  # the lane of Slack itself

Status = Literal["done", "dead"]


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """Message leased for delivery. `fence` proves that the lease still holds; `key` stays the same in each attempt."""

    id: int
    workspace_id: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    fence: int
    lane: int = SLACK
    key: str = ""
    stream: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """Outcome of an attempt: `status` closes the row, `again_at` makes it wait. `counted`: it adds to `attempts`."""

    message: OutboxMessage
    status: Status | None = None
    again_at: datetime | None = None
    error: str = ""
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """Message that was given up. `said_at`: when it was written."""

    id: int
    lane: int
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    error: str
    said_at: int


async def enqueue(
    session: AsyncSession,
    *,
    workspace_id: str,
    key: str,
    stream: str,
    kind: str,
    payload: Mapping[str, Any],
    now: datetime,
    lane: int = SLACK,
    topic: str = "",
) -> bool:
    """Write a message unless its key exists; return whether it is new. It replaces waiting ones of its `topic`."""
    at = int(now.timestamp())
    written = await execute(
        session,
        text(
            "INSERT INTO outbox (key, workspace_id, lane, stream, topic, kind, payload, status, attempts, "
            "available_at, lease_until, fence, error, created_at, ended_at) VALUES (:key, :workspace, :lane, :stream, "
            ":topic, :kind, :payload, 'waiting', 0, :at, 0, 0, '', :at, 0) ON CONFLICT (key) DO NOTHING RETURNING id"
        ),
        {
            "key": key,
            "workspace": workspace_id,
            "lane": lane,
            "stream": stream,
            "topic": topic,
            "kind": kind,
            "payload": json.dumps(payload, sort_keys=True),
            "at": at,
        },
    )
    new_id = written.scalar()
    if new_id and topic:
        await execute(
            session,
            text(
                "UPDATE outbox SET status = 'superseded', ended_at = :at WHERE stream = :stream AND topic = :topic "
                "AND status = 'waiting' AND lease_until <= :at AND id < :id"
            ),
            {"at": at, "stream": stream, "topic": topic, "id": new_id},
        )
    return bool(new_id)


async def has_unattempted(session: AsyncSession, stream: str, topic: str) -> bool:
    """Report whether a message of this topic waits that was never attempted."""
    found = await execute(
        session,
        text("SELECT 1 FROM outbox WHERE stream = :stream AND topic = :topic AND status = 'waiting' AND attempts = 0"),
        {"stream": stream, "topic": topic},
    )
    return found.first() is not None


async def expedite(session: AsyncSession, stream: str, now: datetime) -> None:
    """Make messages of a stream due now that wait for a better hour, such as the morning."""
    await execute(
        session,
        text(
            "UPDATE outbox SET available_at = :at "
            "WHERE stream = :stream AND status = 'waiting' AND attempts = 0 AND available_at > :at"
        ),
        {"stream": stream, "at": int(now.timestamp())},
    )


async def due(session: AsyncSession, now: datetime) -> Sequence[int]:
    """Return the lanes that have a message due."""
    found = await execute(
        session,
        text("SELECT DISTINCT lane FROM outbox WHERE status = 'waiting' AND available_at <= :at ORDER BY lane"),
        {"at": int(now.timestamp())},
    )
    return [int(row.lane) for row in found]


async def lease_batch(
    session: AsyncSession, now: datetime, *, lane: int = SLACK, most: int = MAX_AT_ONCE
) -> Sequence[OutboxMessage]:
    """Lease the due first messages of a lane's streams: each stream keeps its order. Replicas lease different ones."""
    at = int(now.timestamp())
    skip = " FOR UPDATE OF o SKIP LOCKED" if session.get_bind().dialect.name == "postgresql" else ""
    rows = await execute(
        session,
        text(
            "UPDATE outbox SET lease_until = :until, fence = fence + 1, attempts = attempts + 1 WHERE id IN ("
            "SELECT o.id FROM outbox o WHERE o.status = 'waiting' AND o.lane = :lane AND o.available_at <= :at "
            "AND (o.lease_until <= :at OR o.lease_until > :absurd) AND NOT EXISTS "
            "(SELECT 1 FROM outbox b WHERE b.stream = o.stream AND b.status = 'waiting' AND b.id < o.id) "
            f"ORDER BY o.available_at, o.id LIMIT :most{skip}) "
            "RETURNING id, workspace_id, kind, payload, attempts, fence, lane, key, stream"
        ),
        {
            "at": at,
            "lane": lane,
            "most": most,
            "until": at + LEASE_SECONDS,
            "absurd": at + 10 * LEASE_SECONDS,  # no lease is so long: the clock went back
        },
    )
    taken = [
        OutboxMessage(
            row.id,
            row.workspace_id,
            row.kind,
            json.loads(row.payload),
            row.attempts,
            row.fence,
            row.lane,
            row.key,
            row.stream,
        )
        for row in rows
    ]
    return sorted(taken, key=lambda message: message.id)


async def lease_one(session: AsyncSession, key: str, now: datetime) -> OutboxMessage | None:
    """Lease a message by its key, to deliver it right after writing it. None: it is already leased or closed."""
    at = int(now.timestamp())
    rows = await execute(
        session,
        text(
            "UPDATE outbox SET lease_until = :until, fence = fence + 1, attempts = attempts + 1 "
            "WHERE key = :key AND status = 'waiting' AND lease_until <= :at "
            "RETURNING id, workspace_id, kind, payload, attempts, fence, lane, key, stream"
        ),
        {"key": key, "at": at, "until": at + LEASE_SECONDS},
    )
    row = rows.first()
    if row is None:
        return None
    payload = json.loads(row.payload)
    return OutboxMessage(
        row.id, row.workspace_id, row.kind, payload, row.attempts, row.fence, row.lane, row.key, row.stream
    )


async def finish_attempts(session: AsyncSession, ended: Sequence[DeliveryOutcome], now: datetime) -> frozenset[int]:
    """Close attempted messages or put them back; return the ids of those whose lease still held."""
    if not ended:
        return frozenset()
    ids = [one.message.id for one in ended]
    lock = " FOR UPDATE" if session.get_bind().dialect.name == "postgresql" else ""
    held = await execute(
        session,
        text(f"SELECT id, fence FROM outbox WHERE id IN :ids{lock}").bindparams(bindparam("ids", expanding=True)),
        {"ids": sorted(ids)},
    )
    fences = {row.id: row.fence for row in held}
    ours = [one for one in ended if fences.get(one.message.id) == one.message.fence]
    if ours:
        connection = await session.connection()
        await connection.execute(_END, [_ending(one, int(now.timestamp())) for one in ours])
    return frozenset(one.message.id for one in ours)


_END = text(
    "UPDATE outbox SET status = :status, available_at = CASE WHEN :again = 0 THEN available_at ELSE :again END, "
    "attempts = attempts - :uncounted, lease_until = 0, error = :error, ended_at = :ended "
    "WHERE id = :id AND fence = :fence"
)


def _ending(one: DeliveryOutcome, at: int) -> dict[str, Any]:
    return {
        "id": one.message.id,
        "fence": one.message.fence,
        "status": one.status or "waiting",
        "again": int(one.again_at.timestamp()) if one.again_at and not one.status else 0,
        "uncounted": 0 if one.counted else 1,
        "error": one.error[:MAX_ERROR_CHARACTERS],
        "ended": at if one.status else 0,
    }


async def waiting(session: AsyncSession) -> int:
    """Return how many messages have not been delivered yet."""
    return int((await execute(session, text("SELECT COUNT(*) FROM outbox WHERE status = 'waiting'"))).scalar() or 0)


async def dead(session: AsyncSession, workspace_id: str, *, most: int = 100) -> Sequence[Dead]:
    """Return the messages given up in a workspace, newest first."""
    rows = await execute(
        session,
        text(
            "SELECT id, lane, kind, payload, attempts, error, created_at FROM outbox "
            "WHERE status = 'dead' AND workspace_id = :workspace ORDER BY id DESC LIMIT :most"
        ),
        {"workspace": workspace_id, "most": most},
    )
    return [
        Dead(row.id, row.lane, row.kind, json.loads(row.payload), row.attempts, row.error, row.created_at)
        for row in rows
    ]


async def replay(session: AsyncSession, workspace_id: str, now: datetime, *, ids: Sequence[int] | None = None) -> int:
    """Put given-up messages back to wait, all or some; return how many. Their keys, and so their ids, stay."""
    chosen = "" if ids is None else " AND id IN :ids"
    statement = text(
        "UPDATE outbox SET status = 'waiting', attempts = 0, lease_until = 0, available_at = :at, ended_at = 0 "
        f"WHERE status = 'dead' AND workspace_id = :workspace{chosen}"
    )
    values: dict[str, Any] = {"at": int(now.timestamp()), "workspace": workspace_id}
    if ids is not None:
        statement, values["ids"] = statement.bindparams(bindparam("ids", expanding=True)), list(ids)
    count = int(getattr(await execute(session, statement, values), "rowcount", 0))
    if count:
        await audit_log.append(
            session, workspace_id, AuditedAction.REPLAY, f"workspace:{workspace_id}", now=now, count=count,
            ids=None if ids is None else sorted(ids)[:MAX_AT_ONCE],
        )  # fmt: skip
    return count


async def forget_old(session: AsyncSession, now: datetime) -> int:
    """Delete messages that were delivered or replaced longer than KEPT ago; return how many."""
    gone = await execute(
        session,
        text("DELETE FROM outbox WHERE status IN ('done', 'superseded') AND ended_at > 0 AND ended_at < :old"),
        {"old": int((now - KEPT).timestamp())},
    )
    return int(getattr(gone, "rowcount", 0))
