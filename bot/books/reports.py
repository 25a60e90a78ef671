"""How a question is answered: which roll-ups to read, and what their sums mean.

Whole UTC days come from day roll-ups (the narrowest that has the dimensions asked for), what is left at the edges of a
local day from hours. Owners and canonical model names are looked up on reading, so that a remap needs no rewriting.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.attribution import attributed, fronts
from bot.books.database import execute
from bot.books.owners import Owners, keys_of, owners_of
from bot.books.rollups import NEVER
from bot.books.sums import Extent, Row, Sums
from bot.books.tables import FIGURES, ClosedMonth, Connection, Cursor, LedgerKey, Model, Workspace
from bot.books.upstream import Upstream
from bot.core import months
from bot.core.answer import UNATTRIBUTED, Answer, KeyRef, Line, ModelRef, Owner
from bot.core.models import canonical
from bot.core.precedence import DAY_SECONDS, HOUR_SECONDS
from bot.core.query import Query

_KEYED = {"owner", "key", "project"}
_TABLES = {  # the dimensions that a roll-up has, besides connection and day
    frozenset[str](): "spend_day_model",
    frozenset({"model"}): "spend_day_model",
    frozenset({"key"}): "spend_day_key",
    frozenset({"key", "model"}): "spend_day",
}
_SUMS = ", ".join(f"SUM({name})" for name in (*FIGURES, "unpriced_tokens"))
_EXTENT = "MIN(basis), MAX(basis), MIN(settles_at), MAX(settles_at), MIN({0}), MAX({0}), adjusts"


@dataclass(frozen=True, slots=True)
class _Book:
    """What the books know of a workspace: the names behind the numbers."""

    zone: ZoneInfo
    connections: Mapping[int, Connection]
    keys: Mapping[int, LedgerKey]
    owners: Owners
    models: Mapping[int, Model]
    upstream: Upstream
    folded_until: int


async def zone_of(session: AsyncSession, workspace_id: str) -> ZoneInfo:
    """The workspace's reporting zone; UTC until set."""
    workspace = await session.get(Workspace, workspace_id)
    return ZoneInfo(workspace.time_zone if workspace else "UTC")


async def answer(session: AsyncSession, workspace_id: str, query: Query, *, now: datetime) -> Answer:
    """The answer to a question, from one consistent view of the books."""
    book = await _open(session, workspace_id)
    wanted = _connections(book, query)
    lines: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    total, byok_counted = Sums(), 0
    shown: dict[tuple[Any, ...], Line] = {}
    names: dict[str, set[str]] = defaultdict(set)  # all that ledgers gave a model, in this answer
    for row in await _rows(session, book, query, wanted):
        line = _line(book, query, row)
        if line is None:
            continue
        place = _place(line)
        shown.setdefault(place, line)
        if line.model:
            names[line.model.id].update(line.model.names)
        figures, byok = book.upstream.with_byok(row.figures, _model_name(book, row), row.time)
        lines[place].add(figures, row.extent)
        total.add(figures, row.extent)
        byok_counted += byok
    seconds = int(now.timestamp())
    ordered = _ordered(query, [_filled(book, shown[place], sums, seconds, names) for place, sums in lines.items()])
    top = query.top or len(ordered)
    rest = ordered[top:]
    counted = total.tokens.total
    return Answer(
        query=query,
        time_zone=str(book.zone),
        as_of=now,
        lines=tuple(ordered[:top]),
        total_nano_usd=total.cost or 0,
        status=total.status(seconds, book.upstream.closed),
        basis=total.basis(),
        coverage=1.0 if not counted else (counted - total.unpriced) / counted,
        rest_count=len(rest),
        rest_nano_usd=sum(line.cost_nano_usd or 0 for line in rest),
        adjustments_nano_usd=await _adjusted(session, book, query, wanted),
        byok_nano_usd=total.byok,
        byok_counted_nano_usd=byok_counted,
        unpriced_tokens=total.unpriced,
        saved_by_cache_nano_usd=total.saved,
        fresh_until=await freshness(session, wanted),
        provisional_until=_provisional_until(total, seconds),
    )


