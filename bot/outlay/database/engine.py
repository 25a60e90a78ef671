"""Database behind the books, SQLite or PostgreSQL; its URL decides and nothing else changes.

Writers on SQLite begin with BEGIN IMMEDIATE: a deferred transaction that reads first and then writes fails at once when
another writes, whatever the time-out, or silently loses an update. Readers have an engine of their own and never wait.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import CursorResult, Executable, Insert, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

BUSY_TIMEOUT_MS = 15_000


class Database:
    """Two engines on one database: `write()` for transactions that change something, `read()` for all others."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        if self.dialect == "sqlite":
            self._writer, self._reader = _sqlite(url, "BEGIN IMMEDIATE"), _sqlite(url, "BEGIN")
        else:
            self._writer = create_async_engine(url, pool_pre_ping=True)
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")  # as SQLite reads anyway

    @property
    def engine(self) -> AsyncEngine:
        """Return the writers' engine; migrations use it."""
        return self._writer

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction: it commits when the block succeeds, else it is rolled back."""
        async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a consistent read-only view of the books."""
        async with AsyncSession(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        await self._reader.dispose()


def sha256_hex(value: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as hexadecimal."""
    return hashlib.sha256(value.encode()).hexdigest()


def _sqlite(url: str, begin: str) -> AsyncEngine:
    """Create an engine whose transactions start with `begin`."""
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # on_begin issues BEGIN instead of the driver
        connection.create_function("sha256_hex", 1, sha256_hex, deterministic=True)  # PostgreSQL has one of its own
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def describe_database_error(error: DBAPIError) -> str:
    """Describe a database failure, such as a full disk or a lost connection, in one sentence."""
    said = _OF_CLASS.sub("", str(error.orig)) or type(error.orig).__name__
    return f"the database does not do it: {said}"


_OF_CLASS = re.compile(r"\A<class '[\w.]+'>: ")  # asyncpg's messages begin with the error's class


async def execute(
    session: AsyncSession, statement: Executable, values: Mapping[str, Any] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Execute SQL in the session's transaction, past the ORM: rows come back as plain named tuples."""
    connection = await session.connection()
    return await connection.execute(statement, values)


def upsert(session: AsyncSession, table: type[SQLModel], *, update: Sequence[str]) -> Insert:
    """Build INSERT … ON CONFLICT (primary key) DO UPDATE, in the dialect of the session's database."""
    target = table.__table__  # type: ignore[attr-defined]  # SQLModel does not declare what SQLAlchemy adds
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    statement = insert(target)
    keys = [column.name for column in target.primary_key]
    if not update:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in update}
    )
