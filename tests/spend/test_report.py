"""Questions and their answers: every grouping and filter agrees with the plain sum of what was put in."""

from collections.abc import Callable
from itertools import combinations

from outlay.core.money import NANO_PER_USD as USD
from outlay.core.owner import UNATTRIBUTED
from outlay.database.tables import Connection
from outlay.plugin.contract import Row
from outlay.spend.parser import DIMENSIONS
from tests.books.factories import DAY, MONDAY, Books, connection, row, tokens
from tests.books.weeks import SUNDAY_NIGHT, a_week, fill, lines_agree, paid

BYS = [*DIMENSIONS, *(f"{one} {other}" for one, other in combinations(DIMENSIONS, 2))]


async def test_every_grouping_of_the_same_time_has_the_same_total(books: Books) -> None:
    rows = a_week()
    await fill(books, rows)
    for by in BYS:
        found = await books.ask(f"7d by {by}", now=SUNDAY_NIGHT)
        assert found.total_nano_usd == paid(rows), by
        assert found.unpriced_tokens == sum(each.tokens.total for each in rows if each.cost_usd is None), by
        assert sum(line.tokens.total for line in found.lines) == sum(each.tokens.total for each in rows), by
        assert sum(line.requests or 0 for line in found.lines) == sum(each.requests or 0 for each in rows), by
        lines_agree(found)


async def test_each_line_is_the_sum_of_its_own(books: Books) -> None:
    rows = a_week()
    await fill(books, rows)
    found = await books.ask("7d by key model", now=SUNDAY_NIGHT)
    assert len(found.lines) == 12
    for line in found.lines:
        key, model = line.key.id if line.key else "", line.model.id if line.model else ""
        mine = [each for each in rows if (each.key, each.model) == (key, model)]
        assert line.cost_nano_usd == paid(mine)
        assert line.unpriced_tokens == sum(each.tokens.total for each in mine if each.cost_usd is None)
        assert line.reason == ("" if line.key else "used in the console")


FILTERS: list[tuple[str, Callable[[Row], bool]]] = [
    ("key:ci", lambda each: each.key == "ci"),
    ("key:*", lambda each: each.key != ""),
    ("key:?i", lambda _: False),  # only * is a wildcard
    ("key:[c]i", lambda _: False),
    ("key:CI", lambda each: each.key == "ci"),
    ("model:m1", lambda each: each.model == "m1"),
    ("model:m* model:*1", lambda each: each.model == "m1"),
    ("project:web", lambda each: each.key == ""),
    ("owner:unattributed", lambda _: True),
    ("owner:nobody", lambda _: False),
    ("ledger:little", lambda _: True),
    ("ledger:other", lambda _: False),
    ("connection:main", lambda _: True),
    ("connection:theirs", lambda _: False),
    ("key:ci model:m2", lambda each: each.key == "ci" and each.model == "m2"),
]


async def test_filters_keep_what_they_say(books: Books) -> None:
    rows = a_week()
    await fill(books, rows)
    for words, keep in FILTERS:
        for by in ("by model", "by owner", "by key day"):
            found = await books.ask(f"7d {words} {by}", now=SUNDAY_NIGHT)
            assert found.total_nano_usd == paid([each for each in rows if keep(each)]), (words, by)
            lines_agree(found)


async def test_top_and_the_rest_are_everything(books: Books) -> None:
    await books.accept_rows([row(MONDAY, str(usd), key=f"k{usd}") for usd in (5, 1, 4, 2, 3)])
    found = await books.ask("7d by key top 2")
    assert [line.cost_nano_usd for line in found.lines] == [5 * USD, 4 * USD]
    assert (found.rest_count, found.rest_nano_usd, found.total_nano_usd) == (3, 6 * USD, 15 * USD)
    assert (await books.ask("7d by key top 100")).rest_count == 0


