"""A page is in the books whole or not at all: a crash between any two statements, two workers at one account."""

import asyncio
from decimal import Decimal
from typing import Any

from outlay.plugin.contract import CounterReading, Page, Window
from tests.books.crash_injection import CrashError, Crashing
from tests.books.factories import BILL, DAY, HOUR, HOURS, MONDAY, NOW, Books, row, tokens

FIRST = Page(Window(MONDAY, NOW), [row(MONDAY + HOUR * hour, "1", tokens=tokens(9)) for hour in range(30)])
THEN = Page(
    Window(MONDAY, NOW),
    [row(MONDAY, "2"), row(MONDAY + HOUR, "1", tokens=tokens(9)), row(MONDAY, "1", key="k2", model="m2")],
    readings=[CounterReading("k1", NOW, Decimal(7)), CounterReading("k3", NOW, Decimal(7))],
)
MAX_STATEMENTS = 200


async def test_a_crash_between_any_two_statements_leaves_nothing_and_the_retry_is_a_clean_run(
    books: Books, empty_books: Any, tmp_path: Any
) -> None:
    async with Books.copied(empty_books, tmp_path) as clean:
        for each in (clean, books):
            await each.read("k1", "2", NOW - HOUR)
            await each.take(FIRST)
            await each.accept_rows([row(MONDAY, "24")], end=MONDAY + DAY, report=BILL)
        await clean.take(THEN, HOURS, at=NOW + HOUR)
        expected = await clean.rows_by_name()
    before, crashing = await books.dump(), Crashing(books)
    for place in range(MAX_STATEMENTS):
        crashing.left = place
        try:
            await books.take(THEN, HOURS, at=NOW + HOUR)
        except CrashError:
            assert await books.dump() == before, f"after a crash at statement {place}"
        else:
            break
    crashing.left = None
    assert 10 < place < MAX_STATEMENTS - 1
    assert await books.rows_by_name() == expected


async def test_two_workers_at_one_account_are_one(books: Books) -> None:
    other = Books(books.url)
    try:
        found = await asyncio.gather(books.take(FIRST), other.take(FIRST), books.take(FIRST, at=NOW + HOUR))
    finally:
        await other.database.close()
    assert sorted((one.new, one.same) for one in found) == [(0, 30), (0, 30), (30, 0)]
    assert await books.total() == 30_000_000_000
    await books.agree()


async def test_the_slower_worker_with_the_older_page_changes_nothing(books: Books) -> None:
    other = Books(books.url)
    try:
        await asyncio.gather(books.take(THEN, at=NOW + HOUR), other.take(FIRST))
    finally:
        await other.database.close()
    assert await books.total() == 4_000_000_000
