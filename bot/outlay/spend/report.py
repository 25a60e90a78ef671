"""Answer to a question: the rows of its roll-ups, grouped into lines by the names behind the ids.

Owners and canonical model names are looked up on reading, so that a remap needs no rewriting. Rows are summed by group
first; only what is shown becomes a line.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.ownership import KeyRow
from outlay.books.pricing import calibration
from outlay.books.rollups.hour_and_day import NEVER
from outlay.core import months
from outlay.core.calendar_periods import midnight
from outlay.core.model_names import canonical
from outlay.core.offload import offload
from outlay.core.owner import OTHERS, UNATTRIBUTED, KeyRef, Owner
from outlay.database.engine import execute
from outlay.database.tables import FIGURES, Connection, Cursor
from outlay.spend.aggregates import Extent, LineSums, RollupRow
from outlay.spend.answer import Answer, AnswerLine, ModelRef
from outlay.spend.name_index import Names, matches, names_of, passes, possible
from outlay.spend.name_index import zone_of as zone_of  # re-exported for callers
from outlay.spend.planner import KEYED, question_dimensions, rows_of
from outlay.spend.query import REQUESTED, Query

_SUMS = ", ".join(f"SUM({name})" for name in (*FIGURES, "unpriced_tokens"))
_COMPUTED = ("computed", "mixed")
_COST = FIGURES.index("cost_nano_usd")


class GroupKey(NamedTuple):
    """Group key of a line: for each dimension asked for, the name that people know it by."""

    owner: str | None
    key: tuple[str, str] | None  # (the connection's name, the ledger's id)
    model: str | None
    ledger: str | None
    connection: str | None
    project: str | None
    day: str | None
    hour: str | None
    reason: str
    adjusts: str


@dataclass(slots=True)
class _Group:
    """Sums of one line, with its owner and key."""

    owner: Owner | None
    key: KeyRow | None
    sums: LineSums


class _Figured(NamedTuple):
    """Lines and totals that the rows of a question add up to."""

    total: LineSums
    lines: tuple[AnswerLine, ...]
    rest_count: int
    rest_nano_usd: int
    residual_nano_usd: int
    never_billed_nano_usd: int
    byok_counted_nano_usd: int


async def answer(session: AsyncSession, workspace_id: str, query: Query, *, now: datetime) -> Answer:
    """Answer a question, from one consistent view of the books."""
    names = await names_of(session, workspace_id, with_keys=bool(question_dimensions(query) & KEYED))
    wanted = _connections(names, query)
    seconds = int(now.timestamp())
    rows = await rows_of(session, names, query, wanted, seconds)
    found = await offload(lambda: _figured(names, query, rows, seconds), len(rows))
    total, counted = found.total, found.total.tokens.total
    return Answer(
        query=query,
        time_zone=str(names.zone),
        as_of=now,
        lines=found.lines,
        total_nano_usd=total.cost or 0,
        status=total.status(seconds, names.upstream.closed),
        basis=total.basis(),
        coverage=1.0 if not counted else (counted - total.unpriced) / counted,
        rest_count=found.rest_count,
        rest_nano_usd=found.rest_nano_usd,
        residual_nano_usd=found.residual_nano_usd - found.never_billed_nano_usd,
        never_billed_nano_usd=found.never_billed_nano_usd,
        adjustments_nano_usd=await _adjusted(session, names, query, wanted),
        byok_nano_usd=total.byok,
        byok_counted_nano_usd=found.byok_counted_nano_usd,
        unpriced_tokens=total.unpriced,
        saved_by_cache_nano_usd=total.saved,
        fresh_until=await freshness(session, wanted),
        provisional_until=_provisional_until(total, seconds),
        calibrated_by=await _calibrated_by(session, names, query, wanted) if total.basis() in _COMPUTED else None,
    )


def _figured(names: Names, query: Query, rows: Sequence[RollupRow], now: int) -> _Figured:
    """Group rows, and build the lines that are shown."""
    sorter = _Sorter(names, query)
    byok_counted = sum(map(sorter.sort, rows))
    total = LineSums()
    for group in sorter.groups.values():
        total.include(group.sums)
    ordered = _ordered(query, sorter.groups)
    top = query.top or len(ordered)
    return _Figured(
        total,
        tuple(sorter.line(place, now) for place in ordered[:top]),
        len(ordered[top:]),
        sum(sorter.groups[place].sums.cost or 0 for place in ordered[top:]),
        sorter.residual_nano_usd,
        sorter.never_billed_nano_usd,
        byok_counted,
    )


async def _calibrated_by(
    session: AsyncSession, names: Names, query: Query, wanted: Sequence[Connection]
) -> date | None:
    """Return the day of the last bill that scaled some of the computed dollars; None if none did."""
    start, end = midnight(query.start, names.zone), midnight(query.end + timedelta(days=1), names.zone)
    models = possible(names, query)[1]
    found = await calibration.latest_shown(session, [row.id or 0 for row in wanted], models, start, end)
    return None if found is None else datetime.fromtimestamp(found, UTC).date()


def _provisional_until(total: LineSums, now: int) -> datetime | None:
    """Return when the last figure settles; None if all have, or if only another report can settle it."""
    latest = total.settles_at
    return datetime.fromtimestamp(latest, UTC) if now < latest < NEVER else None


def _connections(names: Names, query: Query) -> list[Connection]:
    """Return the connections a question is about. One that only attributes is read when asked for by name."""
    found = []
    for connection in names.connections.values():
        by_name = [pattern for name, pattern in query.filters if name == "connection"]
        by_ledger = [pattern for name, pattern in query.filters if name == "ledger"]
        if connection.role != "books" and not by_name:
            continue
        if all(matches(connection.name, pattern) for pattern in by_name) and all(
            matches(connection.ledger, pattern) for pattern in by_ledger
        ):
            found.append(connection)
    books = [connection for connection in found if connection.role == "books"]
    return books or found  # connections that count and that only attribute are never summed


class _Sorter:
    """Grouping of rows by the dimensions asked for."""

    def __init__(self, names: Names, query: Query) -> None:
        self.groups: dict[GroupKey, _Group] = {}
        self._names = names
        self._filters = query.filters
        self._by = set(query.by)
        self._sees = query.sees if question_dimensions(query) & KEYED else None
        self._narrowed = any(name in KEYED for name, _ in query.filters)
        self._spellings: dict[str, set[str]] = defaultdict(set)  # each model's names at the ledgers, in this answer
        self.residual_nano_usd = 0
        self.never_billed_nano_usd = 0
        self._known: dict[tuple[object, ...], tuple[GroupKey, Owner | None, KeyRow | None] | None] = {}

    def sort(self, row: RollupRow) -> int:
        """Add a row to its group, unless a filter excludes it; return how much upstream money of it counts."""
        found = self.place(row)
        if found is None:
            return 0
        place, owner, key = found
        self.residual_nano_usd += row.residual_nano_usd
        self.never_billed_nano_usd += row.never_billed_nano_usd
        name = self._model_name(row)
        if place.model:
            self._spellings[place.model].add(name)
        group = self.groups.get(place)
        if group is None:
            group = self.groups[place] = _Group(owner, key, LineSums())
        figures, byok = self._names.upstream.with_byok(row.figures, name, row.time)
        group.sums.add(figures, row.extent)
        return byok

    def place(self, row: RollupRow) -> tuple[GroupKey, Owner | None, KeyRow | None] | None:
        """Return the group key, owner and key of a row, cached; None if a filter excludes it."""
        who = (row.connection_id, row.time, row.key_id, row.model_id, row.extent.adjusts)
        if who not in self._known:
            self._known[who] = self._placed(row)
        return self._known[who]

    def _placed(self, row: RollupRow) -> tuple[GroupKey, Owner | None, KeyRow | None] | None:
        """Determine the group key, owner and key of a row; None if a filter excludes it."""
        names, by = self._names, self._by
        key = names.keys.get(row.key_id) if row.key_id is not None else None
        owner = names.owners.of(row.key_id, row.time) if row.key_id is not None else UNATTRIBUTED
        name = self._model_name(row)
        if not all(passes(*one, key, owner, name) for one in self._filters):
            return None
        others = self._sees is not None and not self._may_see(owner)
        if others and self._narrowed:
            return None  # filtered to keys or owners: not shown to others, not even as a sum
        if others:
            owner, key = OTHERS, None
        connection = names.connections[row.connection_id]
        reason = key.reason if key and by & KEYED else "" if not others or "owner" in by else "everybody else's"
        said = owner if "owner" in by or others else UNATTRIBUTED if reason else None
        place = GroupKey(
            owner=said.id if said else None,
            key=(names.connections[key.connection_id].name, key.ledger_id)
            if key and key.ledger_id and "key" in by
            else None,
            model=(canonical(name) if name else None) if "model" in by else None,
            ledger=connection.ledger if "ledger" in by else None,
            connection=connection.name if "connection" in by else None,
            project=(key.project_name or key.project_id if key else "") if "project" in by else None,
            day=datetime.fromtimestamp(row.time, names.zone).date().isoformat() if "day" in by else None,
            hour=datetime.fromtimestamp(row.time, UTC).strftime("%Y-%m-%dT%H:00:00Z") if "hour" in by else None,
            reason=reason,
            adjusts=months.name(row.extent.adjusts) if row.extent.adjusts else "",
        )
        return place, said, key

    def _may_see(self, owner: Owner) -> bool:
        """Report whether the asker may see this owner's money; unattributed money only where no key shows."""
        if owner.id == UNATTRIBUTED.id:
            return not self._narrowed and not self._by & (KEYED - {"owner"})
        return self._sees is None or owner.id in self._sees

    def _model_name(self, row: RollupRow) -> str:
        return self._names.models[row.model_id] if row.model_id is not None else ""

    def line(self, place: GroupKey, now: int) -> AnswerLine:
        """Build the line of a group, with its sums and names."""
        group = self.groups[place]
        sums, key = group.sums, group.key
        home = self._names.connections[key.connection_id] if key else None  # for a gateway's key, the gateway's own
        return AnswerLine(
            cost_nano_usd=sums.cost,
            status=sums.status(now, self._names.upstream.closed),
            basis=sums.basis(),
            tokens=sums.tokens,
            requests=sums.requests,
            unpriced_tokens=sums.unpriced,
            owner=group.owner,
            key=KeyRef(key.ledger_id, key.name or key.label, home.ledger, home.name)
            if place.key and key and home
            else None,
            model=ModelRef(place.model, tuple(sorted(self._spellings[place.model]))) if place.model else None,
            ledger=place.ledger,
            connection=place.connection,
            project=place.project,
            day=place.day,
            hour=place.hour,
            reason=place.reason,
            adjusts=place.adjusts,
        )


