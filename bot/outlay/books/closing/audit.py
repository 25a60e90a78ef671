"""Audit: derives every roll-up and every closed month again, and compares them with what the books have.

Open days are derived from the entries into a scratch table, a day at a time, so memory does not grow with the books.
A closed day must equal what was frozen plus its adjustments, and a closed month must still have its hash.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.closing import adjustments, closed_totals
from outlay.books.closing.close_month import month_hash
from outlay.books.pricing import calibration
from outlay.books.rollups import hour_and_day, period_sums
from outlay.books.rollups.hour_and_day import FOLDS, HOURS, SCRATCH, DerivationScope
from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.books.rollups.tables import Period
from outlay.core import months
from outlay.database.engine import Database, execute
from outlay.database.tables import FIGURES, AuditRun, ClosedMonth, Connection, Model, Workspace
from outlay.plugin.contract import Report

MAX_DIFFERENCES = 100
_MEASURES = ", ".join((*FIGURES, "unpriced_tokens", "settles_at"))
_DAYS_OF_ROLLUPS = "".join(  # each table by itself, to find a line on a day that no other table has
    f" UNION SELECT DISTINCT {day} FROM {table} WHERE connection_id = :id"
    for table, day in ((HOURS, f"hour - hour % {DAY_SECONDS}"), *((table, "day") for table, _, _ in FOLDS))
)
_HOUR_ROWS = f"hour, key_id, model_id, basis, adjusts, {_MEASURES}"


@dataclass(slots=True)
class AuditResult:
    """Result of an audit: how many comparisons were made, and each difference in words."""

    checked: int = 0
    differences: list[str] = field(default_factory=list)
    closed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.differences

    def differ(self, words: str) -> None:
        """Record a difference; beyond MAX_DIFFERENCES only that there are more."""
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(words)
        elif len(self.differences) == MAX_DIFFERENCES:
            self.differences.append("and more")

    def as_plain(self) -> dict[str, Any]:
        """Return the document that `outlay audit --format json` prints."""
        return {"ok": self.ok, "checked": self.checked, "differences": self.differences, "closed": self.closed}


async def audit(
    database: Database, workspace_id: str, reports: Mapping[str, Sequence[Report]], *, now: datetime
) -> AuditResult:
    """Audit a workspace. Each day of a connection is a transaction of its own, so polls continue meanwhile."""
    found = AuditResult()
    async with database.read() as session:
        connections = list(
            await session.exec(
                select(Connection).where(Connection.workspace_id == workspace_id, Connection.role != "sink")
            )
        )
        closed = list(
            await session.exec(
                select(ClosedMonth).where(ClosedMonth.workspace_id == workspace_id).order_by(col(ClosedMonth.month))
            )
        )
    for connection in connections:
        if connection.ledger not in reports:
            found.differ(
                f"{connection.name}: the plugin {connection.ledger} is not loaded, so its books cannot be read"
            )
            continue
        await _connection(database, connection, reports[connection.ledger], {row.month for row in closed}, found)
        await _periods(database, connection, found)
    for row in closed:
        async with database.read() as session:
            same = await month_hash(session, workspace_id, row.month) == row.hash
            ledgers = row.ledgers.split()
            kept = not row.totals_hash or not await closed_totals.moved(
                session, workspace_id, row.month, ledgers, row.totals_hash
            )
        found.checked += 1 + bool(row.totals_hash)
        found.closed.append({"month": months.name(row.month), "hash": row.hash, "ok": same and kept})
        if not same:
            found.differ(f"{months.name(row.month)} was closed, and its figures have moved since")
        if not kept:
            found.differ(
                f"{months.name(row.month)} was closed, and its totals by owner, model, key and ledger have moved since"
            )
    return found


async def note(session: AsyncSession, workspace_id: str, found: AuditResult, *, now: datetime) -> None:
    """Store an audit's result, for doctor and the Home tab."""
    session.add(
        AuditRun(
            workspace_id=workspace_id,
            at=int(now.timestamp()),
            ok=found.ok,
            checked=found.checked,
            differences=json.dumps(found.differences),
        )
    )


async def last(session: AsyncSession, workspace_id: str) -> AuditRun | None:
    """Return the newest audit of a workspace; None if there was none."""
    statement = select(AuditRun).where(AuditRun.workspace_id == workspace_id).order_by(col(AuditRun.id).desc()).limit(1)
    return (await session.exec(statement)).first()


async def _connection(
    database: Database, connection: Connection, reports: Sequence[Report], closed: set[int], found: AuditResult
) -> None:
    """Audit each day of a connection."""
    async with database.read() as session:
        workspace = await session.get(Workspace, connection.workspace_id)
        folded_until = workspace.folded_until if workspace else 0
        days = [
            row[0]
            for row in await execute(
                session,
                text(f"SELECT DISTINCT day FROM coverage WHERE connection_id = :id{_DAYS_OF_ROLLUPS} ORDER BY 1"),
                {"id": connection.id},
            )
        ]
        blank = (await session.exec(select(Model.id).where(Model.ledger == "", Model.name == ""))).first()
    books = DerivationScope(connection.id or 0, reports, blank or 0)
    for day in days:
        async with database.write() as session:
            await session.exec(select(Connection.id).where(Connection.id == connection.id).with_for_update())
            if months.start_of(day) in closed:
                await _closed_day(session, connection, books, day, folded_until, found)
            else:
                await _open_day(session, connection, books, day, folded_until, found)
            await _calibration(session, connection, reports, day, found)


