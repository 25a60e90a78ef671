"""What cannot be believed is refused whole, in words, and leaves the books exactly as they were."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from outlay.books.ingest.ingest_page import BadPageError
from outlay.core.tokens import Tokens
from outlay.plugin.contract import CounterReading, Page, Report, Row, Window
from tests.books.factories import BILL, COUNTER, DAY, HOUR, HOURS, MONDAY, NOW, Books, row

GOOD = row(MONDAY + HOUR, "3", key="new", model="new")
SOON = NOW + timedelta(minutes=6)

BAD_ROWS: dict[str, Row] = {
    "outside its page": row(MONDAY - HOUR),
    "outside its page, at its end": row(NOW + DAY),
    "in the future": row(NOW.replace(minute=0) + HOUR),
    "grain": row(MONDAY + timedelta(minutes=30)),
    "grain, by less than a second": row(MONDAY + timedelta(microseconds=1)),
    "no time zone": row(MONDAY.replace(tzinfo=None)),
    "input tokens are negative": row(MONDAY, tokens=Tokens(-1)),
    "more reasoning tokens": row(MONDAY, tokens=Tokens(output=1, reasoning=2)),
    "negative figure": row(MONDAY, "-0.01"),
    "negative figure, byok": row(MONDAY, byok_usd=Decimal("-1")),
    "-1 requests": row(MONDAY, requests=-1),
    "without a reason": row(MONDAY, key=""),
    "not an amount of money": row(MONDAY, "NaN"),
    "not an amount of money, sNaN": row(MONDAY, "sNaN"),
    "not an amount of money, infinite": row(MONDAY, "Infinity"),
    "more than the books can hold": row(MONDAY, "9223372037"),
    "more than the books can hold, byok": row(MONDAY, byok_usd=Decimal("1e30")),
    "more than the books can hold, tokens": row(MONDAY, tokens=Tokens(2**63)),
    "requests, too many": row(MONDAY, requests=2**63),
    "times the list price": row(MONDAY, list_price_factor=Decimal(-1)),
    "times the list price, no number": row(MONDAY, list_price_factor=Decimal("NaN")),
    "the same bucket twice": GOOD,
}


async def refused(books: Books, page: Page, report: Report, words: str) -> None:
    await books.accept_rows([row(MONDAY, "1"), row(MONDAY + HOUR, "2", key="k2")])
    before = await books.dump()
    with pytest.raises(BadPageError, match=words.partition(",")[0]):
        await books.take(page, report, at=NOW + HOUR / 2)
    assert await books.dump() == before


@pytest.mark.parametrize(("words", "bad"), BAD_ROWS.items())
async def test_one_bad_row_and_nothing_of_the_page_is_kept(books: Books, words: str, bad: Row) -> None:
    await refused(books, Page(Window(MONDAY, NOW + DAY), [GOOD, bad]), HOURS, words)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (MONDAY + HOUR, MONDAY + DAY, "whole days"),
        (MONDAY, MONDAY + DAY + HOUR, "whole days"),
        (MONDAY.replace(tzinfo=None), MONDAY.replace(tzinfo=None) + DAY, "no time zone"),
    ],
)
async def test_a_bill_comes_in_whole_days(books: Books, start: datetime, end: datetime, words: str) -> None:
    await refused(books, Page(Window(start, end)), BILL, words)


@pytest.mark.parametrize(
    "rows",
    [
        [row(MONDAY, "50000000"), row(MONDAY, "50000000", key="k2")],
        [row(MONDAY, tokens=Tokens(2**56)), row(MONDAY, tokens=Tokens(2**56), key="k2")],
    ],
)
async def test_figures_that_each_fit_and_together_do_not(books: Books, rows: Iterable[Row]) -> None:
    await refused(books, Page(Window(MONDAY, NOW), list(rows)), HOURS, "more than the books can hold")


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (CounterReading("k1", SOON + HOUR, Decimal(1)), "in the future"),
        (CounterReading("k1", NOW.replace(tzinfo=None), Decimal(1)), "no time zone"),
        (CounterReading("k1", NOW, Decimal("NaN")), "not an amount"),
        (CounterReading("k1", NOW, Decimal("1e99")), "more than the books can hold"),
        (CounterReading("k1", NOW, Decimal(-1)), "less than nothing"),
        (CounterReading("", NOW, Decimal(-1)), "the account"),
    ],
)
async def test_a_reading_that_cannot_be(books: Books, reading: CounterReading, words: str) -> None:
    await books.read("k1", "5", NOW - HOUR)
    good = CounterReading("k2", NOW, Decimal(1))
    await refused(books, Page(Window(NOW, NOW), readings=[good, reading]), COUNTER, words)


async def test_a_bucket_that_began_a_moment_from_now_is_only_another_clock(books: Books) -> None:
    almost = NOW - timedelta(minutes=4)
    assert (await books.accept_rows([row(NOW, "1")], end=NOW + HOUR, at=almost)).new == 1


async def test_a_page_of_no_time_speaks_of_no_day(books: Books) -> None:
    await books.take(Page(Window(NOW, NOW)), HOURS)
    await books.take(Page(Window(MONDAY, MONDAY)), BILL)
    assert await books.rows("SELECT * FROM coverage") == []
    assert await books.rows("SELECT * FROM statement") == []
