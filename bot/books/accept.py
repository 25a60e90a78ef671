"""How a page of a report becomes entries, in one transaction: compare, write what changed, derive what follows from it.

A page says "in this window the report says exactly these rows". So against what the books hold for that window a row
is new, changed, or the same (nothing is written, not even a row version), and an entry that the page does not have any
more has vanished and becomes zero. An observation older than the one in the books changes nothing.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books import rollups
from bot.books.database import run_many, upsert
from bot.books.interning import Interner, SeriesIdentity
from bot.books.tables import BILLED, COMPUTED, FIGURES, UNPRICED, Counter, Coverage, Cursor, Entry
from bot.core.money import MoneyError, to_nano
from bot.core.precedence import DAY_SECONDS, HOUR_SECONDS, is_final, is_whole_day
from bot.plugin.contract import Page, Report, Row

MAX_AHEAD = timedelta(minutes=5)  # a bucket may start this far in the future before its clock is not believed
MAX_ROWS_A_PAGE = 500_000
ROWS_BETWEEN_BREATHS = 1_000

Figures = tuple[int | None, ...]
_ENTRY_COLUMNS = ("connection_id", "start", "series_id", "basis", "observed_at", *FIGURES)
_ZERO: Figures = (0, 0, 0, 0, 0, 0, 0, 0, 0)
_NO_DOLLARS = Decimal(0)


class BadPageError(ValueError):
    """A page that cannot be believed. Nothing of it is kept; the message says which row and why."""


@dataclass(slots=True)
class Accepted:
    """What a page changed. `vanished` are counted in `changed` too."""

    new: int = 0
    changed: int = 0
    same: int = 0
    vanished: int = 0

    def add(self, other: "Accepted") -> None:
        """Sums up over pages."""
        self.new += other.new
        self.changed += other.changed
        self.same += other.same
        self.vanished += other.vanished


@dataclass(slots=True)
class _Dirty:
    """What has to be derived anew: hours of a day, or (None) the whole day."""

    days: dict[int, set[int] | None] = field(default_factory=dict)

    def hour(self, start: int) -> None:
        hours = self.days.setdefault(start // DAY_SECONDS * DAY_SECONDS, set())
        if hours is not None:
            hours.add(start // HOUR_SECONDS * HOUR_SECONDS)

    def day(self, day: int) -> None:
        self.days[day] = None


async def accept(
    session: AsyncSession,
    connection_id: int,
    ledger: str,
    reports: Sequence[Report],
    report: Report,
    page: Page,
    *,
    observed_at: datetime,
    projects: Mapping[str, str] | None = None,
) -> Accepted:
    """Takes a page into the books. Raises BadPageError, and then nothing of it was written.

    The caller's transaction holds the connection's lock (BEGIN IMMEDIATE, or its row FOR UPDATE), so that two workers
    at one connection come one after the other.
    """
    now = int(observed_at.timestamp())
    interner = Interner(session, connection_id, ledger, projects or {})
    dirty = _Dirty()
    accepted = Accepted()
    if report.grain is not None:
        _believe(report, page, observed_at)
        accepted = await _entries(session, interner, connection_id, report, page, now, dirty)
        await _cover(session, connection_id, report, page, now, dirty)
    if page.readings:
        await _read_counters(session, interner, connection_id, page, dirty)
    blank = await interner.model("", ledger="")
    for day, hours in sorted(dirty.days.items()):
        await rollups.derive(session, connection_id, reports, day=day, hours=hours, blank_model_id=blank)
    return accepted


def _believe(report: Report, page: Page, now: datetime) -> None:
    """Refuses a page that contradicts itself or the calendar."""
    if len(page.rows) > MAX_ROWS_A_PAGE:
        raise BadPageError(f"{report.name}: {len(page.rows):,} rows in one page, more than {MAX_ROWS_A_PAGE:,}")
    grain = int((report.grain or timedelta(0)).total_seconds())
    start, end, latest = page.window.start, page.window.end, now + MAX_AHEAD
    if is_whole_day(report) and (start.timestamp() % DAY_SECONDS or end.timestamp() % DAY_SECONDS):
        raise BadPageError(f"{report.name}: a page of whole days has a window from {start} to {end}")
    for row in page.rows:
        if not start <= row.start < end:
            raise BadPageError(f"{report.name}: a bucket at {row.start} is outside its page ({start} to {end})")
        if row.start > latest:
            raise BadPageError(f"{report.name}: a bucket at {row.start} is in the future")
        if row.start.timestamp() % min(grain, DAY_SECONDS):
            raise BadPageError(f"{report.name}: a bucket at {row.start} does not start on its grain")
        if problem := row.tokens.problem():
            raise BadPageError(f"{report.name}: {problem} at {row.start}, {row.model or 'no model'}")
        if (row.requests or 0) < 0 or (row.cost_usd or 0) < 0 or row.byok_usd < 0:
            raise BadPageError(f"{report.name}: a negative figure at {row.start}, {row.model or 'no model'}")
        if not row.key and not row.reason:
            raise BadPageError(f"{report.name}: a row without a key and without a reason at {row.start}")


async def _entries(
    session: AsyncSession,
    interner: Interner,
    connection_id: int,
    report: Report,
    page: Page,
    now: int,
    dirty: _Dirty,
) -> Accepted:
    observed = await _observed(interner, report, page.rows)
    held = await _held(session, connection_id, report, page)
    accepted = Accepted()
    writes: list[tuple[int | None, ...]] = []
    for count, (place, (basis, figures)) in enumerate(observed.items()):
        if not count % ROWS_BETWEEN_BREATHS:
            await asyncio.sleep(0)
        before = held.pop(place, None)
        if before is None:
            accepted.new += 1
        elif before[0] > now or before[1:] == (basis, figures):
            accepted.same += 1
            continue
        else:
            accepted.changed += 1
        writes.append((connection_id, *place, basis, now, *figures))
        dirty.hour(place[0])
    if page.complete:
        for place, (observed_before, basis, figures) in held.items():
            if figures != _ZERO and observed_before <= now:
                accepted.vanished += 1
                accepted.changed += 1
                writes.append((connection_id, *place, basis, now, *_ZERO))
                dirty.hour(place[0])
    await run_many(session, upsert(session, Entry, update=_ENTRY_COLUMNS[3:]), _ENTRY_COLUMNS, writes)
    return accepted


async def _observed(
    interner: Interner, report: Report, rows: Sequence[Row]
) -> dict[tuple[int, int], tuple[int, Figures]]:
    """The page's rows by their place in the books: (start, series) → basis and figures."""
    width = int((report.grain or timedelta(0)).total_seconds())
    identities = [
        SeriesIdentity(
            report.name, report.shape, width, row.key, row.reason if not row.key else "", row.project, row.model,
            row.requested, json.dumps(dict(row.detail), sort_keys=True) if row.detail else "",
        )
        for row in rows
    ]  # fmt: skip
    await interner.know(identities)
    starts: dict[datetime, int] = {}
    observed: dict[tuple[int, int], tuple[int, Figures]] = {}
    for count, (row, identity) in enumerate(zip(rows, identities, strict=True)):
        if not count % ROWS_BETWEEN_BREATHS:
            await asyncio.sleep(0)  # somebody may be waiting for an answer in Slack meanwhile
        start = starts.get(row.start)
        if start is None:
            start = starts[row.start] = int(row.start.timestamp())
        place = (start, interner.series[identity])
        if place in observed:
            raise BadPageError(f"{report.name}: the same bucket twice at {row.start}, {row.model or 'no model'}")
        observed[place] = _figures(report, row)
    return observed


