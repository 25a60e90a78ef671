"""GitHub Copilot on paper: seats first, one call for each person, and what no seat accounts for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Key, Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins import copilot
from outlay_plugins.copilot import Copilot, CopilotConfig
from tests.plugins.documented_vendor import DAY, NOW, TODAY, Asked, Paper, Published, asking, drain, rows_of

SECRET = "github_pat_11ABCDEFG0example"
USAGE = "/organizations/brightloom/settings/billing/ai_credit/usage"
SEATS = "/orgs/brightloom/copilot/billing/seats"
Bill = dict[tuple[datetime, str, str], Any]  # day, login ("" of nobody), model: dollars


def person(number: int, login: str, email: str | None = None) -> dict[str, Any]:
    urls = ("avatar_url", "url", "html_url", "followers_url", "following_url", "gists_url", "starred_url")
    more = ("subscriptions_url", "organizations_url", "repos_url", "events_url", "received_events_url")
    known = dict.fromkeys((*urls, *more), f"https://api.github.example/{login}")
    return known | {
        "login": login, "id": number, "node_id": f"n{number}", "gravatar_id": "", "type": "User",
        "site_admin": False, "email": email,
    }  # fmt: skip


def seat(number: int, login: str, email: str | None = None) -> dict[str, Any]:
    return {
        "created_at": "2026-01-01T00:00:00Z",
        "last_activity_at": "2026-11-19T10:00:00-08:00",
        "plan_type": "business",
        "assignee": person(number, login, email),
    }


def item(model: str, usd: Any) -> dict[str, Any]:
    return {
        "product": "Copilot", "sku": "Copilot AI Credits", "model": model, "unitType": "ai-credits",
        "pricePerUnit": Decimal("0.01"), "grossQuantity": 100, "grossAmount": 1, "discountQuantity": 0,
        "discountAmount": 0, "netQuantity": 100, "netAmount": usd,
    }  # fmt: skip


def vendor(bill: Bill, seats: list[dict[str, Any]] | None = None, gone: tuple[str, ...] = ()) -> Paper:
    """The organisation; `gone` are people whom GitHub no longer knows."""
    known = [seat(7, "ada", "ada@brightloom.example"), seat(8, "bo")] if seats is None else seats

    def used(asked: Asked) -> Any:
        if asked.get("user") in gone:
            return 404
        sums: dict[str, Decimal] = {}
        for (day, login, model), usd in bill.items():
            when = {"year": day.year, "month": day.month, "day": day.day}
            if (
                all(str(when[name]) == asked[name] for name in when if name in asked)
                and asked.get("user", login) == login
            ):
                sums[model] = sums.get(model, Decimal(0)) + Decimal(usd)
        period = {name: int(asked[name]) for name in ("year", "month", "day") if name in asked}
        items = [item(model, usd) for model, usd in sums.items()]
        return {"timePeriod": period, "organization": "brightloom", "usageItems": items}

    def sat(asked: Asked) -> Any:
        first = (int(asked["page"]) - 1) * int(asked["per_page"])
        return {"total_seats": len(known), "seats": known[first : first + int(asked["per_page"])]}

    routes = {
        "GET /orgs/brightloom": lambda _: {"id": 4711, "login": "brightloom", "name": "Brightloom"},
        f"GET {SEATS}": sat,
        f"GET {USAGE}": used,
    }
    return Paper(("authorization", f"Bearer {SECRET}"), routes)


def config(secret: str = SECRET, org: str = "brightloom") -> CopilotConfig:
    return CopilotConfig(token=SecretStr(secret), org=org)


def busy() -> Bill:
    """A week of two seats, two models, and somebody without a seat."""
    days = [TODAY - number * DAY for number in range(3, 10)]
    return {
        (day, login, model): "1.2345"
        for number, day in enumerate(days)
        for login, model in (("ada", "Claude Sonnet 4.5"), ("bo", "GPT-5"), ("", "GPT-5"))
        if (number + len(login)) % 4
    }


@asynccontextmanager
async def organisation() -> AsyncIterator[Trial]:
    yield Trial(
        good=config(),
        wrong=config("github_pat_of_somebody_else"),
        secret=SECRET,
        window=Window(TODAY - 10 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 40 * DAY, TODAY - 38 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor(busy()).handle),
    )


TestCopilot = ledger_conformance(Copilot, make=organisation)


async def test_each_seat_has_its_share_and_the_rest_stays_in_the_total() -> None:
    day = TODAY - 3 * DAY
    bill: Bill = {(day, "ada", "GPT-5"): "0.37", (day, "bo", "GPT-5"): "1.5", (day, "", "GPT-5"): "0.13"}
    paper = vendor(bill)
    async with asking(Copilot, config(), paper) as ledger:
        rows = await rows_of(ledger, "credits", day, day + DAY)
    assert [(row.key, row.cost_usd) for row in rows] == [
        ("7", Decimal("0.37")),
        ("8", Decimal("1.5")),
        ("", Decimal("0.13")),
    ]
    assert rows[-1].reason == copilot.NOBODY
    assert all(row.requests is None and not row.tokens.total for row in rows)


async def test_a_day_without_a_bill_and_a_person_without_one_are_asked_once() -> None:
    bill: Bill = {(TODAY - 3 * DAY, "ada", "GPT-5"): "1"}
    paper = vendor(bill)
    async with asking(Copilot, config(), paper) as ledger:
        await drain(ledger, "credits", TODAY - 5 * DAY, TODAY - DAY)
    by_user = [(asked.get("user"), asked.get("day")) for _, path, asked in paper.asked if path == USAGE]
    assert [asked for asked in by_user if asked[0] is None] == [(None, "15"), (None, "16"), (None, "17"), (None, "18")]
    assert [asked for asked in by_user if asked[0]] == [("ada", None), ("bo", None), ("ada", "17")]


async def test_seats_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copilot, "SEATS_A_PAGE", 2)
    paper = vendor({}, [seat(number, f"dev{number}") for number in range(5)] + [{**seat(9, "x"), "assignee": None}])
    async with asking(Copilot, config(), paper) as ledger:
        keys = await ledger.keys()
    assert [key.id for key in keys] == ["0", "1", "2", "3", "4"]
    assert paper.count(SEATS) == 3
    assert keys[0].last_used_at == datetime.fromisoformat("2026-11-19T18:00:00+00:00")


async def test_who_gave_the_seat_back_is_still_asked_for_and_who_is_gone_stops_nobody() -> None:
    day = TODAY - 3 * DAY
    bill: Bill = {(day, "cy", "GPT-5"): "2", (day, "dee", "GPT-5"): "3"}
    known = (Key("9", "cy"), Key("10", "dee"))
    async with asking(Copilot, config(), vendor(bill, gone=("dee",)), known_keys=known) as ledger:
        rows = await rows_of(ledger, "credits", day, day + DAY)
    assert {(row.key, row.cost_usd) for row in rows} == {("9", Decimal(2)), ("", Decimal(3))}


@pytest.mark.parametrize(
    ("path", "status", "field"), [(SEATS, 403, "token"), (USAGE, 403, "token"), ("/orgs/brightloom", 404, "org")]
)
async def test_what_a_token_may_not_read_is_told_on_its_field(path: str, status: int, field: str) -> None:
    paper = vendor({})
    paper.routes = {**paper.routes, f"GET {path}": lambda _: status}
    async with asking(Copilot, config(), paper) as ledger:
        with pytest.raises(BadConfig) as refused:
            await ledger.check()
    assert refused.value.field == field


async def test_the_organisation_is_known_by_its_id() -> None:
    async with asking(Copilot, config(), vendor({})) as ledger:
        checked = await ledger.check()
    assert (checked.account_id, checked.account_title) == ("4711", "Brightloom")
    with pytest.raises(ValidationError):
        config(org="../users")


async def test_requests_and_answers_fit_the_published_schema() -> None:
    published = Published("github-billing.openapi.json")
    paper = vendor(busy())
    async with asking(Copilot, config(), paper) as ledger:
        await ledger.check()
        await ledger.keys()
        await drain(ledger, "credits", TODAY - 10 * DAY, TODAY - 2 * DAY)
    assert published.track(paper, unpublished=frozenset({"/orgs/brightloom"})) > 10


def test_github_is_asked_in_the_version_of_its_billing_interface() -> None:
    assert Copilot.headers(config())["X-GitHub-Api-Version"] == "2026-03-10"
