"""Writing observations: one poll of 1,000 keys × 5 models × 24 hours, through `accept`, against raw upserts."""

import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from benchmarks.measure import Row as Figure
from bot.books import migrations
from bot.books.accept import accept
from bot.books.database import Database
from bot.books.tables import Connection, Workspace
from bot.core.tokens import Tokens
from bot.plugin.contract import Page, Report, Row, Window

DAY = datetime(2026, 11, 20, tzinfo=UTC)
KEYS, MODELS, HOURS = 1_000, 5, 24
HOURLY = Report("hours", timedelta(hours=1))
GOAL_MS = 3_000


async def run(scale: float) -> list[Figure]:
    """The rows of the table."""
    keys = round(KEYS * scale)
    pages = [_page(keys)]
    rows = sum(len(page.rows) for page in pages)
    raw = _raw(pages)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/books.sqlite")
        await migrations.upgrade(database)
        async with database.write() as session:
            session.add(Workspace(id="local", created_at=0))
            await session.flush()
            session.add(
                Connection(
                    id=1,
                    workspace_id="local",
                    name="main",
                    ledger="openrouter",
                    role="books",
                    account_id="a",
                    account_title="A",
                    created_at=0,
                )
            )
        first = await _poll(database, pages)
        again = await _poll(database, pages)
        await database.close()
    name = f"a poll that writes {rows:,} buckets"
    return [
        Figure(name, first, "ms", GOAL_MS * scale, raw, "sqlite3 executemany upsert"),
        Figure(f"the same poll again ({rows:,} the same)", again, "ms", 0, raw, "sqlite3 executemany upsert"),
    ]


def _page(keys: int) -> Page:
    """A day as the plugin tells it: one page."""
    rows = [
        Row(
            start=DAY + timedelta(hours=hour),
            key=f"k{key}",
            model=f"maker/m{model}",
            cost_usd=Decimal("0.000123457") * (key + model + 1),
            tokens=Tokens(1200, 3400, 0, 0, 560, 120),
            requests=7,
        )
        for hour in range(HOURS)
        for key in range(keys)
        for model in range(MODELS)
    ]
    return Page(Window(DAY, DAY + timedelta(days=1)), rows)


async def _poll(database: Database, pages: list[Page]) -> float:
    began = time.perf_counter()
    for page in pages:
        async with database.write() as session:
            await accept(session, 1, "openrouter", [HOURLY], HOURLY, page, observed_at=DAY + timedelta(days=1, hours=1))
    return (time.perf_counter() - began) * 1000


def _raw(pages: list[Page]) -> float:
    """The database's own fastest way to upsert the same buckets, with everything known beforehand."""
    with tempfile.TemporaryDirectory() as folder, sqlite3.connect(Path(folder) / "raw.sqlite") as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute(
            "CREATE TABLE entry (start INTEGER, series INTEGER, cost INTEGER, input INTEGER, cached INTEGER, "
            "output INTEGER, requests INTEGER, seen INTEGER, PRIMARY KEY (start, series)) WITHOUT ROWID"
        )
        batches = [
            [
                (int(row.start.timestamp()), place, 123_457, *row.tokens[:2], row.tokens.output, row.requests, 1)
                for place, row in enumerate(page.rows)
            ]
            for page in pages
        ]
        began = time.perf_counter()
        for batch in batches:
            raw.executemany(
                "INSERT INTO entry VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET cost = excluded.cost", batch
            )
            raw.commit()
        return (time.perf_counter() - began) * 1000
