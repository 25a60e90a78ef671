"""A month closes once, and then never moves: whatever comes for it later is a signed adjustment that names it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlay.books.closing.close_month import NotClosableError
from outlay.database.tables import Connection
from tests.books.closed_month import (
    FIRST,
    LAST,
    NANO,
    NOVEMBER,
    OCTOBER,
    OVER,
    SETTLED,
    bill,
    clerk,
    closed_october,
    frozen,
    october,
    read_to,
    set_workspace,
    unexplained,
)
from tests.books.crash_injection import CrashError, Crashing
from tests.books.database_pool import Shelf
from tests.books.factories import DAY, HOUR, HOURS, Books, connection, row, tokens
from tests.books.weeks import by_owner, say_owner

Happens = Callable[[Books], Awaitable[int]]
LATER = SETTLED + 3 * DAY


@pytest.mark.parametrize("force", [False, True])
async def test_a_month_that_is_not_over_is_refused_even_when_forced(books: Books, force: bool) -> None:
    await bill(books, october())
    with pytest.raises(NotClosableError, match="2026-10 is not over: it can be closed from 2026-11-01 on"):
        await clerk(books, OVER - timedelta(seconds=1)).close("T1", OCTOBER, force=force)
    assert await books.rows("SELECT * FROM closed_month") == []


async def test_what_may_still_be_restated_keeps_it_open(books: Books) -> None:
    await bill(books, october())
    await read_to(books, OVER)
    with pytest.raises(NotClosableError, match=r"main may still be restated until 2026-11-04 \(--force"):
        await clerk(books, OVER + 2 * DAY).close("T1", OCTOBER)
    assert (await clerk(books, OVER + 2 * DAY).close("T1", OCTOBER, force=True)).new


async def test_what_was_not_read_to_its_end_keeps_it_open(books: Books) -> None:
    await bill(books, october())
    await read_to(books, LAST)
    with pytest.raises(NotClosableError, match="main has been read only up to 2026-10-31"):
        await clerk(books).close("T1", OCTOBER)
    await read_to(books, OVER)
    assert (await clerk(books).close("T1", OCTOBER)).new


async def test_days_without_a_final_bill_keep_it_open(books: Books) -> None:
    await books.accept_rows([row(LAST, "1"), row(LAST - DAY, "1")], start=LAST - DAY, end=OVER, at=OVER)
    await read_to(books, OVER)
    with pytest.raises(NotClosableError, match="main has no final bill yet for 2 of its days"):
        await clerk(books).close("T1", OCTOBER)


async def test_a_connection_let_go_keeps_nothing_open(books: Books) -> None:
    await books.accept_rows([row(LAST, "1")], start=LAST, end=OVER, at=OVER)
    async with books.database.write() as session:
        (await session.get(Connection, 1)).disconnected_at = int(OVER.timestamp())
    assert (await clerk(books).close("T1", OCTOBER)).total_nano_usd == NANO


async def test_closing_again_changes_nothing_and_gives_the_same_hash(books: Books) -> None:
    first = await closed_october(books)
    before = await books.dump(versions=True)
    for again in (clerk(books), clerk(books, LATER)):
        closed = await again.close("T1", OCTOBER, force=True)
        assert (closed.hash, closed.new, closed.closed_at) == (first, False, SETTLED)
        assert closed.total_nano_usd == 15 * NANO
    assert await books.dump(versions=True) == before


async def test_the_hash_is_of_the_figures_and_not_of_how_they_came(
    books: Books, empty_books: Shelf, tmp_path: Path
) -> None:
    """The same month, told backwards and in two pages, in books of another connection's name."""
    first = await closed_october(books)
    async with Books.copied(empty_books, tmp_path) as other:
        await bill(other, october(k1="2"), at=OVER + HOUR)
        await bill(other, [*reversed(october())])
        await read_to(other, OVER)
        assert (await clerk(other).close("T1", OCTOBER)).hash == first
    async with Books.copied(empty_books, tmp_path) as other:
        await bill(other, october(k1="5.000000001"))
        assert (await clerk(other).close("T1", OCTOBER, force=True)).hash != first


