"""Bulk writes, by each database's fastest method that can safely be repeated.

SQLite takes tuples in one prepared statement. PostgreSQL takes a binary COPY into a temporary table and moves the rows
on from there; a few rows are not worth that.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

ROWS_A_STATEMENT = 5_000  # larger batches gain nothing
WORTH_A_COPY = 500  # rows; below, the temporary table costs more than it saves

Rows = Sequence[tuple[Any, ...]]


async def run_many(session: AsyncSession, statement: Insert, columns: Sequence[str], rows: Rows) -> None:
    """Execute an insert, or an `upsert`, for many rows: tuples in the order of `columns`. No row may come twice."""
    if not rows:
        return
    connection = await session.connection()
    table = statement.table.name
    _, on_conflict, what = str(statement.compile(dialect=connection.dialect)).partition(" ON CONFLICT ")
    names, then = ", ".join(columns), on_conflict + what
    if connection.dialect.name == "postgresql" and len(rows) >= WORTH_A_COPY:
        await _copy(connection, table, columns, rows, f"INSERT INTO {table} ({names}) SELECT {names}", then)
        return
    marks = "?" if connection.dialect.name == "sqlite" else "${}"
    values = ", ".join(marks.format(place) for place, _ in enumerate(columns, 1))
    sql = f"INSERT INTO {table} ({names}) VALUES ({values}){then}"
    for first in range(0, len(rows), ROWS_A_STATEMENT):
        await connection.exec_driver_sql(sql, list(rows[first : first + ROWS_A_STATEMENT]))


async def _copy(
    connection: AsyncConnection, table: str, columns: Sequence[str], rows: Rows, insert: str, then: str
) -> None:
    """Copy rows through a temporary table that lasts as long as the connection and is empty after each transaction."""
    staged = f"staged_{table}"
    await connection.execute(  # this also begins the transaction if nothing has yet
        text(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} ON COMMIT DELETE ROWS "
            f"AS SELECT {', '.join(columns)} FROM {table} WITH NO DATA"
        )
    )
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_records_to_table(staged, records=rows, columns=list(columns))
    except _driver_errors() as error:  # SQLAlchemy is bypassed here and does not wrap it
        raise OperationalError(f"COPY {staged}", None, error) from error
    await connection.execute(text(f"{insert} FROM {staged}{then}"))
    await connection.execute(text(f"TRUNCATE {staged}"))


def _driver_errors() -> tuple[type[Exception], ...]:
    import asyncpg

    return asyncpg.PostgresError, asyncpg.InterfaceError, OSError
