"""Ingestion of a page of a report into entries, in one transaction: compare, write changes, derive the sums again.

A page states "in this window the report has exactly these rows". Compared with the stored entries of that window, a row
is new, changed, or the same (nothing is written, not even a row version); a stored entry that the page lacks has
vanished and becomes zero. An observation older than the stored one changes nothing.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.closing import adjustments, close_month
from outlay.books.ingest import counters, read_windows
from outlay.books.ingest.identity_cache import IdentityCache, SeriesIdentity
from outlay.books.ingest.page_validation import MAX_SUM_A_PAGE, validate_page, validate_readings
from outlay.books.ingest.page_validation import BadPageError as BadPageError  # re-exported for callers of accept
from outlay.books.pricing import calibration
from outlay.books.pricing.price_list import PriceList
from outlay.books.pricing.valuation import BASIS, BYOK, COST, Valuer, Worth
from outlay.books.rollups import changed_hours, entry_compaction, hour_and_day, retention
from outlay.books.rollups.bill_allocation import PROJECT, split_report_names
from outlay.books.rollups.hour_and_day import DerivationScope
from outlay.books.rollups.hour_winner import reported_hours
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS, is_final, is_whole_day
from outlay.core import months
from outlay.database.bulk_write import run_many
from outlay.database.engine import execute, upsert
from outlay.database.tables import FIGURES, Coverage, Cursor, Entry
from outlay.plugin.contract import Page, Report, Row

ROWS_PER_YIELD = 1_000

BucketKey = tuple[int, int]  # (start of the bucket, series id)
_Name = tuple[str, str, str, tuple[tuple[str, str], ...], str, str]  # a row's identity without its time
_name: Callable[[Row], _Name] = attrgetter("key", "model", "requested", "detail", "reason", "project")
_T = TypeVar("_T")
_ENTRY_COLUMNS = ("connection_id", "start", "series_id", "observed_at", "price_version", "basis", *FIGURES)
_MAY_BE_UNKNOWN = [FIGURES.index(name) for name in ("cost_nano_usd", "requests", "saved_nano_usd")]


@dataclass(slots=True)
class Accepted:
    """Counts of what a page changed. `vanished` are also in `changed`. `unpriced`: models without a known price."""

    new: int = 0
    changed: int = 0
    same: int = 0
    vanished: int = 0
    unpriced: set[str] = field(default_factory=set)

    def add(self, other: "Accepted") -> None:
        """Add another page's counts to these."""
        self.new += other.new
        self.changed += other.changed
        self.same += other.same
        self.vanished += other.vanished
        self.unpriced |= other.unpriced


# A stored entry as the raw database row: unpacking a hundred thousand rows takes longer than reading them.
_StoredEntry = Sequence[Any]
_ANOTHER_SHAPE, _OBSERVED_AT, _BASIS = 2, 3, 4  # indexes after start and series id; the figures follow the basis


def _nothing(held: _StoredEntry) -> tuple[int | None, ...]:
    """Return the figures of a vanished bucket: zero, except that unknown figures stay unknown."""
    return tuple(
        None if figure is None and place in _MAY_BE_UNKNOWN else 0 for place, figure in enumerate(held[_BASIS + 1 :])
    )


