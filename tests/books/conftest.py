"""Books on a real SQLite file: a file made once by the migrations, copied for each test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.books.database import Database
from bot.books.migrations import upgrade
from tests.books.little_books import Books, database_at, furnish


@pytest.fixture(scope="session")
def empty_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, a workspace and a connection; never opened by a test itself."""
    path = tmp_path_factory.mktemp("books") / "template.db"

    async def make() -> None:
        database = database_at(path)
        await upgrade(database)
        await furnish(database)
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def books(empty_books: Path, tmp_path: Path) -> AsyncIterator[Books]:
    """Books of one's own."""
    async with Books.copied(empty_books, tmp_path) as found:
        yield found


@pytest.fixture
def database(books: Books) -> Database:
    """The database behind them."""
    return books.database
