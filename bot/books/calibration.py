"""Computed dollars of days that the bill has not reached yet, scaled by what the last bill said of each model.

For a bill that is split by a usage report: once a day of it is final, the ratio of its dollars to the computed ones is
kept for each model, where both are known. The hours of later days, up to a week, are scaled by the ratios of the latest
final day before them. All of it follows from the entries: the audit derives the ratios once more, and whenever they may
have changed, so do the days that rest on them.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.bulk import run_many
from bot.books.calibration_tables import Calibration
from bot.books.database import execute
from bot.books.tables import COMPUTED
from bot.core.calibrate import DAYS, ONE, ratio
from bot.core.models import canonical
from bot.core.precedence import DAY_SECONDS
from bot.core.tokens import CLASSES
from bot.plugin.contract import Report

_REACH = DAYS * DAY_SECONDS
_COLUMNS = ("connection_id", "report", "day", "model", "millionths")
_TOKENS = " + ".join(f"e.{name}" for name in CLASSES)
_DOLLARS = text(
    "SELECT m.name, SUM(COALESCE(e.cost_nano_usd, 0)) AS cost, "
    f"SUM(CASE WHEN e.cost_nano_usd IS NULL THEN {_TOKENS} ELSE 0 END) AS unpriced "
    "FROM entry e JOIN series s ON s.id = e.series_id JOIN model m ON m.id = s.model_id "
    "WHERE e.connection_id = :connection AND e.start >= :day AND e.start < :end AND s.report = :report "
    "AND m.name <> '' GROUP BY m.name"
)
_FINAL = text("SELECT 1 FROM coverage WHERE connection_id = :connection AND report = :bill AND day = :day AND final")
_RESTING = text(
    "SELECT v.day FROM coverage v WHERE v.connection_id = :connection AND v.report = :report AND v.day > :day "
    "AND v.day <= :until AND NOT EXISTS (SELECT 1 FROM coverage b WHERE b.connection_id = v.connection_id "
    "AND b.report = :bill AND b.day = v.day AND b.final)"
)
_LATEST = text(
    "SELECT MAX(day) FROM coverage WHERE connection_id = :connection AND report = :bill AND final "
    "AND day < :day AND day >= :since"
)
_OF_THE_DAY = "connection_id = :connection AND report = :bill AND day = :day"
_KEPT = text(f"SELECT model, millionths FROM calibration WHERE {_OF_THE_DAY}")
_FORGOTTEN = text(f"DELETE FROM calibration WHERE {_OF_THE_DAY}")
_SCALED = f"cost_nano_usd / {ONE} * :ratio + cost_nano_usd % {ONE} * :ratio / {ONE}"  # never beyond 64 bits
_SHOWN = text(
    f"""
    SELECT MAX(c.day) FROM calibration c WHERE c.connection_id IN :connections AND c.day >= :since AND EXISTS (
        SELECT 1 FROM spend_day_model d WHERE d.connection_id = c.connection_id AND d.basis = {COMPUTED}
        AND d.adjusts = 0 AND d.day > c.day AND d.day <= c.day + {_REACH} AND d.day >= :start AND d.day < :end)
    """
).bindparams(bindparam("connections", expanding=True))


async def refresh(session: AsyncSession, connection_id: int, reports: Sequence[Report], day: int) -> set[int]:
    """Keeps the ratios of a day whose entries changed; the days that rest on them."""
    resting: set[int] = set()
    for bill in reports:
        if not bill.split_by or not await is_final(session, connection_id, bill, day):
            continue
        place = {"connection": connection_id, "bill": bill.name, "day": day}
        fresh = await ratios(session, connection_id, bill, day)
        if fresh != await kept(session, connection_id, bill, day):
            await execute(session, _FORGOTTEN, place)
            rows = [(connection_id, bill.name, day, model, found) for model, found in sorted(fresh.items())]
            await run_many(session, insert(Calibration), _COLUMNS, rows)
        found = await execute(session, _RESTING, {**place, "report": bill.split_by, "until": day + _REACH})
        resting.update(row.day for row in found)
    return resting


async def is_final(session: AsyncSession, connection_id: int, bill: Report, day: int) -> bool:
    """Was the bill of a day read whole after its lag?"""
    values = {"connection": connection_id, "bill": bill.name, "day": day}
    return (await execute(session, _FINAL, values)).first() is not None


async def ratios(session: AsyncSession, connection_id: int, bill: Report, day: int) -> dict[str, int]:
    """By canonical model, from the entries of a day: the bill for each computed dollar, where it is not one for one."""
    billed, computed, unpriced = Counter[str](), Counter[str](), Counter[str]()
    span = {"connection": connection_id, "day": day, "end": day + DAY_SECONDS}
    for row in await execute(session, _DOLLARS, {**span, "report": bill.name}):
        billed[canonical(row.name)] += int(row.cost)
    for row in await execute(session, _DOLLARS, {**span, "report": bill.split_by}):
        computed[canonical(row.name)] += int(row.cost)
        unpriced[canonical(row.name)] += int(row.unpriced)
    known = {model: ratio(billed[model], usd) for model, usd in computed.items() if not unpriced[model]}
    return {model: found for model, found in known.items() if found is not None and found != ONE}


async def kept(session: AsyncSession, connection_id: int, bill: Report, day: int) -> dict[str, int]:
    """The ratios of a day as they are kept."""
    rows = await execute(session, _KEPT, {"connection": connection_id, "bill": bill.name, "day": day})
    return {row.model: row.millionths for row in rows}


async def scale(
    session: AsyncSession, reports: Sequence[Report], report: Report, day: int, span: Mapping[str, Any], table: str
) -> None:
    """Scales the computed dollars of some hours of a day, as they were just derived from a report into a table."""
    bill = next((one for one in reports if one.split_by == report.name), None)
    if bill is None:
        return
    since = {"connection": span["connection"], "bill": bill.name, "day": day, "since": day - _REACH}
    latest = (await execute(session, _LATEST, since)).scalar()
    by_model = await kept(session, span["connection"], bill, latest) if latest is not None else {}
    if not by_model:
        return
    hours = f"connection_id = :connection AND hour >= :start AND hour < :end AND basis = {COMPUTED} AND adjusts = 0"
    models = await execute(
        session,
        text(f"SELECT id, name FROM model WHERE id IN (SELECT model_id FROM {table} WHERE {hours})"),
        {name: span[name] for name in ("connection", "start", "end")},
    )
    for model_id, name in models.all():
        if found := by_model.get(canonical(name)):
            await execute(
                session,
                text(f"UPDATE {table} SET cost_nano_usd = {_SCALED} WHERE {hours} AND model_id = :model"),
                {"connection": span["connection"], "start": span["start"], "end": span["end"],
                 "model": model_id, "ratio": found},
            )  # fmt: skip


async def latest_shown(session: AsyncSession, connections: Collection[int], start: int, end: int) -> int | None:
    """The day of the last bill that scaled something in the last week of a stretch of time; None if none did."""
    since = max(start, end - _REACH) // DAY_SECONDS * DAY_SECONDS
    values = {"connections": list(connections) or [0], "start": since, "end": end, "since": since - _REACH}
    found = (await execute(session, _SHOWN, values)).scalar()
    return None if found is None else int(found)
