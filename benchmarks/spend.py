"""`/spend` over a million daily roll-up rows: 550 keys × 5 models × a year, in SQLite."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row, median_ms
from bot.books import migrations
from bot.books.database import Database
from bot.core.clock import FakeClock
from bot.work.asking import Asking

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
DAY = 86_400
KEYS, MODELS, DAYS = 550, 5, 365
QUESTIONS = (
    "",
    "by model",
    "by key top 10",
    "by day",
    "7d by model",
    "2026-10 by owner",
    "365d by model",
    "365d by owner",
    "model:*m2 by owner",
)
MODEL_NAMES = [f"maker/m{place}" for place in range(MODELS)]


async def run(scale: float) -> list[Row]:
    """The rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "books.sqlite"
        database = Database(f"sqlite+aiosqlite:///{path}")
        await migrations.upgrade(database)
        rows = await asyncio.to_thread(_fill, path, round(KEYS * scale))
        asking = Asking(database, FakeClock(NOW))
        found = []
        for question in QUESTIONS:
            took = await median_ms(lambda question=question: asking.spend("local", question))  # type: ignore[misc]
            raw = await median_ms(lambda: asyncio.to_thread(_raw, path))
            name = f"/spend {question}".strip() + f" over {rows:,} daily rows"
            found.append(Row(name, took, "ms", 50, raw, "raw SUM of the month"))
        await database.close()
    return found


def _fill(path: Path, keys: int) -> int:
    """A year of roll-ups, written straight into the tables; how many rows there are by day, key and model."""
    today = int(NOW.timestamp()) // DAY * DAY
    days = range(today - (DAYS - 1) * DAY, today + DAY, DAY)
    with sqlite3.connect(path) as books:
        _insert(books, "workspace", [{"id": "local", "time_zone": "UTC"}])
        _insert(
            books,
            "connection",
            [
                {
                    "id": 1,
                    "workspace_id": "local",
                    "name": "main",
                    "ledger": "openrouter",
                    "role": "books",
                    "account_id": "a",
                    "account_title": "A",
                    "created_at": 0,
                }
            ],
        )
        _insert(
            books,
            "ledger_key",
            [
                {
                    "id": key,
                    "connection_id": 1,
                    "ledger_id": f"k{key}",
                    "name": f"key-{key}",
                    "email": f"dev{key % 150}@x.example",
                }
                for key in range(1, keys + 1)
            ],
        )
        _insert(
            books, "model", [{"id": i + 1, "ledger": "openrouter", "name": name} for i, name in enumerate(MODEL_NAMES)]
        )
        _insert(
            books,
            "spend_day",
            (_line(day, key, model) for day in days for key in range(1, keys + 1) for model in range(1, MODELS + 1)),
        )
        for table, by in (("spend_day_key", "key_id"), ("spend_day_model", "model_id")):
            names = [
                name for name in _names(books, table) if name not in ("connection_id", "day", by, "basis", "adjusts")
            ]
            sums = ", ".join("MAX(settles_at)" if name == "settles_at" else f"SUM({name})" for name in names)
            books.execute(
                f"INSERT INTO {table} (connection_id, day, {by}, basis, adjusts, {', '.join(names)}) "  # noqa: S608
                f"SELECT connection_id, day, {by}, basis, adjusts, {sums} FROM spend_day GROUP BY 1,2,3,4,5"
            )
        return int(books.execute("SELECT COUNT(*) FROM spend_day").fetchone()[0])


def _line(day: int, key: int, model: int) -> dict[str, object]:
    amount = (day // DAY * 7919 + key * 104_729 + model * 1_299_709) % 10**9
    return {
        "connection_id": 1,
        "day": day,
        "key_id": key,
        "model_id": model,
        "basis": 1,
        "adjusts": 0,
        "cost_nano_usd": amount,
        "requests": 7,
        "input": amount // 1000,
        "output": amount // 9000,
        "settles_at": day + 4 * DAY,
    }


def _insert(
    books: sqlite3.Connection, table: str, rows: "Iterator[dict[str, object]] | list[dict[str, object]]"
) -> None:
    """Inserts rows; columns that are not named get what their type has for nothing."""
    columns = [(row[1], row[2], row[3]) for row in books.execute(f"PRAGMA table_info({table})")]
    blank = {name: ("" if "CHAR" in kind else 0) if required else None for name, kind, required in columns}
    sql = f"INSERT INTO {table} VALUES ({', '.join('?' for _ in columns)})"  # noqa: S608
    books.executemany(sql, ([(blank | row)[name] for name, _, _ in columns] for row in rows))


def _names(books: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in books.execute(f"PRAGMA table_info({table})")]


def _raw(path: Path) -> None:
    first = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    with sqlite3.connect(path) as books:
        books.execute(
            "SELECT SUM(cost_nano_usd) FROM spend_day WHERE connection_id = 1 AND day >= ?", (first,)
        ).fetchone()
