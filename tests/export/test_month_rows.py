"""A month on its way out: to the nano-dollar what `spend` says, on both databases, and never all of it in memory."""

import json
import tracemalloc
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from outlay.books.ingest.ingest_page import ingest_page
from outlay.books.ownership import set_owner
from outlay.books.pricing.price_list import PriceList
from outlay.core import months
from outlay.core.tokens import Tokens
from outlay.database.engine import Database
from outlay.database.tables import BILLED, ClosedMonth, LedgerKey, Model, SpendDay
from outlay.export.focus import FocusRow as FocusRow
from outlay.export.month_rows import BY, focus_rows, plain_rows
from outlay.migrations import upgrade
from outlay.plugin.contract import CounterReading, Page, Report, Row, Window
from outlay.settings import load
from outlay.spend.answer import Answer
from outlay.spend.parser import Query
from outlay.spend.report import answer
from outlay.spend.serialization import answer_as_json
from tests.books.factories import COUNTER, DAY, HOUR, HOURS, MONDAY, NOW, REPORTS, connection, furnish, row
from tests.postgres import Server, postgres

MONTH = months.parse("2026-11")
PRICED = """
[[price]]
model = "m*"
input = "3"
cache_read = "0.3"
output = "15"

[[price]]
model = "m1"
from = 2026-11-01
input = "4"
"""
SONNET, DATED = "anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4.5-20250929"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'books.db'}"
    return str(request.getfixturevalue("server").database())


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Two tenants, on either database; the first one's connection `main` has the id 1."""
    found = Database(load({"OUTLAY_DATABASE_URL": url}).database_url())
    await upgrade(found)
    await furnish(found)
    yield found
    await found.close()


@pytest.fixture
def prices(tmp_path: Path) -> PriceList:
    (tmp_path / "prices.toml").write_text(PRICED)
    return PriceList.read(tmp_path)


async def say(
    database: Database,
    *rows: Row,
    report: Report = HOURS,
    to: int = 1,
    start: datetime = MONDAY,
    end: datetime = NOW,
    at: datetime = NOW,
) -> None:
    """The ledger's report of a span."""
    async with database.write() as session:
        await ingest_page(session, to, "little", REPORTS, report, Page(Window(start, end), list(rows)), observed_at=at)


async def as_focus(database: Database, prices: PriceList, *, month: int = MONTH) -> list[FocusRow]:
    async with database.read() as session:
        stream = focus_rows(session, "T1", month, prices=prices, titles={"little": "Little"}, now=NOW)
        return [found async for found in stream]


async def as_plain_rows(database: Database, *, month: int = MONTH) -> list[dict[str, Any]]:
    async with database.read() as session:
        return [found async for found in plain_rows(session, "T1", month, now=NOW)]


async def spend(database: Database, *by: str) -> Answer:
    query = Query(start=date(2026, 11, 1), end=date(2026, 11, 30), period="2026-11", by=by, filters=(), top=None)
    async with database.read() as session:
        return await answer(session, "T1", query, now=NOW)


async def a_month(database: Database) -> None:
    """All that a month may hold: classes, spellings, routers, no key, no model, no dollars, other people's money."""
    one = row(MONDAY, "1.000000007", model="m1", tokens=Tokens(1_000, 20, 3, 0, 501, 7), requests=3)
    await say(
        database,
        one,
        row(MONDAY + HOUR, "0.000000001", model="m1", tokens=Tokens(7, 0, 0, 1, 0)),
        row(MONDAY + HOUR, "0.7", model=SONNET, requested="openrouter/auto", tokens=Tokens(5, 0, 0, 0, 9)),
        row(MONDAY + 2 * HOUR, "0.1", model=DATED, requested="little/any", tokens=Tokens(1)),
        row(MONDAY, None, key="k2", model="nobody-knows", tokens=Tokens(10, 0, 0, 0, 20)),
        row(MONDAY, "0.3", key="", model="", reason="web search"),
        row(MONDAY + DAY, "2", key="k2", model="m2", byok_usd=Decimal("0.5"), tokens=Tokens(3, 0, 0, 0, 4)),
        row(MONDAY + DAY + HOUR, None, key="k2", model="m2", tokens=Tokens(4)),
    )
    first = datetime(2026, 11, 1, tzinfo=UTC)
    await say(database, row(first, "9"), row(first - HOUR, "100"), start=first - DAY, end=first + DAY)
    await say(database, row(MONDAY, "55"), to=2)
    async with database.write() as session:
        gateway = await connection(session, "T1", "gateway", role="attribution")
        await set_owner(session, "T1", "k2", "team:core", 0)
    await say(database, row(MONDAY, "66"), to=gateway)
    for usd, hour in (("1", 1), ("4.000000001", 2)):
        at = MONDAY + 2 * DAY + hour * HOUR
        page = Page(Window(at, at), readings=[CounterReading("k3", at, Decimal(usd))])
        async with database.write() as session:
            await ingest_page(session, 1, "little", REPORTS, COUNTER, page, observed_at=at)