@dataclass(slots=True)
class _Dirty:
    """Hours of a day to derive again, or None for the whole day. `moves`: see `counters.restated`."""

    days: dict[int, set[int] | None] = field(default_factory=dict)
    moves: list[tuple[int, int, int]] = field(default_factory=list)

    def hour(self, start: int) -> None:
        hours = self.days.setdefault(start // DAY_SECONDS * DAY_SECONDS, set())
        if hours is not None:
            hours.add(start // HOUR_SECONDS * HOUR_SECONDS)

    def day(self, day: int) -> None:
        self.days[day] = None

    def moved(self, place: BucketKey, width: int, before: int | None, after: int | None) -> None:
        if before != after:
            self.moves.append((place[1], place[0] + width, (after or 0) - (before or 0)))


async def ingest_page(
    session: AsyncSession,
    connection_id: int,
    ledger: str,
    reports: Sequence[Report],
    report: Report,
    page: Page,
    *,
    observed_at: datetime,
    projects: Mapping[str, str] | None = None,
    prices: PriceList | None = None,
) -> Accepted:
    """Ingest a page and derive what depends on it. Raise BadPageError, with nothing written, if the page is invalid.

    The caller's transaction holds the connection's lock (BEGIN IMMEDIATE, or its row FOR UPDATE), so that two workers
    on one connection run one after the other.
    """
    now = int(observed_at.timestamp())
    interner = IdentityCache(session, connection_id, ledger, projects or {})
    dirty = _Dirty()
    accepted = Accepted()
    if report.grain is not None or page.absent:
        await asyncio.to_thread(validate_page, report, page, observed_at)  # a large page would stop the event loop
    if page.absent:
        return accepted  # the account lacks this report, so the next one in precedence counts
    if report.grain is not None:
        split = report.name in split_report_names(reports)
        observed = await _observed(interner, ledger, report, page.rows, prices, by_project=split)
        span = _span(page)
        before = await reported_hours(session, connection_id, reports, report, span)
        accepted = await _entries(session, observed, connection_id, report, page, now, dirty)
        if accepted.new or accepted.changed:
            accepted.unpriced = _unpriced(page.rows, prices, ledger)
        for hour, _ in before ^ await reported_hours(session, connection_id, reports, report, span):
            dirty.hour(hour)  # another report may count for this hour from now on
        await _cover(session, connection_id, report, page, now, dirty)
        for at in await counters.restated(session, connection_id, dirty.moves, hour_and_day.STALE_SECONDS):
            dirty.hour(at)
    if page.readings:
        validate_readings(report, page.readings, observed_at)
        told_until = await _reported_until(session, connection_id, reports)
        for at in await counters.advance_counters(session, interner, connection_id, page.readings, told_until):
            dirty.hour(at)
    if dirty.days:
        books = DerivationScope(connection_id, reports, await interner.model("", ledger=""))
        await _derive_changes(session, books, dirty, now)
    return accepted


async def _reported_until(session: AsyncSession, connection_id: int, reports: Sequence[Report]) -> int:
    """Return up to when (seconds) a report with buckets finer than a day has been read; 0 if none has."""
    finer = {report.name for report in reports if report.grain is not None and not is_whole_day(report)}
    rows = await execute(
        session,
        text("SELECT report, watermark FROM cursor WHERE connection_id = :connection"),
        {"connection": connection_id},
    )
    return max((row.watermark or 0 for row in rows if row.report in finer), default=0)


async def _derive_changes(session: AsyncSession, books: DerivationScope, dirty: _Dirty, now: int) -> None:
    """Derive what the changes touched: open days again; closed days as a difference that counts now."""
    closed = await close_month.closed_months(session, books.connection_id)
    counts_at, booked = close_month.first_open(closed, now), False
    folded = await retention.folded_until(session, books.connection_id)
    touched = dict(dirty.days)
    for day, hours in dirty.days.items():
        rest = await calibration.refresh(session, books.connection_id, books.reports, day, whole=hours is None)
        touched |= dict.fromkeys(rest)
    for day, hours in list(touched.items()):
        tomorrow = day + DAY_SECONDS
        if tomorrow <= now and (hours is None or tomorrow - HOUR_SECONDS in hours):
            touched.setdefault(tomorrow, {tomorrow})  # its counter surplus looks back an hour
    for day, hours in sorted(touched.items()):
        month = months.start_of(day)
        if month in closed:
            booked |= await adjustments.book(session, books, day=day, month=month, now=counts_at)
        elif day < folded:
            await hour_and_day.derive(session, books, day=day, hours=None)
            await retention.drop_hours(session, books.connection_id, day)
        else:
            await hour_and_day.derive(session, books, day=day, hours=hours)
    if booked:
        hour = counts_at // HOUR_SECONDS * HOUR_SECONDS
        await hour_and_day.derive(session, books, day=hour // DAY_SECONDS * DAY_SECONDS, hours={hour})
    await changed_hours.mark_changed(session, books.connection_id, touched, now)


async def _entries(
    session: AsyncSession,
    observed: Mapping[BucketKey, Worth],
    connection_id: int,
    report: Report,
    page: Page,
    now: int,
    dirty: _Dirty,
) -> Accepted:
    """Compare the page with the stored entries and write the differences."""
    span = _span(page)
    held = await _stored_entries(session, connection_id, report, span)
    if entry_compaction.is_compactable(report) and span[0] < (
        until := await retention.folded_until(session, connection_id)
    ):
        observed, held = entry_compaction.compact_for_comparison(observed, held, span, until, complete=page.complete)
    newer = await read_windows.newer(session, connection_id, report.name, span, now)
    width = int((report.grain or timedelta(0)).total_seconds())
    read_until = await read_windows.read_until(session, connection_id, report.name, span[0])
    accepted = Accepted()
    writes: list[tuple[int | str | None, ...]] = []
    touched: set[int] = set()

    if not held and not newer and read_until == span[0]:  # nothing to compare with: a first poll
        async for part in _portions(observed.items()):
            writes += [(connection_id, *place, now) + worth for place, worth in part]  # noqa: RUF005  it is quicker
        accepted.new, touched = len(writes), {start for start, _ in observed}
        observed = {}
    async for part in _portions(observed.items()):
        for place, worth in part:
            before = held.pop(place, None)
            if before is None:
                if newer and _outdated(place, before, newer, now):
                    accepted.same += 1
                    continue
                accepted.new += 1
            elif before[_BASIS:] == worth[BASIS:] or _outdated(place, before, newer, now):
                accepted.same += 1  # another price list with the same prices is no change
                continue
            else:
                accepted.changed += 1
            if before is not None or place[0] < read_until:
                dirty.moved(place, width, None if before is None else before[_BASIS + 1], worth[COST])
            writes.append((connection_id, *place, now, *worth))
            touched.add(place[0])
    told = {start for start, _ in observed}
    for place, before in held.items():
        if not page.complete and not (before[_ANOTHER_SHAPE] and place[0] in told):
            continue
        nothing = _nothing(before)
        if before[_BASIS + 1 :] == nothing or _outdated(place, before, newer, now):
            continue
        accepted.vanished += 1
        accepted.changed += 1
        dirty.moved(place, width, before[_BASIS + 1], nothing[0])
        writes.append((connection_id, *place, now, "", before[_BASIS], *nothing))
        touched.add(place[0])
    for start in touched:
        dirty.hour(start)
    await run_many(session, upsert(session, Entry, update=_ENTRY_COLUMNS[3:]), _ENTRY_COLUMNS, writes)
    if page.complete:
        await read_windows.record_window(session, connection_id, report.name, span, now)
    return accepted


def _outdated(place: BucketKey, before: _StoredEntry | None, newer: Sequence[read_windows.TimeRange], now: int) -> bool:
    """Report whether the books have a newer observation of this bucket."""
    return (before is not None and before[_OBSERVED_AT] > now) or any(low <= place[0] < high for low, high in newer)


def _span(page: Page) -> read_windows.TimeRange:
    """Return the page's window in whole seconds: a bucket starts within these exactly if it starts in the window."""
    return ceil(page.window.start.timestamp()), ceil(page.window.end.timestamp())


async def _observed(
    interner: IdentityCache,
    ledger: str,
    report: Report,
    rows: Sequence[Row],
    prices: PriceList | None,
    *,
    by_project: bool,
) -> dict[BucketKey, Worth]:
    """Return the page's rows by (start, series id). `by_project`: keep a key's use of each project apart.

    Raise BadPageError if a bucket comes twice, or if the page has more dollars than the books can hold.
    """
    known: dict[_Name, int] = {}  # name → its position, so that each name is hashed once
    named = [known.setdefault(name, len(known)) for name in map(_name, rows)]
    by_name = await _series(interner, report, known.keys(), by_project)
    series = [by_name[name] for name in known]
    worth_of = Valuer(report, ledger, prices).worth
    observed: dict[BucketKey, Worth] = {}
    starts: dict[datetime, int] = {}
    last, start, dollars = None, 0, 0
    async for part in _portions(zip(rows, named, strict=True)):
        for row, name in part:
            if row.start is not last:
                last = row.start
                start = starts.get(last) or starts.setdefault(last, int(last.timestamp()))
            worth = worth_of(row)
            if observed.setdefault((start, series[name]), worth) is not worth:
                raise BadPageError(f"{report.name}: the same bucket twice at {row.start}, {row.model or 'no model'}")
            dollars += (worth[COST] or 0) + worth[BYOK]
    if dollars > MAX_SUM_A_PAGE:
        raise BadPageError(f"{report.name}: a page of {dollars} nano-dollars, more than the books can hold")
    return observed


def _unpriced(rows: Sequence[Row], prices: PriceList | None, ledger: str) -> set[str]:
    """Return the models without a known price. A tier's price may be unknown while the model's is known."""
    days = {
        row.model: row.start.date()
        for row in rows
        if row.cost_usd is None and row.model and row.tokens.total and row.list_price_factor is not None
    }
    return {model for model, day in days.items() if prices is not None and prices.unit(ledger, model, day) is None}


async def _series(interner: IdentityCache, report: Report, names: Set[_Name], by_project: bool) -> dict[_Name, int]:
    """Return the series id of each row name, inserting series that are new."""
    width = int((report.grain or timedelta(0)).total_seconds())
    identities = {
        (key, model, requested, detail, reason, project): SeriesIdentity(
            report.name, report.shape, width, key, reason if not key else "", project, model, requested,
            _detail_json(detail, project if key and by_project else ""),
        )
        for key, model, requested, detail, reason, project in names
    }  # fmt: skip
    await interner.ensure_series(identities.values())
    return {name: interner.series[identity] for name, identity in identities.items()}


def _detail_json(detail: tuple[tuple[str, str], ...], project: str) -> str:
    """Return a row's other dimensions as sorted JSON; '' for none."""
    every = dict(detail) | ({PROJECT: project} if project else {})
    return json.dumps(every, sort_keys=True) if every else ""


async def _portions(items: Iterable[_T]) -> AsyncIterator[Sequence[_T]]:
    """Yield items in portions; in between the event loop may answer requests from Slack."""
    rest = iter(items)
    while portion := list(islice(rest, ROWS_PER_YIELD)):
        yield portion
        await asyncio.sleep(0)


async def _stored_entries(
    session: AsyncSession, connection_id: int, report: Report, span: read_windows.TimeRange
) -> dict[BucketKey, _StoredEntry]:
    """Return the stored entries of a span, of any shape of the report: entries of an old shape vanish."""
    rows = await execute(
        session,
        text(
            "SELECT e.start, e.series_id, s.shape <> :shape OR s.width_seconds <> :width, e.observed_at, e.basis, "
            f"{', '.join(f'e.{name}' for name in FIGURES)} FROM entry e JOIN series s ON s.id = e.series_id "
            "WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report"
        ),
        {
            "connection": connection_id,
            "start": span[0],
            "end": span[1],
            "report": report.name,
            "shape": report.shape,
            "width": int((report.grain or timedelta(0)).total_seconds()),
        },
    )
    return {(row[0], row[1]): row for row in rows.all()}


async def _cover(
    session: AsyncSession, connection_id: int, report: Report, page: Page, now: int, dirty: _Dirty
) -> None:
    """Record which days the report has covered; derive a day whole if another report counts for it from now on."""
    start, end = _span(page)
    first = start // DAY_SECONDS * DAY_SECONDS
    days = range(first, end, DAY_SECONDS) if start < end else range(first, first, DAY_SECONDS)
    known = {
        row.day: bool(row.final)
        for row in await execute(
            session,
            text(
                "SELECT day, final FROM coverage WHERE connection_id = :connection AND report = :report "
                "AND day >= :first AND day < :end"
            ),
            {"connection": connection_id, "report": report.name, "first": first, "end": days.stop},
        )
    }
    rows = []
    for day in days:
        final = is_whole_day(report) and page.complete and is_final(report, day, now)
        if day not in known or (final and not known[day]):
            rows.append((connection_id, report.name, day, final))
            dirty.day(day)
    columns = ("connection_id", "report", "day", "final")
    await run_many(session, upsert(session, Coverage, update=("final",)), columns, rows)


async def move_cursor(
    session: AsyncSession, connection_id: int, report: str, *, watermark: datetime | None, rereads: Mapping[int, int]
) -> None:
    """Record, in the rows' transaction, how far a report has been read. The watermark never moves back."""
    cursor = await session.get(Cursor, (connection_id, report)) or Cursor(connection_id=connection_id, report=report)
    if watermark is not None:
        cursor.watermark = max(cursor.watermark or 0, int(watermark.timestamp()))
    done: dict[str, int] = defaultdict(int, json.loads(cursor.rereads))
    done.update({str(place): at for place, at in rereads.items()})
    cursor.rereads = json.dumps(done, sort_keys=True)
    cursor.error, cursor.note, cursor.absent, cursor.ask_again_at = "", "", False, None
    session.add(cursor)
