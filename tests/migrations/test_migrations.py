"""The migrations make exactly the tables that the code works with, and may run as often as they like."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from outlay.database.tables import Workspace
from outlay.migrations import NEWEST, revision, upgrade
from tests.books.closed_month import NANO, clerk
from tests.books.database_pool import Shelf, with_driver
from tests.books.factories import MONDAY, Books, row, tokens
from tests.migrations.release_snapshots import FOLDER, load


async def test_the_tables_are_those_of_the_code(books: Books) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Workspace.metadata))

    async with books.database.engine.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_an_upgrade_of_what_is_new_already_changes_nothing(books: Books) -> None:
    await books.accept_rows([row(MONDAY)])
    before = await books.dump()
    await upgrade(books.database)
    assert await revision(books.database) == NEWEST
    assert await books.dump() == before


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.sql")), ids=lambda file: file.stem)
async def test_books_of_a_released_version_come_along_with_every_figure(
    empty_books: Shelf, tmp_path: Path, file: Path, request: pytest.FixtureRequest
) -> None:
    if empty_books.kind == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
    else:
        url = with_driver(await asyncio.to_thread(request.getfixturevalue("server").database))
    books = Books(url)
    try:
        await upgrade(books.database, to=file.stem)
        await load(books.database, file)
        lines = await asyncio.to_thread(lambda: file.read_text().splitlines())
        await upgrade(books.database)
        assert await revision(books.database) == NEWEST
        for table in ("entry", "counter", "adjustment", "closed_month", "ownership", "secret", "coverage"):
            kept = [line for line in lines if line.startswith(f"INSERT INTO {table} ")]
            assert await books.rows(f"SELECT COUNT(*) FROM {table}") == [(len(kept),)], table
        now = MONDAY + timedelta(days=3, hours=1)
        audited = await clerk(books, now).audit("T1")
        assert (audited.differences, [one["ok"] for one in audited.closed]) == ([], [True])
        october = await books.ask("2026-10 by key", now=now)
        assert (october.total_nano_usd, october.adjustments_nano_usd) == (15 * NANO, NANO // 2)
        november = await books.ask("2026-11 by owner", now=now)
        assert november.total_nano_usd == 13_250_000_000
        owned: Counter[str] = Counter()
        for line in november.lines:
            owned[line.owner.id if line.owner else ""] += line.cost_nano_usd or 0
        assert owned == {"agent:ci": 2_750_000_000, "dana@example.com": 10_500_000_000, "unattributed": 0}
        await books.accept_rows([row(MONDAY, "3", "k1", tokens=tokens(40))], at=now)  # and life goes on in them
        assert (await clerk(books, now).audit("T1")).differences == []
    finally:
        await books.database.close()
