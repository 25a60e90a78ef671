"""Totals of a closed month by owner, model, key and ledger, stored when it closes, with a hash over them.

The hash of a closed month is over its figures, which have keys but no owners: a key may be given to another owner
later, and a model another name. These totals record whose the dollars were as of the close, and stay.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.byok_rules import byok_counts
from outlay.books.closing.tables import ClosedTotal
from outlay.books.ownership import key_rows, owners_of
from outlay.core import months
from outlay.core.model_names import canonical
from outlay.database.tables import Connection

KINDS = ("owner", "model", "key", "ledger")
SETTLED_KINDS = ("key", "ledger")  # these depend on nothing that may be changed later
ROWS_AT_ONCE = 1_000
_SPENT = text(
    "SELECT d.connection_id, d.day, d.key_id, m.name AS model, SUM(d.cost_nano_usd) AS cost, "
    "SUM(d.byok_nano_usd) AS byok FROM spend_day d JOIN connection c ON c.id = d.connection_id "
    "JOIN model m ON m.id = d.model_id WHERE c.workspace_id = :workspace AND c.role = 'books' "
    "AND d.day >= :start AND d.day < :end GROUP BY d.connection_id, d.day, d.key_id, m.name"
)


async def compute_totals(
    session: AsyncSession, workspace_id: str, month: int, ledgers: Collection[str]
) -> list[ClosedTotal]:
    """Compute the totals of a month, by kind, then largest first. `ledgers`: those that kept the books then."""
    keys = {key.id: key for key in await key_rows(session, workspace_id)}
    owners = await owners_of(session, workspace_id, keys.values())
    every = await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))
    connections = {row.id: row for row in every}
    sums: dict[tuple[str, str], int] = defaultdict(int)
    names: dict[tuple[str, str], str] = {}
    database = await session.connection()
    span = {"workspace": workspace_id, "start": month, "end": months.end_of(month)}
    stream = await database.stream(_SPENT, span, execution_options={"yield_per": ROWS_AT_ONCE})
    async for row in stream:
        usd = int(row.cost or 0) + (int(row.byok or 0) if byok_counts(row.model, ledgers) else 0)
        if not usd:
            continue
        key, connection = keys[row.key_id], connections[row.connection_id]
        owner, model = owners.of(row.key_id, row.day), canonical(row.model) if row.model else ""
        told = (
            ("owner", owner.id, owner.name),
            ("model", model, model),
            ("key", f"{connection.name}:{key.ledger_id}" if key.ledger_id else "", key.name or key.label),
            ("ledger", connection.ledger, connection.ledger),
        )
        for kind, id_, name in told:
            sums[kind, id_] += usd
            names[kind, id_] = name if id_ else ""
    return [
        ClosedTotal(workspace_id=workspace_id, month=month, kind=kind, id=id_, name=names[kind, id_], nano_usd=usd)
        for (kind, id_), usd in sorted(sums.items(), key=lambda item: (KINDS.index(item[0][0]), -item[1], item[0][1]))
    ]


async def freeze(session: AsyncSession, workspace_id: str, month: int, ledgers: Collection[str]) -> str:
    """Store the totals of a month, and return the hash over them."""
    await session.exec(
        delete(ClosedTotal).where(col(ClosedTotal.workspace_id) == workspace_id, col(ClosedTotal.month) == month)
    )
    rows = await compute_totals(session, workspace_id, month, ledgers)
    session.add_all(rows)
    await session.flush()
    return hash_of(rows)


async def frozen(session: AsyncSession, workspace_id: str, month: int) -> list[ClosedTotal]:
    """Return the stored totals of a closed month, by kind, then largest first."""
    rows = await session.exec(
        select(ClosedTotal).where(ClosedTotal.workspace_id == workspace_id, ClosedTotal.month == month)
    )
    return sorted(rows, key=lambda row: (KINDS.index(row.kind), -row.nano_usd, row.id))


def hash_of(rows: Sequence[ClosedTotal]) -> str:
    """Return the SHA-256 of totals, in whatever order they come."""
    lines = sorted(json.dumps([row.month, row.kind, row.id, row.name, row.nano_usd]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


async def moved(
    session: AsyncSession, workspace_id: str, month: int, ledgers: Collection[str], totals_hash: str
) -> bool:
    """Report whether a closed month's totals have changed, or do not follow from its figures."""
    held = await frozen(session, workspace_id, month)
    fresh = await compute_totals(session, workspace_id, month, ledgers)
    alike = all(_of(held, kind) == _of(fresh, kind) for kind in SETTLED_KINDS)
    whole = all(sum(_of(held, kind)) == sum(_of(fresh, kind)) for kind in KINDS)
    return hash_of(held) != totals_hash or not alike or not whole


def _of(rows: Sequence[ClosedTotal], kind: str) -> list[int]:
    """Return the amounts of a kind, sorted, without names: a reconnected connection may have another name."""
    return sorted(row.nano_usd for row in rows if row.kind == kind)
