"""Test data for benchmarks: a year of books of 100 keys × 5 models, a million entries.

Each key and model is active in five or six hours of every day. The entries are generated in the database. Everything
else is made as in production: roll-ups are derived day by day, hours past their retention are folded, and quarters,
months and their parts are summed up.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from outlay import migrations
from outlay.books.rollups import hour_and_day, period_sums, retention
from outlay.database.engine import Database, execute
from outlay.database.tables import Connection, Workspace
from outlay.plugin.contract import Report

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
DAY = 86_400
TODAY = int(NOW.timestamp()) // DAY * DAY
KEYS, MODELS, DAYS = 100, 5, 365
REPORTS = {"openrouter": (Report("hours", timedelta(hours=1)),)}
_ONE_TO = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {} - 1) "


@asynccontextmanager
async def url_of(kind: str) -> AsyncIterator[str]:
    """Yield the URL of an empty database: a SQLite file, or a PostgreSQL of its own, as the tests start it."""
    with ExitStack() as stack:
        if kind == "sqlite":
            yield f"sqlite+aiosqlite:///{Path(stack.enter_context(tempfile.TemporaryDirectory())) / 'books.sqlite'}"
        else:
            from tests.postgres import postgres

            url = await asyncio.to_thread(stack.enter_context(postgres()).database)
            yield url.replace("postgresql://", "postgresql+asyncpg://")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Yield migrated books with a workspace and a connection, and no entries."""
    database = Database(url)
    await migrations.upgrade(database)
    async with database.write() as session:
        session.add(Workspace(id="local", created_at=0, close_day=0))
        await session.flush()
        session.add(
            Connection(
                id=1, workspace_id="local", name="main", ledger="openrouter", role="books", account_id="a",
                account_title="A", created_at=0,
            )
        )  # fmt: skip
    try:
        yield database
    finally:
        await database.close()


async def name(database: Database, keys: int) -> None:
    """Insert the keys, with their projects and owners, the models, and a series for each key and model."""
    n = _ONE_TO.format
    async with database.write() as session:
        for sql in (
            f"INSERT INTO ledger_key (id, connection_id, ledger_id, reason, scope, name, label, project_id, "
            f"project_name, email, disabled) {n(keys)} SELECT i + 1, 1, 'k' || i, '', '', 'key-' || i, '', "
            "'p' || i % 12, 'project-' || i % 12, 'dev' || i % 150 || '@x.example', (1 = 0) FROM n",
            f"INSERT INTO model (id, ledger, name) {n(MODELS)} SELECT i + 1, 'openrouter', 'maker/m' || i FROM n",
            "INSERT INTO model (id, ledger, name) VALUES (1000, '', '')",
            "INSERT INTO series (id, connection_id, report, shape, width_seconds, key_id, model_id, requested, detail) "
            f"{n(keys * MODELS)} SELECT i + 1, 1, 'hours', 1, 3600, i / {MODELS} + 1, i % {MODELS} + 1, '', '' FROM n",
        ):
            await execute(session, text(sql))


async def fill(database: Database, keys: int) -> int:
    """Fill the books with a year; return the number of entries."""
    n = _ONE_TO.format
    first = TODAY - (DAYS - 1) * DAY
    await name(database, keys)
    entries = 0
    for day in range(first, TODAY + DAY, DAY):
        hours = 14 if day == TODAY else 24
        async with database.write() as session:
            made = await execute(session, text(_ENTRIES.format(day=day, hours=hours, slots=n(hours))))
            entries += made.rowcount
            await execute(session, text(f"INSERT INTO coverage VALUES (1, 'hours', {day}, (1 = 0))"))
            await hour_and_day.derive(
                session, hour_and_day.DerivationScope(1, REPORTS["openrouter"], 1000), day=day, hours=None
            )
    folded = True
    while folded:
        async with database.write() as session:
            folded = bool(await retention.fold(session, await session.get_one(Workspace, "local"), REPORTS, now=NOW))
    await period_sums.sum_up(database, 1, now=NOW)
    async with database.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("ANALYZE"))
    return entries


_ENTRIES = """
    INSERT INTO entry (connection_id, start, series_id, basis, observed_at, price_version, cost_nano_usd, byok_nano_usd,
                       requests, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, saved_nano_usd)
    {slots}
    SELECT 1, {day} + i * 3600, s.id, 1, {day} + 86400, '',
           (({day} / 86400 * 7919 + i * 31 + s.id * 104729) % 1000003) * 997, 0,
           7, 1200 + s.id % 977, 3400 + i, s.id % 89 + 1, i + 1, 560 + s.id % 97, 120, 1000
    FROM n CROSS JOIN series s
    WHERE (i + s.id * 5) % 24 IN (0, 4, 9, 13, 18) OR ((i + s.id * 5) % 24 = 21 AND s.id % 2 = 0)
    ORDER BY i, s.id
"""
