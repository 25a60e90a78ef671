"""Fixtures for end-to-end tests: the real bot, books on disk, HTTP and a socket, between two fakes. See `house`."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from outlay import logs
from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Door, behind, connecting, doors
from tests.journeys.running_bot import NOW, House, opened

Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Restore the logging configuration, which `outlay run` changes, after each test."""
    root = logging.getLogger()
    names = ("", *logs.OURS, *logs.FLOORS, "slack_bolt.outlay")
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in names}
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def place() -> Iterator[tuple[Door, str]]:
    """Serve the ledger at one address for all tests, so that a data directory that refers to it can be copied."""
    with doors() as found:
        yield found


@pytest.fixture(scope="session")
def company() -> Company:
    """Build a day and a half of history. Shared, since it caches what it has computed; no test changes it."""
    return Company(now=NOW, days=1)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, place: tuple[Door, str], company: Company) -> Path:
    """Build a data directory in which Alice has connected the ledger as `main`, and the bot has read it once."""
    data_dir = tmp_path_factory.mktemp("machine") / "data"

    async def first_day() -> None:
        async with opened(place, data_dir, company=company) as home:
            await home.connect()
            await home.tick()

    asyncio.run(first_day())
    return data_dir


@pytest.fixture
def open_house(tmp_path: Path, place: tuple[Door, str], company: Company) -> Open:
    """Return a function that starts a bot: `async with open_house() as home:`. A second one finds the same data."""

    def in_its_folder(**how: Any) -> AbstractAsyncContextManager[House]:
        return opened(place, tmp_path / "data", **({"company": company} | how))

    return in_its_folder


@pytest.fixture
def open_connected(open_house: Open, tmp_path: Path, machine: Path) -> Open:
    """Return a function that starts a bot whose ledger is connected and was just read."""
    shutil.copytree(machine, tmp_path / "data")
    return open_house


@pytest.fixture
async def home(open_house: Open) -> AsyncIterator[House]:
    """Start a bot with no connection yet."""
    async with open_house() as found:
        yield found


@pytest.fixture
async def connected(open_connected: Open) -> AsyncIterator[House]:
    """Start a bot whose ledger is connected as `main` and was just read."""
    async with open_connected() as found:
        yield found


@pytest.fixture
def terminal_before_slack(tmp_path: Path, place: tuple[Door, str], company: Company) -> Terminal:
    """Return a shell on a machine on which the ledger was connected and read before Slack was set up."""
    clock = FakeClock(NOW)
    with behind(place, company, clock) as found:
        terminal = Terminal(tmp_path / "data", clock, KEY=found.key)
        terminal.done(*connecting(found))
        terminal.done("poll")
    return terminal
