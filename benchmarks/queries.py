"""Benchmark: `/spend` with ten million entries' worth of data, in processor time, independent of the machine's load.

Only the roll-ups are made, in SQL, as 1,000 keys × 5 models on every day of a year leave them; months, quarters and
parts of months are summed up as in production. Processor time is that of this process and of the database server.
"""

import gc
import statistics
import time

from sqlalchemy import text

from benchmarks.measure import Row, server_ms
from benchmarks.spend import QUESTIONS
from benchmarks.year_of_data import DAY, DAYS, MODELS, NOW, TODAY, name, opened, url_of
from outlay.books.rollups import period_sums
from outlay.books.rollups.hour_and_day import FOLDS, HOURS, fold
from outlay.core.clock import FakeClock
from outlay.database.engine import Database, execute
from outlay.spend.service import SpendService

KEYS = 1_000
GOAL_MS = 50
RUNS = 7
_DAY_LINES = """
    INSERT INTO spend_day (connection_id, day, key_id, model_id, basis, adjusts, cost_nano_usd, byok_nano_usd, requests,
                           input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, saved_nano_usd,
                           unpriced_tokens, settles_at)
    WITH RECURSIVE k(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < {keys}),
                   m(m) AS (SELECT 1 UNION ALL SELECT m + 1 FROM m WHERE m < {models})
    SELECT 1, {day}, k, m, 1, 0, CAST(({day} / 86400 * 7919 + k * 31 + m * 104729) % 1000003 AS BIGINT) * 9970, 0, 38,
           6000 + k, 17000, m, 30, 2800, 600, 5000, 0, {day} + 172800
    FROM k CROSS JOIN m
"""


async def run(scale: float, kinds: tuple[str, ...] = ("sqlite", "postgres")) -> list[Row]:
    """Return the rows of the table."""
    return [row for kind in kinds for row in await _on(kind, round(KEYS * scale))]


async def _on(kind: str, keys: int) -> list[Row]:
    async with url_of(kind) as url, opened(url) as database:
        await name(database, keys)
        for day in range(TODAY - (DAYS - 1) * DAY, TODAY + DAY, DAY):
            async with database.write() as session:
                await execute(session, text(_DAY_LINES.format(keys=keys, models=MODELS, day=day)))
                for target, source, dimensions in FOLDS:
                    if source != HOURS:
                        await execute(session, text(fold(target, source, dimensions)), {"connection": 1, "day": day})
        await period_sums.sum_up(database, 1, now=NOW)
        async with database.engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("ANALYZE"))
        gc.collect()
        gc.freeze()  # as the bot does after its start
        asking = SpendService(database, FakeClock(NOW))
        where = f"{kind}, {keys * MODELS * DAYS:,} daily lines"
        return [
            Row(f"/spend {words}".strip() + f" ({where})", await _spent_ms(database, asking, words), "ms", GOAL_MS)
            for words in QUESTIONS
        ]


async def _spent_ms(database: Database, asking: SpendService, words: str) -> float:
    """Measure the processor time of one answer: the median of ours, plus the mean of the database server's."""
    await asking.spend("local", words)
    before, took = await server_ms(database), []
    for _ in range(RUNS):
        began = time.process_time()
        await asking.spend("local", words)
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took) + (await server_ms(database) - before) / RUNS
