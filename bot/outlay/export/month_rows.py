"""Export of a month, row by row: as FOCUS 1.2, or as the plain rows of an answer.

Days here are UTC days: the grain at which months close and bills settle. The rows of one day and connection are read in
the order of the roll-up's primary key, so that nothing is sorted and only a handful is ever in memory, however many
there are; everything comes from one consistent view of the books.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.byok import ByokPolicy
from outlay.books.ownership import Owners, keys_of, owners_of
from outlay.books.pricing.price_list import PriceList
from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.core import months
from outlay.core.model_names import canonical
from outlay.core.owner import KeyRef
from outlay.core.tokens import Tokens
from outlay.database.engine import execute
from outlay.database.tables import (
    BILLED,
    COMPUTED,
    FIGURES,
    RESIDUAL,
    UNBILLED,
    ClosedMonth,
    Connection,
    LedgerKey,
    Model,
)
from outlay.export import focus
from outlay.spend.aggregates import Extent, LineSums
from outlay.spend.answer import AnswerBasis, AnswerLine, ModelRef, Status
from outlay.spend.serialization import as_row

BY = ("day", "owner", "key", "model", "ledger", "connection", "project")  # the dimensions of a plain row
ROWS_AT_ONCE = 500
_Held = dict[tuple[str, int], tuple[LineSums, set[str]]]  # one key's day, by model and by the month that is corrected
_BASES: Mapping[int, AnswerBasis] = {
    RESIDUAL: "billed",
    BILLED: "billed",
    COMPUTED: "computed",
    UNBILLED: "computed",
}

_SPENT = text(
    f"SELECT key_id, model_id, basis, adjusts, settles_at, {', '.join(FIGURES)}, unpriced_tokens FROM spend_day "
    "WHERE connection_id = :connection AND day = :day ORDER BY key_id, model_id, basis, adjusts"
)
_ROUTERS = text("SELECT 1 FROM series WHERE connection_id = :connection AND requested <> '' LIMIT 1")
_REQUESTED = text(
    "SELECT DISTINCT s.key_id, s.model_id, s.requested FROM entry e JOIN series s ON s.id = e.series_id "
    "WHERE e.connection_id = :connection AND e.start >= :day AND e.start < :day_end AND s.requested <> '' "
    "ORDER BY s.requested"
)
_OBSERVED = text(
    "SELECT MAX(observed_at) FROM (SELECT observed_at FROM statement WHERE connection_id = :connection "
    "AND start < :day_end AND until > :day UNION ALL SELECT read_at FROM counter "
    "WHERE connection_id = :connection AND read_at >= :day AND read_at < :day_end) AS seen"
)


@dataclass(frozen=True, slots=True)
class _Subject:
    """Key that money belongs to; without one, the reason why."""

    key: KeyRef | None
    project_id: str
    project_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Names:
    """Names behind a workspace's ids. `closed` contains the month if it is closed."""

    connections: Mapping[int, Connection]
    subjects: Mapping[int, _Subject]
    owners: Owners
    models: Mapping[int, str]
    closed: frozenset[int]
    upstream: ByokPolicy


@dataclass(frozen=True, slots=True)
class _Day:
    """Day of a connection. `observed_at`: when the ledger was last read about it; None if unknown."""

    connection: Connection
    start: int
    observed_at: int | None
    requested: Mapping[tuple[int, int], str]


async def focus_rows(
    session: AsyncSession,
    workspace_id: str,
    month: int,
    *,
    prices: PriceList,
    titles: Mapping[str, str],
    now: datetime,
) -> AsyncGenerator[focus.FocusRow, None]:
    """Yield the month as rows of FOCUS 1.2. `titles`: the display name of each ledger."""
    names = await _open(session, workspace_id, month)
    accounts = {id_: _account(row, titles) for id_, row in names.connections.items()}
    async with aclosing(_spent(session, names, month)) as spent:
        async for day, row in spent:
            account = accounts[day.connection.id or 0]
            model = names.models[row.model_id]
            charge = _charge(names, account, day, row, model, int(now.timestamp()))
            used = _date(row.adjusts or day.start)
            for found in focus.charge_rows(charge, prices.unit(account.ledger, model, used) if model else None):
                yield found


