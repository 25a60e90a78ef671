"""The Anthropic stand-in keeps the vendor's manners: what it refuses and how, its pages, its empty buckets."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.anthropic.query import TOO_MANY_GROUPS
from outlay.fakes.anthropic.server import (
    ADMIN_KEY,
    ANALYTICS_A_MINUTE,
    BETA,
    INFERENCE_KEY,
    ROOT,
    VERSION,
    FakeAnthropic,
    anthropic_app,
    fake_anthropic_of,
)
from outlay.fakes.company.company import Company

NOW = datetime(2026, 11, 20, 15, 40, 30, tzinfo=UTC)  # a Friday
COMPANY = Company(seed=7, now=NOW, days=2)
START = f"{COMPANY.start:%Y-%m-%dT%H:%M:%SZ}"
NOON = f"{COMPANY.start + timedelta(hours=12):%Y-%m-%dT%H:%M:%SZ}"
SIX = ["api_key_id", "context_window", "inference_geo", "model", "service_tier", "workspace_id"]
USAGE, COST, ANALYTICS = "/usage_report/messages", "/cost_report", "/analytics/cost"


class Account:
    """The stand-in, asked as a plugin would ask it."""

    def __init__(self, client: httpx.AsyncClient, ours: FakeAnthropic, clock: FakeClock) -> None:
        self.client, self.ours, self.clock = client, ours, clock

    async def ask(self, path: str, *, key: str = ADMIN_KEY, more: dict[str, str] | None = None, **params: Any) -> Any:
        headers = {"x-api-key": key, "anthropic-version": VERSION, "anthropic-beta": BETA} | (more or {})
        asked = {name.replace("group_by", "group_by[]"): value for name, value in params.items()}
        return await self.client.get(ROOT + path, params=asked, headers=headers)

    async def good(self, path: str, **params: Any) -> Any:
        response = await self.ask(path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(self, status: int, path: str, **asked: Any) -> str:
        """The message of a refusal."""
        response = await self.ask(path, **asked)
        assert response.status_code == status, response.text
        assert response.json()["type"] == "error"
        return str(response.json()["error"]["message"])


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    clock = FakeClock(NOW)
    app = anthropic_app(COMPANY, clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://anthropic") as client:
        yield Account(client, fake_anthropic_of(app), clock)


async def test_six_groups_are_one_too_many_and_the_kinds_of_cost_do_not_count(account: Account) -> None:
    assert await account.refused(400, USAGE, starting_at=START, group_by=SIX) == TOO_MANY_GROUPS
    window = {"starting_at": START, "ending_at": NOON, "time_bucket_width": "1h"}
    assert await account.refused(400, ANALYTICS, **window, group_by=SIX) == TOO_MANY_GROUPS
    rows = (await account.good(ANALYTICS, **window, group_by=[*SIX[:5], "cost_type", "token_type"]))["data"]
    assert {row["cost"]["requests"] for row in rows} == {None}
    assert "description" in await account.refused(400, USAGE, starting_at=START, group_by=["description"])


async def test_who_may_ask(account: Account) -> None:
    assert "x-api-key" in await account.refused(401, "/me", key="")
    assert "invalid" in await account.refused(401, "/me", key="sk-ant-admin01-nobody")
    assert "Admin" in await account.refused(403, "/me", key=INFERENCE_KEY)
    assert "version" in await account.refused(400, "/me", more={"anthropic-version": ""})
    window = {"starting_at": START, "ending_at": NOON, "time_bucket_width": "1h"}
    assert "beta" in await account.refused(400, ANALYTICS, **window, more={"anthropic-beta": ""})
    account.ours.faults.no_analytics = 404
    await account.refused(404, ANALYTICS, **window)


async def test_nobody_writes_and_nobody_reads_what_was_said(account: Account) -> None:
    headers = {"x-api-key": ADMIN_KEY, "anthropic-version": VERSION}
    for method, path in (("POST", f"{ROOT}/api_keys/apikey_1"), ("GET", "/v1/messages/batches/b/results")):
        assert (await account.client.request(method, path, headers=headers)).status_code == 403
    assert len(account.ours.journal.violations) == 2


async def test_empty_buckets_are_there_and_pages_go_on_with_the_same_question_only(account: Account) -> None:
    early = f"{COMPANY.start - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    question = {"starting_at": early, "ending_at": START, "bucket_width": "1h", "limit": 50}
    first = await account.good(USAGE, **question)
    assert (len(first["data"]), first["has_more"]) == (50, True)
    assert all(bucket["results"] == [] for bucket in first["data"])
    second = await account.good(USAGE, **question, page=first["next_page"])
    assert (len(second["data"]), second["has_more"], second["next_page"]) == (22, False, None)
    assert second["data"][0]["starting_at"] == first["data"][-1]["ending_at"]
    assert "parameters" in await account.refused(400, USAGE, **question | {"limit": 51}, page=first["next_page"])
    assert "cursor" in await account.refused(400, USAGE, **question, page="page_nonsense")
    account.ours.faults.expired_cursors = 1
    await account.refused(410, USAGE, **question, page=first["next_page"])


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (USAGE, {"starting_at": "2026-11-19"}),
        (USAGE, {}),
        (USAGE, {"starting_at": START, "bucket_width": "1m", "limit": 1_441}),
        (COST, {"starting_at": START, "bucket_width": "1h"}),
        (COST, {"starting_at": START, "limit": 32}),
        (ANALYTICS, {"starting_at": "2025-12-31T00:00:00Z", "ending_at": START, "time_bucket_width": "1d"}),
        (ANALYTICS, {"starting_at": "2026-10-01T00:00:00Z", "ending_at": NOON, "time_bucket_width": "1h"}),
        (ANALYTICS, {"starting_at": START, "time_bucket_width": "1h"}),
        (ANALYTICS, {"starting_at": START, "ending_at": NOON, "limit": 1_001}),
        ("/api_keys", {"limit": 1_001}),
        ("/api_keys", {"after_id": "apikey_nobody"}),
    ],
)
async def test_wrong_questions_are_refused(account: Account, path: str, question: dict[str, Any]) -> None:
    assert await account.refused(400, path, **question)


async def test_lists_continue_after_an_id_and_before_one(account: Account) -> None:
    whole = [row["id"] for row in (await account.good("/users"))["data"]]
    first = await account.good("/users", limit=3)
    assert ([row["id"] for row in first["data"]], first["has_more"]) == (whole[:3], True)
    rest = await account.good("/users", limit=100, after_id=first["last_id"])
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (whole[3:], False)
    assert [row["id"] for row in (await account.good("/users", before_id=whole[2]))["data"]] == whole[:2]


async def test_too_many_questions_are_told_when_to_come_back_and_not_by_retry_after(account: Account) -> None:
    window = {"starting_at": START, "ending_at": NOON, "time_bucket_width": "1h", "limit": 1}
    for _ in range(ANALYTICS_A_MINUTE):
        await account.good(ANALYTICS, **window)
    account.clock.advance(timedelta(seconds=20))
    limited = await account.ask(ANALYTICS, **window)
    assert limited.status_code == 429
    assert "retry-after" not in limited.headers
    assert limited.headers["anthropic-ratelimit-requests-reset"] == "2026-11-20T15:41:30Z"
    account.clock.advance(timedelta(seconds=40))
    await account.good(ANALYTICS, **window)


async def test_the_order_is_the_one_that_was_asked_for(account: Account) -> None:
    window = {"starting_at": START, "ending_at": NOON, "time_bucket_width": "1h", "limit": 100, "group_by": "model"}
    dear = [float(row["cost"]["amount"]) for row in (await account.good(ANALYTICS, **window))["data"]]
    assert dear == sorted(dear, reverse=True)
    asked = {**window, "order_by": "time", "order": "asc"}
    times = [row["starting_at"] for row in (await account.good(ANALYTICS, **asked))["data"]]
    assert times == sorted(times)
    whole = (await account.good(ANALYTICS, starting_at=START, ending_at=NOON))["data"]
    assert len(whole) == 1
    assert abs(float(whole[0]["cost"]["amount"]) - sum(dear)) < 1e-6