async def restated(books: Books) -> int:
    await bill(books, october(k1="4.5"), at=LATER)
    return -NANO // 2


async def late(books: Books) -> int:
    await bill(books, [*october(), row(FIRST, "2", "k3", "m9")], at=LATER)
    return 2 * NANO


async def vanished(books: Books) -> int:
    await bill(books, october()[1:], at=LATER)
    return -5 * NANO


async def all_gone(books: Books) -> int:
    await bill(books, [], at=LATER)
    return -15 * NANO


async def priced_at_last(books: Books) -> int:
    await bill(books, [*october()[:3], row(LAST - DAY, "1", "k2", "m3", tokens=tokens(50))], at=LATER)
    return NANO


async def there_and_back(books: Books) -> int:
    await bill(books, october(k1="9"), at=LATER - HOUR)
    await bill(books, october(), at=LATER)
    return 0


async def more_of_what_does_not_count(books: Books) -> int:
    await books.accept_rows([row(LAST, "100")], start=LAST, end=OVER, report=HOURS, at=LATER)
    return 0


async def remapped(books: Books) -> int:
    await say_owner(books, "k1", "team:web")
    return 0


INPUTS = [restated, late, vanished, all_gone, priced_at_last, there_and_back, more_of_what_does_not_count, remapped]


@pytest.mark.parametrize("happens", INPUTS)
async def test_nothing_that_comes_later_moves_it(books: Books, happens: Happens) -> None:
    digest = await closed_october(books)
    before = await frozen(books)
    delta = await happens(books)
    assert await frozen(books) == before
    assert (await clerk(books, LATER).close("T1", OCTOBER)).hash == digest
    assert before[3] == "closed"
    assert await unexplained(books) == []
    asked = await books.ask("2026-10", now=LATER)
    assert (asked.total_nano_usd, asked.adjustments_nano_usd) == (15 * NANO, delta)
    assert (await books.rows("SELECT SUM(COALESCE(cost_nano_usd, 0)) FROM adjustment"))[0][0] in (delta, None)
    assert await books.rows(f"SELECT 1 FROM adjustment WHERE month <> {OCTOBER}") == []
    await books.agree()
    assert (await clerk(books, LATER).audit("T1")).differences == []


async def test_an_adjustment_counts_on_the_day_it_was_observed_and_names_the_month(books: Books) -> None:
    await closed_october(books)
    await restated(books)
    found = await books.ask("2026-11 by day", now=LATER)
    line = next(line for line in found.lines if line.adjusts)
    assert (line.day, line.adjusts, line.status) == (f"{LATER:%Y-%m-%d}", "2026-10", "adjustment")
    assert line.cost_nano_usd == found.total_nano_usd == -NANO // 2
    assert found.adjustments_nano_usd == 0, "what later entries say about November"
    [hour] = await books.rows("SELECT DISTINCT hour, day FROM adjustment")
    assert hour == (int(LATER.replace(minute=0).timestamp()), int(LAST.timestamp()))


async def test_closed_plus_adjustments_is_what_books_without_a_close_say(
    books: Books, empty_books: Shelf, tmp_path: Path
) -> None:
    await closed_october(books)
    async with Books.copied(empty_books, tmp_path) as never_closed:
        await bill(never_closed, october())
        for each in (books, never_closed):
            for happens in (restated, late, vanished, priced_at_last, restated):
                await happens(each)
        for what in ("owner", "key", "model"):
            sums: dict[object, int] = {}
            for period in ("2026-10", "2026-11"):
                for line in (await books.ask(f"{period} by {what}", now=LATER)).lines:
                    place = getattr(line, what) and getattr(line, what).id
                    sums[place] = sums.get(place, 0) + (line.cost_nano_usd or 0)
            expected = (await never_closed.ask(f"2026-10 by {what}", now=LATER)).lines
            named = {getattr(line, what) and getattr(line, what).id: line.cost_nano_usd or 0 for line in expected}
            assert {place: usd for place, usd in sums.items() if usd} == {p: usd for p, usd in named.items() if usd}


