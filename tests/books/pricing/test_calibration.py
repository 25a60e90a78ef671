"""Days that no bill has reached are computed at what the last bill said of list prices; a bill says it itself."""

from datetime import date, datetime
from typing import Any

import pytest

from outlay import wording
from outlay.books.closing.audit import audit
from outlay.books.closing.close_month import close
from outlay.core.tokens import Tokens
from outlay.plugin.contract import Page, Report, Window
from outlay.spend.serialization import answer_as_json
from tests.books.factories import DAY, HOUR, MONDAY, Books, row

USAGE = Report("usage", HOUR / 60, basis="computed")
COSTS = Report("costs", DAY, lag=HOUR, split_by="usage")
REPORTS = (COSTS, USAGE)
TUESDAY = MONDAY + DAY
USD = 10**9


async def use(books: Books, day: datetime, usd: str | None, model: str = "m1", hour: int = 5, **tiers: str) -> None:
    """`tiers`: more of the model, in tiers of other prices."""
    start, tokens = day + hour * HOUR, Tokens(input=10)
    rows = [row(start, usd, "k1", model, tokens=tokens)]
    rows += [row(start, more, "k1", model, detail=(("batch", "true"),), tokens=tokens) for more in tiers.values()]
    await books.take(Page(Window(start, start + HOUR), rows), USAGE, at=day + 23 * HOUR, reports=REPORTS)


async def bill(books: Books, day: datetime, usd: str, model: str = "m1", *, late: int = 0, **tiers: str) -> None:
    rows = [row(day, usd, "", model, reason="tokens")]
    rows += [
        row(day, more, "", model, reason="tokens", detail=(("service_tier", tier),)) for tier, more in tiers.items()
    ]
    await books.take(Page(Window(day, day + DAY), rows), COSTS, at=day + DAY + (2 + late) * HOUR, reports=REPORTS)


