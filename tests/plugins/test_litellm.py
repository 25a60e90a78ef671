"""LiteLLM's quirks one by one: zeros that are prices and zeros that are not, cached tokens, edges, versions.

The proxy here is a handful of lines; the stand-in's figures are in test_litellm_standin.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, NeedsReauth, Permanent, Row, Tokens, Transient, Window
from outlay.plugin.session import plugin_session
from outlay_plugins._litellm.aggregation import tokens_of
from outlay_plugins._litellm.schemas import LiteLLMMetrics
from outlay_plugins.litellm import LiteLLM, LiteLLMConfig

NOW = datetime(2026, 11, 21, 14, 5, 30, 250_000, tzinfo=UTC)
TODAY, DAY, HOUR = NOW.replace(hour=0, minute=0, second=0, microsecond=0), timedelta(days=1), timedelta(hours=1)
NINE = Window(TODAY + 9 * HOUR, TODAY + 10 * HOUR)
Answer = Callable[[httpx.Request], Any]


def line(number: int, at: datetime = NINE.start, **more: Any) -> dict[str, Any]:
    """A request line."""
    usual = {"api_key": "k1", "model": "gpt-5", "model_group": "gpt-5", "custom_llm_provider": "openai", "spend": 0.5}
    counts = {"prompt_tokens": 10, "completion_tokens": 2, "status": "success", "cache_hit": "False"}
    return {"request_id": f"r{number}", "startTime": at.isoformat(), **usual, **counts, **more}


def listing(*lines: dict[str, Any], told: int | None = None) -> Answer:
    """Answers like /spend/logs/v2 from these lines; `told`: the count that it gives, whatever there is."""

    def answer(request: httpx.Request) -> Any:
        asked = request.url.params
        start, end = (datetime.fromisoformat(asked[name] + "+00:00") for name in ("start_date", "end_date"))
        found = [one for one in lines if start <= datetime.fromisoformat(one["startTime"]) <= end]
        size, page = int(asked["page_size"]), int(asked["page"])
        return {"data": found[(page - 1) * size : page * size], "total": len(found) if told is None else told}

    return answer


@asynccontextmanager
async def litellm(
    answers: dict[str, Answer], asked: list[httpx.Request] | None = None, base_url: str = "http://gate.internal/llm"
) -> AsyncIterator[LiteLLM]:
    """The plugin before a proxy that answers these paths; an answer that is a number is a status."""

    def handle(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        answer = answers.get(request.url.path.removeprefix("/llm"), lambda _: 404)(request)
        if isinstance(answer, httpx.Response):
            return answer
        refused = isinstance(answer, int)
        return httpx.Response(answer if refused else 200, json={"detail": "no"} if refused else answer)

    config = LiteLLMConfig.model_validate({"api_key": "sk-viewer-1", "base_url": base_url})
    async with plugin_session(LiteLLM, config, clock=FakeClock(NOW), transport=httpx.MockTransport(handle)) as plugin:
        yield plugin


async def rows_of(*lines: dict[str, Any], window: Window = NINE) -> list[Row]:
    async with litellm({"/spend/logs/v2": listing(*lines)}) as plugin:
        page = await plugin.poll("logs", window, None)
    assert page.complete
    return list(page.rows)


# Zeros


@pytest.mark.parametrize(
    ("more", "cost_usd"),
    [
        ({"spend": 0.25}, Decimal("0.25")),
        ({"spend": "2.5e-05"}, Decimal("0.000025")),
        ({"spend": 0}, None),
        ({"spend": None}, None),
        ({"spend": 0, "cache_hit": "True"}, Decimal(0)),
        ({"spend": 0, "cache_hit": True}, Decimal(0)),
        ({"spend": 0, "status": "failure"}, Decimal(0)),
        ({"spend": 0, "custom_llm_provider": "hosted_vllm"}, Decimal(0)),
        ({"spend": 0, "prompt_tokens": 0, "completion_tokens": 0}, Decimal(0)),
    ],
)
async def test_a_zero_is_a_price_only_if_something_explains_it(more: dict[str, Any], cost_usd: Decimal | None) -> None:
    (row,) = await rows_of(line(1, **more))

    assert row.cost_usd == cost_usd
    assert dict(row.detail).get("price", "") == ("unknown" if cost_usd is None else "")


async def test_what_has_a_price_and_what_has_none_are_two_rows() -> None:
    rows = await rows_of(line(1), line(2, spend=0), line(3))

    assert sorted((row.requests, row.cost_usd) for row in rows if row.cost_usd is not None) == [(2, Decimal(1))]
    assert [(row.requests, row.tokens) for row in rows if row.cost_usd is None] == [(1, Tokens(input=10, output=2))]


def day_of(models: dict[str, dict[str, Any]], providers: dict[str, dict[str, Any]]) -> Answer:
    """One day's sums: each model's and each provider's, all of one key."""

    def part(metrics: dict[str, Any]) -> dict[str, Any]:
        return {"metrics": metrics, "api_key_breakdown": {"k1": {"metrics": metrics, "metadata": None}}}

    def total(name: str) -> Any:
        return sum(metrics.get(name, 0) for metrics in models.values())

    names = ("spend", "prompt_tokens", "completion_tokens", "api_requests")
    sums = {
        "date": f"{TODAY - DAY:%Y-%m-%d}",
        "metrics": {name: total(name) for name in names},
        "breakdown": {
            "models": {name: part(metrics) for name, metrics in models.items()},
            "providers": {name: part(metrics) for name, metrics in providers.items()},
        },
    }
    return lambda _: {"results": [sums]}