def _ordered(query: Query, groups: Mapping[GroupKey, _Group]) -> list[GroupKey]:
    """Sort groups by time if asked for, else largest first; ties by name, so that an answer is stable."""
    by_time = "day" in query.by or "hour" in query.by
    return sorted(
        groups,
        key=lambda place: (
            (place.day or "", place.hour or "") if by_time else ("", ""),
            -(groups[place].sums.cost or 0),
            str(tuple(place)),
        ),
    )


async def _adjusted(session: AsyncSession, names: Names, query: Query, wanted: list[Connection]) -> int:
    """Return what adjustments say about the period asked for (nano-dollars), whenever they count."""
    if not wanted or not names.upstream.closed or any(name == REQUESTED for name, _ in query.filters):
        return 0
    rows = await execute(
        session,
        text(
            f"SELECT connection_id, key_id, model_id, {_SUMS}, MIN(day), month FROM adjustment "
            "WHERE connection_id IN :connections AND day >= :start AND day < :end "
            "GROUP BY connection_id, key_id, model_id, month"
        ).bindparams(bindparam("connections", expanding=True)),
        {
            "connections": [row.id for row in wanted],
            "start": midnight(query.start, names.zone),
            "end": midnight(query.end + timedelta(days=1), names.zone),
        },
    )
    sorter, total = _Sorter(names, query), 0
    for connection_id, key_id, model_id, *figures, day, month in rows:
        row = RollupRow(connection_id, day, key_id, model_id, tuple(figures), Extent((0, 0), (0, 0), day, month))
        if sorter.place(row):
            total += int(names.upstream.with_byok(row.figures, names.models[model_id], month)[0][_COST] or 0)
    return total


async def freshness(session: AsyncSession, connections: Sequence[Connection]) -> dict[str, datetime | None]:
    """Return up to when each connection's ledger has been read, by name; None if it never was."""
    fresh: dict[str, datetime | None] = {row.name: None for row in connections}
    named = {row.id: row.name for row in connections}
    for cursor in (await session.exec(select(Cursor))).all():
        name = named.get(cursor.connection_id)
        if name is not None and cursor.watermark is not None:
            at = datetime.fromtimestamp(cursor.watermark, UTC)
            fresh[name] = max(fresh[name] or at, at)
    return fresh
