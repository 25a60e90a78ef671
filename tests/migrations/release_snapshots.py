"""Books as a released version of Outlay left them, so that an upgrade can be tested on data of that time.

    python -m tests.migrations.release_snapshots tests/migrations/released/0001.sql

Run it before a release, on the newest tables with data.

The file holds one INSERT a row, in SQL that both databases accept. Once released, such a file is never rewritten.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Connection, inspect, text

from outlay.database.engine import Database
from outlay.database.tables import Workspace
from tests.books.closed_month import LAST, SETTLED, bill, clerk, closed_october, october
from tests.books.database_pool import SqliteShelf
from tests.books.factories import MONDAY, Books, row, tokens
from tests.books.weeks import say_owner

FOLDER = Path(__file__).with_name("released")


async def live(books: Books) -> None:
    """Fill a closed October with an adjustment, an open November, counters, owners, an audit, and another tenant."""
    await closed_october(books)
    await bill(books, october(k1="5.5"), at=SETTLED + timedelta(days=2))
    await books.accept_rows(
        [row(MONDAY, "2.25", "k1", tokens=tokens(40)), row(MONDAY, None, "k3", "m9", tokens=tokens(8))]
    )
    await books.accept_rows([row(MONDAY, "4", "", "m1", reason="console use")], connection_id=2)
    for hour in (3, 4):
        await books.read("k2", str(Decimal("10.5") * hour), MONDAY + timedelta(hours=hour))
    await say_owner(books, "k1", "agent:ci")
    await say_owner(books, "k2", "dana@example.com", from_day=LAST)
    await clerk(books, MONDAY + timedelta(days=3)).audit("T1")


def statements(connection: Connection) -> Iterator[str]:
    """Yield an INSERT for each row of each table, parents first."""
    for table in Workspace.metadata.sorted_tables:
        names = [column.name for column in table.columns]
        booleans = {column.name for column in table.columns if isinstance(column.type, Boolean)}
        order = ", ".join(column.name for column in table.primary_key.columns)
        for found in connection.execute(text(f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {order}")):
            values = ", ".join(
                _literal(bool(value) if name in booleans else value) for name, value in zip(names, found, strict=True)
            )
            yield f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values});"


async def load(database: Database, file: Path) -> None:
    """Put the rows of a file into tables of its version."""

    def run(connection: Connection) -> None:
        for statement in file.read_text().splitlines():
            connection.exec_driver_sql(statement)
        if connection.dialect.name == "postgresql":  # explicit ids do not advance its sequences
            for table in inspect(connection).get_table_names():
                sequence = connection.execute(
                    text(
                        f"SELECT pg_get_serial_sequence('{table}', 'id') WHERE EXISTS (SELECT 1 FROM "
                        f"information_schema.columns WHERE table_name = '{table}' AND column_name = 'id')"
                    )
                ).scalar()
                if sequence:
                    connection.execute(text(f"SELECT setval('{sequence}', (SELECT MAX(id) + 1 FROM {table}), false)"))

    async with database.engine.begin() as connection:
        await connection.run_sync(run)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"


async def write(file: Path) -> None:
    """Fill fresh books and write their rows to a file."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = await asyncio.to_thread(SqliteShelf, Path(folder))
        async with Books.copied(shelf, Path(folder)) as books:
            await live(books)
            async with books.database.engine.begin() as connection:
                lines = await connection.run_sync(lambda found: list(statements(found)))
    await asyncio.to_thread(file.write_text, "\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
