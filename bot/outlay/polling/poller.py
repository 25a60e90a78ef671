"""Poll of one connection: its keys, then what is due of each report, page by page into the books.

Each page is one transaction with its entries, its roll-ups and the cursor, so that a poll that dies anywhere is simply
done again. One report that is refused does not stop the others; one connection that fails does not stop the rest.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.closing import close_month
from outlay.books.ingest import ledger_keys as book_keys
from outlay.books.ingest.ingest_page import Accepted, BadPageError, ingest_page, move_cursor
from outlay.books.pricing.price_list import PriceList
from outlay.books.rollups import period_sums
from outlay.connections.lease import connection_lease
from outlay.connections.reauth import enqueue_reauth_notice
from outlay.connections.service import ConnectionService
from outlay.connections.views import PollResult
from outlay.core.clock import Clock
from outlay.database.engine import Database, describe_database_error
from outlay.database.tables import Connection, Cursor
from outlay.logs import error_id
from outlay.plugin.contract import Key, Ledger, Page, Report, Window
from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, PluginError, RateLimited, Transient
from outlay.polling.schedule import DueRead, ReadSchedule, next_read
from outlay.polling.unpriced_models import enqueue_unpriced_notice
from outlay.vault.errors import VaultError, VaultUnavailableError

MAX_PAGES = 10_000  # of one report in one poll
MAX_BACKOFF_SECONDS = 900
MAX_ERROR_CHARACTERS = 300
MAX_NOTES, MAX_NOTES_CHARACTERS = 5, 600
ABSENT_AGAIN = timedelta(days=1)  # when to ask again for a report that the account does not have
FORBIDDEN_AGAIN = timedelta(hours=1)  # and for one that the credential may not read: that may have been fixed
FORBIDDEN = 403
Progress = Callable[[str], None]
log = logging.getLogger("outlay.poll")


class _Refused(Permanent):
    """Refusal of some reports while others were read: no reason to ask for those less often."""


class Poller:
    """Reader of connections: fetches what is due and stores it in the books."""

    def __init__(
        self,
        database: Database,
        connections: ConnectionService,
        clock: Clock,
        *,
        poll_seconds: int = 60,
        admins: Collection[str] = (),
        prices: PriceList | None = None,
    ) -> None:
        self._prices = prices
        self._admins = sorted(admins)
        self._database = database
        self._connections = connections
        self._clock = clock
        self._poll_seconds = poll_seconds

    async def poll(
        self,
        connection_id: int,
        *,
        since: datetime | None = None,
        wait_seconds: float = 0,
        only_if_due: bool = False,
        progress: Progress = lambda _: None,
    ) -> PollResult | None:
        """Poll once, draining all pages. `only_if_due`: do nothing and return None if another replica was first.

        `since`: read from then on. Raises BusyError if another process polls it for longer than `wait_seconds`.
        """
        async with connection_lease(self._database, self._clock, connection_id, wait_seconds=wait_seconds):
            async with self._database.read() as session:
                row = await session.get(Connection, connection_id)
                noted = await _noted(session, connection_id)
            if row is None:
                raise Permanent("this connection has been removed")
            if only_if_due and row.next_poll_at and row.next_poll_at > self._clock.now().timestamp():
                return None
            result = PollResult(row.name)
            failure = await self._attempt(row, since, result, progress)
            await self._conclude(row, result, failure, noted)
            await period_sums.sum_up(self._database, connection_id, now=self._clock.now())
            return result

    async def _attempt(
        self, row: Connection, since: datetime | None, result: PollResult, progress: Progress
    ) -> Exception | None:
        """Read the connection; return what failed the poll as a whole, or None."""
        if self._prices:
            await asyncio.to_thread(self._prices.load)
        try:
            async with self._connections.open_ledger(row.id or 0) as ledger:
                try:
                    await self._read(row, ledger, since, result, progress)
                finally:
                    result.requests = ledger.context.http.requests
        except (PluginError, VaultError, BadPageError) as error:
            return error
        except DBAPIError as error:  # a full disk, a lost connection: our own fault, and it may pass
            log.error("poll failed", extra={"connection": row.name, "error": describe_database_error(error)})
            return Transient(describe_database_error(error))
        except OverflowError as error:  # of sums; the figures of a single page are checked before
            return Permanent(str(error))
        except Exception as error:
            bug = error_id()
            log.exception("poll failed", extra={"connection": row.name, "error_id": bug})
            return Permanent(f"the plugin failed in a way it should not ({type(error).__name__}, id {bug} in the log)")
        return None

    async def _read(
        self, row: Connection, ledger: Ledger[Any], since: datetime | None, result: PollResult, progress: Progress
    ) -> None:
        keys = await ledger.keys()
        async with self._database.write() as session:
            await book_keys.store_key_list(session, row.id or 0, keys, self._clock.now())
        refused: list[str] = []
        failures: list[Exception] = []
        waiting = 0
        for report in ledger.reports:
            if (held := await self._waiting(row, report)) and since is None:
                _note(result, held.note)
                refused += [_of(report, held.error)] if held.error else []
                waiting += 1
                continue
            try:
                accepted, disagreement = await self._report(row, ledger, report, keys, since, result, progress)
            except (Permanent, NeedsReauth, BadPageError, BadConfig) as error:
                forbidden = isinstance(error, PluginError) and error.status == FORBIDDEN
                if isinstance(error, NeedsReauth) and not forbidden:
                    raise
                failures.append(error)
                refused.append(_of(report, str(error)))
                await self._note_refusal(row, report, str(error), forbidden=forbidden)
                continue
            result.new += accepted.new
            result.changed += accepted.changed
            result.same += accepted.same
            if disagreement:
                refused.append(_of(report, disagreement))
                await self._note_refusal(row, report, disagreement, forbidden=False)
        if failures and len(failures) == len(ledger.reports) and isinstance(failures[0], NeedsReauth):
            raise failures[0]
        if refused:
            read = len(ledger.reports) - len(failures) - waiting
            raise (_Refused if read else Permanent)("; ".join(refused))

    async def _report(
        self,
        row: Connection,
        ledger: Ledger[Any],
        report: Report,
        keys: Sequence[Key],
        since: datetime | None,
        result: PollResult,
        progress: Progress,
    ) -> tuple[Accepted, str]:
        """Read what is due of one report; return also which of the ledger's own totals it does not come to, or ""."""
        total, disagreements = Accepted(), list[str]()
        now = self._clock.now()
        stretch = await self._due(row, report, now, since)
        if stretch is None:
            return total, await self._standing_error(row, report)
        window, cursor, whole = Window(stretch.start, stretch.end), None, True
        projects = {key.project_id: key.project_name for key in keys if key.project_id}
        for _ in range(MAX_PAGES):
            asked_at = self._clock.now()  # figures are as of the request, however long the answer took
            page = await ledger.poll(report.name, window, cursor)
            for note in page.notes:
                log.warning("ledger note", extra={"connection": row.name, "report": report.name, "note": note})
                _note(result, note)
            if page.absent:
                await self._note_absence(row, ledger, report, page)
                return total, ""
            disagreements += page.disagrees
            last, whole = page.cursor is None, whole and (page.complete or bool(page.disagrees))
            async with self._database.write() as session:
                await _lock(session, row.id or 0)
                accepted = await ingest_page(
                    session, row.id or 0, row.ledger, ledger.reports, report, page,
                    observed_at=asked_at, projects=projects, prices=self._prices,
                )  # fmt: skip
                total.add(accepted)
                if accepted.unpriced and not report.split_by:
                    await enqueue_unpriced_notice(session, row, accepted.unpriced, asked_at, self._admins)
                done = {place: int(now.timestamp()) for place in stretch.rereads} if last and whole else {}
                await move_cursor(
                    session,
                    row.id or 0,
                    report.name,
                    watermark=_watermark(page, report, stretch, last) if whole else None,
                    rereads=done,
                )
            progress(f"{row.name}: {report.name} read to {page.window.end:%Y-%m-%d %H:%M}")
            if last:
                return total, " ".join(disagreements[:MAX_NOTES])
            cursor = page.cursor
        raise Permanent(f"more than {MAX_PAGES:,} pages in one poll")

    async def _due(self, row: Connection, report: Report, now: datetime, since: datetime | None) -> DueRead | None:
        async with self._database.read() as session:
            cursor = await session.get(Cursor, (row.id, report.name))
        rereads = tuple((reread.every, reread.back) for reread in report.rereads)
        done = {int(place): _time(at) for place, at in json.loads(cursor.rereads).items()} if cursor else {}
        return next_read(
            ReadSchedule(report.grain, report.lag, report.history, rereads),
            now=now,
            watermark=_time(cursor.watermark) if cursor and cursor.watermark is not None else None,
            done=done,
            since=since,
        )

    async def _waiting(self, row: Connection, report: Report) -> Cursor | None:
        """Return the report's cursor while it must not be asked for yet, else None."""
        async with self._database.read() as session:
            cursor = await session.get(Cursor, (row.id, report.name))
        now = self._clock.now().timestamp()
        return cursor if cursor and cursor.ask_again_at is not None and cursor.ask_again_at > now else None

    async def _standing_error(self, row: Connection, report: Report) -> str:
        """Return what the last reading found wrong; it stands until the next."""
        async with self._database.read() as session:
            cursor = await session.get(Cursor, (row.id, report.name))
        return cursor.error if cursor else ""

    async def _note_refusal(self, row: Connection, report: Report, error: str, *, forbidden: bool) -> None:
        async with self._database.write() as session:
            cursor = await _cursor(session, row, report)
            cursor.error, cursor.absent, cursor.note = error[:MAX_ERROR_CHARACTERS], False, ""
            again = self._clock.now() + FORBIDDEN_AGAIN
            cursor.ask_again_at = int(again.timestamp()) if forbidden else None
            session.add(cursor)

    async def _note_absence(self, row: Connection, ledger: Ledger[Any], report: Report, page: Page) -> None:
        """Record that the account lacks the report: no failure, no coverage, asked for again tomorrow."""
        now = self._clock.now()
        async with self._database.write() as session:
            await ingest_page(session, row.id or 0, row.ledger, ledger.reports, report, page, observed_at=now)
            cursor = await _cursor(session, row, report)
            cursor.error, cursor.absent, cursor.note = "", True, "; ".join(page.notes)[:MAX_NOTES_CHARACTERS]
            cursor.ask_again_at = int((now + ABSENT_AGAIN).timestamp())
            session.add(cursor)

    async def _conclude(
        self, before: Connection, result: PollResult, failure: Exception | None, noted: Collection[str]
    ) -> None:
        """Store the connection's new state and when it is polled next. `noted`: earlier notes of absent reports."""
        now = self._clock.now()
        result.ok, result.error = failure is None, str(failure or "")[:MAX_ERROR_CHARACTERS]
        async with self._database.write() as session:
            row = await session.get(Connection, before.id)
            if row is None or row.disconnected_at is not None or row.fingerprint != before.fingerprint:
                return  # disconnected, or given another credential, while it was polled
            known = row.state == "needs_reauth"
            row.last_poll_at = int(now.timestamp())
            row.failures = 0 if failure is None else row.failures + 1
            row.error = result.error
            gone = set(noted) - set(await _noted(session, before.id or 0))
            row.notes = "; ".join(result.notes)[:MAX_NOTES_CHARACTERS] or _without(row.notes, gone)
            row.state = _state(failure)
            row.next_poll_at = self._next_poll(row, now, failure)
            session.add(row)
            if isinstance(failure, NeedsReauth) and not known:
                await enqueue_reauth_notice(session, row, now, self._admins)

    def _next_poll(self, row: Connection, now: datetime, failure: Exception | None) -> int | None:
        """Return when to poll next; None for a refused credential, until it is replaced. Failures back off."""
        if isinstance(failure, NeedsReauth):
            return None
        wait = self._poll_seconds
        if failure is not None and not isinstance(failure, _Refused):
            wait = min(self._poll_seconds * 2 ** min(row.failures - 1, 10), MAX_BACKOFF_SECONDS)
            wait = max(wait, self._poll_seconds)
        at = now + timedelta(seconds=wait)
        if isinstance(failure, RateLimited):
            at = max(at, failure.retry_at)
        return int(at.timestamp())


