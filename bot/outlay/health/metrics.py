"""Operational metrics: is everything read, delivered and audited? No secret, no dollar, no person."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import bindparam, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.closing import audit
from outlay.core.clock import Clock
from outlay.core.gauges import Gauge
from outlay.database.engine import Database, execute
from outlay.database.tables import Connection, Workspace
from outlay.spend.report import freshness

STATES = ("ok", "paused", "needs_reauth", "failing")
SLACK = "slack"


async def collect_gauges(database: Database, clock: Clock) -> list[Gauge]:
    """Return all gauges as they stand now."""
    now = clock.now()
    async with database.read() as session:
        every = list(await session.exec(select(Connection).order_by(col(Connection.id))))
        away = set(await session.exec(select(Workspace.id).where(col(Workspace.removed_at).is_not(None))))
        rows = [row for row in every if row.disconnected_at is None and row.workspace_id not in away]
        return [
            *await _connections(session, [row for row in rows if row.role != "sink"], now),
            await _unpriced(session, rows, now),
            *await _deliveries(session, every, now),
            await _incidents(session),
            *await _audits(session, now),
        ]


async def _connections(session: AsyncSession, rows: Sequence[Connection], now: datetime) -> list[Gauge]:
    state = Gauge("connection_state", "1 for the state that a connection is in")
    age = Gauge("poll_age_seconds", "Since a connection was last polled, well or not")
    lag = Gauge("poll_lag_seconds", "How long a poll has been due; 0 if none is")
    behind = Gauge("books_behind_seconds", "Since when the ledger has not been read: now less fresh_until")
    errors = Gauge("poll_failures_in_a_row", "Polls that failed since the last that went well")
    at = now.timestamp()
    for workspace in sorted({row.workspace_id for row in rows}):
        ours = [row for row in rows if row.workspace_id == workspace]
        fresh = await freshness(session, ours)
        for row in ours:
            named = {"workspace": workspace, "connection": row.name, "ledger": row.ledger}
            for one in STATES:
                state.add(int(row.state == one), **named, state=one)
            age.add(None if row.last_poll_at is None else max(0, int(at) - row.last_poll_at), **named)
            lag.add(None if row.next_poll_at is None else max(0, int(at) - row.next_poll_at), **named)
            until = fresh[row.name]
            behind.add(None if until is None else max(0, int(at - until.timestamp())), **named)
            errors.add(row.failures, **named)
    return [state, age, lag, behind, errors]


async def _unpriced(session: AsyncSession, rows: Sequence[Connection], now: datetime) -> Gauge:
    gauge = Gauge("unpriced_tokens", "Tokens of this UTC month that have no price")
    month = datetime(now.astimezone(UTC).year, now.astimezone(UTC).month, 1, tzinfo=UTC)
    found = await execute(
        session,
        text(
            "SELECT connection_id, SUM(unpriced_tokens) AS tokens FROM spend_day_model "
            "WHERE connection_id IN :ids AND day >= :month GROUP BY connection_id"
        ).bindparams(bindparam("ids", expanding=True)),
        {"ids": [row.id for row in rows], "month": int(month.timestamp())},
    )
    tokens = {row.connection_id: int(row.tokens or 0) for row in found}
    for row in rows:
        if row.role != "sink":
            gauge.add(tokens.get(row.id, 0), workspace=row.workspace_id, connection=row.name, ledger=row.ledger)
    return gauge


async def _deliveries(session: AsyncSession, every: Sequence[Connection], now: datetime) -> list[Gauge]:
    count = Gauge("deliveries", "Messages that wait, or were given up, by where they go")
    oldest = Gauge("delivery_lag_seconds", "How long the oldest message has waited past its time")
    found = await execute(
        session,
        text(
            "SELECT workspace_id, lane, status, COUNT(*) AS many, MIN(available_at) AS first FROM outbox "
            "WHERE status IN ('waiting', 'dead') GROUP BY workspace_id, lane, status "
            "ORDER BY workspace_id, lane, status"
        ),
    )
    names = {row.id: row.name for row in every}
    for row in found:
        named = {"workspace": row.workspace_id, "lane": names.get(row.lane, str(row.lane)) if row.lane else SLACK}
        count.add(int(row.many), **named, status=row.status)
        if row.status == "waiting":
            oldest.add(max(0, int(now.timestamp()) - int(row.first)), **named)
    return [count, oldest]


async def _incidents(session: AsyncSession) -> Gauge:
    gauge = Gauge("incidents_open", "Incidents that have not ended")
    found = await execute(
        session,
        text(
            "SELECT w.id, COUNT(i.id) AS many FROM workspace w LEFT JOIN incident i "
            "ON i.workspace_id = w.id AND i.ended_at IS NULL GROUP BY w.id ORDER BY w.id"
        ),
    )
    for row in found:
        gauge.add(int(row.many), workspace=row.id)
    return gauge


async def _audits(session: AsyncSession, now: datetime) -> list[Gauge]:
    ok = Gauge("audit_ok", "1 if the last audit found no difference, 0 if it did; none where there was none")
    age = Gauge("audit_age_seconds", "Since the last audit")
    for workspace in await session.exec(select(Workspace.id).order_by(col(Workspace.id))):
        if (run := await audit.last(session, workspace)) is not None:
            ok.add(int(run.ok), workspace=workspace)
            age.add(max(0, int(now.timestamp()) - run.at), workspace=workspace)
    return [ok, age]