async def _calibration(
    session: AsyncSession, connection: Connection, reports: Sequence[Report], day: int, found: AuditResult
) -> None:
    """Compare the stored calibration ratios of a day with those its final bill gives."""
    for bill in reports:
        if bill.split_by and await calibration.is_final(session, connection.id or 0, bill, day):
            found.checked += 1
            fresh = await calibration.ratios(session, connection.id or 0, bill, day)
            if fresh != await calibration.stored_ratios(session, connection.id or 0, bill, day):
                found.differ(
                    f"{connection.name}, {_day(day)}: the ratios of {bill.name} to computed dollars have moved"
                )


async def _periods(database: Database, connection: Connection, found: AuditResult) -> None:
    """Compare every period with its days."""
    async with database.read() as session:
        every = await period_sums.every(session, connection.id or 0)
    for period in every:
        async with database.write() as session:
            await session.exec(select(Connection.id).where(Connection.id == connection.id).with_for_update())
            if await session.get(Period, period.id) is None:
                continue  # deleted since
            span = {"connection": connection.id or 0, "start": period.start, "until": period.until}
            for table, days, dimensions in period_sums.SUMMED:
                derived, held = period_sums.derived(days, dimensions), period_sums.lines(table, dimensions)
                span["period"] = period.id or 0
                await _compare(session, connection, period.start, table, derived, held, span, found)


async def _open_day(
    session: AsyncSession,
    connection: Connection,
    books: DerivationScope,
    day: int,
    folded_until: int,
    found: AuditResult,
) -> None:
    """Compare an open day's roll-ups with fresh ones."""
    span = {"connection": books.connection_id, "day": day, "day_end": day + DAY_SECONDS}
    await hour_and_day.scratch(session)
    await hour_and_day.compute(session, books, day=day)
    where = "WHERE connection_id = :connection AND hour >= :day AND hour < :day_end"
    fresh, held = f"SELECT {_HOUR_ROWS} FROM {SCRATCH} {where}", f"SELECT {_HOUR_ROWS} FROM {HOURS} {where}"
    if day >= folded_until:  # hours of earlier days were deleted on purpose
        await _compare(session, connection, day, "hours", fresh, held, span, found)
    await _folds(session, connection, day, SCRATCH, found)


async def _folds(session: AsyncSession, connection: Connection, day: int, hours: str, found: AuditResult) -> None:
    """Compare each day's roll-ups with their source. `hours`: the table of hours; '' once they are deleted."""
    span = {"connection": connection.id or 0, "day": day, "day_end": day + DAY_SECONDS}
    for target, table, dimensions in FOLDS:
        source = hours if table == HOURS else table
        if not source:
            continue
        names = f"{dimensions}, basis, adjusts, {_MEASURES}"
        derived = hour_and_day.fold(target, source, dimensions).partition("SELECT ")[2]
        derived = f"SELECT {names} FROM (SELECT {_named(derived, dimensions)}) AS derived"
        held = f"SELECT {names} FROM {target} WHERE connection_id = :connection AND day = :day"
        await _compare(session, connection, day, target, derived, held, span, found)


def _named(select_list: str, dimensions: str) -> str:
    """Return the SELECT of a fold with names for its sums, so that it can be compared column by column."""
    columns, _, rest = select_list.partition(" FROM ")
    for name in (*FIGURES, "unpriced_tokens"):
        columns = columns.replace(f"SUM({name})", f"CAST(SUM({name}) AS BIGINT) AS {name}")
    return columns.replace("MAX(settles_at)", "MAX(settles_at) AS settles_at") + " FROM " + rest


async def _compare(
    session: AsyncSession,
    connection: Connection,
    day: int,
    what: str,
    fresh: str,
    held: str,
    span: Mapping[str, int],
    found: AuditResult,
) -> None:
    """Record lines that only one of two SELECTs returns, at most five of each."""
    found.checked += 1
    for one, other, words in ((fresh, held, "is missing in"), (held, fresh, "should not be in")):
        rows = (await execute(session, text(f"{one} EXCEPT {other} LIMIT 5"), span)).all()
        for row in rows:
            found.differ(f"{connection.name}, {_day(day)}: a line of {what} {words} the roll-up: {tuple(row)[:6]}")


async def _closed_day(
    session: AsyncSession,
    connection: Connection,
    books: DerivationScope,
    day: int,
    folded_until: int,
    found: AuditResult,
) -> None:
    """Compare what was frozen of a closed day, and its adjustments, with the entries."""
    found.checked += 1
    await _folds(session, connection, day, HOURS if day >= folded_until else "", found)
    for place, delta in (await adjustments.difference(session, books, day)).items():
        found.differ(
            f"{connection.name}, {_day(day)} (closed): what was frozen and its adjustments are not what the entries "
            f"say: key {place[0]}, model {place[1]}, off by {delta[0] or 0} nano-dollars"
        )


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