async def test_a_new_connection_filled_back_into_a_closed_month_is_an_adjustment(books: Books) -> None:
    digest = await closed_october(books)
    async with books.database.write() as session:
        second = await connection(session, "T1", "second")
    await bill(books, october(), at=LATER, connection_id=second)
    assert (await clerk(books, LATER).close("T1", OCTOBER)).hash == digest
    asked = await books.ask("2026-10", now=LATER)
    assert (asked.total_nano_usd, asked.adjustments_nano_usd) == (15 * NANO, 15 * NANO)
    assert (await books.ask("2026-11", now=LATER)).total_nano_usd == 15 * NANO
    assert await unexplained(books, connection_id=second) == []


async def test_a_remap_moves_closed_money_between_owners_and_not_the_month(books: Books) -> None:
    before = await closed_october(books)
    await say_owner(books, "k1", "team:web")
    found = await books.ask("2026-10 by owner", now=LATER)
    assert by_owner(found) == {"team:web": 8 * NANO, "unattributed": 7 * NANO}
    assert (await clerk(books).close("T1", OCTOBER)).hash == before


async def test_a_question_over_the_end_of_a_closed_month_has_both_statuses(books: Books) -> None:
    await closed_october(books)
    await books.accept_rows([row(OVER + DAY, "1")], start=OVER, end=SETTLED, at=SETTLED)
    found = await books.ask("from 2026-10-30 to 2026-11-05 by day", now=SETTLED)
    assert [line.status for line in found.lines] == ["closed", "closed", "provisional"]
    assert found.status == "mixed"


async def test_adjustments_freeze_with_the_month_they_count_in(books: Books) -> None:
    await closed_october(books)
    await restated(books)
    november = (await clerk(books, LATER + 40 * DAY).close("T1", NOVEMBER, force=True)).hash
    await bill(books, october(k1="1"), at=LATER + 41 * DAY)
    assert (await clerk(books, LATER + 42 * DAY).close("T1", NOVEMBER)).hash == november
    assert (await books.ask("2026-11", now=LATER + 42 * DAY)).total_nano_usd == -NANO // 2
    assert (await books.ask("2026-12", now=LATER + 42 * DAY)).total_nano_usd == -NANO * 7 // 2
    assert (await clerk(books, LATER + 42 * DAY).audit("T1")).differences == []


@pytest.mark.parametrize("back_to", [LAST + HOUR, FIRST])
async def test_what_a_clock_that_jumped_back_observes_counts_in_an_open_month(books: Books, back_to: datetime) -> None:
    """It is booked when October is closed already, and seems to have been observed in October."""
    await closed_october(books)
    before = await frozen(books)
    async with books.database.write() as session:
        second = await connection(session, "T1", "second")
    rows = [row(FIRST, "2", "k9")]
    await books.accept_rows(rows, start=FIRST, end=FIRST + HOUR, report=HOURS, at=back_to, connection_id=second)
    assert await frozen(books) == before
    counted = await books.rows("SELECT day, cost_nano_usd, adjusts FROM spend_day WHERE connection_id = :id", id=second)
    assert counted == [(NOVEMBER, 2 * NANO, OCTOBER)]
    assert (await clerk(books, LATER).audit("T1")).differences == []


