"""Fixtures: a terminal on an empty machine, a ledger to connect, and a machine on which it is connected already."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Door, Served, behind, connecting, doors

NOW = datetime(2026, 11, 21, 14, 5, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def company() -> Company:
    """Build a day and a half of history. Shared, since it caches what it has computed; no test changes it."""
    return Company(now=NOW, days=1)


@pytest.fixture(scope="session")
def place() -> Iterator[tuple[Door, str]]:
    """Serve the ledger at one address for all tests, so that a data directory that refers to it can be copied."""
    with doors() as found:
        yield found


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock that all fixtures here share."""
    return FakeClock(NOW)


@pytest.fixture
def openrouter(place: tuple[Door, str], company: Company, clock: FakeClock) -> Iterator[Served]:
    """Serve the company's account."""
    with behind(place, company, clock) as found:
        yield found


@pytest.fixture
def terminal(tmp_path: Path, clock: FakeClock, openrouter: Served) -> Terminal:
    """Return a shell on an empty machine, with the ledger's right key in KEY."""
    return Terminal(tmp_path / "data", clock, KEY=openrouter.key)


@pytest.fixture(scope="session")
def polled_machine(tmp_path_factory: pytest.TempPathFactory, place: tuple[Door, str], company: Company) -> Path:
    """Build a data directory in which the ledger is connected as `main` and has been polled once."""
    clock, data_dir = FakeClock(NOW), tmp_path_factory.mktemp("polled") / "data"
    with behind(place, company, clock) as found:
        machine = Terminal(data_dir, clock, KEY=found.key)
        machine.done(*connecting(found))
        machine.done("poll")
    return data_dir


@pytest.fixture
def polled(terminal: Terminal, polled_machine: Path) -> Terminal:
    """Return a shell on a copy of that machine, at the moment after the poll."""
    shutil.copytree(polled_machine, terminal.data_dir)
    return terminal
