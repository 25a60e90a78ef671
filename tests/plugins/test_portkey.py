"""Portkey on paper: cents to dollars, a key's graph by model where the filter works, and what no key accounts for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import portkey
from outlay_plugins.portkey import Portkey, PortkeyConfig
from tests.plugins.documented_vendor import DAY, HOUR, NOW, TODAY, Asked, Paper, Published, asking, drain, rows_of

SECRET = "pk-admin-Qexample0Qexample1"
ADA, BOT = "765768a9-b4ec-4694-962c-d55f40cdb0dc", "7c22af5a-8119-46b8-8d9b-bad3ad382387"
ORGANISATION = "a1b2c3d4-e5f6-4a5b-8c7d-9e0f1a2b3c4d"
Uses = list[tuple[datetime, str, str, Any]]  # when, key ("" of a deleted one), model, cents


def vendor(uses: Uses, *, filters: bool = True) -> Paper:
    """The workspace. `filters` False: the filter by model does nothing."""

    def inside(asked: Asked) -> Uses:
        start, end = (datetime.fromisoformat(asked[f"time_of_generation_{name}"]) for name in ("min", "max"))
        here = [use for use in uses if start <= use[0] <= end and asked.get("api_key_ids", use[1]) == use[1]]
        return [use for use in here if not filters or asked.get("ai_org_model", use[2]) == use[2]]

    def cost(asked: Asked) -> Any:
        sums: dict[datetime, Any] = {}
        for at, _, _, cents in inside(asked):
            sums[at] = sums.get(at, 0) + cents
        points = [{"timestamp": at.isoformat(), "total": cents, "avg": 1} for at, cents in sorted(sums.items())]
        return {"summary": {"total": sum(sums.values()), "avg": 1}, "data_points": points, "object": "analytics-graph"}

    def models(asked: Asked) -> Any:
        names = sorted({use[2] for use in inside(asked)})
        first = int(asked["current_page"]) * int(asked["page_size"])
        lines = [{"ai_model": name, "requests": "2", "object": "analytics-group"} for name in names]
        return {"object": "list", "total": len(lines), "data": lines[first : first + int(asked["page_size"])]}

    def keys(asked: Asked) -> Any:
        known = [
            {"id": key, "name": name, "organisation_id": ORGANISATION, "workspace_id": "ws-main"}
            for key, name in ((ADA, "ada"), (BOT, "bot"))
        ]
        first = int(asked["current_page"]) * int(asked["page_size"])
        return {"total": 2, "object": "list", "data": known[first : first + int(asked["page_size"])]}

    routes = {"GET /api-keys": keys, f"GET {portkey.COST_PATH}": cost, f"GET {portkey.MODELS_PATH}": models}
    return Paper(("x-portkey-api-key", SECRET), routes, root="/v1")


def config(secret: str = SECRET) -> PortkeyConfig:
    return PortkeyConfig(api_key=SecretStr(secret), workspace="ws-main")


def busy() -> Uses:
    hours = [TODAY - 4 * DAY + hour * HOUR for hour in range(0, 48, 4)]
    lines = ((ADA, "openai__gpt-4o", 12), (ADA, "anthropic__claude-x", 3), (BOT, "openai__gpt-4o", 7), ("", "x", 5))
    return [(at, *line) for at in hours for line in lines]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portkey, "A_PAGE", 1)


@asynccontextmanager
async def workspace() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("pk-of-somebody-else"),
        secret=SECRET,
        window=Window(TODAY - 4 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(busy()).handle),
    )


TestPortkey = ledger_conformance(Portkey, make=workspace)


async def told(uses: Uses, *, filters: bool = True) -> dict[tuple[str, str], Any]:
    async with asking(Portkey, config(), vendor(uses, filters=filters)) as ledger:
        rows = await rows_of(ledger, "cost", TODAY - DAY, TODAY)
    return {(row.key, row.model): row.cost_usd for row in rows}


async def test_cents_are_dollars_by_key_and_model_and_the_rest_stays() -> None:
    at = TODAY - DAY + HOUR
    uses: Uses = [(at, ADA, "a", 12), (at, ADA, "b", Decimal("0.5")), (at, BOT, "a", 7), (at, "", "x", 5)]
    assert await told(uses) == {
        (ADA, "a"): Decimal("0.12"),
        (ADA, "b"): Decimal("0.005"),
        (BOT, "a"): Decimal("0.07"),
        ("", ""): Decimal("0.05"),
    }


async def test_a_filter_that_does_nothing_counts_nothing_twice() -> None:
    at = TODAY - DAY
    uses: Uses = [(at, ADA, "a", 120), (at, ADA, "b", 30)]
    assert await told(uses, filters=False) == {(ADA, ""): Decimal("1.5")}


async def test_a_key_s_own_graph_stands_where_its_models_are_rounded_up() -> None:
    at = TODAY - DAY
    paper = vendor([(at, ADA, "a", 10), (at, ADA, "b", 4)])
    cost = paper.routes[f"GET {portkey.COST_PATH}"]

    def rounded_up(asked: Asked) -> Any:
        graph = cost(asked)
        for point in graph["data_points"]:
            point["total"] += 1 if "ai_org_model" in asked else 0
        return graph

    paper.routes = {**paper.routes, f"GET {portkey.COST_PATH}": rounded_up}
    async with asking(Portkey, config(), paper) as ledger:
        rows = await rows_of(ledger, "cost", at, TODAY)
    assert sum(row.cost_usd or 0 for row in rows) == Decimal("0.14")


async def test_a_part_of_a_day_says_no_more_than_that_part() -> None:
    uses: Uses = [(TODAY + hour * HOUR, BOT, "a", 5) for hour in range(12)]
    async with asking(Portkey, config(), vendor(uses)) as ledger:
        (page,) = await drain(ledger, "cost", TODAY + 9 * HOUR, NOW)
    assert [row.start for row in page.rows] == [TODAY + hour * HOUR for hour in (9, 10, 11)]


async def test_keys_that_did_not_spend_cost_one_question_each() -> None:
    paper = vendor([(TODAY - DAY, BOT, "a", 5)])
    async with asking(Portkey, config(), paper) as ledger:
        await drain(ledger, "cost", TODAY - 3 * DAY, TODAY)
    assert paper.count(portkey.COST_PATH) == 3 + 2
    assert paper.count(portkey.MODELS_PATH) == 2  # one model, then an empty page


async def test_the_workspace_is_told_and_a_key_that_may_not_read_is_refused() -> None:
    paper = vendor([])
    async with asking(Portkey, config(), paper) as ledger:
        assert (await ledger.check()).account_id == f"{ORGANISATION}:ws-main"
    paper.routes = {**paper.routes, f"GET {portkey.COST_PATH}": lambda _: 403}
    async with asking(Portkey, config(), paper) as ledger:
        with pytest.raises(BadConfig) as refused:
            await ledger.check()
    assert refused.value.field == "api_key"


async def test_requests_and_answers_fit_the_published_schema() -> None:
    published = Published("portkey-analytics.openapi.yaml")
    paper = vendor(busy())
    async with asking(Portkey, config(), paper) as ledger:
        await ledger.check()
        await drain(ledger, "cost", TODAY - 4 * DAY, TODAY - 2 * DAY)
    assert published.track(paper) > 10