def _model_name(book: _Book, row: Row) -> str:
    return book.models[row.model_id].name if row.model_id is not None else ""


def _provisional_until(total: Sums, now: int) -> datetime | None:
    """When the last of it settles; None if all has, or if only another report can settle it."""
    latest = total.settles_at
    return datetime.fromtimestamp(latest, UTC) if now < latest < NEVER else None


async def _open(session: AsyncSession, workspace_id: str) -> _Book:
    keys = await keys_of(session, workspace_id)
    connections = (await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))).all()
    models = (await session.exec(select(Model))).all()
    workspace = await session.get(Workspace, workspace_id)
    closed = (await session.exec(select(ClosedMonth).where(ClosedMonth.workspace_id == workspace_id))).all()
    return _Book(
        zone=await zone_of(session, workspace_id),
        connections={row.id or 0: row for row in connections},
        keys={row.id or 0: row for row, _ in keys},
        owners=await owners_of(session, workspace_id, [row for row, _ in keys]),
        models={row.id or 0: row for row in models},
        upstream=Upstream.of(connections, closed),
        folded_until=workspace.folded_until if workspace else 0,
    )


def _matches(value: str, pattern: str) -> bool:
    """`*` is the only wildcard: brackets and question marks in a key's name are themselves."""
    return fnmatchcase(value.lower(), pattern.lower().replace("[", "[[]").replace("?", "[?]"))


def _connections(book: _Book, query: Query) -> list[Connection]:
    """The connections that a question is about. One that only attributes is read when asked for by name."""
    found = []
    for connection in book.connections.values():
        by_name = [pattern for name, pattern in query.filters if name == "connection"]
        by_ledger = [pattern for name, pattern in query.filters if name == "ledger"]
        if connection.role != "books" and not by_name:
            continue
        if all(_matches(connection.name, pattern) for pattern in by_name) and all(
            _matches(connection.ledger, pattern) for pattern in by_ledger
        ):
            found.append(connection)
    books = [connection for connection in found if connection.role == "books"]
    return books or found  # what counts and what only attributes are never added up


async def _rows(session: AsyncSession, book: _Book, query: Query, wanted: list[Connection]) -> list[Row]:
    """What a question reads. Where it is about keys, gateways split what they are in front of."""
    standing = fronts(book.connections.values()) if _asked(query) & _KEYED else {}
    behind = [row for row in wanted if row.id in standing]
    if not behind:
        return await _read(session, book, query, wanted)
    finest = await _read(session, book, query, behind, finest=True)
    rest = await _read(session, book, query, [row for row in wanted if row not in behind])
    return rest + await attributed(session, finest, standing, book.keys, book.models)


def _asked(query: Query) -> set[str]:
    """The dimensions that a question is about."""
    return set(query.by) | {name for name, _ in query.filters}


