"""Split of a connection's figures by the gateways in front of it, made when a question about keys is read.

Nothing of it is stored: the roll-ups stay the provider's, so totals cannot change, and a gateway that is connected late
or moved in front of another connection rewrites nothing. Only days that both sides have reported are split. Adjustments
are not: the month that they correct was read with its own keys.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import bindparam, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.ownership import KeyRow
from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.core.model_names import canonical
from outlay.core.tokens import CLASSES
from outlay.database.engine import execute
from outlay.database.tables import FIGURES, UNPRICED, Connection, LedgerKey
from outlay.spend.aggregates import RollupRow
from outlay.spend.gateway_allocation import NOTHING, AllocationStep, SliceAmount, allocate, allocation_steps

_OUTPUT, _REASONING = FIGURES.index("output"), FIGURES.index("reasoning")
_CLASS_PLACES = [FIGURES.index(name) for name in CLASSES]
_Slice = tuple[int, int | None, int, str]  # connection, the key claimed by name or None, UTC day, model

_USED = text(
    f"SELECT connection_id, day, key_id, model_id, SUM(cost_nano_usd), SUM(byok_nano_usd), SUM({' + '.join(CLASSES)}), "
    "SUM(unpriced_tokens) FROM spend_day WHERE connection_id IN :connections AND day >= :start AND day < :end "
    "AND adjusts = 0 GROUP BY connection_id, day, key_id, model_id"
).bindparams(bindparam("connections", expanding=True))


@dataclass(frozen=True, slots=True)
class GatewaysInFront:
    """Gateways in front of one connection, each in front of one key or (None) of all other keys."""

    gateways: tuple[tuple[int, int | None], ...]  # (connection, key), in the order in which they split

    def claimed_key(self, key_id: int) -> int | None:
        """Return the key itself if a gateway claims it by name, else None: it is split with all other keys."""
        return key_id if any(key_id == claimed for _, claimed in self.gateways) else None

    def before(self, place: int | None) -> list[int]:
        """Return the gateways in front of a claimed key, or (None) in front of all other keys."""
        return [gateway for gateway, claimed in self.gateways if claimed == place]


def gateways_in_front(connections: Collection[Connection]) -> dict[int, GatewaysInFront]:
    """Return the gateways in front of each connection; connections without any are left out."""
    found: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
    for row in sorted(connections, key=lambda row: row.name):
        if row.role == "attribution" and row.in_front_of is not None:
            found[row.in_front_of].append((row.id or 0, row.in_front_of_key))
    return {behind: GatewaysInFront(tuple(gateways)) for behind, gateways in found.items()}


async def gateway_targets(session: AsyncSession, rows: Collection[Connection]) -> dict[int, str]:
    """Return, for each connection in front of another, what it is in front of: CONNECTION or CONNECTION:KEY_ID."""
    standing = [row for row in rows if row.role == "attribution" and row.in_front_of is not None]
    if not standing:
        return {}
    behind = {row.in_front_of for row in standing}
    names = {row.id: row.name for row in await session.exec(select(Connection).where(col(Connection.id).in_(behind)))}
    claimed = {row.in_front_of_key for row in standing} - {None}
    keys = {
        row.id: row.ledger_id for row in await session.exec(select(LedgerKey).where(col(LedgerKey.id).in_(claimed)))
    }
    return {
        row.id or 0: names[row.in_front_of] + (f":{keys[row.in_front_of_key]}" if row.in_front_of_key else "")
        for row in standing
    }


async def split_by_gateways(
    session: AsyncSession,
    rows: Sequence[RollupRow],
    standing: Mapping[int, GatewaysInFront],
    keys: Mapping[int, KeyRow],
    models: Mapping[int, str],
) -> list[RollupRow]:
    """Split rows (by time, key, model and basis) among the gateways in front of them."""
    if not rows:
        return []
    plans = await _plans(session, {row.time // DAY_SECONDS * DAY_SECONDS for row in rows}, standing, keys, models)
    return list(chain.from_iterable(_split(row, plans.get(_slice(row, standing, keys, models), ())) for row in rows))


def _slice(
    row: RollupRow, standing: Mapping[int, GatewaysInFront], keys: Mapping[int, KeyRow], models: Mapping[int, str]
) -> _Slice | None:
    """Return the slice that a row belongs to; None for money without a key and for adjustments."""
    key = keys.get(row.key_id) if row.key_id is not None else None
    if key is None or not key.ledger_id or row.extent.adjusts:
        return None
    day, model = row.time // DAY_SECONDS * DAY_SECONDS, canonical(models[row.model_id or 0])
    return row.connection_id, standing[row.connection_id].claimed_key(key.id), day, model


async def _plans(
    session: AsyncSession,
    days: Iterable[int],
    standing: Mapping[int, GatewaysInFront],
    keys: Mapping[int, KeyRow],
    models: Mapping[int, str],
) -> dict[_Slice | None, list[AllocationStep]]:
    """Compute how each slice is split, from both sides' figures for it."""
    asked = sorted(days)
    ids = set(standing) | {gateway for front in standing.values() for gateway, _ in front.gateways}
    span = {"connections": sorted(ids), "start": asked[0], "end": asked[-1] + DAY_SECONDS}
    counted: dict[_Slice, SliceAmount] = defaultdict(lambda: NOTHING)
    used: dict[tuple[int, int, str], dict[int | None, SliceAmount]] = defaultdict(dict)
    for connection, day, key_id, model_id, cost, byok, tokens, unpriced in await execute(session, _USED, span):
        key, model = keys.get(key_id), canonical(models[model_id])
        amount = SliceAmount(None if unpriced else int(cost or 0) + int(byok), int(tokens))
        named = key is not None and bool(key.ledger_id)
        if connection not in standing:
            mine, whose = used[connection, day, model], key_id if named else None
            mine[whose] = mine.get(whose, NOTHING).plus(amount)
        elif named:
            place = connection, standing[connection].claimed_key(key_id), day, model
            counted[place] = counted[place].plus(amount)
    return {
        place: allocation_steps(amount, [used.get((gateway, place[2], place[3]), {}) for gateway in gateways])
        for place, amount in counted.items()
        if (gateways := standing[place[0]].before(place[1]))
    }


def _split(row: RollupRow, along: Sequence[AllocationStep]) -> Iterator[RollupRow]:
    """Yield the row's parts, one for each key it is split among; the row itself if there are no steps."""
    if not along:
        yield row
        return
    whole = [None if one is None else int(one) for one in row.figures[:-1]]
    whole[_OUTPUT] = (whole[_OUTPUT] or 0) - (whole[_REASONING] or 0)  # split separately, so that no part shows
    for key_id, figures in allocate(tuple(whole), along):  # more reasoning than output
        parts = [*figures]
        parts[_OUTPUT] = (parts[_OUTPUT] or 0) + (parts[_REASONING] or 0)
        unpriced = sum(parts[place] or 0 for place in _CLASS_PLACES) if row.extent.bases[0] == UNPRICED else 0
        never_billed = (parts[0] or 0) if row.never_billed_nano_usd else 0
        key_id = row.key_id if key_id is None else key_id
        yield row._replace(key_id=key_id, figures=(*parts, unpriced), never_billed_nano_usd=never_billed)
