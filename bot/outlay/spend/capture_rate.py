"""Capture rate: what each gateway counted, beside what is counted behind it, by UTC day.

Adjustments of closed days are placed on the day that they correct, since both sides are asked about the same traffic.
Money paid upstream with one's own key is included: the gateway sees that traffic too.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import bindparam, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.engine import execute
from outlay.database.tables import Connection
from outlay.spend.gateway_allocation import GatewayCapture, GatewayCaptureReport
from outlay.spend.gateway_rows import gateway_targets, gateways_in_front

_Days = dict[int, int | None]  # nano-dollars by UTC day; None: traffic without dollars
_COUNTED = (
    "CASE WHEN cost_nano_usd IS NULL AND byok_nano_usd = 0 THEN NULL "
    "ELSE COALESCE(cost_nano_usd, 0) + byok_nano_usd END AS nano_usd"
)
_SPENT = text(
    f"SELECT d.connection_id, d.day, k.id, k.ledger_id, SUM(d.nano_usd) FROM ("
    f"SELECT connection_id, day, key_id, {_COUNTED} FROM spend_day_key WHERE adjusts = 0 "
    "AND connection_id IN :connections AND day >= :start AND day < :end UNION ALL "
    f"SELECT connection_id, day, key_id, {_COUNTED} FROM adjustment "
    "WHERE connection_id IN :connections AND day >= :start AND day < :end"
    ") AS d JOIN ledger_key k ON k.id = d.key_id GROUP BY d.connection_id, d.day, k.id, k.ledger_id"
).bindparams(bindparam("connections", expanding=True))


async def captures(session: AsyncSession, workspace_id: str, first: date, last: date) -> list[GatewayCaptureReport]:
    """Return what each connected gateway captured on the UTC days `first` to `last`, sorted by name."""
    rows = (await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))).all()
    gateways = [row for row in rows if row.role == "attribution" and row.disconnected_at is None]
    if not gateways:
        return []
    standing, named = gateways_in_front(rows), await gateway_targets(session, gateways)
    ids = {row.id or 0 for row in gateways} | set(standing)
    seen: dict[int, _Days] = defaultdict(dict)  # by gateway
    billed: dict[tuple[int, int | None], _Days] = defaultdict(dict)  # by connection, and the key claimed by name
    for connection, day, key_id, ledger_id, nano_usd in await execute(session, _SPENT, _span(ids, first, last)):
        if connection not in standing:
            _lay(seen[connection], day, nano_usd)
        elif ledger_id:
            _lay(billed[connection, standing[connection].claimed_key(key_id)], day, nano_usd)
    return [
        _captures(row.name, named[row.id or 0], seen[row.id or 0], billed[row.in_front_of, row.in_front_of_key])
        if row.in_front_of is not None
        else GatewayCaptureReport(row.name, "", GatewayCapture(_sum(seen[row.id or 0]), None))
        for row in sorted(gateways, key=lambda row: row.name)
    ]


def _captures(name: str, behind: str, seen: _Days, billed: _Days) -> GatewayCaptureReport:
    days = tuple(
        (datetime.fromtimestamp(day, UTC).date().isoformat(), GatewayCapture(seen.get(day, 0), billed.get(day, 0)))
        for day in sorted(seen.keys() | billed.keys())
    )
    return GatewayCaptureReport(name, behind, GatewayCapture(_sum(seen), _sum(billed)), days)


def _lay(days: _Days, day: int, nano_usd: int | None) -> None:
    before = days.get(day)
    days[day] = before if nano_usd is None else (before or 0) + int(nano_usd)


def _sum(days: _Days) -> int | None:
    """Return the sum of all days; None if there is traffic and none of it has dollars."""
    known = [nano_usd for nano_usd in days.values() if nano_usd is not None]
    return sum(known) if known or not days else None


def _span(ids: set[int], first: date, last: date) -> dict[str, object]:
    start, end = (int(datetime.combine(day, time(), UTC).timestamp()) for day in (first, last + timedelta(days=1)))
    return {"connections": sorted(ids), "start": start, "end": end}