async def test_by_day_the_lines_come_in_order_of_time(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1"), row(MONDAY + DAY, "9"), row(MONDAY + 2 * DAY, "5")])
    days = [line.day for line in (await books.ask("7d by day")).lines]
    assert days == ["2026-11-16", "2026-11-17", "2026-11-18"]
    assert [line.hour for line in (await books.ask("7d by hour")).lines] == [f"{day}T00:00:00Z" for day in days]


async def test_an_empty_book_has_an_empty_answer(books: Books) -> None:
    found = await books.ask("")
    assert (found.lines, found.total_nano_usd, found.coverage, found.unpriced_tokens) == ((), 0, 1.0, 0)
    assert found.fresh_until == {"main": None}
    assert (await books.ask("", workspace="nobody's")).fresh_until == {}


async def test_where_nothing_has_dollars_there_are_none(books: Books) -> None:
    await books.accept_rows([row(MONDAY, None, tokens=tokens(10))])
    found = await books.ask("7d by model")
    assert [(line.cost_nano_usd, line.basis, line.requests) for line in found.lines] == [(None, "unpriced", None)]
    assert (found.basis, found.coverage) == ("unpriced", 0.0)


async def test_status_is_provisional_until_the_settling_window_ends(books: Books) -> None:
    await books.accept_rows([row(MONDAY - 9 * DAY, "1"), row(MONDAY, "1")], start=MONDAY - 9 * DAY)
    assert (await books.ask("from 2026-11-01 to 2026-11-10")).status == "settled"
    assert (await books.ask("7d")).status == "provisional"
    found = await books.ask("mtd")
    assert (found.status, found.provisional_until) == ("mixed", MONDAY + 4 * DAY)
    later = await books.ask("mtd", now=MONDAY + 4 * DAY)
    assert (later.status, later.provisional_until) == ("settled", None)


async def test_money_nobody_can_be_named_for_has_a_line_and_a_reason(books: Books) -> None:
    reasons = {"web search": "2", "console": "1"}
    keyless = [row(MONDAY, usd, key="", reason=reason) for reason, usd in reasons.items()]
    await books.accept_rows([*keyless, row(MONDAY, "4")])
    for by in ("owner", "key", "project", "owner key", "owner model"):
        lines = [line for line in (await books.ask(f"7d by {by}")).lines if line.reason]
        expected = [(UNATTRIBUTED, None, reason) for reason in reasons]
        assert [(line.owner, line.key, line.reason) for line in lines] == expected, by
    assert len((await books.ask("7d by model")).lines) == 1


async def test_a_model_has_one_name_and_all_the_names_it_was_given_here(books: Books) -> None:
    names = ("anthropic/claude-4.5-sonnet-20250929", "anthropic/claude-sonnet-4.5")
    await books.accept_rows([row(MONDAY, "1", model=name) for name in names])
    await books.accept_rows([row(MONDAY, "1", model="claude-sonnet-4-5")], connection_id=2)
    (line,) = (await books.ask("7d by model")).lines
    assert line.model
    assert (line.model.id, line.model.names) == ("anthropic/claude-sonnet-4.5", names)
    assert (await books.ask("7d by model model:claude-sonnet-4.5")).total_nano_usd == 2 * USD
    assert (await books.ask("7d by model model:*20250929")).total_nano_usd == USD


async def test_nothing_of_another_tenant_is_ever_in_an_answer(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1")])
    await books.accept_rows([row(MONDAY, "100", key="theirs", model="their-model")], connection_id=2)
    for by in BYS:
        words = f"7d by {by} connection:*"
        mine, theirs = await books.ask(words), await books.ask(words, workspace="T2")
        assert (mine.total_nano_usd, theirs.total_nano_usd) == (USD, 100 * USD)
        assert "their" not in repr((mine.lines, mine.fresh_until))


async def test_a_connection_that_only_attributes_is_shown_only_when_asked_for(books: Books) -> None:
    async with books.database.write() as session:
        gateway = await connection(session, "T1", "gateway", role="attribution", ledger="litellm")
    await books.accept_rows([row(MONDAY, "1")])
    await books.accept_rows([row(MONDAY, "10")], connection_id=gateway, ledger="litellm")
    assert (await books.ask("7d")).total_nano_usd == USD
    assert (await books.ask("7d by ledger")).total_nano_usd == USD
    assert (await books.ask("7d ledger:litellm")).total_nano_usd == 0
    found = await books.ask("7d connection:gateway")
    assert (found.total_nano_usd, list(found.fresh_until)) == (10 * USD, ["gateway"])


async def test_a_disconnected_account_keeps_its_figures(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1")])
    async with books.database.write() as session:
        held = await session.get(Connection, 1)
        assert held
        held.disconnected_at = 1
        session.add(held)
    assert (await books.ask("7d")).total_nano_usd == USD
