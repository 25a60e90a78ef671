"""The bot's own HTTP server over real sockets: what strangers get, what they do not, and what monitoring reads."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from outlay.core.gauges import Gauge
from outlay.web.prometheus import prometheus_text
from outlay.web.request_limits import BODY_BYTES_MAX, HEADERS
from outlay.web.server import listening, web_app

LOOPBACK = "127.0.0.1"


async def well() -> dict[str, object]:
    return {"ok": True}


async def nothing() -> Iterable[Gauge]:
    return []


class Slack:
    """Slack's route, which counts what reaches it."""

    def __init__(self) -> None:
        self.bytes = 0

    async def events(self, request: Request) -> Response:
        self.bytes += len(await request.body())
        return Response("taken")


@asynccontextmanager
async def served(slack: Slack | None = None) -> AsyncIterator[int]:
    app = web_app(well, ("/slack/events", slack.events) if slack else None, metrics=nothing)
    async with listening(app, 0, LOOPBACK) as port:
        yield port


async def said(port: int, head: str, body: bytes = b"") -> bytes:
    """What comes back for these bytes, until the server hangs up or has answered."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        async with asyncio.timeout(5):
            return await reader.read(4096)
    finally:
        writer.close()


async def test_a_large_body_is_refused_at_its_head_and_never_read() -> None:
    slack = Slack()
    async with served(slack) as port:
        for size in (BODY_BYTES_MAX + 1, 5_000_000, 10**15):
            answer = await said(port, f"POST /slack/events HTTP/1.1\nHost: x\nContent-Length: {size}\n")  # and no body
            assert answer.startswith(b"HTTP/1.1 413")
            assert b"connection: close" in answer.lower()
        assert slack.bytes == 0


async def test_five_megabytes_that_are_sent_all_the_same_find_nobody_who_listens() -> None:
    slack = Slack()
    async with served(slack) as port:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            await poured(writer, 5_000_000)
        assert slack.bytes == 0


async def poured(writer: asyncio.StreamWriter, size: int) -> None:
    """Sends so many bytes, a thousand at a time. Raises ConnectionError once the other side has hung up."""
    for _ in range(size // 1_000):
        writer.write(b"x" * 1_000)
        await writer.drain()
        await asyncio.sleep(0)


async def test_a_head_without_end_is_refused() -> None:
    async with served() as port:
        assert (await said(port, "GET /healthz HTTP/1.1\nX: " + "x" * 100_000)).startswith(b"HTTP/1.1 400")


async def test_every_answer_has_the_headers_of_the_house_and_no_other_name() -> None:
    async with served() as port, httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client:
        for path, status in (("/healthz", 200), ("/metrics", 200), ("/nothing", 404), ("/slack/events", 404)):
            answer = await client.get(path)
            assert answer.status_code == status
            for name, value in HEADERS.items():
                assert answer.headers[name] == value
            assert "server" not in answer.headers


async def test_a_stranger_who_knocks_too_often_is_told_when_to_come_again_and_slack_is_not() -> None:
    slack = Slack()
    async with served(slack) as port, httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client:
        answers = [await client.get("/healthz") for _ in range(100)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert answers[0].status_code == 200
        assert refused
        assert int(refused[0].headers["retry-after"]) >= 1
        assert (await client.post("/slack/events", content=b"x")).text == "taken"


def test_a_name_cannot_break_out_of_its_label() -> None:
    gauge = Gauge("poll_age_seconds", "Since\nwhen")
    gauge.add(3, connection='a"b\\c\nd')
    gauge.add(None, connection="unknown")
    assert prometheus_text([gauge]).splitlines() == [
        r"# HELP outlay_poll_age_seconds Since\nwhen",
        "# TYPE outlay_poll_age_seconds gauge",
        r'outlay_poll_age_seconds{connection="a\"b\\c\nd"} 3',
    ]
