"""Whatever is posted to Slack's route, signed or not, is answered with a status, and nothing gets past the boundary."""

import asyncio
import hashlib
import hmac
import json
import logging
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from outlay.fakes.http_server import serving
from outlay.fakes.slack.server import FakeSlack
from outlay.slack.http import PATH
from outlay.slack.tasks import Tasks
from tests.fuzz.cases import SEEDS, bent, fuzzed, torn
from tests.slack.test_http import SIGNING_SECRET, served
from tests.workspace import ALICE, BEN, Workspace, a_world

TAKEN = {200, 400, 401, 404, 413}
COMMANDS = ("7d by model", "help", "connect", "owners", "alerts", "digest", "digest now", "budget", "nonsense")


@dataclass
class Line:
    """The bot behind its route, what people have done in it, and what the log says went wrong."""

    loop: asyncio.AbstractEventLoop
    web: httpx.AsyncClient
    tasks: Tasks
    recorded: list[tuple[str, Any]]
    log: list[logging.LogRecord]

    def post(self, body: bytes, content_type: str, *, signed: bool = True) -> int:
        """Posts it; the status, once what it started is done."""
        return self.loop.run_until_complete(self._post(body, content_type, signed))

    async def _post(self, body: bytes, content_type: str, signed: bool) -> int:
        at = str(int(time.time()))
        digest = hmac.new(SIGNING_SECRET.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
        headers = {b"Content-Type": content_type.encode("latin-1")}
        if signed:
            headers |= {b"X-Slack-Request-Timestamp": at.encode(), b"X-Slack-Signature": f"v0={digest}".encode()}
        answer = await self.web.post(PATH, content=body, headers=headers)
        await self.tasks.idle()
        return answer.status_code

    def broken(self) -> list[str]:
        """What went past the error boundary since the last time.

        What Slack would never send may end at the boundary, where the person is told and the log has it under an id.
        """
        records, self.log[:] = list(self.log), []
        told = [f"{record.name}: {record.getMessage()}" for record in records]
        return [text for text in told if not text.startswith("outlay.slack: error ") and "AuthorizeResult" not in text]


class _Keep(logging.Handler):
    def __init__(self, into: list[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self.into = into

    def emit(self, record: logging.LogRecord) -> None:
        self.into.append(record)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """Opened once: each case posts to it."""
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    log: list[logging.LogRecord] = []
    handler = _Keep(log)
    loggers = [logging.getLogger(name) for name in ("outlay.slack", "slack_bolt", "slack_bolt.outlay", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)

    async def opened() -> Line:
        slack = FakeSlack(a_world())
        slack.base_url = await stack.enter_async_context(serving(slack.app))
        app, tasks = served(slack, SIGNING_SECRET)
        transport = httpx.ASGITransport(app=app)
        web = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1"))
        slack.over_http(f"http://127.0.0.1{PATH}", SIGNING_SECRET, client=web)
        found = Line(loop, web, tasks, [], log)
        await recorded(Workspace(slack, idle=tasks.idle), found.recorded)
        return found

    try:
        yield loop.run_until_complete(opened())
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        loop.run_until_complete(stack.aclose())
        loop.close()


async def recorded(slack: Workspace, into: list[tuple[str, Any]]) -> None:
    """People do one of everything, and what Slack sends for it is written down."""
    deliver = slack.slack.delivery.deliver

    async def written_down(kind: str, payload: Any, *, retry: int = 0) -> Any:
        into.append((kind, payload))
        return await deliver(kind, payload, retry=retry)

    slack.slack.delivery.deliver = written_down  # type: ignore[method-assign]
    for words in COMMANDS:
        for user in (ALICE, BEN):
            reply = await slack.command(f"/spend {words}", user=user)
            if reply.modal is not None:
                await slack.close(reply.modal)
    reply = await slack.command("/spend connect openrouter", user=ALICE)
    assert reply.modal is not None
    await reply.modal.submit({"Management key": "sk-or-v1-" + "0" * 64, "Name": "main"})
    await slack.home(ALICE)
    await slack.home(BEN)
    await slack.event("tokens_revoked", tokens={"oauth": ["U1"], "bot": []})


def encoded(kind: str, payload: Any) -> tuple[bytes, str]:
    """As Slack would post it."""
    if kind == "events_api" or not isinstance(payload, dict):
        return json.dumps(payload).encode(), "application/json"
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    text = urlencode({str(name): str(value) for name, value in form.items()}, errors="surrogatepass")
    return text.encode(), "application/x-www-form-urlencoded"


def test_there_is_something_of_every_kind(line: Line) -> None:
    assert {kind for kind, _ in line.recorded} == {"slash_commands", "interactive", "events_api"}
    assert len(line.recorded) > 20


@fuzzed(80, seed=SEEDS)
def test_no_payload_breaks_a_listener(line: Line, seed: int) -> None:
    dice = random.Random(seed)
    kind, payload = dice.choice(line.recorded)
    body, content_type = encoded(kind, bent(payload, dice))

    assert line.post(body, content_type) in TAKEN
    assert line.broken() == []


@fuzzed(80, seed=SEEDS)
def test_no_bytes_break_the_route_signed_or_not(line: Line, seed: int) -> None:
    dice = random.Random(seed)
    body, content_type = encoded(*dice.choice(line.recorded))
    content_type = dice.choice((content_type, "application/json", "text/plain", "multipart/form-data", "", "\xff"))

    status = line.post(torn(body, dice), content_type, signed=dice.random() < 0.8)

    assert status in TAKEN | {429}
    assert line.broken() == []
