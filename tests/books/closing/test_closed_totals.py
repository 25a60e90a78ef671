"""What a closed month came to, by owner, model, key and ledger: as of its close, and never otherwise."""

import pytest
from sqlalchemy import text

from outlay.books.closing.close_month import Closed
from outlay.books.closing.closed_totals import KINDS
from outlay.database.engine import execute
from tests.books.closed_month import NANO, OCTOBER, SETTLED, bill, clerk, closed_october, october
from tests.books.factories import DAY, HOUR, Books
from tests.books.weeks import by_owner, say_owner

TOLD = "2026-10 was closed, and its totals by owner, model, key and ledger have moved since"


async def closed(books: Books) -> Closed:
    """October, as whoever closes it again is told."""
    return await clerk(books, SETTLED + 3 * DAY).close("T1", OCTOBER)


def told(found: Closed, kind: str) -> dict[str, int]:
    return {row.id: row.nano_usd for row in found.totals if row.kind == kind}


async def test_each_kind_adds_up_to_the_month_and_says_what_an_answer_says(books: Books) -> None:
    await bill(books, october())
    await say_owner(books, "k1", "team:web")
    await closed_october(books)
    found = await closed(books)
    assert told(found, "owner") == {"team:web": 8 * NANO, "unattributed": 7 * NANO}
    assert told(found, "model") == {"m1": 12 * NANO, "m2": 3 * NANO}
    assert told(found, "key") == {"main:k1": 8 * NANO, "main:k2": 7 * NANO}
    assert told(found, "ledger") == {"little": 15 * NANO}
    assert {sum(told(found, kind).values()) for kind in KINDS} == {found.total_nano_usd}


async def test_nothing_that_comes_or_is_said_later_moves_them(books: Books) -> None:
    await closed_october(books)
    before = await closed(books)
    await bill(books, october(k2="1", k3="50"), at=SETTLED + DAY)
    await say_owner(books, "k1", "team:web")
    assert by_owner(await books.ask("2026-10 by owner", now=SETTLED + 2 * DAY))["team:web"] == 8 * NANO
    after = await closed(books)
    assert after == before
    assert told(after, "owner") == {"unattributed": 15 * NANO}
    assert (await clerk(books, SETTLED + 2 * DAY).audit("T1")).differences == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE closed_total SET nano_usd = nano_usd + 1 WHERE kind = 'owner'",
        "UPDATE closed_total SET id = 'agent:ci' WHERE kind = 'owner'",
        "UPDATE closed_total SET name = 'another' WHERE id = 'm1'",
        "DELETE FROM closed_total WHERE id = 'main:k2'",
        "DELETE FROM closed_total",
        "UPDATE closed_month SET totals_hash = 'another'",
    ],
)
async def test_the_audit_finds_totals_that_were_touched(books: Books, sql: str) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        await execute(session, text(sql))
    found = await clerk(books, SETTLED + HOUR).audit("T1")
    assert (found.differences, found.closed[0]["ok"]) == ([TOLD], False)


async def test_totals_that_do_not_follow_from_the_figures_are_found_though_their_hash_does(books: Books) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        sql = "UPDATE spend_day SET key_id = (SELECT MAX(key_id) FROM spend_day) WHERE cost_nano_usd = :usd"
        await execute(session, text(sql), {"usd": 3 * NANO})
    assert TOLD in (await clerk(books, SETTLED + HOUR).audit("T1")).differences


async def test_a_connection_that_is_called_otherwise_later_is_no_difference(books: Books) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        await execute(session, text("UPDATE connection SET name = 'another' WHERE id = 1"))
    assert (await clerk(books, SETTLED + HOUR).audit("T1")).differences == []
    assert "main:k1" in told(await closed(books), "key")


async def test_a_month_that_was_closed_before_there_were_totals_is_no_difference(books: Books) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        await execute(session, text("DELETE FROM closed_total"))
        await execute(session, text("UPDATE closed_month SET totals_hash = ''"))
    assert (await clerk(books, SETTLED + HOUR).audit("T1")).differences == []
    assert (await closed(books)).totals == []


async def test_another_tenants_are_not_among_them(books: Books) -> None:
    await closed_october(books)
    before = (await closed(books)).totals
    async with books.database.write() as session:
        await execute(
            session, text("INSERT INTO closed_total VALUES ('T2', :month, 'owner', 'x', 'X', 5)"), {"month": OCTOBER}
        )
    assert (await closed(books)).totals == before
