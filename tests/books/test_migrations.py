"""The migrations make exactly the tables that the code works with, and may run as often as they like."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from bot.books.migrations import NEWEST, revision, upgrade
from bot.books.tables import Workspace
from tests.books.little_books import MONDAY, Books, row


async def test_the_tables_are_those_of_the_code(books: Books) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Workspace.metadata))

    async with books.database.engine.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_an_upgrade_of_what_is_new_already_changes_nothing(books: Books) -> None:
    await books.say([row(MONDAY)])
    before = await books.dump()
    await upgrade(books.database)
    assert await revision(books.database) == NEWEST
    assert await books.dump() == before
