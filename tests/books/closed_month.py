"""October as a closed month: closing, auditing, and the state of the books afterward."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from outlay.books.closing import adjustments
from outlay.books.closing.close_month import month_hash
from outlay.books.closing.service import ClosingService
from outlay.books.ingest.ingest_page import move_cursor
from outlay.books.rollups import hour_and_day
from outlay.core.clock import FakeClock
from outlay.database.tables import Workspace
from outlay.plugin.contract import Row
from tests.books.factories import BILL, DAY, HOUR, REPORTS, Books, row, tokens

FIRST = datetime(2026, 10, 1, tzinfo=UTC)
LAST = datetime(2026, 10, 31, tzinfo=UTC)
OVER = datetime(2026, 11, 1, tzinfo=UTC)
SETTLED = datetime(2026, 11, 5, 9, 20, tzinfo=UTC)
OCTOBER, NOVEMBER = int(FIRST.timestamp()), int(OVER.timestamp())
LEDGERS: Any = {"little": SimpleNamespace(reports=REPORTS)}
NANO = 1_000_000_000


def clerk(books: Books, now: datetime = SETTLED) -> ClosingService:
    """Build the service that closes and audits, at a given time."""
    return ClosingService(books.database, LEDGERS, FakeClock(now))


def october(**usd: str) -> list[Row]:
    """Build bills of the month's last days: dollars on two keys, and some tokens without a price."""
    rows = [row(LAST, usd.get(key, worth), key, "m1", tokens=tokens(9)) for key, worth in (("k1", "5"), ("k2", "7"))]
    return [*rows, row(LAST - DAY, "3", "k1", "m2"), row(LAST - DAY, None, "k2", "m3", tokens=tokens(50))]


async def bill(books: Books, rows: list[Row], *, at: datetime = OVER + 2 * HOUR, **how: Any) -> None:
    """Take in the bill of the whole month, as read at a time."""
    await books.accept_rows(rows, start=FIRST, end=OVER, report=BILL, at=at, **how)


async def read_to(books: Books, moment: datetime) -> None:
    """Store how far the connection has been read."""
    async with books.database.write() as session:
        await move_cursor(session, 1, BILL.name, watermark=moment, rereads={})


async def closed_october(books: Books) -> str:
    """Bill, read, settle and close October; return its hash."""
    await bill(books, october())
    await read_to(books, OVER)
    return (await clerk(books).close("T1", OCTOBER)).hash


async def set_workspace(books: Books, **what: Any) -> None:
    async with books.database.write() as session:
        workspace = await session.get(Workspace, "T1")
        assert workspace
        workspace.sqlmodel_update(what)
        session.add(workspace)


async def frozen(books: Books) -> tuple[Any, ...]:
    """Return all that must not change any more: the rows, their hash, their total and status."""
    async with books.database.read() as session:
        digest = await month_hash(session, "T1", OCTOBER)
    tables = ("spend_hour", "spend_day", "spend_day_key", "spend_day_model")
    rows = [
        sorted(await books.rows(f"SELECT * FROM {table} WHERE {time} < {NOVEMBER} AND connection_id = 1"), key=repr)
        for table, time in zip(tables, ("hour", "day", "day", "day"), strict=True)
    ]
    found = await books.ask("2026-10", now=SETTLED)
    return digest, rows, found.total_nano_usd, found.status


async def unexplained(books: Books, *, connection_id: int = 1) -> list[Any]:
    """Return days of October whose closed figures and adjustments differ from the entries."""
    blank = await books.rows("SELECT id FROM model WHERE ledger = '' AND name = ''")
    found = []
    async with books.database.write() as session:
        for day in range(OCTOBER, NOVEMBER, 86_400):
            of = hour_and_day.DerivationScope(connection_id, REPORTS, blank[0][0] if blank else 0)
            found += (await adjustments.difference(session, of, day)).items()
    return found
