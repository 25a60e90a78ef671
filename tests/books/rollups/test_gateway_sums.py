"""A gateway's daily sum and its finer rows: what it could not price stays apart, for as long as the day is kept."""

import pytest

from outlay.books.closing.audit import audit
from outlay.books.rollups.retention import fold
from outlay.core.tokens import Tokens
from outlay.database.tables import COMPUTED, UNPRICED, Workspace
from outlay.plugin.contract import Report, Row
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row

LOGS = Report("logs", HOUR, basis="computed")
DAILY = Report("daily", DAY, lag=HOUR, basis="computed")
REPORTS = (DAILY, LOGS)
LATER = MONDAY + DAY + 2 * HOUR
USD = 10**9
UNKNOWN = (("price", "unknown"),)


async def told(books: Books, daily: Row, *logs: Row) -> None:
    await books.accept_rows(logs, end=MONDAY + DAY, report=LOGS, reports=REPORTS, at=LATER)
    await books.accept_rows([daily], end=MONDAY + DAY, report=DAILY, reports=REPORTS, at=LATER)
    await books.agree()


async def spent(books: Books) -> list[tuple[object, ...]]:
    return await books.rows(
        "SELECT basis, cost_nano_usd, requests, input, unpriced_tokens FROM spend_day ORDER BY basis"
    )


@pytest.mark.parametrize("folded", [False, True])
async def test_the_part_without_a_price_stays_without_one(books: Books, folded: bool) -> None:
    priced = row(MONDAY + HOUR, "0.5", tokens=Tokens(input=10), requests=1)
    stream = row(MONDAY + 2 * HOUR, None, tokens=Tokens(input=50), requests=5, detail=UNKNOWN)
    await told(books, row(MONDAY, "0.5", tokens=Tokens(input=60), requests=6), priced, stream)
    right = [(COMPUTED, USD // 2, 1, 10, 0), (UNPRICED, None, 5, 50, 50)]
    assert await spent(books) == right
    hours = await books.rows("SELECT hour, input FROM spend_hour WHERE basis = 3")
    assert hours == [(int((MONDAY + 2 * HOUR).timestamp()), 50)]
    if folded:  # what the day rests on is kept, so an audit finds the same
        async with books.database.write() as session:
            workspace = await session.get(Workspace, "T1")
            assert workspace
            workspace.hours_kept_days = 1
            await fold(session, workspace, {"little": REPORTS}, now=NOW + 9 * DAY)
        assert await books.rows("SELECT COUNT(*) FROM spend_hour") == [(0,)]
    assert (await audit(books.database, "T1", {"little": REPORTS}, now=NOW)).differences == []
    assert await spent(books) == right


async def test_finer_rows_that_tell_no_dollars_at_all_say_nothing_of_a_sum_that_has_them(books: Books) -> None:
    stream = row(MONDAY + 2 * HOUR, None, tokens=Tokens(input=50), requests=5)
    await told(books, row(MONDAY, "0.5", tokens=Tokens(input=60), requests=6), stream)
    assert await spent(books) == [(COMPUTED, USD // 2, 6, 60, 0)]
