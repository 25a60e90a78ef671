"""A gateway in front of a connection: whose its dollars are changes, how many they are never does."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from outlay.books.closing.close_month import close
from outlay.books.ownership import set_owner
from outlay.connections.roles import apply_role
from outlay.core.tokens import CLASSES
from outlay.database.tables import Connection, LedgerKey
from outlay.plugin.contract import Row
from outlay.spend.answer import Answer, AnswerLine
from tests.books.database_pool import Shelf
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, connection, examples, row, tokens

USD = 1_000_000_000
TUESDAY = MONDAY + DAY
BYS = ("owner", "key", "project", "key model", "key day", "owner hour", "key connection", "model", "ledger", "day")


async def gateway(books: Books, name: str = "gate", in_front_of: str = "main") -> int:
    """A gateway in front of a connection or of one of its keys; its id."""
    async with books.database.write() as session:
        found = await connection(session, "T1", name, role="attribution", ledger="litellm")
        held = await session.get(Connection, found)
        assert held
        await apply_role(session, held, {"in_front_of": in_front_of})
        session.add(held)
    return found


async def tell(books: Books, connection_id: int, *rows: Row) -> None:
    """What the gateway says."""
    await books.accept_rows(rows, connection_id=connection_id, ledger="litellm")


def by_key(answer: Answer) -> dict[str, str]:
    """Dollars by connection:key, or by the reason why there is none."""
    return {f"{line.key.connection}:{line.key.id}" if line.key else line.reason: usd(line) for line in answer.lines}


def usd(line: AnswerLine) -> str:
    assert line.cost_nano_usd is not None
    return str(Decimal(line.cost_nano_usd) / USD)


async def test_what_a_key_spent_is_shared_by_the_keys_of_the_gateway(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10", requests=10, tokens=tokens(1000))])
    gate = await gateway(books)
    await tell(books, gate, row(MONDAY, "6", "ana"), row(MONDAY + HOUR, "3", "ben"))
    found = await books.ask("7d by key")
    assert by_key(found) == {"gate:ana": "6", "gate:ben": "3", "main:k1": "1"}
    assert found.total_nano_usd == 10 * USD
    shown = found.lines[0]
    assert shown.key
    assert (shown.key.ledger, shown.requests, shown.tokens.total) == ("litellm", 6, 600)
    assert (shown.status, shown.basis) == ("provisional", "billed")


async def test_what_the_gateway_has_beyond_the_bill_is_scaled_down(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    await tell(books, await gateway(books), row(MONDAY, "30", "ana"), row(MONDAY, "10", "ben"))
    assert by_key(await books.ask("7d by key")) == {"gate:ana": "7.5", "gate:ben": "2.5"}


async def test_each_day_and_model_is_split_by_itself(books: Books) -> None:
    await books.accept_rows(
        [row(MONDAY, "10", model="m1"), row(MONDAY, "5", model="m2"), row(TUESDAY, "3", model="m1")]
    )
    await tell(books, await gateway(books), row(MONDAY, "10", "ana", "m1"), row(TUESDAY, "3", "ben", "m1"))
    assert by_key(await books.ask("7d by key")) == {"gate:ana": "10", "main:k1": "5", "gate:ben": "3"}
    assert by_key(await books.ask("7d by key model:m2")) == {"main:k1": "5"}
    days = [(line.day, line.key and line.key.id, usd(line)) for line in (await books.ask("7d by day key")).lines]
    assert days == [("2026-11-16", "ana", "10"), ("2026-11-16", "k1", "5"), ("2026-11-17", "ben", "3")]


async def test_names_of_one_model_are_one_model(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10", model="anthropic/claude-sonnet-4.5")])
    await tell(books, await gateway(books), row(MONDAY, "10", "ana", "claude-sonnet-4-5-20250929"))
    assert by_key(await books.ask("7d by key")) == {"gate:ana": "10"}


async def test_a_gateway_without_dollars_splits_by_tokens(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10", tokens=tokens(1000))])
    unpriced = [row(MONDAY, None, "ana", tokens=tokens(500)), row(MONDAY, None, "ben", tokens=tokens(250))]
    await tell(books, await gateway(books), *unpriced)
    assert by_key(await books.ask("7d by key")) == {"gate:ana": "5", "gate:ben": "2.5", "main:k1": "2.5"}


async def test_only_the_key_it_is_in_front_of_is_split(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10", "k1"), row(MONDAY, "10", "k2"), row(MONDAY, "4", "", reason="console")])
    await tell(books, await gateway(books, in_front_of="main:k2"), row(MONDAY, "10", "ana"))
    assert by_key(await books.ask("7d by key")) == {"gate:ana": "10", "main:k1": "10", "console": "4"}
    await tell(books, await gateway(books, "all-else"), row(MONDAY, "9", "ben"))
    found = by_key(await books.ask("7d by key"))
    assert found == {"gate:ana": "10", "all-else:ben": "9", "main:k1": "1", "console": "4"}


async def test_two_gateways_split_one_after_the_other_by_name(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    second, first = await gateway(books, "b"), await gateway(books, "a")
    await tell(books, second, row(MONDAY, "8", "ben"))
    await tell(books, first, row(MONDAY, "8", "ana"))
    assert by_key(await books.ask("7d by key")) == {"a:ana": "8", "b:ben": "2"}


async def test_money_that_the_gateway_can_give_to_no_key_stays(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    await tell(books, await gateway(books), row(MONDAY, "6", "ana"), row(MONDAY, "6", "", reason="master key"))
    assert by_key(await books.ask("7d by key")) == {"gate:ana": "5", "main:k1": "5"}


async def test_owner_and_project_follow_the_key_of_the_gateway(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "4"), row(TUESDAY, "6")])
    gate = await gateway(books)
    await tell(books, gate, row(MONDAY, "4", "ana"), row(TUESDAY, "6", "ana"))
    async with books.database.write() as session:
        await set_owner(session, "T1", "gate:ana", "team:search", 0)
        await set_owner(session, "T1", "gate:ana", "agent:crawler", int(TUESDAY.timestamp()))
        key = (await session.exec(select(LedgerKey).where(LedgerKey.ledger_id == "ana"))).one()
        key.project_id, key.project_name = "p1", "web"
        session.add(key)
    owners = {line.owner.id if line.owner else "": usd(line) for line in (await books.ask("7d by owner")).lines}
    assert owners == {"team:search": "4", "agent:crawler": "6"}
    assert (await books.ask("7d owner:team:search")).total_nano_usd == 4 * USD
    assert (await books.ask("7d key:ana by model")).total_nano_usd == 10 * USD
    assert [(line.project, usd(line)) for line in (await books.ask("7d by project")).lines] == [("web", "10")]


async def test_ledgers_connections_and_models_stay_those_of_the_bill(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    await tell(books, await gateway(books), row(MONDAY, "6", "ana"))
    for by in ("ledger", "connection", "owner ledger", "key connection"):
        for line in (await books.ask(f"7d by {by}")).lines:
            assert (line.ledger or "little", line.connection or "main") == ("little", "main")


async def test_its_own_figures_are_shown_by_its_name_and_never_added(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    await tell(books, await gateway(books), row(MONDAY, "6", "ana"))
    assert by_key(await books.ask("7d by key connection:gate")) == {"gate:ana": "6"}
    assert by_key(await books.ask("7d by key connection:main")) == {"gate:ana": "6", "main:k1": "4"}
    assert (await books.ask("7d connection:*")).total_nano_usd == 10 * USD


async def test_a_month_that_was_closed_before_the_gateway_came_reads_as_it_was_closed(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    later = datetime(2026, 12, 6, tzinfo=NOW.tzinfo)
    async with books.database.write() as session:
        await close(session, "T1", int(MONDAY.replace(day=1).timestamp()), now=later, reports={}, force=True)
    await books.accept_rows(
        [row(MONDAY, "6", "ana")], end=NOW, at=later, connection_id=await gateway(books), ledger="litellm"
    )
    found = await books.ask("2026-11 by key", now=later)
    assert (by_key(found), found.lines[0].status) == ({"main:k1": "10"}, "closed")


async def test_an_adjustment_stays_with_the_key_that_it_corrects(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    later = datetime(2026, 12, 6, 12, tzinfo=NOW.tzinfo)
    async with books.database.write() as session:
        await close(session, "T1", int(MONDAY.replace(day=1).timestamp()), now=later, reports={}, force=True)
    await books.accept_rows([row(MONDAY, "12")], at=later)
    today = later.replace(hour=0)
    await books.accept_rows([row(today, "3")], start=today, end=later, at=later)
    gate = await gateway(books)
    await books.accept_rows(
        [row(today, "9", "ana")], start=today, end=later, at=later, connection_id=gate, ledger="litellm"
    )
    assert by_key(await books.ask("today by key", now=later)) == {"gate:ana": "3", "main:k1": "2"}


HOURS = st.integers(0, 47).map(lambda hour: MONDAY + hour * HOUR)
SPENT = st.builds(
    lambda start, key, model, nano, count: row(
        start,
        None if nano is None else str(Decimal(nano) / USD),
        key,
        model,
        reason="" if key else "console",
        tokens=tokens(count),
        requests=count % 7,
    ),
    HOURS,
    st.sampled_from(["k1", "k2", ""]),
    st.sampled_from(["m1", "m2", ""]),
    st.one_of(st.none(), st.integers(0, 10**11)),
    st.integers(0, 10_000),
)


def one_each(rows: list[Row]) -> list[Row]:
    """A page has each bucket once."""
    return list({(one.start, one.key, one.model): one for one in rows}.values())


@examples(12)
@given(bill=st.lists(SPENT, max_size=8), first=st.lists(SPENT, max_size=6), second=st.lists(SPENT, max_size=6))
async def test_with_and_without_gateways_there_is_the_same(
    empty_books: Shelf, tmp_path: Any, bill: list[Row], first: list[Row], second: list[Row]
) -> None:
    async with Books.copied(empty_books, tmp_path) as books:
        await books.accept_rows(one_each([row(MONDAY, "1", "k1"), *bill]))
        before = {by: await books.ask(f"7d by {by}") for by in BYS}
        await tell(books, await gateway(books, "a", "main:k1"), *one_each(first))
        await tell(books, await gateway(books, "b"), *one_each(second))
        for by in BYS:
            after = await books.ask(f"7d by {by}")
            assert whole(after) == whole(before[by])
            assert (after.total_nano_usd, after.coverage, after.basis, after.status) == (
                before[by].total_nano_usd, before[by].coverage, before[by].basis, before[by].status
            )  # fmt: skip
            if not {"owner", "key", "project"} & set(after.query.by):
                assert after.lines == before[by].lines
            for line in after.lines:
                assert line.tokens.problem() is None
                assert 0 <= line.unpriced_tokens <= line.tokens.total


def whole(answer: Answer) -> dict[str, int]:
    """All lines together."""
    found = {"cost": sum(line.cost_nano_usd or 0 for line in answer.lines)}
    found["requests"] = sum(line.requests or 0 for line in answer.lines)
    found["unpriced"] = sum(line.unpriced_tokens for line in answer.lines)
    return found | {name: sum(getattr(line.tokens, name) for line in answer.lines) for name in (*CLASSES, "reasoning")}
