"""Benchmark: hostile input of 5 MB at each entry point: time until it is refused, and the memory that takes.

The bot's own server over a real socket: as Slack would post, with a declared length and without; as a webhook, which is
read up to its bound of 1 MiB before anything else can be known. And a ledger's response that is nothing but brackets.
"""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping

from slack_bolt.async_app import AsyncApp

from benchmarks.measure import Row, median_ms
from outlay.plugin.errors import PluginError
from outlay.plugin.responses import parse
from outlay.slack.http import endpoint
from outlay.web.server import listening, web_app

LOOPBACK = "127.0.0.1"
BODY_BYTES = 5_000_000
PIECE = b"x" * 50_000
GOAL_MS, GOAL_MIB = 50, 2
SECRET = "s" * 32
Work = Callable[[], Awaitable[object]]


async def run(_scale: float) -> list[Row]:
    """Return time and memory for each entry point."""

    async def health() -> dict[str, object]:
        return {"ok": True}

    async def hear(_: int, __: Mapping[str, str], body: bytes) -> None:
        raise AssertionError(f"{len(body)} bytes were heard")

    async def nobody(**_: object) -> None:
        raise AssertionError("it was let in")

    rows: list[Row] = []
    slack = endpoint(AsyncApp(signing_secret=SECRET, authorize=nobody), SECRET)
    async with listening(web_app(health, ("/slack/events", slack), hear), 0, LOOPBACK) as port:
        for name, path, chunked in (
            ("for Slack, its length said", "/slack/events", False),
            ("for Slack, in pieces", "/slack/events", True),
            ("for a webhook, its length said", "/hooks/1", False),
            ("for a webhook, in pieces", "/hooks/1", True),
        ):
            rows += await _both(name, lambda path=path, chunked=chunked: _refused(port, path, chunked))
    return rows + await _both("of a ledger, only brackets", _nested, goal_mib=0)  # the text is in memory once


async def _both(name: str, work: Work, goal_mib: float = GOAL_MIB) -> list[Row]:
    took_ms = await median_ms(work)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        await work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return [
        Row(f"a body of 5 MB {name}: refused after", took_ms, "ms", GOAL_MS),
        Row(f"a body of 5 MB {name}: memory at most", (peak - before) / 1024**2, "MiB", goal_mib),
    ]


async def _refused(port: int, path: str, chunked: bool) -> None:
    """Send the body, as far as it is accepted, and wait for the refusal."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BODY_BYTES}"
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
    answer = asyncio.create_task(reader.read(64))
    try:
        for _ in range(BODY_BYTES // len(PIECE)):
            if answer.done():
                break
            writer.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            await writer.drain()
            await asyncio.sleep(0)
    except ConnectionError:
        pass  # the server hung up, as it should
    try:
        said = await answer
    except ConnectionError:
        said = b"HTTP/1.1 413 (reset)"
    finally:
        writer.close()
    if not said.startswith((b"HTTP/1.1 413", b"HTTP/1.1 401")):
        raise AssertionError(f"not refused: {said!r}")


async def _nested() -> None:
    try:
        parse(_BRACKETS, "A ledger")
    except PluginError:
        return
    raise AssertionError("it was read")


_BRACKETS = b"[" * BODY_BYTES