async def _read(
    session: AsyncSession, book: _Book, query: Query, wanted: list[Connection], *, finest: bool = False
) -> list[Row]:
    """Sums by what the question is about, over its spans; `finest`: by time, key, model and basis in any case."""
    if not wanted:
        return []
    asked = _asked(query) | ({"key", "model"} if finest else set())
    by_model = "model" in asked or book.upstream.depends_on_the_model(model.name for model in book.models.values())
    dimensions = frozenset(({"key"} if asked & _KEYED else set()) | ({"model"} if by_model else set()))
    rows: list[Row] = []
    for grain, start, end in _spans(book, query):
        table = "spend_hour" if grain == "hour" else _TABLES[dimensions]
        by_time = finest or bool({"day", "hour"} & set(query.by))
        columns = ["connection_id", *([grain] if by_time else []), *(f"{name}_id" for name in sorted(dimensions))]
        columns += ["basis"] if finest else []
        names = ", ".join(columns)
        statement = text(
            f"SELECT {names}, {_SUMS}, {_EXTENT.format(grain)} FROM {table} "
            f"WHERE connection_id IN :connections AND {grain} >= :start AND {grain} < :end GROUP BY {names}, adjusts"
        ).bindparams(bindparam("connections", expanding=True))
        found = await execute(
            session, statement, {"connections": [row.id for row in wanted], "start": start, "end": end}
        )
        for values in found:
            place = dict(zip(columns, values, strict=False))
            rows.append(
                Row(
                    place["connection_id"],
                    place.get(grain, start),
                    place.get("key_id"),
                    place.get("model_id"),
                    tuple(values[len(columns) : -7]),
                    Extent((values[-7], values[-6]), (values[-5], values[-4]), (values[-3], values[-2]), values[-1]),
                )
            )
    return rows


