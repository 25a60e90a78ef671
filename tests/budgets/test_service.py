"""Budgets over real books: what they say is what `/spend` says, and each mark is told once, whoever looks and when."""

import asyncio
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from outlay.access.policy import TeamAccess
from outlay.access.service import AccessService
from outlay.budgets.budget import FORECAST, Budget
from outlay.budgets.service import BudgetError, BudgetService, standing_from_payload
from outlay.core.clock import FakeClock
from outlay.spend.service import SpendService
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row
from tests.books.weeks import fill, in_zone, say_owner

NANO = 1_000_000_000
MONTHLY = Budget(0, "workspace", "", "month", 600 * NANO)


class Desk:
    """A clock, and budgets beside books."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.clock = FakeClock(NOW)
        self.budgets = BudgetService(books.database, self.clock)

    async def keep(self, budget: Budget = MONTHLY, **more: Any) -> Budget:
        return await self.budgets.keep("T1", replace(budget, **more), by="U1")

    async def spend(self, usd: int, key: str = "k1", model: str = "m1") -> None:
        """From midnight on this was spent by now; said of the first hour of today."""
        await self.books.accept_rows(
            [row(MONDAY + 2 * DAY, str(usd), key, model)], start=MONDAY + 2 * DAY, at=self.clock.now()
        )

    async def look(self) -> None:
        self.clock.advance(timedelta(minutes=1))
        await self.budgets.run()

    async def said(self) -> list[tuple[int, int]]:
        """Mark and dollars of each message, in order."""
        rows = await self.books.rows("SELECT payload FROM outbox WHERE kind = 'budget' ORDER BY id")
        payloads = [json.loads(payload) for (payload,) in rows]
        return [(one["mark"], standing_from_payload(one).spent_nano_usd // NANO) for one in payloads]


@pytest.fixture
def desk(books: Books) -> Desk:
    return Desk(books)


async def test_each_share_is_told_once_a_period(desk: Desk) -> None:
    await desk.keep()
    for usd in (100, 480, 500, 599, 600, 700, 2_000):
        await desk.spend(usd)
        await desk.look()
        await desk.look()

    assert await desk.said() == [(80, 480), (100, 600)]


async def test_several_that_look_at_once_tell_it_once(desk: Desk) -> None:
    await desk.keep()
    await desk.spend(650)
    others = [BudgetService(desk.books.database, desk.clock) for _ in range(3)]
    await asyncio.gather(*(one.run() for one in others))
    await desk.look()

    assert await desk.said() == [(100, 650)]


async def test_the_next_month_begins_anew(desk: Desk) -> None:
    await desk.keep()
    await desk.spend(650)
    await desk.look()
    desk.clock.advance(timedelta(days=14))
    december = desk.clock.now().replace(hour=0, minute=0, second=0)
    await desk.books.accept_rows([row(december, "490")], start=december, end=december + HOUR, at=desk.clock.now())
    await desk.look()

    assert await desk.said() == [(100, 650), (80, 490)]


async def test_a_raised_limit_is_told_of_anew_and_a_lowered_one_at_once(desk: Desk) -> None:
    kept = await desk.keep()
    await desk.spend(490)
    await desk.look()
    await desk.keep(kept, limit_nano_usd=1_000 * NANO)
    await desk.look()
    await desk.spend(850)
    await desk.look()
    await desk.keep(kept, limit_nano_usd=500 * NANO)
    await desk.look()

    assert await desk.said() == [(80, 490), (80, 850), (100, 850)]


async def test_a_forecast_that_passes_the_limit_is_told_once_with_its_range(desk: Desk) -> None:
    await fill(desk.books, [row(MONDAY + n * DAY, "10") for n in range(-30, 2)])
    await desk.keep(limit_nano_usd=290 * NANO)
    for _ in range(3):
        await desk.look()
        desk.clock.advance(timedelta(hours=1))

    assert [mark for mark, _ in await desk.said()] == [FORECAST]
    (payload,) = (await desk.books.rows("SELECT payload FROM outbox"))[0]
    said = standing_from_payload(json.loads(payload)).forecast
    assert said.spent_nano_usd == 170 * NANO
    assert said.likely_nano_usd == pytest.approx(300 * NANO, rel=0.05)


async def test_every_scope_counts_what_spend_says_of_it(desk: Desk) -> None:
    await in_zone(desk.books, "America/New_York")
    await fill(
        desk.books, [row(MONDAY + n * HOUR, f"{n % 7}.000000001", ("k1", "k2")[n % 2], f"m{n % 3}") for n in range(58)]
    )
    await say_owner(desk.books, "k1", "agent:ci")
    for scope, subject in (("workspace", ""), ("owner", "agent:ci"), ("model", "m1"), ("ledger", "little")):
        for period in ("day", "week", "month"):
            await desk.keep(Budget(0, scope, subject, period, NANO))  # type: ignore[arg-type]

    for one in await desk.budgets.standings("T1"):
        asked = f"{one.budget.scope}:{one.budget.subject}" if one.budget.subject else ""
        found = await desk.books.ask(f"from {one.start} to {one.today} {asked}", today=date(2026, 11, 18))
        assert one.spent_nano_usd == found.total_nano_usd > 0


async def test_a_budget_of_another_workspace_is_neither_seen_nor_changed(desk: Desk) -> None:
    theirs = await desk.budgets.keep("T2", MONTHLY, by="U9")
    await desk.spend(10_000)
    await desk.look()

    assert await desk.said() == []
    assert list(await desk.budgets.standings("T1")) == []
    assert not await desk.budgets.remove("T1", theirs.id)
    with pytest.raises(BudgetError, match="gone"):
        await desk.keep(theirs, limit_nano_usd=1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"limit_nano_usd": 0}, "limit"),
        ({"limit_nano_usd": 2 * 10**18}, "limit"),
        ({"scope": "owner"}, "subject"),
        ({"shares": (0,)}, "shares"),
        ({"shares": tuple(range(1, 9))}, "shares"),
    ],
)
async def test_what_cannot_be_a_budget_is_refused_on_its_field(desk: Desk, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(BudgetError) as caught:
        await desk.keep(**wrong)
    assert caught.value.field == field


async def test_the_same_budget_is_not_kept_twice_and_a_removed_one_tells_nothing(desk: Desk) -> None:
    kept = await desk.keep()
    with pytest.raises(BudgetError, match="already"):
        await desk.keep()
    assert await desk.budgets.remove("T1", kept.id)
    assert not await desk.budgets.remove("T1", kept.id)
    await desk.spend(900)
    await desk.look()
    assert await desk.said() == []


async def test_a_form_that_is_submitted_twice_at_once_is_kept_once(desk: Desk) -> None:
    kept = await asyncio.gather(*(desk.keep() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, Budget) for one in kept) == 1
    assert sum(isinstance(one, BudgetError) for one in kept) == 3
    assert len(await desk.budgets.standings("T1")) == 1


async def test_a_teams_budget_counts_its_keys_from_the_day_they_are_its_and_nothing_once_it_has_none(
    desk: Desk,
) -> None:
    await fill(desk.books, [row(MONDAY + n * DAY, "10", key) for n in range(3) for key in ("k1", "k2", "k3")])
    for key in ("k1", "k2"):
        await say_owner(desk.books, key, "team:web")
    await desk.keep(scope="owner", subject="team:web", limit_nano_usd=40 * NANO)

    (said,) = await desk.budgets.standings("T1")
    assert said.spent_nano_usd == 60 * NANO
    assert ("team:web", "team") in [(one.id, one.kind) for one in (await desk.budgets.subjects("T1")).owners]
    await desk.look()
    assert await desk.said() == [(100, 60)]
    await say_owner(desk.books, "k2", "agent:ci")
    (said,) = await desk.budgets.standings("T1")
    assert said.spent_nano_usd == 30 * NANO
    await say_owner(desk.books, "k1", "agent:ci")
    (said,) = await desk.budgets.standings("T1")
    assert (said.spent_nano_usd, said.forecast.likely_nano_usd) == (0, None)
    assert said.forecast.reason.startswith("too little history")
    await desk.look()
    assert await desk.said() == [(100, 60)]


async def test_many_owners_are_asked_for_at_once_and_few_one_by_one_with_the_same_outcome(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(desk.books, [row(MONDAY + n * HOUR, f"{n}", f"k{n % 4}") for n in range(48)])
    for n, owner in enumerate(("agent:a", "team:b", "U0CHIARA", "d@acme.example")):
        await say_owner(desk.books, f"k{n}", owner)
        await desk.keep(scope="owner", subject=owner)
    one_by_one = [one.spent_nano_usd for one in await desk.budgets.standings("T1")]
    monkeypatch.setattr("outlay.budgets.service.OWNERS_APART_MAX", 1)

    assert [one.spent_nano_usd for one in await desk.budgets.standings("T1")] == one_by_one
    assert len(set(one_by_one)) == 4
    assert sum(one_by_one) == (await desk.books.ask("mtd", today=date(2026, 11, 18))).total_nano_usd


@pytest.mark.parametrize("apart_max", [8, 0])
async def test_a_teams_budget_counts_its_members_too_as_a_question_about_it_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, apart_max: int
) -> None:
    monkeypatch.setattr("outlay.budgets.service.OWNERS_APART_MAX", apart_max)
    await fill(desk.books, [row(MONDAY + n * HOUR, f"{n}", f"k{n % 4}") for n in range(48)])
    for n, owner in enumerate(("team:web", "U01ANN", "U02BEN", "U03OTHER")):
        await say_owner(desk.books, f"k{n}", owner)
    ruling, asking = AccessService(desk.books.database, desk.clock), SpendService(desk.books.database, desk.clock)
    await ruling.set_team("T1", "web", TeamAccess(managers=("U03OTHER",), members=("U01ANN", "U02BEN")))
    await ruling.set_team("T1", "new", TeamAccess(members=("U09NOBODY",)))
    await desk.keep(scope="owner", subject="team:web")
    await desk.keep(scope="owner", subject="team:new")

    web, new = await desk.budgets.standings("T1")

    assert web.spent_nano_usd == (await asking.spend("T1", "mtd team:web")).total_nano_usd > 0
    assert web.spent_nano_usd == sum(n for n in range(48) if n % 4 != 3) * NANO
    assert (new.spent_nano_usd, new.forecast.likely_nano_usd) == (0, None)
    assert "team:new" in [one.id for one in (await desk.budgets.subjects("T1")).owners]
    await ruling.set_team("T1", "web", TeamAccess())
    web, _ = await desk.budgets.standings("T1")
    assert web.spent_nano_usd == sum(range(0, 48, 4)) * NANO
