"""Fake OpenRouter on loopback that runs beside the test, in a thread: commands have an event loop of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from outlay.core.clock import Clock
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.faults import OpenRouterFaults
from outlay.fakes.openrouter.server import MANAGEMENT_KEY, ROOT, FakeOpenRouter, fake_openrouter_of, openrouter_app
from outlay.fakes.slack.server import FakeSlack
from tests.workspace import a_world

START_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Served:
    """A ledger that answers at `base_url`, about `company`."""

    company: Company
    standin: FakeOpenRouter
    base_url: str
    key: str

    @property
    def faults(self) -> OpenRouterFaults:
        return self.standin.faults

    def paths(self) -> list[str]:
        """Return `METHOD /path` of every request so far."""
        return self.standin.journal.paths()


class Door:
    """One address for a whole session, behind which each test puts a ledger of its own."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "nobody is behind this door"
        await self.app(scope, receive, send)


@contextmanager
def doors() -> Iterator[tuple[Door, str]]:
    """Serve a door in a thread of its own during the block; yield it and its base URL."""
    door, loop = Door(), asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()
    urls: list[str] = []

    async def run() -> None:
        async with serving(door) as url:
            urls.append(url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="ledger", daemon=True)
    thread.start()
    try:
        assert started.wait(START_SECONDS), "the ledger did not start"
        yield door, urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_SECONDS)
        loop.close()


@contextmanager
def behind(place: tuple[Door, str], company: Company, clock: Clock, *, key: str = MANAGEMENT_KEY) -> Iterator[Served]:
    """Put the company's account behind a door; fail if a request tried to write there, or to read a prompt."""
    door, url = place
    app = openrouter_app(company, clock, management_key=key)
    before, door.app = door.app, app
    try:
        yield Served(company, fake_openrouter_of(app), url + ROOT, key)
        assert not fake_openrouter_of(app).journal.violations
    finally:
        door.app = before


@contextmanager
def ledger(company: Company, clock: Clock, *, key: str = MANAGEMENT_KEY) -> Iterator[Served]:
    """Serve a second ledger, behind a door of its own."""
    with doors() as place, behind(place, company, clock, key=key) as found:
        yield found


def connecting(at: Served, *more: str, name: str = "main", key: str = "KEY") -> list[str]:
    """Return the command line that connects a ledger whose credential is in the variable `key`."""
    where = f"base_url={at.base_url}"
    return ["connect", "openrouter", "--name", name, "--secret-env", key, "--set", where, *more]


@contextmanager
def slack(*scopes: str) -> Iterator[FakeSlack]:
    """Serve a Slack beside the test, whose bot token has these scopes."""
    stand_in = FakeSlack(a_world(), scopes=scopes)
    with doors() as (door, url):
        door.app, stand_in.base_url = stand_in.app, url
        yield stand_in
