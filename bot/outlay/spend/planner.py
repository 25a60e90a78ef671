"""Read plan of a question: which roll-ups, over which time ranges, in as few statements as possible.

Whole UTC days come from daily roll-ups (the narrowest with the dimensions asked for), or from the quarters, months and
parts of months that they are summed up in; the edges of a local day come from hours. Time is cut where something
changes that a line depends on: who kept the books, what is closed, and, for keys that change hands, their owner; so
that one sum never spans both sides.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.rollups import period_sums
from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.core import months
from outlay.core.calendar_periods import midnight
from outlay.core.offload import offload
from outlay.database.engine import execute
from outlay.database.tables import FIGURES, RESIDUAL, UNBILLED, Connection
from outlay.spend.aggregates import Extent, RollupRow
from outlay.spend.gateway_rows import gateways_in_front, split_by_gateways
from outlay.spend.name_index import Names, possible
from outlay.spend.query import REQUESTED, Query
from outlay.spend.router_requests import routed

KEYED = {"owner", "key", "project"}
PARTS_A_STATEMENT = 200  # time ranges that one statement reads; SQLite takes no more than 500
KEYS_A_STATEMENT = 2_000  # keys that one statement names; for more it reads all
_TABLES = {  # dimensions, besides connection and day → the narrowest roll-up with them
    frozenset[str](): "spend_day_model",
    frozenset({"model"}): "spend_day_model",
    frozenset({"key"}): "spend_day_key",
    frozenset({"key", "model"}): "spend_day",
}
_MEASURES = (*FIGURES, "unpriced_tokens")
_SUMS = ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in _MEASURES)
_RESIDUAL = f"CAST(SUM(CASE WHEN basis = {RESIDUAL} THEN cost_nano_usd ELSE 0 END) AS BIGINT)"
_NEVER_BILLED = (
    f"CAST(SUM(CASE WHEN basis = {UNBILLED} AND settles_at <= {{now}} THEN cost_nano_usd ELSE 0 END) AS BIGINT)"
)
_EXTENT = "MIN(basis), MAX(basis), MIN(settles_at), MAX(settles_at), adjusts"


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """Time range of one grain. `at`: the start of the range, between two cuts, that it is a part of."""

    at: int
    grain: str  # "period", "day" or "hour"
    start: int
    end: int
    periods: tuple[int, ...] = ()  # the ids of those that make it up


def question_dimensions(query: Query) -> set[str]:
    """Return the dimensions a question is about; also the owner if the asker may not see everyone's spend."""
    found = set(query.by) | {name for name, _ in query.filters}
    return found | {"owner"} if query.sees is not None and found & KEYED else found


async def rows_of(
    session: AsyncSession, names: Names, query: Query, wanted: list[Connection], now: int
) -> list[RollupRow]:
    """Read a question's rows. If it is about keys, gateways split what they are in front of.

    `now`: in seconds; what a bill should have named by then, and did not, was never billed.
    """
    if routers := [pattern for name, pattern in query.filters if name == REQUESTED]:
        start, end = midnight(query.start, names.zone), midnight(query.end + timedelta(days=1), names.zone)
        return await routed(session, [row.id or 0 for row in wanted], routers, start, end)
    standing = gateways_in_front(names.connections.values()) if question_dimensions(query) & KEYED else {}
    behind = [row for row in wanted if row.id in standing]
    if not behind:
        return await _read(session, names, query, wanted, now)
    finest = await _read(session, names, query, behind, now, finest=True)
    rest = await _read(session, names, query, [row for row in wanted if row not in behind], now)
    return rest + await split_by_gateways(session, finest, standing, names.keys, names.models)


async def _read(
    session: AsyncSession, names: Names, query: Query, wanted: list[Connection], now: int, *, finest: bool = False
) -> list[RollupRow]:
    """Sum by the question's dimensions over its spans; `finest`: by time, key, model and basis in any case."""
    if not wanted:
        return []
    start, end = midnight(query.start, names.zone), midnight(query.end + timedelta(days=1), names.zone)
    ids = [row.id or 0 for row in wanted]
    about = question_dimensions(query) | ({"key", "model"} if finest else set())
    keyed = bool(about & KEYED)
    by_model = "model" in about or await _byok_counts(session, names, ids, start, end)
    dimensions = frozenset(({"key"} if keyed else set()) | ({"model"} if by_model else set()))
    moved = names.owners.changes(start, end) if "owner" in about else {}
    where = _filtered(names, query, finest)
    cuts = {start, *names.upstream.edges(start, end), *_closed_edges(names, start, end), end}
    by_time = finest or bool({"day", "hour"} & set(query.by))
    stretches = [(cuts, f"{where} AND key_id NOT IN ({_listed(moved)})" if moved else where)]
    if moved:
        changes = {day for days in moved.values() for day in days}
        stretches.append((cuts | changes, f"{where} AND key_id IN ({_listed(moved)})"))
    summed = await period_sums.held(session, ids, start, end) if keyed and not by_time else {id_: {} for id_ in ids}
    alike: dict[frozenset[period_sums.TimeRange], list[int]] = defaultdict(list)  # connections with the same periods
    for id_ in ids:
        alike[frozenset(summed[id_])].append(id_)
    parts = [
        _part(part, dimensions, some, filters, by_time=by_time)
        for held, some in alike.items()
        for edges, filters in stretches
        for span in _spans(names, query, edges)
        for part in _by_period(span, held, [summed[id_] for id_ in some])
    ]
    rows: list[RollupRow] = []
    for first in range(0, len(parts), PARTS_A_STATEMENT):
        some = parts[first : first + PARTS_A_STATEMENT]
        rows += await _summed(session, some, sorted(dimensions), now, finest=finest)
    return rows


