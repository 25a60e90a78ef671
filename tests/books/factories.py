"""Shared by the tests of the books: a small ledger, its reports, and books to take pages into."""

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from sqlalchemy import text
from sqlmodel import select

from outlay.books.ingest.ingest_page import Accepted, ingest_page
from outlay.core.tokens import CLASSES, NO_TOKENS, Tokens
from outlay.database.engine import Database
from outlay.database.tables import FIGURES, Connection, Workspace
from outlay.plugin.contract import CounterReading, Page, Report, RereadRule, Row, Window
from outlay.spend.answer import Answer
from outlay.spend.parser import parse
from outlay.spend.report import answer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
NOW = MONDAY + 2 * DAY + 10 * HOUR
HOURS = Report("hours", HOUR, lag=timedelta(minutes=10))
BILL = Report("bill", DAY, lag=timedelta(minutes=30))
COUNTER = Report("counter", None, rereads=(RereadRule(timedelta(0), timedelta(0)),))
REPORTS = (BILL, HOURS, COUNTER)
ROLLUPS = ("spend_hour", "spend_day", "spend_day_key", "spend_day_model")
MEASURED = ("cost_nano_usd", "byok_nano_usd", "requests", *CLASSES, "reasoning")
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
BOOKKEEPING = ("cursor", "statement")
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
}

_NUMBERS = ("key_id", "model_id", "series_id")
_KEY = "(SELECT k.ledger_id || '/' || k.reason || '/' || k.scope FROM ledger_key k WHERE k.id = key_id) AS of_key"
_MODEL = "(SELECT m.name FROM model m WHERE m.id = model_id) AS of_model"
_SERIES = (
    "(SELECT s.report || s.shape || k.ledger_id || '/' || k.reason || '/' || k.scope || '/' || m.name || s.detail "
    "FROM series s JOIN ledger_key k ON k.id = s.key_id JOIN model m ON m.id = s.model_id WHERE s.id = series_id) "
    "AS of_series"
)

if TYPE_CHECKING:
    from tests.books.database_pool import Shelf


