"""Benchmark: ingest of one poll of 1,000 keys × 5 models × 24 hours through `ingest_page`, against raw upserts."""

import gc
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from benchmarks.measure import Row as Figure
from benchmarks.measure import server_ms
from benchmarks.year_of_data import opened, url_of
from outlay.books.ingest.ingest_page import ingest_page
from outlay.core.tokens import Tokens
from outlay.database.engine import Database, execute
from outlay.database.tables import FIGURES
from outlay.plugin.contract import Page, Report, Row, Window

DAY = datetime(2026, 11, 20, tzinfo=UTC)
KEYS, MODELS, HOURS = 1_000, 5, 24
HOURLY = Report("hours", timedelta(hours=1))
GOAL_MS = 3_000


async def run(scale: float, kinds: tuple[str, ...] = ("sqlite", "postgres")) -> list[Figure]:
    """Return the rows of the table."""
    return [figure for kind in kinds for figure in await _on(kind, round(KEYS * scale), GOAL_MS * scale)]


async def _on(kind: str, keys: int, goal: float) -> list[Figure]:
    page = _page(keys)
    async with url_of(kind) as url, opened(url) as database:
        raws = [await _raw(database, page) for _ in range(3)]
        raw, raw_spent = (statistics.median(one) for one in zip(*raws, strict=True))
        gc.collect()
        gc.freeze()  # as the bot does after its start
        first, spent = await _poll(database, page)
        held = await _versions(database)
        again, _ = await _poll(database, page)
        part = replace(page, rows=page.rows[: len(page.rows) // 5], complete=False)
        fifth, _ = await _poll(database, part)
        assert await _versions(database) == held, "a row of the books was written again"
    count = len(page.rows)
    name = "the database's own upsert of the same rows"
    return [
        Figure(f"a poll that writes {count:,} buckets ({kind})", first, "ms", goal, raw, name),
        Figure(f"that is, for each thousand ({kind})", first / count * 1000, "ms", 12.5 if kind == "sqlite" else 33.3),
        Figure(f"processor time of that poll ({kind})", spent, "ms", 0, raw_spent, name),
        Figure(f"the same poll again, no row written ({kind})", again, "ms", 0, raw, name),
        Figure(f"a fifth of it again, no row written ({kind})", fifth, "ms", 0, raw / 5, name),
    ]


def _page(keys: int) -> Page:
    """Build a day as a plugin reports it: one page."""
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


async def _spent_ms(database: Database) -> tuple[float, float]:
    """Return wall-clock time and processor time so far, including the database server's."""
    return time.perf_counter() * 1000, time.process_time() * 1000 + await server_ms(database)


async def _poll(database: Database, page: Page) -> tuple[float, float]:
    began, spent = await _spent_ms(database)
    async with database.write() as session:
        seen = DAY + timedelta(days=1, hours=1)
        await ingest_page(session, 1, "openrouter", [HOURLY], HOURLY, page, observed_at=seen)
    now, by_now = await _spent_ms(database)
    return now - began, by_now - spent


async def _versions(database: Database) -> object:
    """Return a value that changes if a row was written: row versions on PostgreSQL, the change counter on SQLite."""
    async with database.read() as session:
        if database.dialect == "postgresql":
            sums = [
                (await execute(session, text(f"SELECT COUNT(*), SUM(xmin::text::bigint) FROM {table}"))).one()
                for table in ("entry", "spend_hour", "spend_day", "spend_day_key", "spend_day_model", "statement")
            ]
            return [tuple(row) for row in sums]
    async with database.write() as session:
        return (await execute(session, text("SELECT total_changes()"))).scalar_one()


async def _raw(database: Database, page: Page) -> tuple[float, float]:
    """Upsert the same rows in the database's own fastest way, with everything known beforehand."""
    columns = ("start", "series", *FIGURES, "observed_at")
    rows = [
        (int(row.start.timestamp()), place, 123_457, 0, row.requests, *row.tokens, 0, 1)
        for place, row in enumerate(page.rows)
    ]
    made = ", ".join(f"{name} BIGINT" for name in columns) + ", PRIMARY KEY (start, series)"
    tail = " WITHOUT ROWID" if database.dialect == "sqlite" else ""
    sets = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns[2:])
    names = ", ".join(columns)
    async with database.engine.connect() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS raw"))
        await connection.execute(text(f"CREATE TABLE raw ({made}){tail}"))
        await connection.commit()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        began, spent = await _spent_ms(database)
        await connection.execute(text("SELECT 1"))
        if database.dialect == "sqlite":
            marks = ", ".join("?" for _ in columns)
            sql = f"INSERT INTO raw ({names}) VALUES ({marks}) ON CONFLICT (start, series) DO UPDATE SET {sets}"
            await connection.exec_driver_sql(sql, rows)
        else:
            await connection.execute(text("CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT * FROM raw LIMIT 0"))
            await driver.copy_records_to_table("staged", records=rows, columns=list(columns))
            conflict = f"ON CONFLICT (start, series) DO UPDATE SET {sets}"
            await connection.execute(text(f"INSERT INTO raw SELECT * FROM staged {conflict}"))
        await connection.commit()
        now, by_now = await _spent_ms(database)
        await connection.execute(text("DROP TABLE raw"))
        await connection.commit()
    return now - began, by_now - spent
