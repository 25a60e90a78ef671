"""Sums of days that no longer change: quarters, months and parts of a month, so that a year is read from few rows.

A period is summed up some time after it is over, from its days, and deleted in the transaction that changes one of
them; until it is summed up again, its days are read instead. So a period is either right or absent.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.books.rollups.tables import Period
from outlay.core import months
from outlay.database.engine import Database, execute
from outlay.database.tables import FIGURES, Connection

TimeRange = tuple[int, int]
REST_SECONDS = 6 * 3_600  # after its end; earlier, most restatements of a ledger would undo the sum
QUARTER_RESTS_SECONDS = 14 * DAY_SECONDS  # while parts of it may be restated, its months are more exact
PERIODS_A_RUN = 250  # two years; the next run continues
THIRDS = tuple(day * DAY_SECONDS for day in (0, 10, 20))
SIXTHS = tuple(day * DAY_SECONDS for day in (0, 5, 10, 15, 20, 25))
_COLUMNS = ", ".join((*FIGURES, "unpriced_tokens", "settles_at"))
_SUMS = ", ".join([*(f"SUM({name})" for name in (*FIGURES, "unpriced_tokens")), "MAX(settles_at)"])
log = logging.getLogger("outlay.books")


SUMMED = (("spend_period", "spend_day", "key_id, model_id"), ("spend_period_key", "spend_day_key", "key_id"))


def derived(days: str, dimensions: str) -> str:
    """Return SQL for the lines of a period, derived from its days."""
    return (
        f"SELECT {dimensions}, basis, adjusts, {_SUMS} FROM {days} "
        f"WHERE connection_id = :connection AND day >= :start AND day < :until GROUP BY {dimensions}, basis, adjusts"
    )


def lines(period: str, dimensions: str) -> str:
    """Return SQL for the stored lines of a period."""
    return (
        f"SELECT {dimensions}, basis, adjusts, {_COLUMNS} FROM {period} "
        "WHERE connection_id = :connection AND period_id = :period"
    )


async def delete_covering(session: AsyncSession, connection_id: int, day: int) -> None:
    """Delete the sums that include a day, since it changes."""
    found = await execute(
        session,
        text("SELECT id FROM period WHERE connection_id = :connection AND start <= :day AND until > :day"),
        {"connection": connection_id, "day": day},
    )
    for (period,) in found.all():
        place = {"connection": connection_id, "period": period}
        for table, _, _ in SUMMED:
            await execute(
                session, text(f"DELETE FROM {table} WHERE connection_id = :connection AND period_id = :period"), place
            )
        await execute(session, text("DELETE FROM period WHERE id = :period"), {"period": period})


async def held(
    session: AsyncSession, connections: Collection[int], start: int, end: int
) -> Mapping[int, Mapping[TimeRange, int]]:
    """Return what is summed up between two moments: for each connection the ranges, with their period ids."""
    found: dict[int, dict[TimeRange, int]] = {id_: {} for id_ in connections}
    for row in await execute(
        session,
        text("SELECT id, connection_id, start, until FROM period WHERE start >= :start AND until <= :end"),
        {"start": start, "end": end},
    ):
        if row.connection_id in found:
            found[row.connection_id][row.start, row.until] = row.id
    return found


def cover(start: int, end: int, stretches: Collection[TimeRange]) -> tuple[list[TimeRange], list[TimeRange]]:
    """Split whole days into the longest ranges that are summed up, and the days left between them."""
    longest = {low: high for low, high in sorted(stretches) if start <= low and high <= end}
    summed: list[TimeRange] = []
    left: list[TimeRange] = []
    for low in sorted(longest):
        if low >= start:
            left += [(start, low)] if start < low else []
            summed.append((low, longest[low]))
            start = longest[low]
    return summed, left + ([(start, end)] if start < end else [])


async def sum_up(database: Database, connection_id: int, *, now: datetime) -> int:
    """Sum up finished periods that are missing, each in a transaction of its own; return how many."""
    async with database.read() as session:
        place = {"connection": connection_id}
        first = (
            await execute(
                session, text("SELECT MIN(day) FROM spend_day_model WHERE connection_id = :connection"), place
            )
        ).scalar()
        known = await execute(session, text("SELECT start, until FROM period WHERE connection_id = :connection"), place)
        done = {(row[0], row[1]) for row in known}
    if first is None:
        return 0
    missing = [one for one in _over(first, int(now.timestamp())) if one not in done][:PERIODS_A_RUN]
    summed = 0
    for stretch in missing:
        try:
            async with database.write() as session:
                summed += await _sum_up(session, connection_id, stretch)
        except DBAPIError as error:
            if "integer overflow" not in str(error) and "out of range" not in str(error):
                raise
            log.warning("a period's sums are more than a number holds", extra={"connection": connection_id})
    return summed


def _over(first: int, now: int) -> Iterator[TimeRange]:
    """Yield the quarters, months, thirds and sixths of months that are over, from the month of `first` on."""
    month = months.start_of(first)
    quarter: list[int] = []
    while month < now:
        end = months.end_of(month)
        thirds, sixths = ([*(month + since for since in parts), end] for parts in (THIRDS, SIXTHS))
        for low, high in ((month, end), *pairwise(thirds), *pairwise(sixths)):
            if high + REST_SECONDS <= now:
                yield low, high
        quarter = [month] if months.name(month)[5:] in ("01", "04", "07", "10") else [*quarter, month]
        if len(quarter) == 3 and end + QUARTER_RESTS_SECONDS <= now:
            yield quarter[0], end
        month = end


async def _sum_up(session: AsyncSession, connection_id: int, stretch: TimeRange) -> bool:
    """Sum up a period; return False if that is already done."""
    await session.exec(select(Connection.id).where(Connection.id == connection_id).with_for_update())
    place = {"connection": connection_id, "start": stretch[0], "until": stretch[1]}
    same = "SELECT id FROM period WHERE connection_id = :connection AND start = :start AND until = :until"
    if (await execute(session, text(same), place)).first():
        return False
    period = Period(connection_id=connection_id, start=stretch[0], until=stretch[1])
    session.add(period)
    await session.flush()
    for table, days, dimensions in SUMMED:
        select_ = derived(days, dimensions).replace("SELECT ", "SELECT :connection, :period, ", 1)
        if session.get_bind().dialect.name == "postgresql":  # it cannot infer the type of a bare parameter
            select_ = select_.replace(":connection, :period", "CAST(:connection AS INT), CAST(:period AS INT)", 1)
        names = f"connection_id, period_id, {dimensions}, basis, adjusts, {_COLUMNS}"
        await execute(session, text(f"INSERT INTO {table} ({names}) {select_}"), {**place, "period": period.id})
    return True


async def every(session: AsyncSession, connection_id: int) -> Sequence[Period]:
    """Return all periods of a connection, in order of time."""
    return (
        await session.exec(select(Period).where(Period.connection_id == connection_id).order_by("start", "id"))
    ).all()
