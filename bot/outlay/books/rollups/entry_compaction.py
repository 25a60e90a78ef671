"""Compaction of entries finer than an hour to hourly ones, once their day is folded, so that they stay bounded.

An hour of a folded day needs nothing finer: which report counts is decided by the hour, and a bill is split by the sums
of a day. So the entries of a series in an hour become one entry, and every figure derived from them stays the same.
Entries with and without dollars are kept apart, since one sum would make the unknown known. A sum starts a second or so
past its hour, where no bucket of a ledger starts: so it can be told from a bucket.

What a ledger reports of such a day later is compacted likewise before it is compared, so a re-poll finds no change.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.ingest.read_windows import TimeRange
from outlay.books.pricing.valuation import BASIS, Worth
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS
from outlay.database.engine import execute
from outlay.database.tables import FIGURES
from outlay.plugin.contract import Report

BucketKey = tuple[int, int]  # (start of the bucket, series id)
_T = TypeVar("_T")
_TABLE = "coarse_entry"
_COLUMNS = f"connection_id, start, series_id, basis, observed_at, price_version, {', '.join(FIGURES)}"
_HOUR = f"start - start % {HOUR_SECONDS}"
_SUMS = ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in FIGURES)
_WHAT_COUNTS = [name for name in FIGURES if name not in ("reasoning", "saved_nano_usd")]
_ANYTHING = " OR ".join(f"SUM({name}) <> 0" for name in _WHAT_COUNTS)
_OF_THE_DAY = (
    "connection_id = :connection AND start >= :day AND start < :end AND series_id IN "
    "(SELECT id FROM series WHERE connection_id = :connection AND report IN :finer)"
)
_BILLED = "SELECT 1 FROM coverage v WHERE v.connection_id = :connection AND v.day = :day AND v.final"
_MADE = text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {_TABLE} AS SELECT {_COLUMNS} FROM entry WHERE 1 = 0")
_EMPTIED = text(f"DELETE FROM {_TABLE}")
# Under a final bill, zero buckets are dropped. Without one they stay: they may show that a report covers the hour.
_SUMMED = text(
    f"""
    INSERT INTO {_TABLE} ({_COLUMNS})
    SELECT connection_id, {_HOUR} + basis, series_id, basis, MAX(observed_at), MAX(price_version), {_SUMS}
    FROM entry WHERE {_OF_THE_DAY} GROUP BY connection_id, {_HOUR}, series_id, basis
    HAVING {_ANYTHING} OR NOT EXISTS ({_BILLED})
    """
).bindparams(bindparam("finer", expanding=True))
_DROPPED = text(f"DELETE FROM entry WHERE {_OF_THE_DAY}").bindparams(bindparam("finer", expanding=True))
_PUT_BACK = text(f"INSERT INTO entry ({_COLUMNS}) SELECT {_COLUMNS} FROM {_TABLE}")


def is_compactable(report: Report) -> bool:
    """Report whether a report's buckets are compacted by the hour once a day is folded."""
    return report.grain is not None and report.grain.total_seconds() < HOUR_SECONDS


async def compact_day(session: AsyncSession, connection_id: int, reports: Sequence[Report], day: int) -> int:
    """Compact the buckets of a UTC day by the hour. Return how many entries there were."""
    names = [report.name for report in reports if is_compactable(report)]
    if not names:
        return 0
    span = {"connection": connection_id, "day": day, "end": day + DAY_SECONDS, "finer": names}
    await execute(session, _MADE)
    await execute(session, _EMPTIED)
    await execute(session, _SUMMED, span)
    before = await execute(session, _DROPPED, span)
    await execute(session, _PUT_BACK)
    return before.rowcount


def is_sum(start: int) -> bool:
    """Report whether an entry that starts here is a compacted sum: buckets start on whole minutes."""
    return start % 60 != 0


def compact_for_comparison(
    observed: Mapping[BucketKey, Worth],
    held: Mapping[BucketKey, _T],
    span: TimeRange,
    folded_until: int,
    *,
    complete: bool,
) -> tuple[dict[BucketKey, Worth], dict[BucketKey, _T]]:
    """Return a page and the stored entries of its span, with hours of folded days compacted if the page has them.

    A page with only a part of an hour, or an incomplete one, proves nothing about a sum: that hour is left out of both.
    """
    summed = {_hour(place) for place in held if place[0] < folded_until and is_sum(place[0])}
    first, last = -(-span[0] // HOUR_SECONDS) * HOUR_SECONDS, span[1] // HOUR_SECONDS * HOUR_SECONDS

    def told(place: BucketKey) -> bool:
        return complete and first <= _hour(place) < last

    def aside(place: BucketKey) -> bool:
        return _hour(place) in summed and not told(place)

    kept = {place: value for place, value in held.items() if not aside(place)}
    found = {place: value for place, value in observed.items() if place[0] >= folded_until}
    late = {place: value for place, value in observed.items() if place[0] < folded_until and not aside(place)}
    return found | _added_up(late, told), kept


def _added_up(observed: Mapping[BucketKey, Worth], told: Callable[[BucketKey], bool]) -> dict[BucketKey, Worth]:
    """Compact the buckets of hours that the page covers; others stay as they are."""
    found: dict[BucketKey, Worth] = {}
    for place, value in observed.items():
        to = (_hour(place) + value[BASIS], place[1]) if told(place) else place
        found[to] = _sum(found[to], value) if to in found else value
    return found


def _sum(one: Worth, other: Worth) -> Worth:
    version, basis, usd, byok, *figures = one
    other_version, _, other_usd, other_byok, *others = other
    summed = map(_plus, figures, others)
    return (max(version, other_version), basis, _plus(usd, other_usd), byok + other_byok, *summed)


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _hour(place: BucketKey) -> int:
    return place[0] - place[0] % HOUR_SECONDS
