"""A bill of whole days and the report that splits it: the bill's dollars, the other's keys, tokens and hours."""

from datetime import UTC, datetime
from typing import Any

import pytest

from outlay.books.closing.audit import audit
from outlay.books.pricing.price_list import PriceList
from outlay.books.rollups.retention import fold
from outlay.core.tokens import Tokens
from outlay.database.tables import UNBILLED, Workspace
from outlay.export.month_rows import focus_rows, plain_rows
from outlay.plugin.contract import Report, Row
from outlay.spend.serialization import answer_as_json
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row

USAGE = Report("usage", HOUR / 60, basis="computed")
COSTS = Report("costs", DAY, lag=HOUR, split_by="usage")
REPORTS = (COSTS, USAGE)
LATER = MONDAY + DAY + 2 * HOUR  # the bill of Monday is final
USD = 10**9


class Split(Books):
    """Books of a ledger whose bill is split by its usage."""

    async def use(self, *rows: Row, at: datetime = LATER) -> None:
        await self.accept_rows(rows, end=min(at, MONDAY + DAY), report=USAGE, reports=REPORTS, at=at)

    async def bill(self, *rows: Row, at: datetime = LATER) -> None:
        await self.accept_rows(rows, end=MONDAY + DAY, report=COSTS, reports=REPORTS, at=at)

    async def spent(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        """Dollars, requests, input and basis of Monday, by key (or why there is none) and model."""
        await self.agree()
        found = await self.rows(
            "SELECT k.ledger_id || k.reason, m.name, d.cost_nano_usd, d.requests, d.input, d.basis FROM spend_day d "
            "JOIN ledger_key k ON k.id = d.key_id JOIN model m ON m.id = d.model_id"
        )
        return {(one[0], one[1]): one[2:] for one in found}

    async def audited(self) -> list[str]:
        return (await audit(self.database, "T1", {"little": REPORTS}, now=NOW)).differences


@pytest.fixture
def split(books: Books) -> Split:
    found = Split.__new__(Split)
    found.__dict__.update(books.__dict__)
    return found


def used(key: str, usd: str | None, model: str = "m1-2026-10-01", *, minutes: int = 61, **more: Any) -> Row:
    """A minute of usage: ten tokens, two requests."""
    more = {"tokens": Tokens(input=10), "requests": 2} | more
    return row(MONDAY + minutes * (HOUR / 60), usd, key, model, **more)


def billed(usd: str, model: str = "m1", key: str = "", **more: Any) -> Row:
    return row(MONDAY, usd, key, model, **({} if key else {"reason": "web searches"}) | more)


async def test_the_dollars_are_the_bills_and_all_else_is_the_usages(split: Split) -> None:
    await split.use(used("k1", "3"), used("k1", "3", minutes=600), used("k2", "2"), used("k2", "1", "m2"))
    await split.bill(billed("16", tokens=Tokens(output=999), requests=999))
    assert await split.spent() == {
        ("k1", "m1-2026-10-01"): (12 * USD, 4, 20, 1),
        ("k2", "m1-2026-10-01"): (4 * USD, 2, 10, 1),
        ("k2", "m2"): (USD, 2, 10, UNBILLED),  # not in the bill: it stays as it was computed
    }
    hours = await split.rows("SELECT hour, SUM(cost_nano_usd), SUM(input) FROM spend_hour GROUP BY hour ORDER BY hour")
    monday = int(MONDAY.timestamp())
    assert hours == [(monday + 3600, 11 * USD, 30), (monday + 36000, 6 * USD, 10)]
    assert await split.audited() == []


async def test_until_it_is_final_the_usage_counts(split: Split) -> None:
    await split.bill(billed("9"), at=MONDAY + 20 * HOUR)
    await split.use(used("k1", "3"), at=MONDAY + 20 * HOUR)
    assert await split.spent() == {("k1", "m1-2026-10-01"): (3 * USD, 2, 10, 2)}
    await split.bill(billed("9"))
    assert await split.spent() == {("k1", "m1-2026-10-01"): (9 * USD, 2, 10, 1)}


async def test_usage_without_a_key_takes_its_share_and_keeps_its_reason(split: Split) -> None:
    await split.use(used("k1", "3"), used("", "1", reason="console"))
    await split.bill(billed("8"))
    assert {key: one[0] for (key, _), one in (await split.spent()).items()} == {"k1": 6 * USD, "console": 2 * USD}
    found = await split.ask("7d by key")
    assert (found.total_nano_usd, found.residual_nano_usd) == (8 * USD, 0)
    assert [line.reason for line in found.lines] == ["", "console"]


async def test_what_no_usage_explains_is_the_residual_unless_it_has_a_key(split: Split) -> None:
    await split.use(used("k1", "3"))
    await split.bill(billed("3"), billed("2", ""), billed("0.5", "m9"), billed("1", "", "k1"), billed("4", "m9", "k3"))
    spent = await split.spent()
    assert spent["web searches", ""] == (2 * USD, None, 0, 0)
    assert spent["web searches", "m9"][0] == USD // 2
    assert (spent["k1", ""][0], spent["k3", "m9"][0]) == (USD, 4 * USD)
    found = await split.ask("7d by owner")
    assert (found.total_nano_usd, found.residual_nano_usd) == (10_500_000_000, 2_500_000_000)
    assert found.basis == "billed"
    assert answer_as_json(found)["residual_usd"] == "2.500000000"
    unnamed = [line for line in found.lines if line.reason]
    assert [(line.reason, line.owner and line.owner.id, line.cost_nano_usd) for line in unnamed] == [
        ("web searches", "unattributed", 2_500_000_000)
    ]
    by_model = await split.ask("7d by model model:m9")
    assert (by_model.total_nano_usd, by_model.residual_nano_usd) == (4_500_000_000, 500_000_000)
    hours = await split.rows("SELECT COUNT(*) FROM spend_hour WHERE basis = 0 AND model_id = (SELECT id FROM model "
                             "WHERE name = 'm9')")  # fmt: skip
    assert hours == [(24,)]
    assert await split.audited() == []


async def test_each_project_is_billed_by_itself_and_one_key_may_be_used_in_two(split: Split) -> None:
    await split.use(
        used("k1", "1", project="p"), used("k1", "1", project="q"), used("k2", "3", project="q"),
        used("", "9", project="r", reason="console"),
    )  # fmt: skip
    await split.bill(billed("10", project="p"), billed("8", project="q"), billed("2", project="r"))
    assert {key: one[0] for (key, _), one in (await split.spent()).items()} == {
        "k1": 12 * USD,
        "k2": 6 * USD,
        "console": 2 * USD,
    }


async def test_what_has_no_price_is_shared_out_by_tokens_and_has_one_then(split: Split) -> None:
    await split.use(used("k1", None), used("k2", "9", tokens=Tokens(input=30)))
    assert (await split.ask("7d", now=LATER, today=MONDAY.date())).coverage == 0.75
    await split.bill(billed("4"))
    assert {key: one[0] for (key, _), one in (await split.spent()).items()} == {"k1": USD, "k2": 3 * USD}
    assert (await split.ask("7d")).coverage == 1


async def test_one_minute_without_a_price_does_not_undo_what_the_others_cost(split: Split) -> None:
    await split.use(used("k1", "3"), used("k1", None, minutes=62), used("k2", "1"))  # 4 dollars for 20 tokens
    await split.bill(billed("6"))
    assert {key: one[0] for (key, _), one in (await split.spent()).items()} == {"k1": 5 * USD, "k2": USD}
    hours = await split.rows("SELECT SUM(cost_nano_usd) FROM spend_hour GROUP BY hour")
    assert hours == [(6 * USD,)]
    assert await split.audited() == []


async def test_a_bill_without_any_usage_is_all_residual(split: Split) -> None:
    await split.bill(billed("4"), billed("1", key="k1"))
    assert {key: one[0] for (key, _), one in (await split.spent()).items()} == {"web searches": 4 * USD, "k1": USD}
    assert (await split.ask("7d")).residual_nano_usd == 4 * USD


async def test_usage_that_comes_late_moves_the_money_and_makes_none(split: Split) -> None:
    await split.use(used("k1", "3"))
    await split.bill(billed("1"), billed("1", "m2"))
    assert (await split.ask("7d")).residual_nano_usd == USD
    await split.use(used("k1", "3"), used("k2", "0.3", "m2"), used("k2", "6"), at=LATER + HOUR)
    assert {key: one[0] for key, one in (await split.spent()).items()} == {
        ("k1", "m1-2026-10-01"): 333_333_333,
        ("k2", "m1-2026-10-01"): 666_666_667,
        ("k2", "m2"): USD,
    }
    assert (await split.ask("7d")).residual_nano_usd == 0
    assert await split.audited() == []


async def test_a_month_on_its_way_out_has_the_residual_with_its_reason(split: Split) -> None:
    await split.use(used("k1", "3"))
    await split.bill(billed("3"), billed("2", ""))
    month = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    async with split.database.read() as session:
        plain = [one async for one in plain_rows(session, "T1", month, now=NOW)]
        focus = [
            one async for one in focus_rows(session, "T1", month, prices=PriceList(), titles={}, now=NOW)
        ]  # fmt: skip
    assert [(one.get("reason"), one["usd"], one["basis"]) for one in plain] == [
        (None, "3.000000000", "billed"),
        ("web searches", "2.000000000", "billed"),
    ]
    assert [(one["x_Reason"], one["BilledCost"], one["x_CostBasis"]) for one in focus] == [
        (None, "3.000000000", "billed"),
        ("web searches", "2.000000000", "billed"),
    ]


async def test_what_a_bill_is_split_by_is_never_forgotten(split: Split) -> None:
    await split.use(used("k1", "3"), used("k2", "1"))
    await split.bill(billed("1"))
    before = await split.rows("SELECT * FROM spend_day")
    async with split.database.write() as session:
        workspace = await session.get(Workspace, "T1")
        assert workspace
        workspace.hours_kept_days = 1
        await fold(session, workspace, {"little": REPORTS}, now=NOW + 9 * DAY)
    assert await split.rows("SELECT COUNT(*) FROM spend_hour") == [(0,)]
    assert await split.rows("SELECT * FROM spend_day") == before
    assert await split.audited() == []
