"""Calibration: computed dollars of days without a final bill yet, scaled by ratios from the last final bill.

For a bill that a usage report splits: once a day of it is final, the ratio of its dollars to the computed ones is
stored for each model (and tier, if the bill has tiers), where both are known. The hours of later days, up to a week,
are scaled by the ratios of the latest final day before them. All of it follows from the entries: the audit derives the
ratios again, and whenever they may have changed, the days that depend on them are derived again.
"""

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.pricing.calibration_ratios import ANY_TIER, DAYS, ONE, Slice, ratio_of, tier_of
from outlay.books.pricing.calibration_ratios import ratios as ratios_of
from outlay.books.pricing.tables import Calibration
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS
from outlay.core.model_names import canonical
from outlay.core.tokens import CLASSES
from outlay.database.bulk_write import run_many
from outlay.database.engine import execute
from outlay.database.tables import COMPUTED
from outlay.plugin.contract import Report

_REACH = DAYS * DAY_SECONDS
_COLUMNS = ("connection_id", "report", "day", "model", "tier", "millionths")
_TOKENS = " + ".join(f"e.{name}" for name in CLASSES)
_DOLLARS = text(
    "SELECT m.name, s.detail, SUM(COALESCE(e.cost_nano_usd, 0)) AS cost, "
    f"SUM(CASE WHEN e.cost_nano_usd IS NULL THEN {_TOKENS} ELSE 0 END) AS unpriced "
    "FROM entry e JOIN series s ON s.id = e.series_id JOIN model m ON m.id = s.model_id "
    "WHERE e.connection_id = :connection AND e.start >= :day AND e.start < :end AND s.report = :report "
    "AND m.name <> '' GROUP BY m.name, s.detail"
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
_KEPT = text(f"SELECT model, tier, millionths FROM calibration WHERE {_OF_THE_DAY}")
_FORGOTTEN = text(f"DELETE FROM calibration WHERE {_OF_THE_DAY}")
# Whole millions and the rest are scaled apart, so that nothing exceeds 64 bits unless the result does.
_SCALED = f"{{usd}} / {ONE} * {{ratio}} + {{usd}} % {ONE} * {{ratio}} / {ONE}"
_HOURS = f"connection_id = :connection AND hour >= :start AND hour < :end AND basis = {COMPUTED} AND adjusts = 0"
_ENTRIES = "e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report"


async def refresh(
    session: AsyncSession, connection_id: int, reports: Sequence[Report], day: int, *, whole: bool
) -> set[int]:
    """Update a changed day's ratios; return the days that depend on them. `whole`: its bill may just be final."""
    resting: set[int] = set()
    for bill in reports:
        if not bill.split_by or not await is_final(session, connection_id, bill, day):
            continue
        place = {"connection": connection_id, "bill": bill.name, "day": day}
        fresh = await ratios(session, connection_id, bill, day)
        if fresh != await stored_ratios(session, connection_id, bill, day):
            await execute(session, _FORGOTTEN, place)
            rows = [(connection_id, bill.name, day, *slice_, found) for slice_, found in sorted(fresh.items())]
            await run_many(session, insert(Calibration), _COLUMNS, rows)
        elif not whole:
            continue
        found = await execute(session, _RESTING, {**place, "report": bill.split_by, "until": day + _REACH})
        resting.update(row.day for row in found)
    return resting


async def is_final(session: AsyncSession, connection_id: int, bill: Report, day: int) -> bool:
    """Report whether a day's bill was read whole after its lag."""
    values = {"connection": connection_id, "bill": bill.name, "day": day}
    return (await execute(session, _FINAL, values)).first() is not None


async def ratios(session: AsyncSession, connection_id: int, bill: Report, day: int) -> dict[Slice, int]:
    """Derive a day's ratios by model and tier from its entries: millionths of a billed dollar for each computed one.

    A ratio of exactly one is left out.
    """
    billed, computed, unpriced = Counter[Slice](), Counter[Slice](), Counter[Slice]()
    span = {"connection": connection_id, "day": day, "end": day + DAY_SECONDS}
    for row in await execute(session, _DOLLARS, {**span, "report": bill.name}):
        billed[canonical(row.name), _tier(row.detail)] += int(row.cost)
    for row in await execute(session, _DOLLARS, {**span, "report": bill.split_by}):
        slice_ = canonical(row.name), _tier(row.detail)
        computed[slice_] += int(row.cost)
        unpriced[slice_] += int(row.unpriced)
    return ratios_of(billed, computed, unpriced)


async def stored_ratios(session: AsyncSession, connection_id: int, bill: Report, day: int) -> dict[Slice, int]:
    """Return a day's stored ratios (millionths) by model and tier."""
    rows = await execute(session, _KEPT, {"connection": connection_id, "bill": bill.name, "day": day})
    return {(row.model, row.tier): row.millionths for row in rows}


async def scale(
    session: AsyncSession, reports: Sequence[Report], report: Report, day: int, span: Mapping[str, Any], table: str
) -> None:
    """Scale the computed dollars of some hours of a day that were just derived from a report into a table."""
    bill = next((one for one in reports if one.split_by == report.name), None)
    if bill is None:
        return
    since = {"connection": span["connection"], "bill": bill.name, "day": day, "since": day - _REACH}
    latest = (await execute(session, _LATEST, since)).scalar()
    said = await stored_ratios(session, span["connection"], bill, latest) if latest is not None else {}
    if not said:
        return
    hours = {name: span[name] for name in ("connection", "start", "end")}
    named = text(f"SELECT id, name FROM model WHERE id IN (SELECT model_id FROM {table} WHERE {_HOURS})")
    by_tier: dict[int, str] = {}
    for model_id, name in (await execute(session, named, hours)).all():
        model = canonical(name)
        if found := said.get((model, ANY_TIER)):
            scaled = _SCALED.format(usd="cost_nano_usd", ratio=found)
            whole = text(f"UPDATE {table} SET cost_nano_usd = {scaled} WHERE {_HOURS} AND model_id = :model")
            await execute(session, whole, {**hours, "model": model_id})
        elif any(one == model for one, _ in said):
            by_tier[model_id] = model
    if by_tier:
        await _scale_tiers(session, said, by_tier, {**hours, "report": report.name}, table)


async def _scale_tiers(
    session: AsyncSession, said: Mapping[Slice, int], models: Mapping[int, str], span: Mapping[str, Any], table: str
) -> None:
    """Add to hours the difference that each tier's own ratio makes to its entries."""
    listed = ", ".join(map(str, sorted(models)))
    told = await execute(
        session,
        text(
            "SELECT DISTINCT s.model_id, s.detail FROM entry e JOIN series s ON s.id = e.series_id "
            f"WHERE {_ENTRIES} AND s.model_id IN ({listed})"
        ),
        span,
    )
    by_ratio: dict[tuple[int, int], set[str]] = defaultdict(set)
    for model_id, detail in told.all():
        if (found := ratio_of(said, models[model_id], _tier(detail))) != ONE:
            by_ratio[model_id, found].add(detail)
    for (model_id, found), details in sorted(by_ratio.items()):
        scaled = _SCALED.format(usd="e.cost_nano_usd", ratio=found)
        more = text(
            f"""
            UPDATE {table} SET cost_nano_usd = {table}.cost_nano_usd + more.usd FROM (
                SELECT e.start - e.start % {HOUR_SECONDS} AS hour, s.key_id,
                       CAST(SUM({scaled} - e.cost_nano_usd) AS BIGINT) AS usd
                FROM entry e JOIN series s ON s.id = e.series_id
                WHERE {_ENTRIES} AND e.basis = {COMPUTED} AND s.model_id = :model AND s.detail IN :details
                GROUP BY e.start - e.start % {HOUR_SECONDS}, s.key_id
            ) AS more
            WHERE {table}.connection_id = :connection AND {table}.hour = more.hour AND {table}.key_id = more.key_id
            AND {table}.model_id = :model AND {table}.basis = {COMPUTED} AND {table}.adjusts = 0
            """
        ).bindparams(bindparam("details", expanding=True))
        await execute(session, more, {**span, "model": model_id, "details": sorted(details)})


_CALIBRATED = (
    "SELECT DISTINCT connection_id, report, day, model FROM calibration "
    "WHERE connection_id IN :connections AND day >= :since AND day < :end"
)
_SPENT = (
    "SELECT DISTINCT d.connection_id, d.day, m.name FROM spend_day_model d JOIN model m ON m.id = d.model_id "
    f"WHERE d.connection_id IN :connections AND d.basis = {COMPUTED} AND d.adjusts = 0 "
    "AND d.day >= :start AND d.day < :end"
)
_BILLED_DAYS = (
    "SELECT connection_id, report, day FROM coverage "
    "WHERE connection_id IN :connections AND day >= :since AND day < :end AND final"
)


async def latest_shown(
    session: AsyncSession, connections: Collection[int], models: Collection[int] | None, start: int, end: int
) -> int | None:
    """Return the day of the last bill that scaled figures in a time range; None if none did. `models`: None: all."""
    first = start // DAY_SECONDS * DAY_SECONDS
    values = {"connections": list(connections), "start": first, "end": end, "since": first - _REACH}
    held: dict[tuple[int, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in await _rows(session, _CALIBRATED, values, "connections", "since", "end"):
        held[row.connection_id, row.report][row.day].add(row.model)
    if not held:
        return None
    billed: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row in sorted(await _rows(session, _BILLED_DAYS, values, "connections", "since", "end")):
        billed[row.connection_id, row.report].append(row.day)
    only = "" if models is None else f" AND d.model_id IN ({', '.join(map(str, sorted(models))) or 'NULL'})"
    shown = set()
    for row in await _rows(session, _SPENT + only, values, "connections", "start", "end"):
        for (connection_id, report), by_day in held.items():
            days = billed[connection_id, report] if connection_id == row.connection_id else []
            place = bisect_left(days, row.day) - 1
            if place >= 0 and row.day - days[place] <= _REACH and canonical(row.name) in by_day[days[place]]:
                shown.add(days[place])
    return max(shown, default=None)


async def _rows(session: AsyncSession, sql: str, values: Mapping[str, Any], *names: str) -> Sequence[Any]:
    statement = text(sql).bindparams(bindparam("connections", expanding=True))
    return (await execute(session, statement, {name: values[name] for name in names})).all()


def _tier(detail: str) -> str:
    return tier_of(json.loads(detail)) if detail else ""
