"""Two reports finer than a day: hour by hour the better one counts once it has told all of the hour, never both."""

from datetime import datetime, timedelta
from typing import Any

from outlay.books.closing.audit import audit
from outlay.core.tokens import Tokens
from outlay.plugin.contract import Page, Report, Window
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row

MINUTE = HOUR / 60
COST = Report("cost", HOUR, lag=10 * MINUTE, settles=30 * DAY)
USAGE = Report("usage", MINUTE, basis="computed", lag=5 * MINUTE)
BILL = Report("bill", DAY, lag=HOUR)
REPORTS = (BILL, COST, USAGE)
USD = 10**9


async def cost(books: Books, until: datetime, *, at: datetime, usd: str = "5", complete: bool = True) -> Any:
    """The cost report as it was at a time: five dollars an hour, up to its watermark."""
    rows = [row(start, usd) for start in _every(HOUR, until)]
    return await books.take(Page(Window(MONDAY, until), rows, complete=complete), COST, at=at, reports=REPORTS)


async def usage(books: Books, until: datetime, *, at: datetime | None = None) -> Any:
    """Half a dollar in each half hour."""
    rows = [row(start, "0.5", tokens=Tokens(input=1)) for start in _every(HOUR / 2, until)]
    return await books.take(Page(Window(MONDAY, until), rows), USAGE, at=at or until, reports=REPORTS)


def _every(step: timedelta, until: datetime) -> list[datetime]:
    return [MONDAY + place * step for place in range(-((MONDAY - until) // step))]


async def by_hour(books: Books) -> list[int]:
    """The dollars of Monday's hours."""
    await books.agree()
    rows = await books.rows("SELECT hour, SUM(cost_nano_usd) FROM spend_hour GROUP BY hour ORDER BY hour")
    assert (await audit(books.database, "T1", {"little": REPORTS}, now=NOW)).differences == []
    return [usd // (USD // 10) for _, usd in rows]


async def test_the_better_counts_for_the_hours_it_has_told_and_the_lesser_for_the_rest(books: Books) -> None:
    at = MONDAY + 4 * HOUR + 30 * MINUTE
    await usage(books, at)
    assert await by_hour(books) == [10, 10, 10, 10, 5]
    await cost(books, MONDAY + 2 * HOUR + 30 * MINUTE, at=at)
    assert await by_hour(books) == [50, 50, 10, 10, 5]


async def test_nothing_vanishes_and_nothing_is_added_while_one_takes_over(books: Books) -> None:
    at = MONDAY + 2 * HOUR + 8 * MINUTE
    await usage(books, at)
    await cost(books, at, at=at)
    assert await by_hour(books) == [50, 10, 5]  # the second hour is over, its lag is not
    accepted = await cost(books, at, at=at + 2 * MINUTE)  # the same figures, found later
    assert (accepted.new, accepted.changed) == (0, 0)
    assert await by_hour(books) == [50, 50, 5]
    before = await books.dump(versions=True, without=("audit_run",))
    await cost(books, at, at=at + 2 * MINUTE)
    assert await books.dump(versions=True, without=("audit_run",)) == before


async def test_where_only_the_better_has_spoken_it_counts_told_or_not(books: Books) -> None:
    at = MONDAY + 2 * HOUR + 8 * MINUTE
    await cost(books, at, at=at)
    assert await by_hour(books) == [50, 50, 50]
    await usage(books, MONDAY + 90 * MINUTE, at=at)
    assert await by_hour(books) == [50, 5, 50]


async def test_an_answer_that_was_cut_short_has_not_told_the_hour(books: Books) -> None:
    at = MONDAY + 3 * HOUR
    await usage(books, at)
    await cost(books, MONDAY + HOUR, at=at, usd="1000", complete=False)
    assert await by_hour(books) == [10, 10, 10]
    await cost(books, MONDAY + HOUR, at=at + MINUTE)
    assert await by_hour(books) == [50, 10, 10]


async def test_a_settled_hour_is_as_settled_as_the_report_it_is_from(books: Books) -> None:
    at = MONDAY + 3 * HOUR
    await usage(books, at)
    await cost(books, MONDAY + HOUR, at=at)
    rows = await books.rows("SELECT hour, settles_at - hour FROM spend_hour ORDER BY hour")
    assert [settles // 86_400 for _, settles in rows] == [31, 3, 3]


async def test_a_bill_takes_its_shape_from_whichever_counts(books: Books) -> None:
    at = MONDAY + 2 * HOUR
    await usage(books, at, at=MONDAY + DAY)
    await cost(books, MONDAY + HOUR, at=MONDAY + DAY)
    await books.accept_rows([row(MONDAY, "12")], end=MONDAY + DAY, report=BILL, at=MONDAY + DAY + HOUR, reports=REPORTS)
    assert await by_hour(books) == [100, 20]


async def test_the_order_in_which_they_came_does_not_matter(books: Books) -> None:
    at = MONDAY + 4 * HOUR + 30 * MINUTE
    await cost(books, MONDAY + 2 * HOUR + 30 * MINUTE, at=at)
    await cost(books, MONDAY + HOUR, at=at - HOUR, usd="9")  # late, and no longer so
    await usage(books, at)
    assert await by_hour(books) == [50, 50, 10, 10, 5]
