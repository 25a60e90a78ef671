"""The capture rate: a gateway's dollars beside those behind it, on the days that both are about."""

from datetime import datetime
from decimal import Decimal

from outlay.books.closing.close_month import close
from outlay.spend.capture_rate import captures
from outlay.spend.gateway_allocation import GatewayCaptureReport
from tests.books.factories import DAY, MONDAY, NOW, Books, row, tokens
from tests.spend.test_gateway_rows import USD, gateway, tell

TUESDAY = MONDAY + DAY


async def captured(books: Books, first: datetime = MONDAY, last: datetime = NOW) -> list[GatewayCaptureReport]:
    async with books.database.read() as session:
        return await captures(session, "T1", first.date(), last.date())


async def test_each_gateway_beside_what_is_behind_it(books: Books) -> None:
    await books.accept_rows(
        [row(MONDAY, "10"), row(TUESDAY, "10"), row(MONDAY, "4", "k2"), row(MONDAY, "5", "", reason="web")]
    )
    await tell(books, await gateway(books, "a", "main:k2"), row(MONDAY, "4", "ana"))
    await tell(books, await gateway(books, "b"), row(MONDAY, "9", "ben"), row(TUESDAY, "3", "", reason="master key"))
    first, second = await captured(books)
    assert (first.connection, first.in_front_of, first.whole.rate) == ("a", "main:k2", Decimal(1))
    assert (second.connection, second.in_front_of, second.whole.rate) == ("b", "main", Decimal("0.6"))
    assert [(day, one.rate) for day, one in second.days] == [
        ("2026-11-16", Decimal("0.9")),
        ("2026-11-17", Decimal("0.3")),
    ]
    (_, only) = await captured(books, TUESDAY, TUESDAY)
    assert [day for day, _ in only.days] == ["2026-11-17"]


async def test_what_has_no_dollars_has_no_rate(books: Books) -> None:
    await books.accept_rows([row(MONDAY, None, tokens=tokens(10)), row(TUESDAY, "2")])
    await tell(books, await gateway(books), row(TUESDAY, None, "ana", tokens=tokens(10)))
    (found,) = await captured(books)
    assert [(one.gateway_nano_usd, one.billed_nano_usd, one.rate) for _, one in found.days] == [
        (0, None, None),
        (None, 2 * USD, None),
    ]
    assert (found.whole.gateway_nano_usd, found.whole.billed_nano_usd, found.whole.rate) == (None, 2 * USD, None)


async def test_what_was_paid_upstream_went_through_the_gateway_too(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "1", byok_usd=Decimal(9))])
    await tell(books, await gateway(books), row(MONDAY, "10", "ana"))
    assert [one.whole.rate for one in await captured(books)] == [Decimal(1)]


async def test_later_news_of_a_closed_day_is_laid_on_that_day(books: Books) -> None:
    await books.accept_rows([row(MONDAY, "10")])
    later = datetime(2026, 12, 6, tzinfo=NOW.tzinfo)
    async with books.database.write() as session:
        await close(session, "T1", int(MONDAY.replace(day=1).timestamp()), now=later, reports={}, force=True)
    gate = await gateway(books)
    await books.accept_rows([row(MONDAY, "6", "ana")], at=later, connection_id=gate, ledger="litellm")
    await books.accept_rows([row(MONDAY, "12")], at=later)
    assert [one.whole.rate for one in await captured(books)] == [Decimal("0.5")]
    assert [one.days for one in await captured(books, later, later)] == [()]


async def test_another_workspace_has_none(books: Books) -> None:
    await gateway(books)
    async with books.database.read() as session:
        assert await captures(session, "T2", MONDAY.date(), NOW.date()) == []