def _state(failure: Exception | None) -> str:
    """Return the connection's state. Paused: neither ledger nor credential is at fault, and it resumes by itself."""
    if failure is None:
        return "ok"
    if isinstance(failure, NeedsReauth):
        return "needs_reauth"
    return "paused" if isinstance(failure, VaultUnavailableError) else "failing"


async def _cursor(session: AsyncSession, row: Connection, report: Report) -> Cursor:
    return await session.get(Cursor, (row.id, report.name)) or Cursor(connection_id=row.id or 0, report=report.name)


def _of(report: Report, error: str) -> str:
    return error if error.startswith(report.name) else f"{report.name}: {error}"


def _note(result: PollResult, note: str) -> None:
    if note and note not in result.notes and len(result.notes) < MAX_NOTES:
        result.notes.append(note)


async def _noted(session: AsyncSession, connection_id: int) -> Sequence[str]:
    """Return the notes on reports that the account does not have."""
    notes = select(Cursor.note).where(Cursor.connection_id == connection_id, Cursor.note != "")
    return (await session.exec(notes)).all()


def _without(notes: str, gone: Collection[str]) -> str:
    for note in gone:
        notes = f"; {notes}; ".replace(f"; {note}; ", "; ").strip("; ")
    return notes


async def _lock(session: AsyncSession, connection_id: int) -> None:
    """Lock the connection, so that two workers take turns (on SQLite, BEGIN IMMEDIATE has seen to that)."""
    await close_month.share_workspace(session, connection_id)
    await session.exec(select(Connection.id).where(Connection.id == connection_id).with_for_update())


def _watermark(page: Page, report: Report, stretch: DueRead, last: bool) -> datetime | None:
    """Return up to when the report has now been read, less its lag; None for a counter."""
    if report.grain is None:
        return None
    if report.grain >= timedelta(days=1):
        return max(page.window.end, stretch.end) if last else page.window.end
    return page.window.end - report.lag  # a last page that ends early covers no more than that


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
