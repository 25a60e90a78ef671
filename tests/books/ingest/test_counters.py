"""Counters: money already spent that no report shows yet; the larger of the two counts, never their sum."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.core.money import NANO_PER_USD as USD
from outlay.plugin.contract import CounterReading, Page, Window
from tests.books.factories import BILL, COUNTER, DAY, HOUR, MONDAY, NOW, Books, examples, row

TODAY = MONDAY + 2 * DAY


async def test_the_first_reading_is_where_a_counter_stands_and_no_spend(books: Books) -> None:
    await books.read("k1", "800", TODAY + HOUR)
    assert await books.total() is None


async def test_what_a_counter_rose_beyond_the_reports_counts_until_they_catch_up(books: Books) -> None:
    await books.read("k1", "800", TODAY + HOUR)
    await books.read("k1", "803", TODAY + 2 * HOUR)
    assert await books.total() == 3 * USD
    await books.accept_rows([row(TODAY + HOUR, "1")], start=TODAY)
    assert await books.total() == 3 * USD  # one of them explained by now
    await books.accept_rows([row(TODAY + HOUR, "1"), row(TODAY + 2 * HOUR, "2")], start=TODAY, at=NOW + HOUR)
    assert await books.total() == 3 * USD
    assert (await books.ask("today by model")).lines[0].cost_nano_usd == 3 * USD
    assert len((await books.ask("today by model")).lines) == 1
    await books.agree()


async def test_reports_that_show_more_than_the_counter_are_not_cut(books: Books) -> None:
    await books.read("k1", "800", TODAY + HOUR)
    await books.accept_rows([row(TODAY + HOUR, "5")], start=TODAY)
    await books.read("k1", "801", TODAY + 2 * HOUR)
    assert await books.total() == 5 * USD


async def test_a_surplus_has_no_model_and_is_provisional_without_an_end(books: Books) -> None:
    await books.read("k1", "1", TODAY + HOUR)
    await books.read("k1", "2", TODAY + 2 * HOUR)
    found = await books.ask("today by key model")
    assert [(line.key and line.key.id, line.model, line.status, line.basis) for line in found.lines] == [
        ("k1", None, "provisional", "billed")
    ]
    assert found.lines[0].requests is None
    assert found.provisional_until is None


async def test_a_fall_is_a_reset_and_not_negative_spend(books: Books) -> None:
    for usd, hour in (("800", 1), ("802", 2), ("0.5", 3), ("1.5", 4)):
        await books.read("k1", usd, TODAY + hour * HOUR)
    assert await books.total() == 3 * USD  # 2 before it and 1 after; the 0.5 may be a correction
    assert await books.rows("SELECT resets FROM counter") == [(1,)]


async def test_the_bill_takes_over_and_the_surplus_is_gone(books: Books) -> None:
    await books.read("k1", "1", MONDAY + HOUR)
    await books.read("k1", "9", MONDAY + 5 * HOUR)
    await books.accept_rows([row(MONDAY + HOUR, "2")], end=MONDAY + DAY, at=MONDAY + 6 * HOUR)
    assert await books.total() == 8 * USD
    await books.accept_rows([row(MONDAY, "3")], end=MONDAY + DAY, report=BILL)
    assert await books.total() == 3 * USD
    await books.accept_rows([row(MONDAY + HOUR, "2.5")], end=MONDAY + DAY, at=NOW + HOUR)
    assert await books.total() == 3 * USD
    await books.agree()


async def test_the_account_as_a_whole_is_no_key(books: Books) -> None:
    await books.read("", "1", TODAY + HOUR)
    await books.read("", "9", TODAY + 2 * HOUR)
    assert await books.total() is None


async def test_over_midnight_it_counts_on_the_day_of_the_last_reading_and_only_there(books: Books) -> None:
    await books.read("k1", "1", MONDAY + 23 * HOUR)
    await books.read("k1", "2", MONDAY + 23.5 * HOUR)
    assert (await books.ask("2026-11-16")).total_nano_usd == USD
    await books.read("k1", "5", MONDAY + DAY + 2 * HOUR)  # the reports will tell on which day
    assert (await books.ask("2026-11-16")).total_nano_usd == 0
    assert await books.total() == 4 * USD


async def test_keys_do_not_make_up_for_one_another(books: Books) -> None:
    for key in ("k1", "k2"):
        await books.read(key, "0", TODAY + HOUR)
        await books.read(key, "4", TODAY + 2 * HOUR)
    await books.accept_rows([row(TODAY + HOUR, "10")], start=TODAY)
    assert await books.total() == 14 * USD


async def test_a_counter_that_stands_still_or_is_read_out_of_order_writes_nothing(books: Books) -> None:
    await books.read("k1", "1", TODAY + HOUR)
    await books.read("k1", "2", TODAY + 2 * HOUR)
    before = await books.dump()
    await books.read("k1", "2", TODAY + 3 * HOUR)
    await books.read("k1", "1", TODAY + HOUR)
    await books.read("k1", "1.5", TODAY + HOUR * 3 / 2)
    assert await books.dump() == before


@examples(8)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.randoms(use_true_random=False))
async def test_readings_in_one_page_come_in_any_order(empty_books, tmp_path, totals, random) -> None:  # type: ignore[no-untyped-def]
    readings = [CounterReading("k1", TODAY + place * HOUR, Decimal(usd)) for place, usd in enumerate(totals)]
    async with Books.copied(empty_books, tmp_path) as one, Books.copied(empty_books, tmp_path) as other:
        for reading in readings:
            await one.take(Page(Window(NOW, NOW), readings=[reading]), COUNTER)
        random.shuffle(readings)
        await other.take(Page(Window(NOW, NOW), readings=readings), COUNTER)
        dumps = [await one.dump(), await other.dump()]
        for dump in dumps:  # which hours were touched is the same; how often is not, nor has to be
            dump["touched_hour"] = [row[:2] for row in dump["touched_hour"]]
        assert dumps[0] == dumps[1]


@pytest.mark.parametrize("more", [{}, {"key": "k1", "model": "m9"}])
async def test_a_restated_past_is_not_todays_spend(books: Books, more: dict[str, str]) -> None:
    """The ledger adds $1.69 to Monday, in a bucket it had told or in a new one, and the key's counter rises by it."""
    await books.accept_rows([row(MONDAY + 9 * HOUR, "5")], end=TODAY + HOUR, at=TODAY + HOUR)
    await books.read("k1", "800", TODAY + HOUR)
    await books.read("k1", "802.69", TODAY + 2 * HOUR)  # of it one dollar was spent today
    told = [row(MONDAY + 9 * HOUR, "5"), row(MONDAY + 10 * HOUR, "1.69", **more)]
    told = told if more else [row(MONDAY + 9 * HOUR, "6.69")]
    await books.accept_rows(told, end=TODAY + HOUR, at=TODAY + 2 * HOUR)
    assert await books.total() == 7_690_000_000
    assert (await books.ask("today")).total_nano_usd == USD
    assert (await books.ask("2026-11-16")).total_nano_usd == 6_690_000_000
    await books.agree()


async def test_a_past_that_is_read_for_the_first_time_takes_nothing_from_a_counter(books: Books) -> None:
    await books.read("k1", "800", TODAY + HOUR)
    await books.read("k1", "803", TODAY + 2 * HOUR)
    await books.accept_rows([row(MONDAY + 9 * HOUR, "50")], end=MONDAY + DAY, at=TODAY + 2 * HOUR)
    assert await books.total() == 53 * USD


async def test_money_that_moves_within_the_past_takes_nothing_from_a_counter(books: Books) -> None:
    await books.accept_rows([row(MONDAY + 9 * HOUR, "5")], end=TODAY + HOUR, at=TODAY + HOUR)
    await books.read("k1", "800", TODAY + HOUR)
    await books.read("k1", "803", TODAY + 2 * HOUR)
    await books.accept_rows([row(MONDAY + 10 * HOUR, "5")], end=TODAY + HOUR, at=TODAY + 2 * HOUR)
    assert await books.total() == 8 * USD
