"""A full disk, a killed process, a lost connection: a clear error, whole or not at all, and the next run converges."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from outlay.database.engine import describe_database_error
from tests.books.closed_month import clerk
from tests.books.crash_injection import Crashing
from tests.books.factories import HOUR, MONDAY, NOW, Books, row, tokens

ROOT = Path(__file__).parents[2]
MANY = [row(MONDAY + HOUR * (n % 50), "1", f"k{n}", tokens=tokens(9)) for n in range(2_000)]


async def converges(books: Books) -> None:
    """Handing in the same once more is all that is needed."""
    accepted = await books.accept_rows(MANY, at=NOW + HOUR)
    assert (accepted.new, accepted.vanished) == (2_000, 1)
    assert await books.total() == 2_000_000_000_000
    assert (await clerk(books, NOW + HOUR).audit("T1")).differences == []


async def test_a_full_disk_is_said_and_leaves_nothing(books: Books) -> None:
    if books.database.dialect != "sqlite":
        pytest.skip("PostgreSQL's disk is its own: the next test says what it says")
    await books.accept_rows([row(MONDAY, "5")])
    before, [(pages,)] = await books.dump(), await books.rows("PRAGMA page_count")
    full = Books(books.url)

    @event.listens_for(full.database.engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 8}")

    try:
        with pytest.raises(OperationalError, match="full"):
            await full.accept_rows(MANY, at=NOW + HOUR)
    finally:
        await full.database.close()
    assert await books.dump() == before
    await converges(books)


FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END $$ LANGUAGE plpgsql;
    CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION full_disk()
"""


@pytest.mark.parametrize("table", ["series", "entry", "spend_hour", "spend_day_model"])
async def test_a_full_disk_of_postgresqls_is_said_and_leaves_nothing(books: Books, table: str) -> None:
    """The error that PostgreSQL raises then, by a trigger that raises the same at a table's turn."""
    if books.database.dialect != "postgresql":
        pytest.skip("about PostgreSQL")
    await books.accept_rows([row(MONDAY, "5")])
    before = await books.dump()
    async with books.database.write() as session:
        for sql in FULL.format(table=table).split(";\n    CREATE TRIGGER"):
            sql = sql if "FUNCTION full_disk() RETURNS" in sql else f"CREATE TRIGGER{sql}"
            await (await session.connection()).exec_driver_sql(sql)
    with pytest.raises(DBAPIError) as failed:
        await books.accept_rows(MANY, at=NOW + HOUR)
    assert (
        describe_database_error(failed.value)
        == "the database does not do it: could not extend file: No space left on device"
    )
    async with books.database.write() as session:
        await (await session.connection()).exec_driver_sql("DROP FUNCTION full_disk CASCADE")
    assert await books.dump() == before
    await converges(books)


class Cut(Crashing):
    """Not an exception of ours: the server has let go of the connection."""

    def commit(self, *_: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                thread = threading.Thread(target=lambda: asyncio.run(self.cut()))
                thread.start()
                thread.join()

    async def cut(self) -> None:
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.url = books.url


@pytest.mark.parametrize("place", [3, 12, 13, 20, 26, 30])
async def test_a_connection_that_is_lost_in_the_middle_of_a_page_leaves_nothing(books: Books, place: int) -> None:
    if books.database.dialect != "postgresql":
        pytest.skip("there is no connection to lose: SQLite is a file")
    await books.accept_rows([row(MONDAY, "5")])
    before = await books.dump()
    Cut(books).left = place
    with pytest.raises(DBAPIError) as failed:
        await books.accept_rows(MANY, at=NOW + HOUR)
    assert describe_database_error(failed.value).startswith("the database does not do it: ")
    assert await books.dump() == before
    await converges(books)


class Killed(Crashing):
    """Not an exception: the process is gone."""

    def commit(self, *_: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def dies(url: str, place: int) -> None:
    """What the process that is killed does."""
    books = Books(url)
    Killed(books).left = place
    await books.accept_rows(MANY, at=NOW + HOUR)


@pytest.mark.parametrize("place", [6, 14])
async def test_a_process_killed_in_the_middle_of_a_page_leaves_nothing(books: Books, place: int) -> None:
    await books.accept_rows([row(MONDAY, "5")])
    before = await books.dump()
    program = (
        f"import asyncio; from tests.books.ingest.test_bad_days import dies; asyncio.run(dies({books.url!r}, {place}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60)  # noqa: ASYNC221, S603
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert await books.dump() == before
    await converges(books)


async def test_a_clock_that_jumps_back_undoes_nothing(books: Books) -> None:
    """What was observed later stands; once the clock has caught up, news is news again."""
    await books.accept_rows([row(MONDAY, "5")])
    accepted = await books.accept_rows([row(MONDAY, "7"), row(MONDAY + HOUR, "9")], at=NOW - HOUR, end=NOW - HOUR)
    assert (accepted.new, accepted.changed) == (0, 0)
    assert await books.total() == 5_000_000_000
    await books.accept_rows([row(MONDAY, "7"), row(MONDAY + HOUR, "9")], at=NOW + HOUR)
    assert await books.total() == 16_000_000_000
