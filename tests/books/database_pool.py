"""Pool of test databases: a copy of a SQLite file, or a PostgreSQL database that is emptied and lent again.

`postgres` tests are skipped, with the reason, only where no PostgreSQL can be found.
"""

import asyncio
import os
import shutil
from itertools import count
from pathlib import Path
from typing import Protocol

import asyncpg

from outlay.database.engine import Database
from outlay.migrations import upgrade
from tests.books.factories import furnish
from tests.postgres import Server

_NAMES = count()


class Shelf(Protocol):
    """Pool that gives out the URL of furnished, otherwise empty books, and takes them back."""

    kind: str

    async def lend(self, folder: Path) -> str: ...

    async def take_back(self, url: str) -> None: ...


class SqliteShelf:
    """A file made once by the migrations, copied for each test."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.template = folder / "template.db"
        asyncio.run(_make(f"sqlite+aiosqlite:///{self.template}"))

    async def lend(self, folder: Path) -> str:
        path = folder / f"{next(_NAMES)}.db"
        shutil.copyfile(self.template, path)
        return f"sqlite+aiosqlite:///{path}"

    async def take_back(self, url: str) -> None:
        os.unlink(url.partition(":///")[2])  # SQLite deletes the journal with the last connection


class PostgresShelf:
    """Databases cloned from a template; emptying one is ten times as fast as cloning another."""

    kind = "postgres"

    def __init__(self, server: Server) -> None:
        self._server = server
        self._free: list[str] = []
        template = server.database()
        asyncio.run(_make(with_driver(template)))
        self._template = _name(template)
        self._emptying = asyncio.run(_emptying(template))

    async def lend(self, _folder: Path) -> str:
        if self._free:
            return self._free.pop()
        return with_driver(await asyncio.to_thread(self._server.database, self._template))

    async def take_back(self, url: str) -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            await connection.execute(self._emptying)
        finally:
            await connection.close()
        self._free.append(url)


def with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://")


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


async def _make(url: str) -> None:
    database = Database(url)
    await upgrade(database)
    await furnish(database)
    await database.close()


async def _emptying(template: str) -> str:
    """Return SQL that resets books to how they were lent. Copies of the initial rows are in a schema of their own."""
    connection = await asyncpg.connect(template)
    try:
        await connection.execute("CREATE SCHEMA furniture")
        for table in ("workspace", "connection"):
            await connection.execute(f"CREATE TABLE furniture.{table} AS SELECT * FROM {table}")
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        sequences = await connection.fetch("SELECT sequencename, last_value FROM pg_sequences")
    finally:
        await connection.close()
    return "; ".join(
        [
            "BEGIN",
            "SET LOCAL session_replication_role = replica",  # no foreign key checks, so any order works
            *(f"DELETE FROM {row[0]}" for row in tables),
            *(f"SELECT setval('{name}', {last or 1}, {last is not None})" for name, last in sequences),
            *(f"INSERT INTO {table} SELECT * FROM furniture.{table}" for table in ("workspace", "connection")),
            "COMMIT",
        ]
    )
