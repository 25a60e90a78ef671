"""`auto`: what was asked of the router, by what then ran; from the reports that tell it, and never twice."""

from datetime import timedelta

from outlay.core.money import NANO_PER_USD as USD
from outlay.core.tokens import Tokens
from tests.books.factories import BILL, DAY, MONDAY, NOW, Books, row

AUTO = {"requested": "openrouter/auto"}


async def test_what_the_router_was_asked_for_is_told_apart_by_what_ran(books: Books) -> None:
    await books.accept_rows(
        [
            row(MONDAY, "4", model="maker/big", **AUTO),
            row(MONDAY, "1", model="maker/small", key="k2", **AUTO),
            row(MONDAY, "7", model="maker/big"),
            row(MONDAY, "9", model="maker/other", requested="openrouter/fusion"),
        ]
    )
    found = await books.ask("7d auto by model")

    assert found.total_nano_usd == 5 * USD
    told = {line.model.id: line.cost_nano_usd for line in found.lines if line.model}
    assert told == {"maker/big": 4 * USD, "maker/small": USD}
    assert (await books.ask("7d auto by key model key:k2")).total_nano_usd == USD
    assert (await books.ask("7d auto model:*big")).total_nano_usd == 4 * USD
    assert (await books.ask("7d")).total_nano_usd == 21 * USD
    assert (await books.ask("last week auto")).lines == ()


async def test_two_reports_of_the_same_day_are_not_added(books: Books) -> None:
    hours = [row(MONDAY + timedelta(hours=n), "1", model="maker/big", **AUTO) for n in (3, 5)]
    await books.accept_rows(hours)
    await books.accept_rows([row(MONDAY, "3", model="maker/big", **AUTO)], end=MONDAY + DAY, report=BILL)
    found = await books.ask("7d auto by day")

    assert [(line.day, line.cost_nano_usd) for line in found.lines] == [("2026-11-16", 3 * USD)]


async def test_another_workspaces_router_is_not_seen(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "4", model="maker/big", **AUTO)])

    assert (await books.ask("7d auto", workspace="T2")).lines == ()


async def test_what_may_still_move_says_so_and_what_has_no_price_is_no_zero(books: Books) -> None:
    await books.accept_rows([row(MONDAY, None, model="maker/odd", tokens=Tokens(input=5, output=2), **AUTO)])
    found = await books.ask("7d auto by model")

    assert (found.lines[0].cost_nano_usd, found.unpriced_tokens) == (None, 7)
    assert found.basis == "unpriced"
    assert (await books.ask("7d auto", now=NOW)).status == (await books.ask("7d", now=NOW)).status
