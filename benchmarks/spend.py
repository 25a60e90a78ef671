"""Benchmark: `/spend` over a year of books, the whole audit, an export, and the books' size, on both databases."""

import asyncio
import gc
import statistics
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.measure import Row, median_ms, resident_mib
from benchmarks.year_of_data import DAYS, KEYS, NOW, REPORTS, TODAY, fill, opened, url_of
from outlay.books.closing.audit import audit
from outlay.books.pricing.price_list import PriceList
from outlay.books.rollups import retention
from outlay.core import months
from outlay.core.clock import FakeClock
from outlay.database.engine import Database, execute
from outlay.export import month_rows
from outlay.spend.service import SpendService

QUESTIONS = (
    "", "by model", "by key top 10", "by day", "by project", "30d by owner", "30d by model", "30d by key top 10",
    "30d by day", "30d by project", "30d by ledger", "30d model:*m2 by owner", "2026-10 by owner", "365d by owner",
    "365d by model", "365d by key top 10", "365d by day", "365d by project", "365d by ledger",
    "365d model:*m2 by owner", "30d by key model top 10",
)  # fmt: skip
OCTOBER = months.parse("2026-10")


async def run(scale: float, kinds: tuple[str, ...] = ("sqlite", "postgres")) -> list[Row]:
    """Return the rows of the table."""
    return [row for kind in kinds for row in await _on(kind, scale)]


async def _on(kind: str, scale: float) -> list[Row]:
    keys = round(KEYS * scale)
    async with url_of(kind) as url, opened(url) as database:
        began = time.perf_counter()
        entries = await fill(database, keys)
        where = f"{kind}, {entries:,} entries"
        found = [Row(f"making the books ({where})", time.perf_counter() - began, "s")]
        gc.collect()
        gc.freeze()  # as the bot does after its start
        asking = SpendService(database, FakeClock(NOW))
        raw = await median_ms(lambda: _raw(database))
        for question in QUESTIONS:
            took = await median_ms(lambda question=question: asking.spend("local", question))  # type: ignore[misc]
            found.append(Row(f"/spend {question}".strip() + f" ({where})", took, "ms", 50, raw, "one raw SUM"))
        found += [*await _audited(database, where), *await _exported(database, where)]
        found += [await _folded(database, where), *await _size(database, keys, where)]
        return found


async def _raw(database: Database) -> None:
    async with database.read() as session:
        sql = f"SELECT SUM(cost_nano_usd) FROM spend_day WHERE connection_id = 1 AND day >= {months.start_of(TODAY)}"
        (await execute(session, text(sql))).one()


async def _audited(database: Database, where: str) -> list[Row]:
    before, began = resident_mib(), time.perf_counter()
    work = asyncio.create_task(audit(database, "local", REPORTS, now=NOW))
    peak = await _peak(work)
    assert work.result().ok, work.result().differences
    took = time.perf_counter() - began
    return [
        Row(f"the whole audit ({where})", took, "s"),
        Row(f"memory that the audit adds ({where})", peak - before, "MiB", 100),
    ]


async def _exported(database: Database, where: str) -> list[Row]:
    async def work() -> int:
        count = 0
        async with database.read() as session:
            rows = month_rows.focus_rows(
                session, "local", OCTOBER, prices=PriceList(), titles={"openrouter": "OpenRouter"}, now=NOW
            )
            async for _ in rows:
                count += 1
        return count

    before, began = resident_mib(), time.perf_counter()
    task = asyncio.create_task(work())
    peak = await _peak(task)
    took = time.perf_counter() - began
    return [
        Row(f"export of a month as FOCUS, {task.result():,} rows ({where})", took, "s"),
        Row(f"memory that the export adds ({where})", peak - before, "MiB", 100),
    ]


async def _peak(task: "asyncio.Task[Any]") -> float:
    """Return the peak resident memory while the task runs."""
    peak = resident_mib()
    while not task.done():
        await asyncio.wait([task], timeout=0.05)
        peak = max(peak, resident_mib())
    return peak


async def _folded(database: Database, where: str) -> Row:
    """Measure dropping the hours of 30 days, one day at a time, as the scheduler does daily."""
    took = []
    for day in range(TODAY - 60 * 86_400, TODAY - 30 * 86_400, 86_400):
        began = time.perf_counter()
        async with database.write() as session:
            await retention.drop_hours(session, 1, day)
        took.append((time.perf_counter() - began) * 1000)
    return Row(f"forgetting a day's hours, 30 days, median ({where})", statistics.median(took), "ms")


async def _size(database: Database, keys: int, where: str) -> list[Row]:
    """Return the size of the books for each key and month."""
    key_months = keys * DAYS / 30.4
    tables = ("entry", "spend_hour", "spend_day", "spend_day_key", "spend_period")
    async with database.read() as session:
        if database.dialect == "postgresql":
            whole = (await execute(session, text("SELECT pg_database_size(current_database())"))).scalar_one()
            parts = {
                name: (await execute(session, text(f"SELECT pg_total_relation_size('{name}')"))).scalar_one()
                for name in tables
            }
        else:
            whole = (await asyncio.to_thread(Path(str(database.url.database)).stat)).st_size
            parts = {}
    rows = [Row(f"size for each key and month ({where})", whole / key_months / 1024, "KiB")]
    return rows + [Row(f"of that, {name} ({where})", size / key_months / 1024, "KiB") for name, size in parts.items()]