async def test_focus_adds_up_to_what_spend_says(database: Database, prices: PriceList) -> None:
    await a_month(database)
    found = await as_focus(database, prices)
    total = await spend(database)
    assert total.total_nano_usd == 16_600_000_009
    upstream = sum(Decimal(each["x_ByokCost"] or "0") for each in found) * 10**9
    assert sum(Decimal(each["BilledCost"] or "") for each in found) * 10**9 + upstream == total.total_nano_usd
    assert upstream == total.byok_nano_usd == total.byok_counted_nano_usd == 500_000_000
    unpriced = [each for each in found if each["x_CostBasis"] == "unpriced"]
    assert sum(int(each["x_ConsumedTokens"] or "") for each in unpriced) == total.unpriced_tokens == 34
    assert not [each for each in unpriced if each.get("ListUnitPrice") or each["BilledCost"] != "0.000000000"]
    assert {each["x_CostBasis"] for each in found if each["ChargeCategory"] == "Usage"} == {"billed"}


async def test_the_plain_rows_are_those_of_an_answer(database: Database) -> None:
    await a_month(database)
    found = await as_plain_rows(database)
    asked = answer_as_json(await spend(database, *BY))["rows"]
    assert sorted(found, key=json.dumps) == sorted(asked, key=json.dumps)
    assert [each["day"] for each in found] == sorted(each["day"] for each in found)
    assert [each["model"]["names"] for each in found if (each["model"] or {}).get("id") == SONNET] == [[SONNET, DATED]]


async def test_each_row_has_its_key_owner_class_and_what_was_asked_for(database: Database, prices: PriceList) -> None:
    await a_month(database)
    places = defaultdict(list)
    for each in await as_focus(database, prices):
        places[each["ChargePeriodStart"], each["x_ApiKeyId"], each["x_ResolvedModel"]].append(each)
    monday, tuesday = "2026-11-16T00:00:00Z", "2026-11-17T00:00:00Z"
    assert [each["x_TokenType"] for each in places[monday, "k1", "m1"]] == [
        "input", "cache_read", "cache_write_5m", "cache_write_1h", "output",
    ]  # fmt: skip
    assert {each["x_RequestedModel"] for each in places[monday, "k1", SONNET]} == {"openrouter/auto", "little/any"}
    assert {each["x_RequestedModel"] for each in places[monday, "k1", "m1"]} == {None}
    assert {each["x_Developer"] for each in places[tuesday, "k2", "m2"]} == {"core"}
    (search,) = places[monday, None, None]
    assert (search["x_Reason"], search["BilledCost"], search["x_Developer"]) == (
        "web search",
        "0.300000000",
        "unattributed",
    )
    (risen,) = places["2026-11-18T00:00:00Z", "k3", None]
    assert (risen["BilledCost"], risen.get("x_TokenType"), risen["x_CostStatus"]) == (
        "3.000000001",
        None,
        "provisional",
    )
    assert risen["x_ObservedAt"] == "2026-11-18T10:00:00Z"
    assert search["ProviderName"] == "Little"


async def test_nothing_spent_is_nothing(database: Database, prices: PriceList) -> None:
    assert await as_focus(database, prices) == []
    assert await as_plain_rows(database) == []