def _by_period(
    span: ReadSpan, held: Collection[period_sums.TimeRange], numbers: Sequence[Mapping[period_sums.TimeRange, int]]
) -> list[ReadSpan]:
    """Replace a span's days by their periods, where summed up. `numbers`: the period ids of each connection."""
    if span.grain != "day" or not held:
        return [span]
    found, left = period_sums.cover(span.start, span.end, held)
    parts = [ReadSpan(span.at, "day", start, end) for start, end in left]
    if found:
        ids = tuple(of_one[stretch] for of_one in numbers for stretch in found)
        parts.append(ReadSpan(span.at, "period", span.start, span.end, ids))
    return parts


def _filtered(names: Names, query: Query, finest: bool) -> str:
    """Build the WHERE conditions of a question's filters, as far as they do not depend on time."""
    keys, models = possible(names, query)
    where = f" AND model_id IN ({_listed(models)})" if models is not None else ""
    if keys is not None and len(keys) <= KEYS_A_STATEMENT and not finest:  # a gateway changes the keys
        where += f" AND key_id IN ({_listed(keys)})"
    return where


def _listed(ids: Iterable[int]) -> str:
    """Format numbers for IN; NULL if there are none."""
    return ", ".join(map(str, sorted(ids))) or "NULL"


async def _byok_counts(session: AsyncSession, names: Names, ids: Collection[int], start: int, end: int) -> bool:
    """Report whether this time range has money paid upstream that counts for some models only."""
    if not names.upstream.depends_on_the_model(names.models.values()):
        return False
    first = start // DAY_SECONDS * DAY_SECONDS
    found = await execute(
        session,
        text(
            f"SELECT 1 FROM spend_day_model WHERE connection_id IN ({_listed(ids)}) "
            f"AND day >= {first} AND day < {end} AND byok_nano_usd <> 0 LIMIT 1"
        ),
    )
    return found.first() is not None


def _closed_edges(names: Names, start: int, end: int) -> set[int]:
    """Return where, between two moments, closed months begin and end."""
    closed = names.upstream.closed
    first = {month for month in closed if months.before(month) not in closed}
    last = {months.end_of(month) for month in closed if months.end_of(month) not in closed}
    return {edge for edge in first | last if start < edge < end}


def _part(span: ReadSpan, dimensions: Collection[str], ids: Collection[int], where: str, *, by_time: bool) -> str:
    """Build the SELECT of one time range. Numbers are written into it: none comes from outside."""
    table = "spend_hour" if span.grain == "hour" else _TABLES[frozenset(dimensions)]
    when = f"{span.grain} >= {span.start} AND {span.grain} < {span.end}"
    if span.grain == "period":
        table = table.replace("day", "period")
        when = f"period_id IN ({_listed(span.periods)})"
    columns = [f"{span.grain if by_time else span.at} AS at", "connection_id", *_ids(sorted(dimensions))]
    return (
        f"SELECT {', '.join(columns)}, basis, adjusts, settles_at, {', '.join(_MEASURES)} FROM {table} "
        f"WHERE connection_id IN ({_listed(ids)}) AND {when}{where}"
    )


def _ids(dimensions: Iterable[str]) -> list[str]:
    return [f"{name}_id" for name in dimensions]


async def _summed(
    session: AsyncSession, parts: list[str], dimensions: list[str], now: int, *, finest: bool
) -> list[RollupRow]:
    """Sum up what some SELECTs return together."""
    columns = ["at", "connection_id", *_ids(dimensions)]
    names = ", ".join(columns)
    found = await execute(
        session,
        text(
            f"SELECT {names}, {_SUMS}, {_EXTENT}, {_RESIDUAL}, {_NEVER_BILLED.format(now=now)} "
            f"FROM ({' UNION ALL '.join(parts)}) AS spent "
            f"GROUP BY {names}, adjusts{', basis' if finest else ''}"
        ),
    )
    key = columns.index("key_id") if "key_id" in columns else None
    model = columns.index("model_id") if "model_id" in columns else None
    width = len(columns)
    read = found.all()

    def as_rows() -> list[RollupRow]:
        return [
            RollupRow(
                one[1],
                one[0],
                one[key] if key is not None else None,
                one[model] if model is not None else None,
                one[width:-7],
                Extent((one[-7], one[-6]), (one[-5], one[-4]), one[0], one[-3]),
                one[-2] or 0,
                one[-1] or 0,
            )
            for one in map(tuple, read)
        ]

    return await offload(as_rows, len(read))


def _spans(names: Names, query: Query, cuts: Iterable[int]) -> Iterator[ReadSpan]:
    """Yield the ranges between the cuts, each by the coarsest grain that it can be read by."""
    edges = sorted(cuts)
    aligned = not edges[0] % DAY_SECONDS and not edges[-1] % DAY_SECONDS
    by_hours = "hour" in query.by or ("day" in query.by and not (aligned and str(names.zone) == "UTC"))
    for at, high in pairwise(edges):
        low = at
        if low < names.folded_until:  # these days have no hours any more: a day belongs where it starts
            edge = min(high, names.folded_until)
            yield ReadSpan(at, "day", -(-low // DAY_SECONDS) * DAY_SECONDS, -(-edge // DAY_SECONDS) * DAY_SECONDS)
            if edge == high:
                continue
            low = edge
        first, last = -(-low // DAY_SECONDS) * DAY_SECONDS, high // DAY_SECONDS * DAY_SECONDS
        if by_hours or first >= last:
            yield ReadSpan(at, "hour", low, high)
            continue
        if low < first:
            yield ReadSpan(at, "hour", low, first)
        yield ReadSpan(at, "day", first, last)
        if last < high:
            yield ReadSpan(at, "hour", last, high)
