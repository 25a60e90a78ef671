"""Folding forgets the hours of long ago and no figure: every lens of whole days says what it said."""

from typing import Any

import pytest

from outlay.plugin.contract import Key
from outlay.spend.answer import Answer
from tests.books.closed_month import clerk, set_workspace
from tests.books.factories import BILL, DAY, HOUR, HOURS, MONDAY, NOW, Books, row, tokens
from tests.books.weeks import a_week, fill, in_zone, remember, say_owner

START = MONDAY - 7 * DAY
LATER = NOW + 60 * DAY
LENSES = (
    "",
    *(f"by {what}" for what in ("owner", "key", "model", "ledger", "connection", "project", "day")),
    "by day owner",
)
WEEK = f"from {START:%Y-%m-%d} to {START + 6 * DAY:%Y-%m-%d}"


async def lived(books: Books) -> None:
    """A week of hours; a bill of three days of it; a key that changed hands on the third."""
    await fill(books, a_week(START))
    bills = [row(START + day * DAY, "24", key, tokens=tokens(99)) for day in range(3) for key in ("ann", "bob")]
    await books.accept_rows(bills, start=START, end=START + 3 * DAY, report=BILL, at=NOW)
    await remember(books, Key("ann", "Ann"), Key("bob", "Bob"), Key("ci", "agent-ci"))
    await say_owner(books, "ann", "team:web", START + 2 * DAY)


async def folded(books: Books, kept_days: int = 40) -> None:
    await set_workspace(books, hours_kept_days=kept_days)
    await clerk(books, LATER).fold_due()


def said(found: Answer) -> Any:
    return found.total_nano_usd, found.lines, found.coverage, found.unpriced_tokens, found.status, found.basis


async def test_no_lens_of_whole_days_says_anything_else(books: Books) -> None:
    await lived(books)
    before = {lens: said(await books.ask(f"{WEEK} {lens}", now=LATER)) for lens in LENSES}
    await folded(books)
    for lens in LENSES:
        assert said(await books.ask(f"{WEEK} {lens}", now=LATER)) == before[lens], lens
    assert await books.rows("SELECT COUNT(*) FROM spend_hour") == [(0,)]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"])
async def test_the_days_of_any_zone_still_add_up_to_their_range(books: Books, zone: str) -> None:
    """Of folded days the hours are gone: a UTC day then belongs to the local day in which it starts."""
    await lived(books)
    await in_zone(books, zone)
    await folded(books)
    whole = await books.ask(f"from {START - DAY:%Y-%m-%d} to {START + 8 * DAY:%Y-%m-%d} by day", now=LATER)
    assert sum(line.cost_nano_usd or 0 for line in whole.lines) == whole.total_nano_usd == await books.total()
    days = [
        (
            await books.ask(f"from {START + day * DAY:%Y-%m-%d} to {START + day * DAY:%Y-%m-%d}", now=LATER)
        ).total_nano_usd
        for day in range(-1, 9)
    ]
    assert sum(days) == whole.total_nano_usd


async def test_it_takes_shapes_and_hours_and_nothing_that_money_rests_on(books: Books) -> None:
    await lived(books)
    days = await books.dump(without=("spend_hour", "entry", "workspace", "tick"))
    await folded(books)
    assert await books.dump(without=("spend_hour", "entry", "workspace", "tick")) == days
    left = await books.rows(
        "SELECT s.report, COUNT(*) FROM entry e JOIN series s ON s.id = series_id GROUP BY 1 ORDER BY 1"
    )
    assert left == [("bill", 6), ("hours", 24 * 4)], "the hours of the billed days only gave them their shape"


async def test_what_is_kept_by_the_hour_stays_by_the_hour(books: Books) -> None:
    await lived(books)
    await set_workspace(books, hours_kept_days=40)
    before = said(await books.ask(f"{WEEK} by hour", now=LATER))
    await clerk(books, START + 40 * DAY).fold_due()
    assert said(await books.ask(f"{WEEK} by hour", now=LATER)) == before
    await clerk(books, START + 43 * DAY).fold_due()
    assert await books.rows("SELECT MIN(hour) FROM spend_hour") == [(int((START + 3 * DAY).timestamp()),)]


async def test_hours_kept_for_ever_are_kept(books: Books) -> None:
    await lived(books)
    before = await books.rows("SELECT COUNT(*) FROM spend_hour")
    await folded(books, kept_days=0)
    assert await books.rows("SELECT COUNT(*) FROM spend_hour") == before


async def test_the_audit_is_content_afterwards_and_folding_again_changes_nothing(books: Books) -> None:
    await lived(books)
    await folded(books)
    assert (await clerk(books, LATER).audit("T1")).differences == []
    before = await books.dump(without=("tick",))
    await clerk(books, LATER + HOUR).fold_due()
    assert await books.dump(without=("tick",)) == before


async def test_a_restatement_of_a_folded_day_counts_like_any_other(books: Books) -> None:
    await lived(books)
    total = await books.total()
    await folded(books)
    bills = [row(START + day * DAY, "24", key, tokens=tokens(99)) for day in range(3) for key in ("ann", "bob")]
    bills[0] = row(START, "25", "ann", tokens=tokens(99))
    await books.accept_rows(bills, start=START, end=START + 3 * DAY, report=BILL, at=LATER)
    assert await books.total() == total + 1_000_000_000
    await books.accept_rows(
        a_week(START)[-5:-1], start=START + 7 * DAY - 5 * HOUR, end=START + 7 * DAY, report=HOURS, at=LATER
    )
    gone = sum(line.cost_nano_usd or 0 for line in (await books.ask(WEEK, now=LATER)).lines)
    assert gone == await books.total() != total
    assert (await clerk(books, LATER).audit("T1")).differences == []


async def test_many_days_are_folded_a_month_at_a_time(books: Books) -> None:
    await fill(books, a_week(START - 60 * DAY, hours=24 * 60))
    await set_workspace(books, hours_kept_days=40)
    left = []
    for run in range(4):
        await clerk(books, LATER + run * HOUR).fold_due()
        left.append((await books.rows("SELECT COUNT(DISTINCT hour / 86400) FROM spend_hour"))[0][0])
    assert left == [29, 0, 0, 0]
