"""Benchmark: polling 1,000 active keys at three ledgers every minute: processor time, vendors' limits, memory.

Everything is as in the bot: pollers, guarded clients, sockets, books. The ledgers run in a process of their own, so
that only our own work is measured. Both use one clock that jumps: a minute's wait takes no time, and the pauses that
keep a rate limit are counted. The ledgers' journals prove how often they were asked.
"""

import asyncio
import contextlib
import gc
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.fleet import MovingClock
from benchmarks.measure import Row, resident_mib
from outlay import migrations
from outlay.books.pricing.price_list import PriceList
from outlay.connections.service import ConnectionService
from outlay.database.engine import Database
from outlay.fakes.anthropic import server as anthropic_server
from outlay.fakes.openai import server as openai_server
from outlay.fakes.openrouter import server as openrouter_server
from outlay.polling.poller import Poller
from outlay.vault.key_setup import open_vault
from outlay.workspaces.store import ensure
from outlay_plugins.anthropic import Anthropic
from outlay_plugins.openai import OpenAI
from outlay_plugins.openrouter import OpenRouter

KEYS, CYCLES, LONG_CYCLES = 1_000, 30, 1_000
HISTORY = timedelta(hours=3)  # at the first poll, which is not measured
NOW = datetime(2026, 11, 20, 14, 2, tzinfo=UTC)  # a Friday
MINUTE = timedelta(minutes=1)
GOAL_MS = 3_000
MOST_GROWTH_MIB = 16
PLUGINS = {"openrouter": OpenRouter, "openai": OpenAI, "anthropic": Anthropic}
SECRETS = {
    "openrouter": openrouter_server.MANAGEMENT_KEY,
    "openai": openai_server.ADMIN_KEY,
    "anthropic": anthropic_server.ADMIN_KEY,
}
WARM_CYCLES = 5
LIMITS = (  # requests in 60 seconds; "ours": the vendor publishes none
    ("openrouter", "/analytics/query", 64, "OpenRouter analytics; published: 64"),
    ("openai", "/", 100, "OpenAI; ours: 100"),
    ("anthropic", "/analytics/", 60, "Anthropic analytics; published of its predecessors: 60"),
    ("anthropic", "/usage_report/", 50, "Anthropic usage; ours: 50"),
)


@dataclass(frozen=True, slots=True)
class _CycleResults:
    """Result of some poll cycles: processor time and memory of each, each ledger's requests, number of active keys."""

    took_ms: list[float]
    resident: list[float]
    asked: dict[str, list[tuple[float, str]]]
    active: int

    @property
    def grown_mib(self) -> float:
        """Return how much memory grew from the end of the warm-up to the end."""
        return statistics.median(self.resident[-WARM_CYCLES:]) - self.resident[WARM_CYCLES]


async def run(scale: float) -> list[Row]:
    """Return the rows of the table. A scale above 1 adds the long run: memory with all keys, some two hours."""
    keys, cycles = round(KEYS * min(scale, 1.0)), max(8, round(CYCLES * min(scale, 1.0)))
    lived = await _live(keys, cycles)
    where = f"{lived.active:,} active keys at {len(PLUGINS)} ledgers"
    rows = [
        Row(
            f"processor time of a cycle, median of {cycles} ({where})", statistics.median(lived.took_ms), "ms", GOAL_MS
        ),
        Row(f"the same, the longest, with yesterday's bills ({where})", max(lived.took_ms), "ms", GOAL_MS),
    ]
    for ledger, path, most, name in LIMITS:
        busiest = _busiest([at for at, asked_path in lived.asked[ledger] if asked_path.startswith(path)])
        rows.append(Row(f"requests in the busiest minute ({name})", busiest, "", most))
    long = await _live(KEYS if scale > 1 else 0, round(LONG_CYCLES * min(scale, 1.0)))
    where = f"{long.active:,} active keys, {len(long.took_ms):,} cycles"
    return [*rows, Row(f"memory that is added once all is warm ({where})", long.grown_mib, "MiB", MOST_GROWTH_MIB)]


async def _live(keys: int, cycles: int) -> _CycleResults:
    """Connect the three ledgers, backfill, and poll them once a minute."""
    with tempfile.TemporaryDirectory() as folder:
        clock = MovingClock(NOW, Path(folder) / "clock")
        async with (
            _fleet(Path(folder) / "clock", keys) as fleet,
            _services(Path(folder), clock, fleet) as (ids, poller),
        ):
            for connection_id in ids:
                polled = await poller.poll(connection_id, since=NOW - HISTORY)
                assert polled, "nobody else polls here"
                assert polled.ok, polled.error
            await fleet.say("journal")
            gc.collect()
            gc.freeze()  # as the bot does after its start
            lived = await _cycles(cycles, clock, poller, ids, fleet)
    assert lived.active >= 0.95 * keys, f"only {lived.active} of {keys} keys spent anything"
    return lived


async def _cycles(cycles: int, clock: MovingClock, poller: Poller, ids: list[int], fleet: "_Fleet") -> _CycleResults:
    took_ms, resident = [], []
    asked: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for number in range(1, cycles + 1):
        ahead = NOW + number * MINUTE - clock.now()
        clock.advance(max(ahead, timedelta(0)))
        began = time.process_time()
        results = await asyncio.gather(*(poller.poll(connection_id) for connection_id in ids))
        took_ms.append((time.process_time() - began) * 1000)
        resident.append(resident_mib())
        assert all(result and result.ok for result in results), results
        for ledger, requests in (await fleet.say("journal")).items():
            assert all(status == 200 for *_, status in requests), "an answer was no success"
            asked[ledger] += [(at, path) for _, path, at, _ in requests]
    return _CycleResults(took_ms, resident, asked, await fleet.say("active"))


def _busiest(times: list[float]) -> int:
    """Count the most requests within any 60 seconds."""
    times.sort()
    first = most = 0
    for last, at in enumerate(times):
        while times[first] <= at - 60:
            first += 1
        most = max(most, last - first + 1)
    return most


class _Fleet:
    """Process that runs the ledgers."""

    def __init__(self, process: asyncio.subprocess.Process, urls: dict[str, str]) -> None:
        self._process, self.urls = process, urls

    async def say(self, word: str) -> Any:
        """Send a command and return its parsed reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n".encode())
        return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def _fleet(clock: Path, keys: int) -> AsyncIterator[_Fleet]:
    pipe, words = asyncio.subprocess.PIPE, ("-m", "benchmarks.fleet", str(clock), str(keys))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe, limit=2**26)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield _Fleet(process, json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def _services(folder: Path, clock: MovingClock, fleet: _Fleet) -> AsyncIterator[tuple[list[int], Poller]]:
    database = Database(f"sqlite+aiosqlite:///{folder / 'books.sqlite'}")
    await migrations.upgrade(database)
    vault = open_vault(data_dir=folder, master_key=None, master_key_file=None, kms_uris=None, on_secret=None)
    connections = ConnectionService(database, vault, PLUGINS, clock)
    async with database.write() as session:
        await ensure(session, "T1", now=clock.now())
    for name in PLUGINS:
        values = {"api_key": SECRETS[name], "base_url": fleet.urls[name]}
        await connections.connect("T1", name, name, values)
    views = await connections.views("T1")
    ids = [int(view.id.removeprefix("con_")) for view in views]
    try:
        yield ids, Poller(database, connections, clock, prices=PriceList())
    finally:
        await database.close()