def _spans(book: _Book, query: Query) -> Iterator[tuple[str, int, int]]:
    """The question's time as (day or hour roll-up, start, end), cut where a key changes hands."""
    start, end = midnight(query.start, book.zone), midnight(query.end + timedelta(days=1), book.zone)
    changes = book.owners.changes(start, end) if _about_owners(query) else []
    cuts = sorted({start, *changes, *book.upstream.edges(start, end), end})
    aligned = not start % DAY_SECONDS and not end % DAY_SECONDS
    by_hours = "hour" in query.by or ("day" in query.by and not (aligned and str(book.zone) == "UTC"))
    for low, high in pairwise(cuts):
        if low < book.folded_until:  # of these days the hours are gone: a day belongs where it starts
            edge = min(high, book.folded_until)
            yield "day", -(-low // DAY_SECONDS) * DAY_SECONDS, -(-edge // DAY_SECONDS) * DAY_SECONDS
            if edge == high:
                continue
            low = edge
        first, last = -(-low // DAY_SECONDS) * DAY_SECONDS, high // DAY_SECONDS * DAY_SECONDS
        if by_hours or first >= last:
            yield "hour", low, high
            continue
        if low < first:
            yield "hour", low, first
        yield "day", first, last
        if last < high:
            yield "hour", last, high


def _about_owners(query: Query) -> bool:
    return "owner" in query.by or any(name == "owner" for name, _ in query.filters)


def midnight(day: date, zone: ZoneInfo) -> int:
    """The first hour roll-up that starts in a local day. Zones off by half an hour round up, the same on both sides."""
    seconds = int(datetime.combine(day, time(), zone).timestamp())
    return -(-seconds // HOUR_SECONDS) * HOUR_SECONDS


def _line(book: _Book, query: Query, row: Row) -> Line | None:
    """Where a row belongs, by the dimensions asked for; None if a filter leaves it out."""
    connection = book.connections[row.connection_id]
    key = book.keys.get(row.key_id) if row.key_id is not None else None
    owner = book.owners.of(row.key_id, row.time) if row.key_id is not None else UNATTRIBUTED
    name = _model_name(book, row)
    model = canonical(name) if name else ""
    for dimension, pattern in query.filters:
        if not _passes(dimension, pattern, owner, key, model, name):
            return None
    by = set(query.by)
    reason = key.reason if key and by & _KEYED else ""
    return Line(
        cost_nano_usd=None,
        status="settled",
        basis="billed",
        owner=owner if "owner" in by else UNATTRIBUTED if reason else None,
        key=_ref(book, key) if key and key.ledger_id and "key" in by else None,
        model=ModelRef(model, (name,)) if model and "model" in by else None,
        ledger=connection.ledger if "ledger" in by else None,
        connection=connection.name if "connection" in by else None,
        project=(key.project_name or key.project_id if key else "") if "project" in by else None,
        day=datetime.fromtimestamp(row.time, book.zone).date().isoformat() if "day" in by else None,
        hour=datetime.fromtimestamp(row.time, UTC).strftime("%Y-%m-%dT%H:00:00Z") if "hour" in by else None,
        reason=reason,
        adjusts=months.name(row.extent.adjusts) if row.extent.adjusts else "",
    )


def _ref(book: _Book, key: LedgerKey) -> KeyRef:
    """A key, where it lives: with a gateway's key that is not the connection whose money it is."""
    home = book.connections[key.connection_id]
    return KeyRef(key.ledger_id, key.name or key.label, home.ledger, home.name)


def _passes(dimension: str, pattern: str, owner: Owner, key: LedgerKey | None, model: str, name: str) -> bool:
    if dimension == "owner":
        values = [owner.id, owner.name]
    elif dimension == "key":
        values = [key.ledger_id, key.name or key.label] if key and key.ledger_id else []
    elif dimension == "project":
        values = [key.project_id, key.project_name] if key else []
    elif dimension == "model":
        values = [model, name, model.rpartition("/")[2]]
    else:
        return True  # ledgers and connections were chosen before anything was read
    return any(_matches(value, pattern) for value in values)


def _place(line: Line) -> tuple[Any, ...]:
    """What makes two rows one line."""
    return (
        line.owner.id if line.owner else None,
        (line.key.connection, line.key.id) if line.key else None,
        line.model.id if line.model else None,
        line.ledger,
        line.connection,
        line.project,
        line.day,
        line.hour,
        line.reason,
        line.adjusts,
    )


def _filled(book: _Book, line: Line, sums: Sums, now: int, names: Mapping[str, set[str]]) -> Line:
    return Line(
        cost_nano_usd=sums.cost,
        status=sums.status(now, book.upstream.closed),
        basis=sums.basis(),
        tokens=sums.tokens,
        requests=sums.requests,
        unpriced_tokens=sums.unpriced,
        owner=line.owner,
        key=line.key,
        model=ModelRef(line.model.id, tuple(sorted(names[line.model.id]))) if line.model else None,
        ledger=line.ledger,
        connection=line.connection,
        project=line.project,
        day=line.day,
        hour=line.hour,
        reason=line.reason,
        adjusts=line.adjusts,
    )


def _ordered(query: Query, lines: list[Line]) -> list[Line]:
    """In order of time where time was asked for, else the biggest first; ties by name, so that an answer is stable."""
    by_time = "day" in query.by or "hour" in query.by
    return sorted(
        lines,
        key=lambda line: (
            (line.day or "", line.hour or "") if by_time else ("", ""),
            -(line.cost_nano_usd or 0),
            str(_place(line)),
        ),
    )


async def _adjusted(session: AsyncSession, book: _Book, query: Query, wanted: list[Connection]) -> int:
    """What later entries say about the period asked for, wherever they count."""
    if not wanted or not book.upstream.closed:
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
            "start": midnight(query.start, book.zone),
            "end": midnight(query.end + timedelta(days=1), book.zone),
        },
    )
    total = 0
    for connection_id, key_id, model_id, *figures, day, month in rows:
        extent = Extent((0, 0), (0, 0), (day, day), month)
        row = Row(connection_id, day, key_id, model_id, tuple(figures), extent)
        if _line(book, query, row):
            total += int(book.upstream.with_byok(row.figures, _model_name(book, row), month)[0][0] or 0)
    return total


async def freshness(session: AsyncSession, connections: Sequence[Connection]) -> dict[str, datetime | None]:
    """Up to when each connection's ledger has been read."""
    fresh: dict[str, datetime | None] = {row.name: None for row in connections}
    names = {row.id: row.name for row in connections}
    for cursor in (await session.exec(select(Cursor))).all():
        name = names.get(cursor.connection_id)
        if name is not None and cursor.watermark is not None:
            at = datetime.fromtimestamp(cursor.watermark, UTC)
            fresh[name] = max(fresh[name] or at, at)
    return fresh
