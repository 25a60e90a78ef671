"""Adjustments: a later change of a closed month is a new signed entry in the open month that names the closed one.

A closed day's roll-ups never change. A new adjustment is what the entries give for the day now, less what was frozen
and less earlier adjustments; so closed plus adjustments always equals what the ledger reports today.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.rollups import hour_and_day
from outlay.books.rollups.hour_and_day import DerivationScope
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS
from outlay.database.bulk_write import run_many
from outlay.database.engine import execute
from outlay.database.tables import FIGURES, Adjustment

AdjustmentKey = tuple[int, int, int]  # (key id, model id, basis)
MeasureSums = list[int | None]
_MEASURES = (*FIGURES, "unpriced_tokens")
_SUMS = ", ".join(f"SUM({name})" for name in _MEASURES)
_COLUMNS = ("connection_id", "month", "day", "hour", "key_id", "model_id", "basis", *_MEASURES)


async def book(session: AsyncSession, books: DerivationScope, *, day: int, month: int, now: int) -> bool:
    """Write adjustments for what changed about a closed day. Return True if any: derive the hour of `now` then."""
    hour = now // HOUR_SECONDS * HOUR_SECONDS
    rows = [
        (books.connection_id, month, day, hour, *place, *delta)
        for place, delta in sorted((await difference(session, books, day)).items())
    ]
    await run_many(session, insert(Adjustment), _COLUMNS, rows)
    return bool(rows)


async def difference(session: AsyncSession, books: DerivationScope, day: int) -> Mapping[AdjustmentKey, MeasureSums]:
    """Return what the entries give for a closed day, less what the books have for it, adjustments included.

    Keyed by (key id, model id, basis); a difference of zero is left out.
    """
    await hour_and_day.scratch(session)
    await hour_and_day.compute(session, books, day=day)
    span = {"connection": books.connection_id, "day": day, "end": day + DAY_SECONDS}
    found: dict[AdjustmentKey, MeasureSums] = {}
    for sign, source in (
        (
            1,
            f"{hour_and_day.SCRATCH} "
            "WHERE connection_id = :connection AND hour >= :day AND hour < :end AND adjusts = 0",
        ),
        (-1, "spend_day WHERE connection_id = :connection AND day = :day AND adjusts = 0"),
        (-1, "adjustment WHERE connection_id = :connection AND day = :day"),
    ):
        rows = await execute(
            session,
            text(f"SELECT key_id, model_id, basis, {_SUMS} FROM {source} GROUP BY key_id, model_id, basis"),
            span,
        )
        for row in rows:
            _add(found.setdefault((row[0], row[1], row[2]), [None] * len(_MEASURES)), row[3:], sign)
    return {place: sums for place, sums in found.items() if any(sums)}


def _add(sums: MeasureSums, figures: Any, sign: int) -> None:
    for place, figure in enumerate(figures):
        if figure is not None:
            sums[place] = (sums[place] or 0) + sign * int(figure)