@pytest.mark.parametrize(("provider", "cost_usd"), [("ollama", Decimal(0)), ("somebody_new", None)])
async def test_a_days_zero_is_a_price_only_where_one_serves_the_model_oneself(
    provider: str, cost_usd: Decimal | None
) -> None:
    paid = {"spend": 1.5, "prompt_tokens": 100, "completion_tokens": 10, "api_requests": 1}
    zero = {"spend": 0, "prompt_tokens": 70, "completion_tokens": 7, "api_requests": 2}
    answer = day_of({"gpt-5": paid, "llama3": zero}, {"openai": paid, provider: zero})
    async with litellm({"/user/daily/activity/aggregated": answer}) as plugin:
        page = await plugin.poll("daily", Window(TODAY - DAY, TODAY), None)

    assert {(row.key, row.model): row.cost_usd for row in page.rows} == {
        ("k1", "gpt-5"): Decimal("1.5"), ("k1", "llama3"): cost_usd,
    }  # fmt: skip


async def test_a_day_that_nobody_asked_for_is_left_out() -> None:
    days = [{"date": f"{TODAY - n * DAY:%Y-%m-%d}", "metrics": {"spend": n, "api_requests": 1}} for n in (1, 2, 3)]
    async with litellm({"/user/daily/activity/aggregated": lambda _: {"results": days}}) as plugin:
        page = await plugin.poll("daily", Window(TODAY - 2 * DAY, TODAY), None)

    assert [(row.start, row.cost_usd) for row in page.rows] == [(TODAY - 2 * DAY, 2), (TODAY - DAY, 1)]


async def test_what_a_day_has_beyond_its_models_is_told_without_one() -> None:
    sums = {"date": f"{TODAY - DAY:%Y-%m-%d}", "metrics": {"spend": 3, "api_requests": 4}}
    async with litellm({"/user/daily/activity/aggregated": lambda _: {"results": [sums]}}) as plugin:
        page = await plugin.poll("daily", Window(TODAY - DAY, TODAY), None)

    (row,) = page.rows
    assert (row.key, row.model, row.cost_usd, row.requests) == ("", "", Decimal(3), 4)
    assert row.reason == "is in LiteLLM's sum of the day, but in that of no model"


# Tokens


@pytest.mark.parametrize(
    ("prompt", "read", "written", "tokens"),
    [
        (1140, 1000, 40, Tokens(input=100, cache_read=1000, cache_write_5m=40, output=7)),
        (1040, 1000, 40, Tokens(input=0, cache_read=1000, cache_write_5m=40, output=7)),
        (100, 1000, 40, Tokens(input=100, cache_read=1000, cache_write_5m=40, output=7)),  # beside it, so not in it
    ],
)
def test_cached_tokens_are_in_one_class_only(prompt: int, read: int, written: int, tokens: Tokens) -> None:
    metrics = LiteLLMMetrics(
        spend=Decimal(1), prompt_tokens=prompt, completion_tokens=7, cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
    )  # fmt: skip
    assert tokens_of(metrics) == tokens


# Models


@pytest.mark.parametrize(
    ("model", "group", "ran", "requested"),
    [
        ("gpt-5", "smart", "gpt-5", "smart"),
        ("gpt-5", "gpt-5", "gpt-5", ""),
        ("openai/gpt-5", "gpt-5", "openai/gpt-5", ""),
        ("gpt-5", None, "gpt-5", ""),
        ("", "smart", "smart", ""),
    ],
)
async def test_what_ran_and_what_was_asked_for(model: str, group: str | None, ran: str, requested: str) -> None:
    (row,) = await rows_of(line(1, model=model, model_group=group))

    assert (row.model, row.requested) == (ran, requested)


async def test_a_line_without_a_key_says_so() -> None:
    (row,) = await rows_of(line(1, api_key=""))

    assert (row.key, row.reason) == ("", "went through LiteLLM without a key that it could name")


# Stretches


async def test_a_line_on_the_edge_counts_in_the_hour_that_it_begins() -> None:
    edge = NINE.end
    lines = [line(1, edge - timedelta(milliseconds=1)), line(2, edge), line(3, edge + timedelta(milliseconds=999))]

    assert [row.requests for row in await rows_of(*lines)] == [1]
    assert [row.requests for row in await rows_of(*lines, window=Window(edge, edge + HOUR))] == [2]


async def test_the_running_second_is_read_too() -> None:
    asked: list[httpx.Request] = []
    window = Window(TODAY + 14 * HOUR, NOW)
    async with litellm({"/spend/logs/v2": listing(line(1, NOW - timedelta(milliseconds=100)))}, asked) as plugin:
        page = await plugin.poll("logs", window, None)

    assert [row.requests for row in page.rows] == [1]
    assert page.window == window
    assert dict(asked[0].url.params)["end_date"] == "2026-11-21 14:05:31"


