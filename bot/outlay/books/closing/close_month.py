"""Close of a month: its daily roll-ups are frozen, with a hash over them.

Its totals by owner, model, key and ledger are stored with it (see `totals`). From then on `accept` books changes of its
days as adjustments (see `adjustments`). A month closes once it is over and settled, or when forced; closing it again
changes nothing and returns the same hash.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.byok import keeping_books
from outlay.books.byok_rules import byok_counts
from outlay.books.closing import closed_totals
from outlay.books.closing.tables import ClosedTotal
from outlay.books.rollups.report_precedence import DAY_SECONDS, is_whole_day
from outlay.core import months
from outlay.core.errors import OutlayError
from outlay.database.engine import execute
from outlay.database.tables import FIGURES, ClosedMonth, Connection, Workspace
from outlay.plugin.contract import Report

_LINES = """
    SELECT c.name, c.ledger, c.account_id, d.day, k.ledger_id, k.reason, k.scope, m.name AS model, d.basis, d.adjusts,
           {figures}, d.unpriced_tokens
    FROM spend_day d JOIN connection c ON c.id = d.connection_id
    JOIN ledger_key k ON k.id = d.key_id JOIN model m ON m.id = d.model_id
    WHERE c.workspace_id = :workspace AND d.day >= :start AND d.day < :end
    ORDER BY c.ledger {bytewise}, c.account_id {bytewise}, d.day, k.ledger_id {bytewise}, k.reason {bytewise},
             k.scope {bytewise}, m.ledger {bytewise}, m.name {bytewise}, d.basis, d.adjusts
    """
_BYTEWISE = {"postgresql": 'COLLATE "C"', "sqlite": "COLLATE BINARY"}  # the hash must not depend on a locale


class NotClosableError(OutlayError):
    """Refusal to close a month yet; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Closed month. `new`: it was closed just now."""

    month: int
    hash: str
    closed_at: datetime
    total_nano_usd: int
    new: bool
    totals: Sequence[ClosedTotal] = ()  # as of the close; by kind, then largest first
    totals_hash: str = ""


async def closed_months(session: AsyncSession, connection_id: int) -> frozenset[int]:
    """Return the closed months (their first seconds) of the workspace that a connection belongs to."""
    rows = await execute(
        session,
        text(
            "SELECT m.month FROM closed_month m JOIN connection c ON c.workspace_id = m.workspace_id WHERE c.id = :id"
        ),
        {"id": connection_id},
    )
    return frozenset(row[0] for row in rows)


def first_open(closed: Collection[int], now: int) -> int:
    """Return `now`, or the start of the next open month if its month is closed (a clock went back)."""
    month = months.start_of(now)
    if month not in closed:
        return now
    while month in closed:
        month = months.end_of(month)
    return month


async def lock_workspace(session: AsyncSession, workspace_id: str) -> None:
    """Lock a workspace. Call it before all of its connections are locked, so that no two processes deadlock.

    A poll holds it shared (see `share_workspace`), so that not even a connection made meanwhile writes into the month.
    """
    await session.exec(select(Workspace.id).where(Workspace.id == workspace_id).with_for_update(key_share=True))


async def share_workspace(session: AsyncSession, connection_id: int) -> None:
    """Hold a connection's workspace against a close. Call it before taking the connection's own lock."""
    mine = select(Connection.workspace_id).where(Connection.id == connection_id).scalar_subquery()
    await session.exec(select(Workspace.id).where(Workspace.id == mine).with_for_update(read=True))


async def close(
    session: AsyncSession,
    workspace_id: str,
    month: int,
    *,
    now: datetime,
    reports: Mapping[str, Sequence[Report]],
    force: bool = False,
) -> Closed:
    """Freeze a month. Raise NotClosableError if it is not over or, unless forced, not settled.

    `reports`: of each ledger. The workspace is locked first, so that two closes run one after the other, and then its
    connections, so that no poll writes into the month meanwhile.
    """
    await lock_workspace(session, workspace_id)
    held = await session.get(ClosedMonth, (workspace_id, month))
    if held is None:
        connections = list(
            await session.exec(
                select(Connection)
                .where(Connection.workspace_id == workspace_id)
                .order_by(col(Connection.id))
                .with_for_update()
            )
        )
        if now.timestamp() < months.end_of(month):
            raise NotClosableError(
                f"{months.name(month)} is not over: it can be closed from {_day(months.end_of(month))} on"
            )
        if not force:
            open_ends = [end async for end in _unsettled(session, connections, month, now, reports)]
            if open_ends:
                raise NotClosableError(
                    f"{months.name(month)} is not settled: {'; '.join(open_ends)} (--force closes it anyway)"
                )
        held = ClosedMonth(
            workspace_id=workspace_id,
            month=month,
            closed_at=int(now.timestamp()),
            forced=force,
            ledgers=" ".join(sorted(keeping_books(connections))),
            hash=await month_hash(session, workspace_id, month),
        )
        held.totals_hash = await closed_totals.freeze(session, workspace_id, month, held.ledgers.split())
        session.add(held)
        await session.flush()
        new = True
    else:
        new = False
    closed_at = datetime.fromtimestamp(held.closed_at, UTC)
    total = await _total(session, workspace_id, month, held.ledgers.split())
    came_to = await closed_totals.frozen(session, workspace_id, month)
    return Closed(month, held.hash, closed_at, total, new, came_to, held.totals_hash)


async def month_hash(session: AsyncSession, workspace_id: str, month: int) -> str:
    """Hash every line of the month's daily roll-ups (SHA-256), by ledger, account, day, key, model and basis."""
    digest = hashlib.sha256()
    connection = await session.connection()
    lines = _LINES.format(
        figures=", ".join(f"d.{name}" for name in FIGURES), bytewise=_BYTEWISE[connection.dialect.name]
    )
    stream = await connection.stream(text(lines), _span(workspace_id, month))
    async for row in stream:
        digest.update(json.dumps([*row[1:]], ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


async def _unsettled(
    session: AsyncSession,
    connections: Iterable[Connection],
    month: int,
    now: datetime,
    reports: Mapping[str, Sequence[Report]],
) -> AsyncIterator[str]:
    """Yield, for each connection that is not settled, the reason in words."""
    for connection in connections:
        if connection.disconnected_at is not None or connection.role != "books":
            continue
        first = max(month, connection.created_at // DAY_SECONDS * DAY_SECONDS)
        row = (
            await execute(
                session,
                text(
                    "SELECT MIN(day) AS first, MAX(settles_at) AS settles FROM spend_day "
                    "WHERE connection_id = :id AND day >= :start AND day < :end AND adjusts = 0"
                ),
                {"id": connection.id, "start": month, "end": months.end_of(month)},
            )
        ).one()
        if row.settles is not None and row.settles > now.timestamp():
            yield f"{connection.name} may still be restated" + _until(row.settles)
            continue
        needed = [report for report in reports.get(connection.ledger, ()) if report.grain is not None]
        if not needed or first >= months.end_of(month):
            continue
        read_to = (
            await execute(
                session, text("SELECT MAX(watermark) FROM cursor WHERE connection_id = :id"), {"id": connection.id}
            )
        ).scalar()
        if read_to is None or read_to < months.end_of(month):
            yield f"{connection.name} has been read only up to {_day(read_to) if read_to else 'nowhere'}"
        elif missing := await _days_without_bill(session, connection, needed, month, now):
            yield f"{connection.name} has no final bill yet for {missing} of its days"


async def _days_without_bill(
    session: AsyncSession, connection: Connection, reports: Sequence[Report], month: int, now: datetime
) -> int:
    """Count days of the month with spend but no final bill, though their bill can still be read."""
    absent = await execute(
        session,
        text("SELECT report FROM cursor WHERE connection_id = :id AND absent"),
        {"id": connection.id},
    )
    never = {row[0] for row in absent}
    bills = [report for report in reports if is_whole_day(report) and report.name not in never]
    if not bills:
        return 0
    reach = int((now - max(bill.history for bill in bills)).timestamp())
    found = await execute(
        session,
        text(
            "SELECT COUNT(DISTINCT d.day) FROM spend_day d WHERE d.connection_id = :id AND d.adjusts = 0 "
            "AND d.day >= :start AND d.day < :end AND NOT EXISTS (SELECT 1 FROM coverage v "
            "WHERE v.connection_id = d.connection_id AND v.day = d.day AND v.final)"
        ),
        {"id": connection.id, "start": max(month, reach), "end": months.end_of(month)},
    )
    return int(found.scalar() or 0)


async def _total(session: AsyncSession, workspace_id: str, month: int, ledgers: Sequence[str]) -> int:
    """Return the month's nano-dollars, with those paid upstream for models whose own ledger kept no books."""
    rows = await execute(
        session,
        text(
            "SELECT m.name, SUM(d.cost_nano_usd), SUM(d.byok_nano_usd) FROM spend_day_model d "
            "JOIN connection c ON c.id = d.connection_id JOIN model m ON m.id = d.model_id "
            "WHERE c.workspace_id = :workspace AND c.role = 'books' AND d.day >= :start AND d.day < :end "
            "GROUP BY m.name"
        ),
        _span(workspace_id, month),
    )
    return sum(int(cost or 0) + (int(byok or 0) if byok_counts(model, ledgers) else 0) for model, cost, byok in rows)


def _span(workspace_id: str, month: int) -> dict[str, object]:
    return {"workspace": workspace_id, "start": month, "end": months.end_of(month)}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _until(settles_at: int) -> str:
    return f" until {_day(settles_at)}" if settles_at < 4_102_444_800 else ""
