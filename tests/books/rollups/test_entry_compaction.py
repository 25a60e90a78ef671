"""Entries by the minute become entries by the hour when their day is folded, and nobody sees a difference."""

from datetime import datetime
from typing import Any

import pytest

from outlay.books.closing.audit import audit
from outlay.books.rollups.retention import fold
from outlay.core.tokens import Tokens
from outlay.database.tables import Workspace
from outlay.plugin.contract import Page, Report, Row, Window
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row

MINUTE = HOUR / 60
USAGE = Report("usage", MINUTE, basis="computed", lag=5 * MINUTE)
PRECISE = Report("precise", HOUR, lag=10 * MINUTE)
COSTS = Report("costs", DAY, lag=HOUR, split_by="usage")
REPORTS = (COSTS, PRECISE, USAGE)
LATER = NOW + 60 * DAY
USD = 10**9


def minutes(step: int = 1, hours: int = 2) -> list[Row]:
    """Two keys in each minute: one with a price, one whose price is not known."""
    return [
        row(MONDAY + at * MINUTE, "0.000000007" if key == "k1" else None, key, tokens=Tokens(input=at, output=1),
            requests=step)
        for at in range(0, 60 * hours, step) for key in ("k1", "k2")
    ]  # fmt: skip


async def use(books: Books, rows: list[Row], *, at: datetime = NOW, end: datetime = MONDAY + DAY, **how: Any) -> Any:
    page = Page(Window(how.pop("start", MONDAY), end), rows, **how)
    return await books.take(page, USAGE, at=at, reports=REPORTS)


async def bill(books: Books, usd: str = "10", at: datetime = NOW) -> None:
    rows = [row(MONDAY, usd, "", reason="tokens")]
    await books.accept_rows(rows, end=MONDAY + DAY, report=COSTS, at=at, reports=REPORTS)


async def folded(books: Books) -> None:
    async with books.database.write() as session:
        workspace = await session.get(Workspace, "T1")
        assert workspace
        workspace.hours_kept_days = 30
        await fold(session, workspace, {"little": REPORTS}, now=LATER)


async def entries(books: Books) -> list[tuple[Any, ...]]:
    return await books.rows(
        "SELECT k.ledger_id, (e.start - :monday) / 3600, e.basis, e.cost_nano_usd, e.requests, e.input, e.output "
        "FROM entry e JOIN series s ON s.id = e.series_id JOIN ledger_key k ON k.id = s.key_id "
        "WHERE s.report = 'usage' ORDER BY 1, 2, 3",
        monday=int(MONDAY.timestamp()),
    )


async def days(books: Books) -> list[tuple[Any, ...]]:
    return sorted(await books.rows("SELECT * FROM spend_day"), key=repr)


async def audited(books: Books) -> list[str]:
    return (await audit(books.database, "T1", {"little": REPORTS}, now=LATER)).differences


@pytest.mark.parametrize("billed", [True, False])
async def test_a_folded_day_keeps_an_entry_a_series_and_hour_and_every_figure(books: Books, billed: bool) -> None:
    await use(books, minutes())
    if billed:
        await bill(books)
    before = await days(books)
    await folded(books)
    assert await days(books) == before
    hours = [sum(range(60)), sum(range(60, 120))]
    assert await entries(books) == [
        ("k1", 0, 2, 420, 60, hours[0], 60), ("k1", 1, 2, 420, 60, hours[1], 60),
        ("k2", 0, 3, None, 60, hours[0], 60), ("k2", 1, 3, None, 60, hours[1], 60),
    ]  # fmt: skip
    assert await audited(books) == []


@pytest.mark.parametrize("billed", [True, False])
async def test_a_re_poll_of_a_folded_day_writes_nothing(books: Books, billed: bool) -> None:
    await use(books, minutes())
    if billed:
        await bill(books)
    await folded(books)
    before = await books.dump(versions=True, without=("audit_run", "statement"))
    accepted = await use(books, minutes(), at=LATER)
    assert (accepted.new, accepted.changed) == (0, 0)
    hourly = [
        row(MONDAY + hour * HOUR, usd, key, requests=60, tokens=Tokens(input=of, output=60))
        for hour, of in enumerate((sum(range(60)), sum(range(60, 120))))
        for key, usd in (("k1", "0.00000042"), ("k2", None))
    ]
    accepted = await use(books, hourly, at=LATER + HOUR)
    assert (accepted.new, accepted.changed, accepted.same) == (0, 0, 4)
    assert await books.dump(versions=True, without=("audit_run", "statement")) == before


async def test_a_restated_minute_counts_and_one_that_vanished_does_not(books: Books) -> None:
    await use(books, minutes())
    await folded(books)
    restated = [row(MONDAY, "1", "k1", tokens=Tokens(output=1), requests=1), *minutes()[2:]]
    await use(books, restated, at=LATER)
    assert await books.total() == 840 - 7 + USD
    assert await audited(books) == []
    await use(books, restated[:1], at=LATER + HOUR)
    assert await books.total() == USD
    assert await audited(books) == []


async def test_a_page_of_a_part_of_a_folded_hour_or_a_cut_one_proves_nothing_about_its_sum(books: Books) -> None:
    await use(books, minutes())
    await folded(books)
    before = await days(books)
    part = [one for one in minutes() if one.start < MONDAY + 90 * MINUTE]
    await use(books, part[:10], start=MONDAY, end=MONDAY + 20 * MINUTE, at=LATER)
    await use(books, part[:10], complete=False, at=LATER + HOUR)
    assert await days(books) == before
    assert await audited(books) == []


async def test_history_that_comes_after_its_days_were_folded_counts_in_whatever_pieces(books: Books) -> None:
    await use(books, [])
    await bill(books)
    await folded(books)
    for first in range(0, 120, 40):
        start, end = MONDAY + first * MINUTE, MONDAY + (first + 40) * MINUTE
        await use(books, [one for one in minutes() if start <= one.start < end], start=start, end=end, at=LATER)
    await use(books, minutes(), at=LATER + HOUR)
    assert sum(one[4] for one in await entries(books)) == 240
    assert await audited(books) == []


async def test_minutes_that_became_nothing_go(books: Books) -> None:
    """As OpenAI's do when a day is read again by the hour."""
    await use(books, minutes())
    await bill(books)
    await use(books, [row(MONDAY, "1", "k1", requests=120, tokens=Tokens(output=120))], at=NOW + HOUR)
    assert len(await entries(books)) == 240
    before = await days(books)
    await folded(books)
    assert await entries(books) == [("k1", 0, 2, USD, 120, 0, 120)]
    assert await days(books) == before
    assert await audited(books) == []


async def test_a_better_hour_still_counts_before_the_added_up_one(books: Books) -> None:
    await use(books, minutes())
    await books.accept_rows([row(MONDAY, "5")], end=MONDAY + HOUR, report=PRECISE, at=NOW, reports=REPORTS)
    before = await days(books)
    await folded(books)
    assert await days(books) == before
    assert await books.total() == 5 * USD + 420
    assert await audited(books) == []