async def test_a_second_that_is_not_told_whole_proves_nothing_about_what_is_missing() -> None:
    async with litellm({"/spend/logs/v2": listing(line(1), told=5)}) as plugin:
        page = await plugin.poll("logs", Window(NINE.start, NINE.start + timedelta(seconds=4)), None)

    assert not page.complete
    assert page.notes[0].startswith("LiteLLM would not tell all requests of 2026-11-21 09:00:00 UTC")


async def test_a_page_larger_than_the_client_takes_is_asked_for_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("outlay.plugin.read_client.MAX_BODY_BYTES", 40_000)
    lines = [line(number, NINE.start + timedelta(seconds=number), metadata="x" * 50) for number in range(300)]

    assert [(row.requests, row.cost_usd) for row in await rows_of(*lines)] == [(300, Decimal(150))]


@pytest.mark.parametrize("report", ["logs", "daily"])
async def test_a_cursor_that_is_none_is_refused(report: str) -> None:
    async with litellm({}) as plugin:
        with pytest.raises(Permanent, match="is no place in"):
            await plugin.poll(report, Window(TODAY - 3 * DAY, TODAY), "nowhere")


# Whose books


def proxy(users: list[dict[str, Any]], user_id: str | None = "v") -> dict[str, Answer]:
    """A proxy with these users; the key is of `user_id`."""
    return {
        "/health/readiness": lambda _: {"status": "connected", "db": "connected"},
        "/key/info": lambda _: {"key": "h", "info": {"user_id": user_id}},
        "/user/list": lambda _: {"users": users, "total_pages": 1},
        "/spend/logs/v2": listing(),
        "/user/daily/activity/aggregated": lambda _: {"results": []},
    }


VIEWER = {"user_id": "v", "user_role": "proxy_admin_viewer"}


async def test_the_account_is_as_old_as_its_first_user_whoever_else_comes() -> None:
    first, later = {"user_id": "a", "created_at": "2026-01-05T10:00:00.123Z"}, {"user_id": "b", "created_at": None}
    for users in ([first, VIEWER], [{**VIEWER, "created_at": "2026-03-01T00:00:00+00:00"}, later, first]):
        async with litellm(proxy(users)) as plugin:
            assert (await plugin.check()).account_id == "2026-01-05T10:00:00.123000Z"


async def test_where_nobody_says_when_users_were_made_the_address_is_the_account() -> None:
    async with litellm(proxy([{**VIEWER, "created_at": "long ago"}]), base_url="http://Gate.internal/llm/") as plugin:
        checked = await plugin.check()

    assert (checked.account_id, checked.account_title) == ("gate.internal/llm", "gate.internal")


@pytest.mark.parametrize("role", ["internal_user", "internal_user_viewer", "org_admin", "", None])
async def test_any_other_role_is_refused(role: str | None) -> None:
    async with litellm(proxy([{"user_id": "v", "user_role": role}])) as plugin:
        with pytest.raises(BadConfig, match="proxy_admin_viewer"):
            await plugin.check()


@pytest.mark.parametrize("role", ["org_admin", "internal_user"])
async def test_a_role_that_became_less_is_told_before_anything_is_read(role: str) -> None:
    async with litellm({**proxy([{**VIEWER, "user_role": role}]), "/key/list": lambda _: {"keys": []}}) as plugin:
        with pytest.raises(NeedsReauth, match="sees only its own spend"):
            await plugin.keys()


@pytest.mark.parametrize("path", ["/key/info", "/user/list", "/key/list"])
async def test_a_database_that_is_away_is_no_revoked_key(path: str) -> None:
    def away(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"error": {"message": "Authentication Error, All connection attempts failed"}})

    answers = {**proxy([VIEWER]), "/key/list": lambda _: {"keys": []}, path: away}
    async with litellm(answers) as plugin:
        with pytest.raises(Transient, match="database"):
            await plugin.keys()


async def test_a_key_of_nobody_is_refused() -> None:
    async with litellm(proxy([VIEWER], user_id=None)) as plugin:
        with pytest.raises(BadConfig, match="sees only its own spend"):
            await plugin.check()


async def test_a_proxy_that_hides_its_health_is_asked_all_the_same() -> None:
    answers = proxy([VIEWER])
    del answers["/health/readiness"]
    async with litellm(answers) as plugin:
        assert (await plugin.check()).credential == "viewer's key"


async def test_keys_may_come_as_hashes_alone_and_the_archive_may_be_missing() -> None:
    def keys(request: httpx.Request) -> Any:
        return 422 if "status" in request.url.params else {"keys": ["h1", {"token": "h2", "created_at": "?"}]}

    async with litellm({**proxy([VIEWER]), "/key/list": keys}) as plugin:
        found = list(await plugin.keys())

    assert [(key.id, key.name, key.created_at) for key in found] == [("h1", "", None), ("h2", "", None)]