async def test_it_closes_by_itself_on_its_day_and_once_for_two_replicas(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    await bill(books, october())
    await read_to(books, OVER)
    await set_workspace(books, close_day=5)
    other = Books(books.url)
    caplog.set_level("INFO", logger="outlay.books")
    try:
        await clerk(books, OVER + 4 * DAY - HOUR).close_due()
        assert await books.rows("SELECT * FROM closed_month") == []
        await asyncio.gather(clerk(books).close_due(), clerk(other).close_due())
    finally:
        await other.database.close()
    assert await books.rows("SELECT workspace_id, month FROM closed_month") == [("T1", OCTOBER)]
    assert [record.message for record in caplog.records if "workspace" in vars(record)].count("closed") == 1


@pytest.mark.parametrize("close_day", [0, 6])
async def test_it_does_not_close_by_itself_on_another_day_or_never(books: Books, close_day: int) -> None:
    await bill(books, october())
    await read_to(books, OVER)
    await set_workspace(books, close_day=close_day)
    await clerk(books).close_due()
    assert await books.rows("SELECT * FROM closed_month WHERE workspace_id = 'T1'") == []


async def test_what_is_unsettled_on_its_day_is_tried_again(books: Books) -> None:
    await bill(books, october())
    await clerk(books).close_due()
    assert await books.rows("SELECT * FROM closed_month WHERE workspace_id = 'T1'") == []
    await read_to(books, OVER)
    await clerk(books).close_due()
    assert await books.rows("SELECT * FROM closed_month WHERE workspace_id = 'T1'") == [], "this hour has been tried"
    await clerk(books, SETTLED + HOUR).close_due()
    assert await books.rows("SELECT month FROM closed_month WHERE workspace_id = 'T1'") == [(OCTOBER,)]


async def test_what_comes_for_an_open_month_does_not_move_the_closed_one_after_it(books: Books) -> None:
    """The last hour of October touches the first of November: a counter's surplus looks back an hour."""
    december = datetime(2026, 12, 8, tzinfo=UTC)
    await books.accept_rows([row(OVER, "1")], start=OVER, end=OVER + DAY, at=OVER + DAY)
    await clerk(books, december).close("T1", NOVEMBER, force=True)
    before = await books.rows(f"SELECT * FROM spend_day WHERE day >= {NOVEMBER} AND adjusts = 0")
    await books.accept_rows([row(OVER, "3")], start=OVER, end=OVER + DAY, at=december)
    await books.accept_rows([row(OVER - HOUR, "9")], start=LAST, end=OVER, at=december + HOUR)
    assert await books.rows(f"SELECT * FROM spend_day WHERE day >= {NOVEMBER} AND adjusts = 0") == before
    assert await books.total() == (9 + 3) * NANO
    assert (await clerk(books, december + HOUR).audit("T1")).differences == []


async def test_two_who_close_at_once_get_the_same_hash(books: Books) -> None:
    await bill(books, october())
    other = Books(books.url)
    try:
        found = await asyncio.gather(
            *(clerk(each).close("T1", OCTOBER, force=True) for each in (books, other, books, other))
        )
    finally:
        await other.database.close()
    assert len({one.hash for one in found}) == 1
    assert sorted(one.new for one in found) == [False, False, False, True]


async def test_a_crash_while_closing_leaves_the_month_open(books: Books) -> None:
    await bill(books, october())
    before, crashing = await books.dump(), Crashing(books)
    for place in range(50):
        crashing.left = place
        try:
            await clerk(books).close("T1", OCTOBER, force=True)
        except CrashError:
            assert await books.dump() == before, f"after a crash at statement {place}"
        else:
            break
    crashing.left = None
    assert 3 < place < 49
    assert (await clerk(books).close("T1", OCTOBER)).total_nano_usd == 15 * NANO


async def test_nothing_of_another_tenant_is_in_a_hash(books: Books) -> None:
    digest = await closed_october(books)
    await bill(books, october(), connection_id=2, at=LATER)
    assert (await clerk(books, LATER).audit("T1")).closed == [{"month": "2026-10", "hash": digest, "ok": True}]
    assert (await clerk(books, LATER).close("T2", OCTOBER, force=True)).total_nano_usd == 15 * NANO
