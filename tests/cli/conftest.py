"""A terminal on an empty machine, a ledger to connect, and a machine on which that has been done already."""

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
    """A day and a half of history. Shared, since it remembers what it has worked out; nobody changes it."""
    return Company(now=NOW, days=1)


@pytest.fixture(scope="session")
def place() -> Iterator[tuple[Door, str]]:
    """Where the ledger is: the same address for all, so that a machine that knows it can be copied."""
    with doors() as found:
        yield found


@pytest.fixture
def clock() -> FakeClock:
    """The time of everybody here."""
    return FakeClock(NOW)


@pytest.fixture
def openrouter(place: tuple[Door, str], company: Company, clock: FakeClock) -> Iterator[Served]:
    """The company's account."""
    with behind(place, company, clock) as found:
        yield found


@pytest.fixture
def terminal(tmp_path: Path, clock: FakeClock, openrouter: Served) -> Terminal:
    """A shell on an empty machine, with the ledger's right key in KEY."""
    return Terminal(tmp_path / "data", clock, KEY=openrouter.key)


@pytest.fixture(scope="session")
def polled_machine(tmp_path_factory: pytest.TempPathFactory, place: tuple[Door, str], company: Company) -> Path:
    """A data directory in which the ledger is connected as `main` and has been polled once."""
    clock, data_dir = FakeClock(NOW), tmp_path_factory.mktemp("polled") / "data"
    with behind(place, company, clock) as found:
        machine = Terminal(data_dir, clock, KEY=found.key)
        machine.done(*connecting(found))
        machine.done("poll")
    return data_dir


@pytest.fixture
def polled(terminal: Terminal, polled_machine: Path) -> Terminal:
    """A shell on a copy of that machine, at the moment after the poll."""
    shutil.copytree(polled_machine, terminal.data_dir)
    return terminal
