"""How a page becomes entries: new, changed, same, vanished; re-polls write nothing, old news changes nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from outlay.books.ingest.ingest_page import Accepted
from outlay.core.tokens import Tokens
from outlay.plugin.contract import Page, Window
from tests.books.factories import BILL, BOOKKEEPING, DAY, HOUR, HOURS, MONDAY, NOW, Books, row, tokens

USD = 1_000_000_000


async def test_a_page_counts_what_is_new_changed_same_and_vanished(books: Books) -> None:
    first = [row(MONDAY, "1"), row(MONDAY, "2", model="m2"), row(MONDAY + HOUR, "3")]
    assert await books.accept_rows(first) == Accepted(new=3)
    then = [row(MONDAY, "1"), row(MONDAY, "2.5", model="m2"), row(MONDAY, "7", key="k2")]
    assert await books.accept_rows(then, at=NOW + HOUR) == Accepted(new=1, changed=2, same=1, vanished=1)
    assert await books.total() == 10_500_000_000
    await books.agree()


async def test_polling_the_same_again_writes_nothing_but_when_it_was_read(books: Books) -> None:
    page = [row(MONDAY + HOUR * hour, "1", tokens=tokens(50), requests=hour) for hour in range(40)]
    page += [row(MONDAY, None, model="unpriced", tokens=tokens(7)), row(MONDAY, "1", key="", reason="console")]
    bill = [row(MONDAY, "40", tokens=tokens(999))]
    await books.accept_rows(page)
    await books.accept_rows(bill, end=MONDAY + DAY, report=BILL)
    before = await books.dump(without=BOOKKEEPING)
    assert await books.accept_rows(page, at=NOW + HOUR) == Accepted(same=42)
    assert await books.accept_rows(bill, end=MONDAY + DAY, report=BILL, at=NOW + HOUR) == Accepted(same=1)
    assert await books.dump(without=BOOKKEEPING) == before


async def test_the_same_delivery_twice_writes_nothing_at_all(books: Books) -> None:
    await books.accept_rows([row(MONDAY)])
    before = await books.dump()
    await books.accept_rows([row(MONDAY)])
    assert await books.dump() == before


async def test_a_bucket_of_the_second_in_which_the_page_was_cut_is_the_same_bucket_again(books: Books) -> None:
    end = MONDAY + 5 * HOUR + timedelta(milliseconds=300)
    page = [row(MONDAY + 5 * HOUR)]
    assert await books.accept_rows(page, end=end) == Accepted(new=1)
    assert await books.accept_rows(page, end=end, at=NOW + HOUR) == Accepted(same=1)
    assert await books.accept_rows([], end=end, at=NOW + 2 * HOUR) == Accepted(changed=1, vanished=1)


@pytest.mark.parametrize("step", [HOUR, DAY])
async def test_a_restatement_moves_the_total_by_exactly_the_difference_and_back(books: Books, step: timedelta) -> None:
    report = HOURS if step == HOUR else BILL
    end = MONDAY + 2 * DAY
    page = [row(MONDAY, "0.1"), row(MONDAY + step, "0.2")]
    await books.accept_rows(page, end=end, report=report)
    before, total = await books.figures(), await books.total()
    await books.accept_rows([row(MONDAY, "0.100000007"), page[1]], end=end, report=report, at=NOW + HOUR)
    assert await books.total() == (total or 0) + 7
    await books.accept_rows(page, end=end, report=report, at=NOW + 2 * HOUR)
    assert await books.total() == total
    assert await books.figures() == before


async def test_what_is_gone_from_a_re_read_is_zero_and_may_come_back(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1", tokens=tokens(5), requests=3)])
    assert await books.accept_rows([], at=NOW + HOUR) == Accepted(changed=1, vanished=1)
    assert await books.rows("SELECT * FROM spend_hour") == []
    assert await books.accept_rows([], at=NOW + 2 * HOUR) == Accepted()
    assert await books.accept_rows([row(MONDAY, "1")], at=NOW + 3 * HOUR) == Accepted(changed=1)
    assert await books.total() == USD


async def test_what_is_outside_the_page_does_not_vanish(books: Books) -> None:
    await books.accept_rows([row(MONDAY), row(MONDAY + HOUR), row(MONDAY + 2 * HOUR)])
    assert await books.accept_rows([], start=MONDAY + HOUR, end=MONDAY + 2 * HOUR, at=NOW + HOUR) == Accepted(
        changed=1, vanished=1
    )
    assert await books.total() == 2 * USD


async def test_what_another_report_or_connection_said_does_not_vanish(books: Books) -> None:
    await books.accept_rows([row(MONDAY)], end=MONDAY + DAY, report=BILL)
    await books.accept_rows([row(MONDAY)], connection_id=2)
    assert await books.accept_rows([], at=NOW + HOUR) == Accepted()
    assert await books.total() == USD
    assert await books.total(connection_id=2) == USD


async def test_an_incomplete_page_proves_nothing_about_what_it_lacks(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1"), row(MONDAY, "2", model="m2")])
    cut = Page(Window(MONDAY, NOW), [row(MONDAY, "5")], complete=False)
    assert await books.take(cut, at=NOW + HOUR) == Accepted(changed=1)
    assert await books.total() == 7 * USD


async def test_an_incomplete_bill_does_not_take_over_the_day(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "3")])
    await books.take(Page(Window(MONDAY, MONDAY + DAY), [row(MONDAY, "1")], complete=False), BILL)
    assert await books.total() == 3 * USD


@pytest.mark.parametrize("page", [[], [row(MONDAY, "9")], [row(MONDAY, "9", model="m9")]])
async def test_old_news_changes_nothing(books: Books, page: list[object]) -> None:
    await books.accept_rows([row(MONDAY, "1")])
    before = await books.dump()
    await books.accept_rows(page, at=NOW - HOUR)  # type: ignore[arg-type]
    after = await books.dump()
    assert (after["entry"], after["spend_hour"]) == (before["entry"], before["spend_hour"])


async def test_old_news_changes_nothing_though_newer_readings_found_the_same_and_wrote_nothing(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1")], at=NOW)
    await books.accept_rows([row(MONDAY, "1")], at=NOW + 2 * HOUR)
    await books.accept_rows([row(MONDAY, "9")], at=NOW + HOUR)
    assert await books.total() == USD


async def test_old_news_makes_nothing_of_what_a_newer_page_found_not_to_be_there(books: Books) -> None:
    await books.accept_rows([], at=NOW + HOUR, end=NOW)
    accepted = await books.accept_rows([row(MONDAY, "5")], end=NOW)
    assert (accepted.new, accepted.same) == (0, 1)
    assert await books.rows("SELECT * FROM entry") == []


async def test_a_page_cut_short_is_newer_news_of_what_it_has(books: Books) -> None:
    await books.take(Page(Window(MONDAY, NOW), [row(MONDAY, "5")], complete=False), at=NOW + HOUR)
    assert await books.accept_rows([row(MONDAY, "9"), row(MONDAY, "1", model="m2")], at=NOW) == Accepted(new=1, same=1)
    await books.accept_rows([], at=NOW)
    assert await books.total() == 5 * USD


async def test_old_news_still_counts_where_no_newer_page_has_been(books: Books) -> None:
    await books.accept_rows([row(MONDAY + HOUR, "1")], start=MONDAY + HOUR, at=NOW + HOUR)
    assert await books.accept_rows([row(MONDAY, "4"), row(MONDAY + HOUR, "9")], at=NOW) == Accepted(new=1, same=1)
    assert await books.total() == 5 * USD


async def test_another_shape_of_a_report_replaces_the_old_one(books: Books) -> None:
    wider = replace(HOURS, shape=2)
    await books.accept_rows([row(MONDAY, "1", detail=(("tier", "batch"),)), row(MONDAY + HOUR, "1")])
    assert await books.accept_rows([row(MONDAY, "1")], end=MONDAY + HOUR, report=wider, at=NOW + HOUR) == Accepted(
        new=1, changed=1, vanished=1
    )
    assert await books.total() == 2 * USD


async def test_another_shape_is_never_added_to_the_old_one_even_by_a_page_cut_short(books: Books) -> None:
    wider = replace(HOURS, shape=2)
    await books.accept_rows([row(MONDAY, "1"), row(MONDAY + HOUR, "1")])
    cut = Page(Window(MONDAY, NOW), [row(MONDAY, "1")], complete=False)
    await books.take(cut, wider, at=NOW + HOUR)
    assert await books.total() == 2 * USD


async def test_every_dimension_is_identity(books: Books) -> None:
    page = [
        row(MONDAY),
        row(MONDAY, key="k2"),
        row(MONDAY, model="m2"),
        row(MONDAY, requested="openrouter/auto"),
        row(MONDAY, detail=(("tier", "batch"),)),
        row(MONDAY, detail=(("tier", "flex"),)),
        row(MONDAY, key="", reason="console"),
        row(MONDAY, key="", reason="web search"),
        row(MONDAY, key="", reason="console", project="p1"),
        row(MONDAY + HOUR),
    ]
    assert await books.accept_rows(page) == Accepted(new=len(page))
    assert await books.total() == len(page) * USD
    assert await books.accept_rows(page, at=NOW + HOUR) == Accepted(same=len(page))


async def test_the_order_of_details_is_not_identity(books: Books) -> None:
    await books.accept_rows([row(MONDAY, detail=(("a", "1"), ("b", "2")))])
    assert await books.accept_rows([row(MONDAY, detail=(("b", "2"), ("a", "1")))], at=NOW + HOUR) == Accepted(same=1)


async def test_keyless_rows_keep_their_reason_and_their_project(books: Books) -> None:
    await books.accept_rows(
        [row(MONDAY, key="", reason="console", project="p1"), row(MONDAY, key="", reason="web search")]
    )
    kept = await books.rows("SELECT ledger_id, reason, project_id FROM ledger_key ORDER BY reason")
    assert kept == [("", "console", "p1"), ("", "web search", "")]


async def test_an_unknown_price_is_null_all_the_way_up(books: Books) -> None:
    await books.accept_rows([row(MONDAY, None, tokens=tokens(10)), row(MONDAY + HOUR, "1", tokens=tokens(30))])
    for table in ("entry", "spend_hour", "spend_day", "spend_day_key", "spend_day_model"):
        costs = await books.rows(f"SELECT cost_nano_usd FROM {table} ORDER BY basis")
        assert costs == [(USD,), (None,)], table
    found = await books.ask("by model")
    assert (found.coverage, found.unpriced_tokens, found.total_nano_usd) == (0.75, 10, USD)
    assert found.basis == "mixed"


async def test_an_unpriced_bucket_that_vanished_makes_no_price_of_zero(books: Books) -> None:
    batch = (("tier", "batch"),)
    page = [row(MONDAY, None, tokens=tokens(10)), row(MONDAY, None, tokens=tokens(10), detail=batch)]
    await books.accept_rows(page)
    await books.accept_rows(page[:1], at=NOW + HOUR)
    assert await books.rows("SELECT cost_nano_usd, requests, unpriced_tokens FROM spend_day") == [(None, None, 10)]


async def test_a_price_learnt_later_takes_the_place_of_the_unknown(books: Books) -> None:
    await books.accept_rows([row(MONDAY, None, tokens=tokens(10))])
    await books.accept_rows([row(MONDAY, "2", tokens=tokens(10))], at=NOW + HOUR)
    assert await books.rows("SELECT cost_nano_usd, basis, unpriced_tokens FROM spend_day") == [(2 * USD, 1, 0)]


async def test_a_computed_report_says_so(books: Books) -> None:
    usage = replace(HOURS, basis="computed")
    await books.accept_rows([row(MONDAY, "1")], report=usage, reports=(usage,))
    assert (await books.ask()).basis == "computed"


async def test_all_figures_come_through(books: Books) -> None:
    counts = Tokens(1, 2, 4, 8, 16, 3)
    await books.accept_rows([row(MONDAY, "1.5", tokens=counts, requests=7, byok_usd=Decimal("0.000000009"))])
    assert await books.sums("spend_day") == (1_500_000_000, 9, 7, *counts, 0)
    await books.agree()
