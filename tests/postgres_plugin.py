"""Pytest plugin: `OUTLAY_TEST_DATABASE=postgres` puts the books of every test on PostgreSQL.

A data directory then has a database of its own instead of a file. A copy of a directory is given a copy of its
database. Tests that read SQLite's own file are marked `sqlite_file`, and skipped.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from outlay.settings import Settings
from tests.postgres import Server, postgres

ASKED_FOR = os.environ.get("OUTLAY_TEST_DATABASE", "") == "postgres"
_MARK = ".postgres"  # file in a data directory: the directory's path and its database
_held = ExitStack()


@cache
def _server() -> Server:
    return _held.enter_context(postgres())


def _url(data_dir: Path) -> str:
    """Return the database of a data directory: a new one, or a copy of that of the directory it was copied from."""
    mark = data_dir / _MARK
    whose, name = mark.read_text().split("\n") if mark.exists() else ("", "template1")
    if whose != str(data_dir):
        url = _server().database(name)
        name = url.partition("@/")[2].partition("?")[0]
        data_dir.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{data_dir}\n{name}")
    return _server().url(name).replace("postgresql://", "postgresql+asyncpg://")


@pytest.fixture(autouse=ASKED_FOR, scope="session")
def _on_postgres() -> Iterator[None]:
    given = Settings.database_url

    def database_url(self: Any) -> str:
        if self.database is not None:
            return given(self)
        with ThreadPoolExecutor(1) as aside:  # a loop may be running here
            return aside.submit(_url, self.data_dir).result()

    _server()  # start now: a test that asks later may have set a umask with which the server cannot read its files
    with pytest.MonkeyPatch.context() as patch, _held:
        patch.setattr(Settings, "database_url", database_url)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of SQLite's file."""
    if ASKED_FOR:
        for item in items:
            if item.get_closest_marker("sqlite_file"):
                item.add_marker(pytest.mark.skip(reason="it looks into SQLite's own file"))
