"""Spend by requested model, such as `openrouter/auto`, instead of the resolved model that then ran.

Roll-ups are by resolved model, so this reads the entries, of the reports that give the requested one. If several
reports cover a connection's day, the one with the highest cost is used, since they report the same money. These
reports come later than others: the newest days may be missing, and faces say so.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.database.engine import execute
from outlay.database.tables import FIGURES
from outlay.spend.aggregates import Extent, RollupRow
from outlay.spend.name_index import matches

SERIES_A_STATEMENT = 400
STARTS_A_STATEMENT = 400
_COST = FIGURES.index("cost_nano_usd")
_TOKENS = [FIGURES.index(name) for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")]
_ENTRIES = (
    "SELECT e.connection_id, e.start, e.series_id, e.basis, "
    "(SELECT MAX(d.settles_at) FROM spend_day d WHERE d.connection_id = e.connection_id "
    f"AND d.day = e.start - e.start % {DAY_SECONDS} AND d.key_id = s.key_id AND d.model_id = s.model_id), "
    f"{', '.join(f'e.{name}' for name in FIGURES)} FROM entry e JOIN series s ON s.id = e.series_id "
    "WHERE e.connection_id IN ({connections}) AND e.start IN ({starts}) AND e.series_id IN ({series})"
)
RoutedEntry = tuple[Any, ...]


class RoutedSeries(NamedTuple):
    """Series of entries for which the ledger gives the requested model."""

    id: int
    report: str
    shape: int
    width_seconds: int
    key_id: int
    model_id: int
    requested: str


async def routed(
    session: AsyncSession, connections: Collection[int], patterns: Sequence[str], start: int, end: int
) -> list[RollupRow]:
    """Return spend in [start, end) whose requested model matches all `patterns`, as rows by time, key and model."""
    series = await _series(session, connections, patterns)
    reports: dict[tuple[int, int, str], list[tuple[int, RollupRow]]] = defaultdict(list)  # by connection, day, report
    for width in {one.width_seconds for one in series.values()}:
        ids = [id_ for id_, one in series.items() if one.width_seconds == width]
        for entry in await _entries(session, connections, ids, width, start, end):
            connection_id, at, series_id, basis, settles_at, *figures = entry
            one = series[series_id]
            unpriced = 0 if figures[_COST] is not None else sum(figures[place] for place in _TOKENS)
            extent = Extent((basis, basis), (settles_at or 0, settles_at or 0), at)
            row = RollupRow(connection_id, at, one.key_id, one.model_id, (*figures, unpriced), extent)
            reports[connection_id, at // DAY_SECONDS, one.report].append((one.shape, row))
    return _highest_cost_rows(reports)


async def _series(
    session: AsyncSession, connections: Collection[int], patterns: Sequence[str]
) -> dict[int, RoutedSeries]:
    found = await execute(
        session,
        text(
            "SELECT id, report, shape, width_seconds, key_id, model_id, requested FROM series "
            f"WHERE connection_id IN ({_listed(connections)}) AND requested <> ''"
        ),
    )
    rows = [RoutedSeries(*row) for row in found]
    return {one.id: one for one in rows if all(matches(one.requested, pattern) for pattern in patterns)}


async def _entries(
    session: AsyncSession, connections: Collection[int], ids: Sequence[int], width: int, start: int, end: int
) -> list[RoutedEntry]:
    """Read the entries of these series. Starts are listed one by one: each is looked up, and no day is scanned."""
    starts = range(-(-start // width) * width, end, width)
    found: list[RoutedEntry] = []
    for first in range(0, len(starts), STARTS_A_STATEMENT):
        for place in range(0, len(ids), SERIES_A_STATEMENT):
            sql = _ENTRIES.format(
                connections=_listed(connections),
                starts=_listed(starts[first : first + STARTS_A_STATEMENT]),
                series=_listed(ids[place : place + SERIES_A_STATEMENT]),
            )
            found += [tuple(row) for row in await execute(session, text(sql))]
    return found


def _highest_cost_rows(reports: dict[tuple[int, int, str], list[tuple[int, RollupRow]]]) -> list[RollupRow]:
    """Return, for each connection and day, the rows of the report with the highest cost, of its newest shape."""
    days: dict[tuple[int, int], list[list[RollupRow]]] = defaultdict(list)
    for (connection_id, day, _), entries in reports.items():
        newest = max(shape for shape, _ in entries)  # of a report's shapes, only the newest counts
        days[connection_id, day].append([row for shape, row in entries if shape == newest])
    return [row for told in days.values() for row in max(told, key=_dollars)]


def _dollars(rows: Sequence[RollupRow]) -> tuple[int, int]:
    return sum(row.figures[_COST] or 0 for row in rows), len(rows)


def _listed(ids: Collection[int]) -> str:
    """Format numbers for IN; NULL if there are none."""
    return ", ".join(map(str, ids)) or "NULL"
