"""Quarters, months and parts of months are summed up once they rest, and forgotten when one of their days changes."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from outlay.books.closing.audit import audit
from outlay.books.rollups.period_sums import cover, sum_up
from outlay.database.engine import execute
from outlay.database.tables import Workspace
from tests.books.closed_month import clerk
from tests.books.factories import DAY, HOUR, REPORTS, Books, row, tokens
from tests.books.weeks import say_owner

SEPTEMBER, OCTOBER, NOVEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (9, 10, 11))
NOW = NOVEMBER + 20 * DAY + 10 * HOUR
QUESTIONS = (
    "from 2026-09-01 to 2026-11-21 by owner",
    "from 2026-09-05 to 2026-11-12 by key model",
    "2026-10 by key",
    "30d model:m1 by owner",
    "60d owner:agent:ci by model",
    "from 2026-09-01 to 2026-10-31 by day",
    "60d by project",
)


async def autumn(books: Books) -> None:
    """Something of each kind on every third day; a key changes hands within a month."""
    rows = [
        row(SEPTEMBER + day * DAY + 5 * HOUR, usd, key, model, tokens=tokens(day + len(model)))
        for day in range(0, 81, 3)
        for usd, key, model in (("1.5", "k1", "m1"), ("0.25", "k1", "m2"), (None, "k2", "m1"), ("3", "k3", "m1"))
    ]
    await books.accept_rows(rows, start=SEPTEMBER, end=NOW, at=NOW)
    await say_owner(books, "k1", "agent:ci")
    await say_owner(books, "k1", "ann@little.example", from_day=OCTOBER + 14 * DAY)


async def test_an_answer_from_periods_is_the_answer_from_days(books: Books) -> None:
    await autumn(books)
    for zone in ("UTC", "America/New_York"):
        async with books.database.write() as session:
            (await session.get_one(Workspace, "T1")).time_zone = zone
            await execute(session, text("DELETE FROM period"))
            for table in ("spend_period", "spend_period_key"):
                await execute(session, text(f"DELETE FROM {table}"))
        by_days = [await books.ask(words, now=NOW) for words in QUESTIONS]
        assert await sum_up(books.database, 1, now=NOW) == 26  # two months, their thirds and sixths; six of November
        assert [await books.ask(words, now=NOW) for words in QUESTIONS] == by_days
        assert await sum_up(books.database, 1, now=NOW) == 0


async def test_a_quarter_is_summed_up_once_two_weeks_have_passed(books: Books) -> None:
    summer = datetime(2026, 6, 1, tzinfo=UTC)
    rows = [row(summer + day * DAY, "1.5", key, tokens=tokens(day)) for day in range(0, 130, 3) for key in ("k1", "k2")]
    await books.accept_rows(rows, start=summer, end=OCTOBER + 8 * DAY, at=OCTOBER + 8 * DAY)
    quarter = "SELECT COUNT(*) FROM period WHERE until - start > 32 * 86400"
    await sum_up(books.database, 1, now=OCTOBER + 14 * DAY - HOUR)
    assert await books.rows(quarter) == [(0,)]
    questions = ("from 2026-06-25 to 2026-10-03 by key", "from 2026-07-01 to 2026-09-30 by owner model")
    before = [await books.ask(words, now=NOW) for words in questions]
    await sum_up(books.database, 1, now=OCTOBER + 14 * DAY)
    assert await books.rows(quarter) == [(1,)]
    assert [await books.ask(words, now=NOW) for words in questions] == before
    assert (await audit(books.database, "T1", {"little": REPORTS}, now=NOW)).differences == []
    numbers = quarter.replace("COUNT(*)", "id")
    async with books.database.write() as session:  # it is what an answer reads
        await execute(
            session,
            text(f"UPDATE spend_period_key SET cost_nano_usd = 0 WHERE period_id IN ({numbers})"),
        )
    assert (await books.ask(questions[0], now=NOW)).total_nano_usd < before[0].total_nano_usd


async def test_a_year_is_read_from_what_is_summed_up(books: Books) -> None:
    """What stands in a period is what an answer says: so the days of it were not read."""
    await autumn(books)
    before = (await books.ask("2026-10 by key", now=NOW)).total_nano_usd
    await sum_up(books.database, 1, now=NOW)
    async with books.database.write() as session:
        await execute(session, text("UPDATE spend_period_key SET cost_nano_usd = cost_nano_usd + 1"))
    after = (await books.ask("2026-10 by key", now=NOW)).total_nano_usd
    assert after == before + 2  # a month of two keys that have dollars
    found = await audit(books.database, "T1", {"little": REPORTS}, now=NOW)
    assert any("spend_period_key" in words for words in found.differences)


async def test_a_day_that_changes_takes_its_periods_along_and_nobody_elses(books: Books) -> None:
    await autumn(books)
    await sum_up(books.database, 1, now=NOW)
    at = OCTOBER + 3 * DAY
    before = await books.ask("60d by key", now=NOW)
    await books.accept_rows([row(at, "7", "k3", "m1")], start=at, end=at + HOUR, at=NOW + HOUR)
    left = await books.rows("SELECT start, until FROM period ORDER BY start, until")
    assert len(left) == 23
    assert not [one for one in left if one[0] <= at.timestamp() < one[1]]
    assert await books.rows("SELECT COUNT(DISTINCT period_id) FROM spend_period") == [(23,)]
    after = await books.ask("60d by key", now=NOW)
    assert after.total_nano_usd == before.total_nano_usd + 7_000_000_000
    assert await sum_up(books.database, 1, now=NOW) == 3
    assert await books.ask("60d by key", now=NOW) == after


async def test_closed_and_folded_months_are_summed_up_too_and_adjustments_count(books: Books) -> None:
    await autumn(books)
    await clerk(books, NOW).close("T1", int(SEPTEMBER.timestamp()), force=True)
    await sum_up(books.database, 1, now=NOW)
    await books.accept_rows([], start=SEPTEMBER, end=SEPTEMBER + DAY, at=NOW + DAY)  # a closed day vanishes
    answers = [await books.ask(words, now=NOW + DAY) for words in QUESTIONS]
    assert answers[0].adjustments_nano_usd < 0
    await sum_up(books.database, 1, now=NOW + 30 * DAY)
    assert [await books.ask(words, now=NOW + DAY, today=NOW.date() + DAY) for words in QUESTIONS] == answers
    assert (await audit(books.database, "T1", {"little": REPORTS}, now=NOW)).differences == []


async def test_the_clock_sums_up_what_is_disconnected_as_well(books: Books) -> None:
    await autumn(books)
    async with books.database.write() as session:
        await execute(session, text("UPDATE connection SET disconnected_at = 1, state = 'paused' WHERE id = 1"))
    await clerk(books, NOW).sum_up_due()
    assert await books.rows("SELECT COUNT(*) FROM period WHERE connection_id = 1") == [(26,)]


@given(st.sets(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=12), st.integers(0, 20), st.integers(1, 20))
def test_what_is_summed_up_and_what_is_left_make_the_whole_once(
    pieces: set[tuple[int, int]], start: int, length: int
) -> None:
    stretches = {(low, low + size) for low, size in pieces}
    summed, left = cover(start, start + length, stretches)
    assert set(summed) <= stretches
    days = [day for low, high in summed + left for day in range(low, high)]
    assert sorted(days) == list(range(start, start + length))