async def spent(books: Books, day: datetime) -> list[tuple[Any, ...]]:
    """Dollars in cents, and basis."""
    await books.agree()
    differences = (await audit(books.database, "T1", {"little": REPORTS}, now=MONDAY + 20 * DAY)).differences
    assert differences == []
    rows = await books.rows(
        "SELECT cost_nano_usd, basis FROM spend_day WHERE day = :day AND adjusts = 0 ORDER BY 1, 2",
        day=int(day.timestamp()),
    )
    return [(None if usd is None else usd // (USD // 100), basis) for usd, basis in rows]


async def test_a_day_that_the_bill_has_not_reached_is_worth_what_the_last_bill_says(books: Books) -> None:
    await use(books, MONDAY, "4")
    await use(books, TUESDAY, "10")
    await bill(books, MONDAY, "3")
    assert await spent(books, MONDAY) == [(300, 1)]
    assert await spent(books, TUESDAY) == [(750, 2)]
    await use(books, TUESDAY, "2", hour=7)  # only its hour is derived
    assert await spent(books, TUESDAY) == [(900, 2)]
    found = await books.ask("7d", now=TUESDAY + 23 * HOUR)
    assert (found.total_nano_usd, found.calibrated_by) == (12 * USD, date(2026, 11, 16))
    assert answer_as_json(found)["calibrated_by"] == "2026-11-16"
    assert wording.basis(found.basis, found.calibrated_by, date(2026, 11, 17)).endswith(
        ", calibrated by the bill of 16 Nov"
    )
    billed = await books.ask("2026-11-16", now=TUESDAY)
    assert wording.basis(billed.basis, billed.calibrated_by) == "billed by the ledger"
    assert answer_as_json(billed)["calibrated_by"] is None


async def test_it_follows_that_bill_and_gives_way_to_a_newer_one(books: Books) -> None:
    for day in range(3):
        await use(books, MONDAY + day * DAY, "4")
    await bill(books, MONDAY, "3")
    await bill(books, MONDAY, "5", late=1)
    assert await spent(books, TUESDAY) == await spent(books, TUESDAY + DAY) == [(500, 2)]
    await bill(books, TUESDAY, "2")
    assert await spent(books, TUESDAY) == [(200, 1)]
    assert await spent(books, TUESDAY + DAY) == [(200, 2)]
    await bill(books, TUESDAY, "2", "m9", late=1)  # the newest says nothing of the model: then nobody does
    assert await spent(books, TUESDAY + DAY) == [(400, 2)]


async def test_usage_of_a_billed_day_that_comes_late_moves_the_ratio(books: Books) -> None:
    await use(books, MONDAY, "4")
    await bill(books, MONDAY, "3")
    await use(books, TUESDAY, "10")
    await use(books, MONDAY, "2", hour=9)
    assert await spent(books, TUESDAY) == [(500, 2)]


@pytest.mark.parametrize("billed", ["0.79", "20.01", "4"])
async def test_a_ratio_beyond_belief_and_one_for_one_change_nothing(books: Books, billed: str) -> None:
    await use(books, MONDAY, "4")
    await use(books, TUESDAY, "10")
    await bill(books, MONDAY, billed)
    assert await spent(books, TUESDAY) == [(1000, 2)]
    assert await books.rows("SELECT 1 FROM calibration") == []
    assert (await books.ask("7d", now=TUESDAY + 23 * HOUR)).calibrated_by is None


async def test_a_tier_that_the_bill_tells_has_a_ratio_of_its_own(books: Books) -> None:
    await use(books, MONDAY, "4", batch="2")
    await use(books, TUESDAY, "10", batch="10")
    await bill(books, MONDAY, "3", batch="2")
    assert await spent(books, TUESDAY) == [(1750, 2)]
    await bill(books, MONDAY, "4", batch="1", late=1)
    assert await spent(books, TUESDAY) == [(1500, 2)]
    assert (await books.ask("2026-11-17", now=TUESDAY + 23 * HOUR)).calibrated_by == date(2026, 11, 16)
    await use(books, TUESDAY, "1", hour=7, batch="1")  # only its hour is derived
    assert await spent(books, TUESDAY) == [(1650, 2)]
    await bill(books, MONDAY, "3", late=2)  # it tells no tiers any more: they share what it comes to
    assert await spent(books, TUESDAY) == [(1100, 2)]


async def test_an_answer_names_the_bill_only_of_what_it_scaled(books: Books) -> None:
    await use(books, MONDAY, "4")
    await use(books, MONDAY, "4", "m2", hour=6)
    await use(books, TUESDAY, "10")
    await use(books, TUESDAY, "10", "m2", hour=6)
    await bill(books, MONDAY, "3")
    said = {}
    for model in ("m1", "m2"):
        said[model] = (await books.ask(f"2026-11-17 model:{model}", now=TUESDAY + 23 * HOUR)).calibrated_by
    assert said == {"m1": date(2026, 11, 16), "m2": None}


async def test_where_some_of_a_model_has_no_price_the_bill_says_nothing_of_its_price(books: Books) -> None:
    await use(books, MONDAY, "4")
    await use(books, MONDAY, None, hour=6)
    await use(books, TUESDAY, "10")
    await use(books, TUESDAY, None, hour=6)
    await bill(books, MONDAY, "3")
    assert await spent(books, TUESDAY) in ([(None, 3), (1000, 2)], [(1000, 2), (None, 3)])


async def test_a_week_later_a_bill_says_nothing_any_more(books: Books) -> None:
    await use(books, MONDAY, "4")
    for day in (7, 8):
        await use(books, MONDAY + day * DAY, "4")
    await bill(books, MONDAY, "3")
    assert await spent(books, MONDAY + 7 * DAY) == [(300, 2)]
    assert await spent(books, MONDAY + 8 * DAY) == [(400, 2)]


async def test_the_audit_finds_a_ratio_that_does_not_follow_from_the_entries(books: Books) -> None:
    await use(books, MONDAY, "4")
    await bill(books, MONDAY, "3")
    async with books.database.write() as session:
        await (await session.connection()).exec_driver_sql("UPDATE calibration SET millionths = 800000")
    found = await audit(books.database, "T1", {"little": REPORTS}, now=MONDAY + 20 * DAY)
    assert found.differences == ["main, 2026-11-16: the ratios of costs to computed dollars have moved"]


async def test_a_closed_month_does_not_move(books: Books) -> None:
    last = MONDAY + 14 * DAY  # 30 November
    await use(books, last - DAY, "4")
    await use(books, last, "10")
    await bill(books, last - DAY, "3")
    november = int(datetime.fromisoformat("2026-11-01T00:00:00+00:00").timestamp())
    async with books.database.write() as session:
        await close(session, "T1", november, now=last + 2 * DAY, reports={"little": REPORTS}, force=True)
    await bill(books, last - DAY, "2", late=72)
    assert await spent(books, last) == [(750, 2)]
    assert await books.rows("SELECT SUM(cost_nano_usd) FROM adjustment") == [(-1 * USD - 2_500_000_000,)]
