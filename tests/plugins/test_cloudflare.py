"""Cloudflare AI Gateway on paper: GraphQL that says no with a good status, its own cache left out, halves on demand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Permanent, Tokens, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import cloudflare
from outlay_plugins.cloudflare import Cloudflare, CloudflareConfig
from tests.plugins.documented_vendor import DAY, HOUR, NOW, TODAY, Asked, Paper, asking, drain, rows_of

SECRET = "cfut_Zz0example1Zz2example3Zz4"
ACCOUNT = "0123456789abcdef0123456789abcdef"
GATEWAYS = f"/accounts/{ACCOUNT}/ai-gateway/gateways"
Passed = list[tuple[datetime, str, str, Any]]  # hour, gateway, model, dollars


def group(at: datetime, gateway: str, model: str, usd: Any) -> dict[str, Any]:
    hour = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    cached = {"cachedRequests": 2, "cachedTokensIn": 9}
    return {
        "count": 5,
        "sum": {"cost": usd, "uncachedTokensIn": 100, "uncachedTokensOut": "40", **cached},
        "dimensions": {"datetimeHour": hour, "gateway": gateway, "provider": "openai", "model": model},
    }


def vendor(passed: Passed, gateways: tuple[str, ...] = ("agents", "apps", "labs")) -> Paper:
    """The account; its list of gateways has two to a page."""

    def analytics(asked: Asked) -> Any:
        told = asked["variables"]
        assert told["account"] == ACCOUNT
        start, end = (datetime.fromisoformat(told[name]) for name in ("start", "end"))
        found = [group(*one) for one in passed if start <= one[0] < end][: told["limit"]]
        return {"data": {"viewer": {"accounts": [{"aiGatewayRequestsAdaptiveGroups": found}]}}, "errors": None}

    def listed(asked: Asked) -> Any:
        first = (int(asked["page"]) - 1) * int(asked["per_page"])
        names = gateways[first : first + int(asked["per_page"])]
        return {"success": True, "result": [{"id": name, "created_at": "2026-01-01 00:00:00"} for name in names]}

    routes = {f"GET {GATEWAYS}": listed, f"POST {cloudflare.GRAPHQL_PATH}": analytics}
    return Paper(("authorization", f"Bearer {SECRET}"), routes, root="/client/v4")


def config(secret: str = SECRET, account: str = ACCOUNT) -> CloudflareConfig:
    return CloudflareConfig(api_token=SecretStr(secret), account_id=account)


def busy() -> Passed:
    hours = [TODAY - 4 * DAY + hour * HOUR for hour in range(0, 48, 2)]
    lines = (("agents", "gpt-4o", "0.0123"), ("apps", "gpt-4o", 1), ("apps", "@cf/x", None), ("", "gpt-4o", "0.5"))
    return [(at, *line) for at in hours for line in lines]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudflare, "GATEWAYS_A_PAGE", 2)


@asynccontextmanager
async def account() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("cfut_of_somebody_else"),
        secret=SECRET,
        window=Window(TODAY - 4 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(busy()).handle),
    )


TestCloudflare = ledger_conformance(Cloudflare, make=account)


async def test_a_gateway_is_a_key_and_its_own_cache_is_left_out() -> None:
    at = TODAY - 3 * DAY
    async with asking(
        Cloudflare, config(), vendor([(at, "agents", "gpt-4o", "0.0123"), (at, "apps", "x", None)])
    ) as ledger:
        rows = await rows_of(ledger, "requests", at, at + DAY)
        keys = await ledger.keys()
    assert [(row.key, row.cost_usd, row.requests, row.tokens) for row in rows] == [
        ("agents", Decimal("0.0123"), 3, Tokens(input=100, output=40)),
        ("apps", None, 3, Tokens(input=100, output=40)),
    ]
    assert [key.id for key in keys] == ["agents", "apps", "labs"]


async def test_a_full_answer_is_asked_for_again_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudflare, "MAX_ROWS", 7)
    async with asking(Cloudflare, config(), vendor(busy())) as ledger:
        pages = await drain(ledger, "requests", TODAY - 4 * DAY, TODAY - 2 * DAY)
    assert [(len(page.rows), page.complete) for page in pages] == [(48, True), (48, True)]
    monkeypatch.setattr(cloudflare, "MAX_ROWS", 3)
    async with asking(Cloudflare, config(), vendor(busy())) as ledger:
        (page,) = await drain(ledger, "requests", TODAY - 4 * DAY, TODAY - 3 * DAY)
    assert not page.complete
    assert "cut its answer short" in page.disagrees[0]


@pytest.mark.parametrize(
    ("path", "answer", "field"),
    [
        (f"GET {GATEWAYS}", 403, "api_token"),
        (f"GET {GATEWAYS}", 404, "account_id"),
        (f"POST {cloudflare.GRAPHQL_PATH}", 403, "api_token"),
        (
            f"POST {cloudflare.GRAPHQL_PATH}",
            {"data": None, "errors": [{"message": "not authorized", "x": SECRET}]},
            "api_token",
        ),
        (f"POST {cloudflare.GRAPHQL_PATH}", {"data": {"viewer": {"accounts": []}}}, "api_token"),
    ],
)
async def test_a_token_that_may_not_read_is_refused_on_its_field(path: str, answer: Any, field: str) -> None:
    paper = vendor([])
    paper.routes = {**paper.routes, path: lambda _: answer}
    async with asking(Cloudflare, config(), paper) as ledger:
        with pytest.raises(BadConfig) as refused:
            await ledger.check()
    assert refused.value.field == field
    assert SECRET not in str(refused.value)


async def test_errors_with_a_good_status_are_errors() -> None:
    paper = vendor([])
    paper.routes = {
        **paper.routes,
        f"POST {cloudflare.GRAPHQL_PATH}": lambda _: {"data": None, "errors": [{"message": "limit"}]},
    }
    async with asking(Cloudflare, config(), paper) as ledger:
        with pytest.raises(Permanent, match="refused"):
            await drain(ledger, "requests", TODAY - DAY, TODAY)


async def test_the_account_is_told_by_its_id_whatever_its_letters() -> None:
    async with asking(Cloudflare, config(account=ACCOUNT.upper()), vendor([])) as ledger:
        assert (await ledger.check()).account_id == ACCOUNT