async def plain_rows(
    session: AsyncSession, workspace_id: str, month: int, *, now: datetime
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the month as an answer's rows by all dimensions of BY, in order of time."""
    names = await _open(session, workspace_id, month)
    seconds = int(now.timestamp())
    place: tuple[_Day, int] | None = None
    held: _Held = {}
    async with aclosing(_spent(session, names, month)) as spent:
        async for day, row in spent:
            if place is None or place[0] is not day or place[1] != row.key_id:
                for line in _lines(names, place, held, seconds):
                    yield as_row(line, BY)
                place, held = (day, row.key_id), {}
            model = names.models[row.model_id]
            sums, spellings = held.setdefault((canonical(model) if model else "", row.adjusts), (LineSums(), set()))
            settles, at = row.settles_at, day.start
            sums.add(tuple(row)[5:], Extent((row.basis, row.basis), (settles, settles), at, row.adjusts))
            spellings.add(model)
    for line in _lines(names, place, held, seconds):
        yield as_row(line, BY)


async def _open(session: AsyncSession, workspace_id: str, month: int) -> _Names:
    """Read the names behind a workspace's ids."""
    keys = await keys_of(session, workspace_id)
    every = (await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))).all()
    closed = await session.get(ClosedMonth, (workspace_id, month))
    connections = await session.exec(
        select(Connection)
        .where(Connection.workspace_id == workspace_id, Connection.role == "books")
        .order_by(col(Connection.name))
    )
    return _Names(
        connections={row.id or 0: row for row in connections},
        subjects={row.id or 0: _subject(row, connection) for row, connection in keys},
        owners=await owners_of(session, workspace_id, [row for row, _ in keys]),
        models={row.id or 0: row.name for row in await session.exec(select(Model))},
        closed=frozenset({month} if closed else ()),
        upstream=ByokPolicy.of(every, [closed] if closed else []),
    )


async def _spent(session: AsyncSession, names: _Names, month: int) -> AsyncGenerator[tuple[_Day, Row[Any]], None]:
    """Yield every row of the month's roll-up, with its day and connection."""
    database = await session.connection()
    options = {"yield_per": ROWS_AT_ONCE}
    routed = {id_ for id_ in names.connections if (await execute(session, _ROUTERS, {"connection": id_})).first()}
    for start in range(month, months.end_of(month), DAY_SECONDS):
        for id_, connection in names.connections.items():
            span = {"connection": id_, "day": start, "day_end": start + DAY_SECONDS}
            day: _Day | None = None
            stream = await database.stream(_SPENT, {"connection": id_, "day": start}, execution_options=options)
            try:
                async for rows in stream.partitions(ROWS_AT_ONCE):  # without a size it reads all at once
                    if day is None:
                        observed = (await execute(session, _OBSERVED, span)).scalar()
                        requested = await _requested(session, span) if id_ in routed else {}
                        day = _Day(connection, start, observed, requested)
                    for row in rows:
                        yield day, row
            finally:
                await stream.close()


async def _requested(session: AsyncSession, span: Mapping[str, int]) -> dict[tuple[int, int], str]:
    """Return the requested models of a day by key and resolved model; several are joined by spaces."""
    found: dict[tuple[int, int], str] = {}
    for key_id, model_id, requested in await execute(session, _REQUESTED, span):
        before = found.get((key_id, model_id))
        found[key_id, model_id] = f"{before} {requested}" if before else requested
    return found


def _subject(key: LedgerKey, connection: Connection) -> _Subject:
    ref = KeyRef(key.ledger_id, key.name or key.label, connection.ledger, connection.name) if key.ledger_id else None
    return _Subject(ref, key.project_id, key.project_name, key.reason)


def _account(connection: Connection, titles: Mapping[str, str]) -> focus.BillingAccount:
    return focus.BillingAccount(
        ledger=connection.ledger,
        provider=titles.get(connection.ledger, connection.ledger),
        connection=connection.name,
        id=connection.account_id,
        title=connection.account_title,
    )


def _charge(
    names: _Names, account: focus.BillingAccount, day: _Day, row: Row[Any], model: str, now: int
) -> focus.Charge:
    subject = names.subjects[row.key_id]
    status: Status = "closed" if names.closed else "provisional" if row.settles_at > now else "settled"
    return focus.Charge(
        account=account,
        day=day.start,
        owner=names.owners.of(row.key_id, day.start),
        key=subject.key,
        model=model,
        tokens=Tokens(*(getattr(row, name) for name in Tokens._fields)),
        cost_nano_usd=row.cost_nano_usd,
        basis=_BASES.get(row.basis, "unpriced"),
        status=status,
        byok_nano_usd=row.byok_nano_usd,
        project_id=subject.project_id,
        project_name=subject.project_name,
        reason=subject.reason,
        requested="" if row.adjusts else day.requested.get((row.key_id, row.model_id), ""),
        corrects=row.adjusts,
        observed_at=day.observed_at,
    )


def _lines(names: _Names, place: tuple[_Day, int] | None, held: _Held, now: int) -> list[AnswerLine]:
    """Build the lines of one key's day: one for each model, and for each month that is corrected."""
    if place is None:
        return []
    day, key_id = place
    subject, owner = names.subjects[key_id], names.owners.of(key_id, day.start)
    ledger, connection = day.connection.ledger, day.connection.name
    return [
        AnswerLine(
            cost_nano_usd=names.upstream.with_byok((sums.cost, sums.byok), model, day.start)[0][0],
            status=sums.status(now, names.closed),
            basis=sums.basis(),
            tokens=sums.tokens,
            requests=sums.requests,
            unpriced_tokens=sums.unpriced,
            owner=owner,
            key=subject.key,
            model=ModelRef(model, tuple(sorted(spellings))) if model else None,
            ledger=ledger,
            connection=connection,
            project=subject.project_name or subject.project_id,
            day=_date(day.start).isoformat(),
            reason=subject.reason,
        )
        for (model, _), (sums, spellings) in sorted(held.items(), key=lambda item: item[0])
    ]


def _date(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