def _figures(report: Report, row: Row) -> tuple[int, Figures]:
    try:
        cost = None if row.cost_usd is None else to_nano(row.cost_usd)
        byok = to_nano(row.byok_usd) if row.byok_usd is not _NO_DOLLARS else 0
    except MoneyError as error:
        raise BadPageError(f"{report.name}: {error} ({row.model or 'no model'}, {row.start})") from error
    basis = UNPRICED if cost is None else BILLED if report.basis == "billed" else COMPUTED
    return basis, (cost, byok, row.requests, *row.tokens)


async def _held(
    session: AsyncSession, connection_id: int, report: Report, page: Page
) -> dict[tuple[int, int], tuple[int, int, Figures]]:
    """What the books hold for the page's window, of any shape of the report: an old shape's buckets vanish."""
    rows = await session.execute(
        text(
            f"SELECT e.start, e.series_id, e.observed_at, e.basis, {', '.join(f'e.{name}' for name in FIGURES)} "
            "FROM entry e JOIN series s ON s.id = e.series_id "
            "WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report"
        ),
        {
            "connection": connection_id,
            "start": int(page.window.start.timestamp()),
            "end": int(page.window.end.timestamp()),
            "report": report.name,
        },
    )
    return {(row[0], row[1]): (row[2], row[3], tuple(row[4:])) for row in rows}


async def _cover(
    session: AsyncSession, connection_id: int, report: Report, page: Page, now: int, dirty: _Dirty
) -> None:
    """Notes which days the report has spoken of; a day on which another report counts from now on is derived whole."""
    first = int(page.window.start.timestamp()) // DAY_SECONDS * DAY_SECONDS
    days = range(first, int(page.window.end.timestamp()), DAY_SECONDS)
    known = {
        row.day: bool(row.final)
        for row in await session.execute(
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


async def _read_counters(
    session: AsyncSession, interner: Interner, connection_id: int, page: Page, dirty: _Dirty
) -> None:
    """Moves the counters of the day on. A counter that fell was reset: what it shows now is what it rose since."""
    rows = []
    for reading in page.readings:
        at = int(reading.at.timestamp())
        day = at // DAY_SECONDS * DAY_SECONDS
        key_id = await interner.key(reading.key, reason="" if reading.key else "the account as a whole")
        total = to_nano(reading.total_usd)
        before = await session.get(Counter, (connection_id, key_id, day))
        if before is None:
            rows.append((connection_id, key_id, day, at, at, total, 0, 0))
        elif at > before.read_at and total != before.total_nano_usd:
            fell = total < before.total_nano_usd
            rise = total if fell else total - before.total_nano_usd
            risen, resets = before.risen_nano_usd + rise, before.resets + fell
            rows.append((connection_id, key_id, day, before.base_at, at, total, risen, resets))
            dirty.hour(at)
    columns = (
        "connection_id", "key_id", "day", "base_at", "read_at", "total_nano_usd", "risen_nano_usd", "resets",
    )  # fmt: skip
    await run_many(session, upsert(session, Counter, update=columns[4:]), columns, rows)


async def move_cursor(
    session: AsyncSession, connection_id: int, report: str, *, watermark: datetime | None, rereads: Mapping[int, int]
) -> None:
    """Notes, in the transaction of the rows, how far a report has been read. The watermark never goes back."""
    cursor = await session.get(Cursor, (connection_id, report)) or Cursor(connection_id=connection_id, report=report)
    if watermark is not None:
        cursor.watermark = max(cursor.watermark or 0, int(watermark.timestamp()))
    done: dict[str, int] = defaultdict(int, json.loads(cursor.rereads))
    done.update({str(place): at for place, at in rereads.items()})
    cursor.rereads = json.dumps(done, sort_keys=True)
    cursor.error = ""
    session.add(cursor)
