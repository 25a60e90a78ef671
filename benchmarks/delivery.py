"""Benchmark: delivery of 10,000 incidents to one sink that takes 50 ms to answer, and the loop's lag meanwhile.

The whole path is used: the outbox in SQLite, the dispatcher, a plugin with its guarded client, and a server on loopback
in a process of its own. The baseline is the time that the allowed concurrency would need if only the sink took time.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from benchmarks.measure import Row
from outlay import migrations, outbox
from outlay.connections.service import ConnectionService
from outlay.core.clock import Clock, SystemClock
from outlay.database.engine import Database
from outlay.delivery.sinks import SinkDispatcher
from outlay.delivery.worker import LANE_AT_ONCE, DeliveryWorker
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.plugin import CheckResult, Config, Event, Finding, PluginInfo, Receipt, Sink, Subject
from outlay.vault.key_setup import open_vault
from outlay.workspaces.store import ensure

ROWS = 10_000
ANSWER_SECONDS = 0.05
PROBE_SECONDS = 0.005
IDLE_SECONDS = 2.0
NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
SERVER = f"""
import asyncio
async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            size = next((int(l.split(b":")[1]) for l in head.lower().split(b"\\r\\n") if l.startswith(b"content-length")), 0)
            await reader.readexactly(size)
            await asyncio.sleep({ANSWER_SECONDS})
            body = b'{{"ok": true}}'
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""  # noqa: E501  a program of its own


class HornConfig(Config):
    """Form of the sink: a token and a base URL."""

    token: SecretStr
    base_url: str


class Horn(Sink[HornConfig]):
    """Sink that sends one request for each event."""

    meta = PluginInfo("horn", "Horn")
    Config = HornConfig

    async def check(self) -> CheckResult:
        return CheckResult("a", "A", "token")

    async def opened(self, event: Event) -> Receipt:
        await self.http.ask("PUT", f"/{event.uid('alarm')}", json={"title": event.finding.title})
        return Receipt("https://horn.example/1", event.uid("alarm"))

    async def updated(self, event: Event) -> Receipt:
        return await self.opened(event)

    async def resolved(self, event: Event) -> Receipt:
        return await self.opened(event)


async def run(scale: float) -> list[Row]:
    """Return the rows of the table."""
    rows = round(ROWS * scale)
    with tempfile.TemporaryDirectory() as folder:
        async with _served() as base_url, _services(Path(folder), base_url) as (database, clock, connections):
            await _say(database, clock, rows)
            sinks = SinkDispatcher(connections, clock)
            deliveries = DeliveryWorker(database, clock, _nothing, sinks=sinks)
            idle = await _lags(asyncio.sleep(IDLE_SECONDS))
            began, began_cpu = time.perf_counter(), time.process_time()
            lags = await _lags(deliveries.run())
            took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
            await sinks.aclose()
            async with database.read() as session:
                assert await outbox.waiting(session) == 0
    ideal = rows * ANSWER_SECONDS / LANE_AT_ONCE
    name = f"{rows:,} rows to a sink that takes 50 ms, {LANE_AT_ONCE} at once"
    return [
        Row(name, took, "s", baseline=ideal, baseline_name="if only the sink took time"),
        Row("processor time of one delivery", took_cpu / rows * 1000, "ms"),
        Row("the loop's lag meanwhile, p99", _p99(lags), "ms", 20, _p99(idle), "with nothing to do"),
        Row("the loop's lag meanwhile, longest", lags[-1] * 1000, "ms", 0, idle[-1] * 1000, "with nothing to do"),
    ]


def _p99(lags: list[float]) -> float:
    return lags[int(len(lags) * 0.99)] * 1000


async def _lags(work: Awaitable[None]) -> list[float]:
    """Return how late the event loop woke, in seconds, sorted, while `work` runs."""
    lags: list[float] = []
    probe = asyncio.create_task(_probe(lags))
    await work
    probe.cancel()
    return sorted(lags)


async def _probe(lags: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(PROBE_SECONDS)
        lags.append(time.perf_counter() - began - PROBE_SECONDS)


async def _nothing(_: outbox.OutboxMessage) -> None:
    """Deliver nothing: no message here is for Slack."""


async def _say(database: Database, clock: Clock, rows: int) -> None:
    async with database.write() as session:
        for number in range(rows):
            finding = Finding(
                title=f"key {number} spends", sentences=(), severity="warning",
                subject=Subject(f"U{number}", f"key {number}", "key"), since=NOW, spent_usd=Decimal(number),
            )  # fmt: skip
            await enqueue_sink_events(
                session, workspace_id="T1", incident=f"i{number}", what="opened", key="1", finding=finding,
                now=clock.now(),
            )  # fmt: skip


@asynccontextmanager
async def _served() -> AsyncIterator[str]:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout
        yield f"http://127.0.0.1:{int(await server.stdout.readline())}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.terminate()
        await server.wait()


@asynccontextmanager
async def _services(folder: Path, base_url: str) -> AsyncIterator[tuple[Database, Clock, ConnectionService]]:
    database, clock = Database(f"sqlite+aiosqlite:///{folder / 'books.sqlite'}"), SystemClock()
    await migrations.upgrade(database)
    vault = open_vault(data_dir=folder, master_key=None, master_key_file=None, kms_uris=None, on_secret=None)
    connections = ConnectionService(database, vault, {"horn": Horn}, clock)
    async with database.write() as session:
        await ensure(session, "T1", now=clock.now())
    await connections.connect("T1", "horn", "horn", {"token": "horn-token-1", "base_url": base_url})
    try:
        yield database, clock, connections
    finally:
        await database.close()
