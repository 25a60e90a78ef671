"""Vercel AI Gateway on paper: the user is the key, hours come ungrouped only, and every question is billed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Key, Tokens, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import vercel
from outlay_plugins.vercel import Vercel, VercelConfig
from tests.plugins.documented_vendor import DAY, HOUR, NOW, TODAY, Asked, Paper, asking, drain, rows_of

SECRET = "vck_4example5example6example"
Uses = list[tuple[datetime, str | None, str, Any, Any]]  # hour, user, model, what Vercel took, list price
COUNTS = {
    "input_tokens": 100, "cached_input_tokens": 30, "cache_creation_input_tokens": 20, "output_tokens": 40,
    "reasoning_tokens": 10, "request_count": 1,
}  # fmt: skip


def vendor(uses: Uses) -> Paper:
    """The team."""

    def report(asked: Asked) -> Any:
        assert asked["start_date"] == asked["end_date"]
        day = datetime.fromisoformat(f"{asked['start_date']}T00:00:00+00:00")
        here = [use for use in uses if day <= use[0] < day + DAY]
        here = [use for use in here if asked.get("model", use[2]) == use[2] and asked.get("user_id", use[1]) == use[1]]
        by = asked["group_by"]
        groups: dict[str, Any] = {}
        for at, user, model, usd, listed in here:
            told = {"user": {"user": user}, "model": {"model": model}, "day": {"hour": f"{at:%Y-%m-%d %H:%M:%S}"}}[by]
            line = groups.setdefault(str(told), {**told, "total_cost": Decimal(0), "market_cost": Decimal(0)})
            line["total_cost"] += Decimal(usd)
            line["market_cost"] += Decimal(listed)
            for name, count in COUNTS.items():
                line[name] = line.get(name, 0) + count
        return {"results": list(groups.values())}

    routes = {
        "GET /v1/credits": lambda _: {"balance": "95.50", "total_used": "4.50"},
        f"GET {vercel.REPORT_PATH}": report,
    }
    return Paper(("authorization", f"Bearer {SECRET}"), routes)


def config(secret: str = SECRET) -> VercelConfig:
    return VercelConfig(api_key=SecretStr(secret), team="Brightloom")


def busy() -> Uses:
    found: Uses = []
    for hour in range(0, 48, 5):
        at = TODAY - 4 * DAY + hour * HOUR
        found += [(at, "ada", "anthropic/claude-sonnet-4.6", "0.0123", "0.02"), (at, "bo", "openai/gpt-5", 0, "0.7")]
        found += [(at, None, "openai/gpt-5", "0.5", "0.5")]
    return found


@asynccontextmanager
async def team() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("vck_of_somebody_else"),
        secret=SECRET,
        window=Window(TODAY - 4 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 7 * DAY, TODAY - 6 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(busy()).handle),
    )


TestVercel = ledger_conformance(Vercel, make=team)


async def test_users_are_keys_and_what_has_no_user_stays() -> None:
    at = TODAY - 4 * DAY
    async with asking(Vercel, config(), vendor(busy())) as ledger:
        rows = await rows_of(ledger, "report", at, at + DAY)
    told = {(row.key, row.model): row for row in rows if row.start == at}
    assert {place: (row.cost_usd, row.byok_usd) for place, row in told.items()} == {
        ("ada", "anthropic/claude-sonnet-4.6"): (Decimal("0.0123"), 0),
        ("bo", "openai/gpt-5"): (0, Decimal("0.7")),
        ("", "openai/gpt-5"): (Decimal("0.5"), 0),
    }
    assert told["bo", "openai/gpt-5"].tokens == Tokens(50, 30, 20, 0, 40, 10)
    assert sum(row.requests or 0 for row in rows) == len([use for use in busy() if use[0] < at + DAY])


async def test_no_question_is_asked_in_vain_since_each_is_billed() -> None:
    paper = vendor(busy())
    async with asking(Vercel, config(), paper) as ledger:
        await drain(ledger, "report", TODAY - 4 * DAY, TODAY - 3 * DAY)
        assert paper.count(vercel.REPORT_PATH) == 6  # models; hours and users of two models; hours of bo
        await drain(ledger, "report", TODAY - DAY, TODAY)
        assert paper.count(vercel.REPORT_PATH) == 7
        await ledger.keys()
        assert paper.count(vercel.REPORT_PATH) == 7


async def test_a_day_with_too_many_users_keeps_its_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vercel, "MAX_QUESTIONS_A_DAY", 6)
    at = TODAY - DAY
    paper = vendor([(at, f"user{number}", "m", "0.01", "0.01") for number in range(20)])
    async with asking(Vercel, config(), paper) as ledger:
        (page,) = await drain(ledger, "report", at, TODAY)
    assert paper.count(vercel.REPORT_PATH) == 6
    assert sum(row.cost_usd or 0 for row in page.rows) == Decimal("0.2")
    assert [row.cost_usd for row in page.rows if not row.key] == [Decimal("0.17")]
    assert "shown as nobody" in page.notes[0]


async def test_what_has_no_model_stays_in_the_total() -> None:
    paper = vendor([(TODAY - DAY, "ada", "", "0.3", "0.3"), (TODAY - DAY, "ada", "m", "0.2", "0.2")])
    async with asking(Vercel, config(), paper) as ledger:
        rows = await rows_of(ledger, "report", TODAY - DAY, TODAY)
    assert {(row.key, row.model, row.cost_usd) for row in rows} == {
        ("ada", "m", Decimal("0.2")),
        ("", "", Decimal("0.3")),
    }


async def test_the_team_is_as_the_settings_say_and_a_refused_key_is_told() -> None:
    paper = vendor([])
    async with asking(Vercel, config(), paper) as ledger:
        checked = await ledger.check()
    assert (checked.account_id, checked.account_title) == ("brightloom", "Brightloom")
    paper.routes = {**paper.routes, f"GET {vercel.REPORT_PATH}": lambda _: 402}
    async with asking(Vercel, config(), paper) as ledger:
        with pytest.raises(BadConfig, match="Pro or Enterprise") as refused:
            await ledger.check()
    assert refused.value.field == "api_key"


async def test_users_that_are_e_mails_say_whose_they_are() -> None:
    async with asking(Vercel, config(), vendor([]), known_keys=(Key("a@b.example", "a"), Key("bo", "bo"))) as ledger:
        assert [key.email for key in await ledger.keys()] == ["a@b.example", ""]