def examples(modest: int) -> settings:
    """Return hypothesis settings: few examples by default, fifty times as many with HYPOTHESIS_PROFILE=thorough."""
    return settings(
        max_examples=modest * 50 if THOROUGH else modest,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


async def furnish(database: Database) -> None:
    """Add a workspace with the connection `main`, and another tenant beside it."""
    async with database.write() as session:
        for workspace, name in (("T1", "main"), ("T2", "theirs")):
            session.add(Workspace(id=workspace, created_at=0))
            await session.flush()
            await connection(session, workspace, name)


async def connection(session: Any, workspace: str, name: str, *, role: str = "books", ledger: str = "little") -> int:
    """Add a connection; return its id."""
    row = Connection(
        workspace_id=workspace, name=name, ledger=ledger, role=role, account_id=name, account_title=name, created_at=0
    )
    session.add(row)
    await session.flush()
    return row.id or 0


class Books:
    """Books that pages go into and answers come out of."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reports: Sequence[Report] = REPORTS
        self.database = Database(url)

    @classmethod
    @asynccontextmanager
    async def copied(cls, shelf: "Shelf", folder: Path) -> AsyncIterator["Books"]:
        """Lend books from a pool for the duration of the block; a SQLite file lies in the folder."""
        books = cls(await shelf.lend(folder))
        try:
            yield books
        finally:
            await books.database.close()
            await shelf.take_back(books.url)

    async def take(
        self,
        page: Page,
        report: Report = HOURS,
        *,
        at: datetime = NOW,
        connection_id: int = 1,
        ledger: str = "little",
        reports: Sequence[Report] | None = None,
    ) -> Accepted:
        """Take a page in, in a transaction of its own."""
        async with self.database.write() as session:
            await session.exec(select(Connection.id).where(Connection.id == connection_id).with_for_update())
            known = reports or self.reports
            return await ingest_page(session, connection_id, ledger, known, report, page, observed_at=at)

    async def accept_rows(
        self, rows: Iterable[Row], *, start: datetime = MONDAY, end: datetime = NOW, **how: Any
    ) -> Accepted:
        """Take in a page of these rows."""
        return await self.take(Page(Window(start, end), list(rows)), **how)

    async def read(self, key: str, usd: str, at: datetime) -> Accepted:
        """Take in a counter reading."""
        return await self.take(Page(Window(at, at), readings=[CounterReading(key, at, Decimal(usd))]), COUNTER, at=at)

    async def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a query in a transaction of its own."""
        async with self.database.read() as session:
            found = await (await session.connection()).execute(text(sql), values)
            return [tuple(int(one) if isinstance(one, Decimal) else one for one in row) for row in found]

    async def dump(self, *, without: Sequence[str] = (), versions: bool = False) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table; `versions`: with the transaction that wrote it, on PostgreSQL."""
        postgres = self.database.dialect == "postgresql"
        columns = "xmin::text, *" if postgres and versions else "*"
        tables = [name for (name,) in await self.rows(TABLES[self.database.dialect]) if name not in without]
        return {name: sorted(await self.rows(f"SELECT {columns} FROM {name}"), key=repr) for name in tables}

    async def figures(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return entries and roll-ups, without observation times."""
        names = f"connection_id, start, series_id, basis, {', '.join(FIGURES)}"
        entries = await self.rows(f"SELECT {names} FROM entry ORDER BY {names}")
        return {"entry": entries} | {
            table: sorted(await self.rows(f"SELECT * FROM {table}"), key=repr) for table in ROLLUPS
        }

    async def rows_by_name(self, *, without: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
        """Return the rows by name, without generated numbers, which may differ (a sequence does not roll back)."""
        columns = {
            "ledger_key": "connection_id, ledger_id, reason, scope, name",
            "model": "ledger, name",
            "series": f"connection_id, report, shape, width_seconds, {_KEY}, {_MODEL}, requested, detail",
            "entry": f"connection_id, start, observed_at, basis, price_version, {', '.join(FIGURES)}, {_SERIES}",
            "counter": f"*, {_KEY}",
            "adjustment": f"connection_id, month, day, hour, basis, {', '.join(FIGURES)}, {_KEY}, {_MODEL}",
            "spend_day_key": f"*, {_KEY}",
            "spend_day_model": f"*, {_MODEL}",
        } | dict.fromkeys(("spend_hour", "spend_day"), f"*, {_KEY}, {_MODEL}")
        found = {}
        for (name,) in await self.rows(TABLES[self.database.dialect]):
            if name not in without:
                rows = await self._plain(f"SELECT {columns.get(name, '*')} FROM {name}")
                found[name] = sorted(({k: v for k, v in one.items() if k not in _NUMBERS} for one in rows), key=repr)
        return found

    async def _plain(self, sql: str) -> list[dict[str, Any]]:
        async with self.database.read() as session:
            return [dict(one) for one in (await (await session.connection()).execute(text(sql))).mappings()]

    async def total(self, *, connection_id: int = 1) -> int | None:
        """Return all that counts, in nano-dollars."""
        sql = "SELECT SUM(cost_nano_usd) FROM spend_day_model WHERE connection_id = :id"
        return (await self.rows(sql, id=connection_id))[0][0]

    async def sums(self, table: str) -> tuple[Any, ...]:
        """Return the sums of a roll-up."""
        names = ", ".join(f"SUM({name})" for name in (*MEASURED, "unpriced_tokens"))
        return (await self.rows(f"SELECT {names} FROM {table}"))[0]

    async def agree(self) -> None:
        """Check that every level of the roll-ups has the same sums."""
        first, *others = [await self.sums(table) for table in ROLLUPS]
        assert others == [first] * len(others)

    async def ask(
        self, words: str = "", *, now: datetime = NOW, workspace: str = "T1", today: date | None = None
    ) -> Answer:
        async with self.database.read() as session:
            return await answer(session, workspace, parse(words, today=today or now.date()), now=now)


def row(start: datetime, usd: str | None = "1", key: str = "k1", model: str = "m1", **more: Any) -> Row:
    """Build a row of a report, with as little as it takes."""
    return Row(start=start, key=key, model=model, cost_usd=None if usd is None else Decimal(usd), **more)


def tokens(total: int) -> Tokens:
    """Build tokens of all classes that add up to this total."""
    part, rest = divmod(total, 5)
    return Tokens(part + rest, part, part, part, part, part // 2) if total else NO_TOKENS
