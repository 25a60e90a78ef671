"""Helicone on paper: hours by user and model, what no user accounts for, and questions that are not asked in vain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Permanent, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import helicone
from outlay_plugins.helicone import Helicone, HeliconeConfig
from tests.plugins.documented_vendor import DAY, HOUR, NOW, TODAY, Asked, Paper, asking, drain, rows_of

SECRET = "sk-helicone-4hxj2pa-example-secret"
ORGANIZATION = "8a2f4e0c-1111-4222-8333-944455556666"
Uses = list[tuple[datetime, str, str, Any]]  # when, user ("" for none), model, dollars


def sums(uses: Uses, place: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for use in uses:
        line = found.setdefault(use[place], {"cost": Decimal(0), "requests": 0})
        line["cost"] += Decimal(use[3])
        line["requests"] += 1
    return found


def vendor(uses: Uses, *, page: int = 2) -> Paper:
    """The organisation."""

    def between(start: datetime, end: datetime) -> Uses:
        return [use for use in uses if start <= use[0] < end]

    def models(asked: Asked) -> Any:
        when = asked["timeFilter"]
        found = sums(between(datetime.fromisoformat(when["start"]), datetime.fromisoformat(when["end"])), 2)
        lines = [
            {"model": name, "cost": line["cost"], "total_requests": line["requests"], "total_tokens": 140}
            | {"total_prompt_token": 100 * line["requests"], "total_completion_tokens": 40 * line["requests"]}
            for name, line in sorted(found.items())
        ]
        return {"data": lines[asked["offset"] :][: min(asked["limit"], page)], "error": None}

    def users(asked: Asked) -> Any:
        when = asked["timeFilter"]
        start, end = (datetime.fromtimestamp(when[f"{name}TimeUnixSeconds"], UTC) for name in ("start", "end"))
        here = between(start, end)
        if asked["filter"] != "all":
            only = asked["filter"]["request_response_rmt"]["model"]["equals"]
            here = [use for use in here if use[2] == only]
        lines = [
            {
                "id": user, "user_id": user, "cost": line["cost"], "total_requests": line["requests"], "active_for": 1,
                "total_prompt_tokens": 100 * line["requests"], "total_completion_tokens": 40 * line["requests"],
                "first_active": "2026-01-01", "last_active": "2026-01-01",
                "average_requests_per_day_active": 1, "average_tokens_per_request": 1,
            }
            for user, line in sorted(sums(here, 1).items())
            if user
        ]  # fmt: skip
        told = lines[asked["offset"] :][: min(asked["limit"], page)]
        return {"data": {"users": told, "count": len(lines), "hasUsers": True}, "error": None}

    routes = {
        "GET /v1/api-keys": lambda _: {"data": [{"organization_id": ORGANIZATION, "id": 1, "api_key_hash": "x"}]},
        f"POST {helicone.MODELS_PATH}": models,
        f"POST {helicone.USERS_PATH}": users,
    }
    return Paper(("authorization", f"Bearer {SECRET}"), routes)


def config(secret: str = SECRET) -> HeliconeConfig:
    return HeliconeConfig(api_key=SecretStr(secret))


def busy() -> Uses:
    """Two days with three hours of use each, of three users and of nobody."""
    return [
        (TODAY - day * DAY + hour * HOUR, user, model, "0.0123")
        for day in (3, 4)
        for hour in (8, 9, 23)
        for user, model in (("ada@brightloom.example", "gpt-4o"), ("bo", "gpt-4o"), ("", "gpt-4o"), ("bo", "claude-x"))
    ]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's pages hold two lines, so that all paging is seen."""
    monkeypatch.setattr(helicone, "PAGE_LINES", 2)


@asynccontextmanager
async def organization() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("sk-helicone-of-somebody-else"),
        secret=SECRET,
        window=Window(TODAY - 4 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(busy()).handle),
    )


TestHelicone = ledger_conformance(Helicone, make=organization)


async def test_an_hour_is_split_by_user_and_model_and_nobody_s_part_stays() -> None:
    at = TODAY - 3 * DAY + 8 * HOUR
    async with asking(Helicone, config(), vendor(busy())) as ledger:
        rows = await rows_of(ledger, "users", TODAY - 3 * DAY, TODAY - 2 * DAY)
    told = {(row.key, row.model): (row.cost_usd, row.requests, row.tokens.total) for row in rows if row.start == at}
    assert told == {
        ("ada@brightloom.example", "gpt-4o"): (Decimal("0.0123"), 1, 140),
        ("bo", "gpt-4o"): (Decimal("0.0123"), 1, 140),
        ("", "gpt-4o"): (Decimal("0.0123"), 1, 140),
        ("bo", "claude-x"): (Decimal("0.0123"), 1, 140),
    }
    assert {row.start for row in rows} == {at, at + HOUR, at + 15 * HOUR}
    assert {row.reason for row in rows if not row.key} == {helicone.NO_USER}


async def test_a_day_without_use_costs_one_question() -> None:
    paper = vendor(busy())
    async with asking(Helicone, config(), paper) as ledger:
        await drain(ledger, "users", TODAY - 9 * DAY, TODAY - 5 * DAY)
    assert len(paper.asked) == 4


async def test_users_that_are_e_mails_say_whose_they_are() -> None:
    async with asking(
        Helicone, config(), vendor([(NOW - HOUR, user, "m", 1) for user in ("a@b.example", "bo", "@x")])
    ) as ledger:
        assert {(key.id, key.email) for key in await ledger.keys()} == {
            ("a@b.example", "a@b.example"),
            ("bo", ""),
            ("@x", ""),
        }


async def test_pages_that_repeat_are_an_error_and_not_more_money(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helicone, "MAX_PAGES", 5)
    paper = vendor(busy())
    first = paper.routes[f"POST {helicone.USERS_PATH}"]
    paper.routes = {**paper.routes, f"POST {helicone.USERS_PATH}": lambda asked: first(asked | {"offset": 0})}
    async with asking(Helicone, config(), paper) as ledger:
        with pytest.raises(Permanent, match="beyond 5 pages"):
            await drain(ledger, "users", TODAY - 3 * DAY, TODAY - 2 * DAY)


async def test_an_error_with_a_good_status_is_an_error() -> None:
    paper = vendor(busy())
    paper.routes = {**paper.routes, f"POST {helicone.MODELS_PATH}": lambda _: {"data": None, "error": "clickhouse"}}
    async with asking(Helicone, config(), paper) as ledger:
        with pytest.raises(Permanent):
            await drain(ledger, "users", TODAY - 3 * DAY, TODAY - 2 * DAY)


async def test_a_key_that_may_not_read_is_refused_on_its_field_and_a_good_one_tells_the_organisation() -> None:
    paper = vendor([])
    async with asking(Helicone, config(), paper) as ledger:
        assert (await ledger.check()).account_id == ORGANIZATION
    paper.routes = {**paper.routes, f"POST {helicone.MODELS_PATH}": lambda _: 403}
    async with asking(Helicone, config(), paper) as ledger:
        with pytest.raises(BadConfig) as refused:
            await ledger.check()
    assert refused.value.field == "api_key"


async def test_it_only_splits_what_another_connection_counts() -> None:
    assert Helicone.role == "attribution"
    assert {report.basis for report in Helicone.reports} == {"computed"}