async def test_a_closed_month_says_so_and_an_adjustment_counts_in_the_open_one(
    database: Database, prices: PriceList
) -> None:
    october = months.parse("2026-10")
    start = datetime.fromtimestamp(october, UTC)
    await say(database, row(start, "5", model="m1", tokens=Tokens(9)), start=start, end=start + DAY)
    async with database.write() as session:
        session.add(ClosedMonth(workspace_id="T1", month=october, closed_at=0, hash=""))
    await say(database, row(MONDAY, "1", model="m1", tokens=Tokens(1)))
    await say(database, row(start, "3", model="m1", tokens=Tokens(4)), start=start, end=start + DAY)
    (closed,) = await as_focus(database, prices, month=october)
    assert (closed["x_CostStatus"], closed["BilledCost"], closed["ChargeClass"]) == ("closed", "5.000000000", None)
    assert [each["status"] for each in await as_plain_rows(database, month=october)] == ["closed"]
    corrections = [each for each in await as_focus(database, prices) if each["ChargeClass"] == "Correction"]
    assert sum(Decimal(each["BilledCost"] or "") for each in corrections) == -2
    (one,) = corrections
    assert (one["x_CostStatus"], one["x_CorrectedBillingPeriodStart"]) == ("adjustment", "2026-10-01T00:00:00Z")
    assert (one["BillingPeriodStart"], one["ConsumedQuantity"]) == ("2026-11-01T00:00:00Z", "-5")
    assert (one["x_PriceVersion"], one["ListUnitPrice"]) == ("prices.toml", "3.000000000")  # as it was in October
    assert {each["status"]: each["usd"] for each in await as_plain_rows(database)} == {
        "provisional": "1.000000000",
        "adjustment": "-2.000000000",
    }


async def test_all_comes_from_one_view_of_the_books(database: Database, prices: PriceList) -> None:
    await say(database, row(MONDAY, "1"), row(MONDAY + DAY, "1"))
    async with database.read() as session:
        stream = focus_rows(session, "T1", MONTH, prices=prices, titles={}, now=NOW)
        found = [await anext(stream)]
        await say(database, row(MONDAY, "8"), row(MONDAY + DAY, "8"), at=NOW + HOUR)
        found += [each async for each in stream]
    assert [each["BilledCost"] for each in found] == ["1.000000000", "1.000000000"]


async def test_whoever_has_enough_may_stop(database: Database, prices: PriceList) -> None:
    await say(database, row(MONDAY, "1"), row(MONDAY, "2", key="k2"))
    async with database.read() as session:
        for stream in (
            focus_rows(session, "T1", MONTH, prices=prices, titles={}, now=NOW),
            plain_rows(session, "T1", MONTH, now=NOW),
            focus_rows(session, "T1", MONTH, prices=prices, titles={}, now=NOW),
        ):
            assert await anext(stream)
            await stream.aclose()


async def crowd(database: Database, days: dict[int, int], *, keys: int = 40, models: int = 50) -> None:
    """Many keys and models, of which so many pairs have spent on each of these days."""
    async with database.write() as session:
        run = (await session.connection()).execute
        await run(insert(LedgerKey), [{"connection_id": 1, "ledger_id": f"key-{place}"} for place in range(keys)])
        await run(insert(Model), [{"ledger": "little", "name": f"m{place}"} for place in range(models)])
        pairs = list(await run(text("SELECT k.id, m.id FROM ledger_key k CROSS JOIN model m ORDER BY k.id, m.id")))
        spent = {"connection_id": 1, "basis": BILLED, "settles_at": 0, "cost_nano_usd": 7, "input": 3}
        for day, rows in days.items():
            found = [spent | {"day": day, "key_id": key, "model_id": model} for key, model in pairs[:rows]]
            await run(insert(SpendDay), found)


async def peak_bytes(rows: AsyncIterator[Any]) -> tuple[int, int]:
    """How many rows came, and how much memory they took at most."""
    tracemalloc.start()
    try:
        count = 0
        async for _ in rows:
            count += 1
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["focus", "plain"])
async def test_ten_times_the_rows_take_no_more_memory(
    database: Database, prices: PriceList, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("outlay.export.month_rows.ROWS_AT_ONCE", 50)
    few, many = months.before(MONTH), MONTH
    await crowd(database, {few: 200, many: 2_000})
    peaks = {}
    for month, rows in ((many, 2_000), (few, 200), (many, 2_000)):  # the first time, names are remembered
        async with database.read() as session:
            stream: AsyncIterator[Any] = (
                focus_rows(session, "T1", month, prices=prices, titles={}, now=NOW)
                if kind == "focus"
                else plain_rows(session, "T1", month, now=NOW)
            )
            count, peaks[month] = await peak_bytes(stream)
            assert count == rows
    assert peaks[many] < peaks[few] * 1.25
