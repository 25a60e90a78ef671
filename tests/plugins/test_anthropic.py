"""What only Anthropic does: cents as text, disjoint kinds of tokens, keys and people, pages that come twice."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.core.tokens import Tokens
from outlay.plugin import Page, Permanent, PluginError, Window
from outlay.plugin.session import plugin_session
from outlay_plugins._anthropic.analytics import GROUPINGS as ANALYTICS_GROUPINGS
from outlay_plugins._anthropic.cost_report import OTHER, REASONS
from outlay_plugins._anthropic.usage import GROUPINGS as USAGE_GROUPINGS
from outlay_plugins.anthropic import Anthropic, AnthropicConfig

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOON = NOW.replace(hour=0, minute=0) - DAY + 12 * HOUR
LUNCH = Window(NOON, NOON + HOUR)
YESTERDAY = Window(NOON - 12 * HOUR, NOON + 12 * HOUR)
COUNTS = {"uncached_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 7}
Answer = Callable[[httpx.Request], Any]


def told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@asynccontextmanager
async def organization(**answers: Any) -> AsyncIterator[Anthropic]:
    """Answers by the last word of a path: JSON, a status, or what makes one of a request. All else is not there."""

    def handle(request: httpx.Request) -> httpx.Response:
        answer = answers.get(request.url.path.rpartition("/")[2], 404)
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, int):
            return httpx.Response(answer, json={"type": "error", "error": {"type": "x", "message": "no"}})
        return httpx.Response(200, json=answer)

    config = AnthropicConfig.model_validate({"api_key": "sk-ant-admin01-0123456789"})
    async with plugin_session(Anthropic, config, clock=FakeClock(NOW), transport=httpx.MockTransport(handle)) as plugin:
        yield plugin


async def usage_of(*rows: dict[str, Any], **more: Any) -> Page:
    """What becomes of these rows of /usage_report/messages."""
    data = [{"starting_at": told(NOON), "ending_at": told(NOON), "results": list(rows)}]
    async with organization(messages={"data": data, **more}) as plugin:
        return await plugin.poll("usage", LUNCH, None)


async def bill_of(*rows: dict[str, Any]) -> Page:
    """What becomes of these rows of /cost_report."""
    data = [{"starting_at": told(YESTERDAY.start), "results": list(rows)}]
    async with organization(cost_report={"data": data}) as plugin:
        return await plugin.poll("cost_report", YESTERDAY, None)


def cost_row(cents: Any, actor: Any = None, key: str | None = None, **more: Any) -> dict[str, Any]:
    group = {"api_key_id": key, "actor": actor, "workspace_id": None, "model": "claude-x-1", "service_tier": "standard"}
    cost = {"amount": cents, "list_amount": cents, "currency": "USD", "requests": 2}
    return {"starting_at": told(NOON), "group": group | more, "cost": cost}


def usage_row(actor: Any = None, key: str | None = None, **more: Any) -> dict[str, Any]:
    group = {"api_key_id": key, "actor": actor, "workspace_id": None, "model": "claude-x-1", "service_tier": "standard"}
    return {"starting_at": told(NOON), "group": group | more, "usage": COUNTS | {"requests": 2}}


async def analytics_of(costs: list[Any], usages: list[Any], *, refreshed_at: datetime | None = NOW) -> Page:
    """What becomes of these rows of the two answers of analytics."""
    fresh = {"has_more": False, "next_page": None, "data_refreshed_at": refreshed_at and told(refreshed_at)}
    async with organization(cost={"data": costs, **fresh}, usage={"data": usages, **fresh}) as plugin:
        return await plugin.poll("analytics", LUNCH, None)


USER = {"type": "user_actor", "user_id": "user_1", "email_address": "a@b.example", "name": "A", "deleted": False}


async def test_amounts_are_text_in_cents() -> None:
    (row,) = (await bill_of({"amount": "4123.5071", "cost_type": "tokens", "model": "claude-x-1"})).rows
    assert row.cost_usd == Decimal("41.235071")
    (row,) = (await analytics_of([cost_row("0.0000001", key="k")], [])).rows
    assert row.cost_usd == Decimal("0.000000001")


async def test_the_kinds_of_tokens_are_disjoint() -> None:
    written = {"ephemeral_5m_input_tokens": 11, "ephemeral_1h_input_tokens": 13}
    (row,) = (await usage_of(COUNTS | {"cache_creation": written, "api_key_id": "k"})).rows
    assert row.tokens == Tokens(input=3, cache_read=5, cache_write_5m=11, cache_write_1h=13, output=7)


@pytest.mark.parametrize(("tier", "share"), [(None, 1), ("standard", 1), ("batch", Decimal("0.5")), ("priority", None)])
async def test_a_tier_says_which_part_of_the_list_price_it_costs(tier: str | None, share: Decimal | None) -> None:
    (row,) = (await usage_of(COUNTS | {"service_tier": tier, "api_key_id": "k"})).rows
    assert row.list_price_factor == share
    assert row.detail == (() if tier in (None, "standard") else (("service_tier", tier),))


@pytest.mark.parametrize(
    ("model", "unusual", "share"),
    [
        ("claude-opus-5", {"speed": "fast"}, 2),
        ("claude-opus-5-20260723", {"speed": "fast", "inference_geo": "us"}, Decimal("2.2")),
        ("claude-x-1", {"speed": "fast"}, None),
        ("claude-sonnet-4-5", {"context_window": "200k-1M"}, None),
        ("claude-opus-4-6", {"context_window": "200k-1M"}, 1),
        ("claude-opus-5", {"speed": "standard", "context_window": "0-200k", "inference_geo": "global"}, 1),
    ],
)
async def test_what_a_price_depends_on_is_asked_for_and_kept(model: str, unusual: Any, share: Any) -> None:
    """Case 11: a row that was used in fast mode costs twice the list price, or is not known."""

    def answer(request: httpx.Request) -> Any:
        groups = request.url.params.get_list("group_by[]")
        row = COUNTS | {"model": model, "service_tier": "standard"}
        row |= {"api_key_id": "k"} if "api_key_id" in groups else {}
        if "speed" in groups:
            assert request.headers["anthropic-beta"] == "fast-mode-2026-02-01"
            row |= unusual
        return {"data": [{"starting_at": told(NOON), "results": [row]}]}

    async with organization(messages=answer) as plugin:
        (row,) = (await plugin.poll("usage", LUNCH, None)).rows
    assert (row.key, row.list_price_factor) == ("k", share)
    usual = ("standard", "0-200k", "global")
    assert dict(row.detail) == {name: value for name, value in unusual.items() if value not in usual}


async def test_two_speeds_of_one_minute_that_no_key_is_told_of_are_of_unknown_price() -> None:
    def answer(request: httpx.Request) -> Any:
        row = COUNTS | {"model": "claude-opus-5"}
        speeds = "speed" in request.url.params.get_list("group_by[]")
        results = [row | {"speed": "fast"}, row | {"speed": "standard"}] if speeds else [row | {"api_key_id": "k"}]
        return {"data": [{"starting_at": told(NOON), "results": results}]}

    async with organization(messages=answer) as plugin:
        (row,) = (await plugin.poll("usage", LUNCH, None)).rows
    assert (row.list_price_factor, row.detail) == (None, (("speed", "several"),))


async def test_analytics_rows_that_fall_together_are_added() -> None:
    """Two federated identities of one name, from two providers, and an odd repetition within one page."""
    actors = [{"type": "federated_actor", "provider": {"type": kind}, "subject": "ci"} for kind in ("oidc", "saml")]
    costs = [cost_row("100", actor) for actor in actors]
    usages = [usage_row(actor) for actor in actors]
    (row,) = (await analytics_of([*costs, costs[0]], usages)).rows
    assert (row.cost_usd, row.tokens.total, row.requests) == (3, 30, 6)


async def test_dollars_and_tokens_of_analytics_are_joined_and_requests_counted_once() -> None:
    (row,) = (await analytics_of([cost_row("100", key="k")], [usage_row(key="k")])).rows
    assert (row.key, row.cost_usd, row.tokens.total, row.requests, row.project) == ("k", 1, 15, 2, "default")


async def test_what_analytics_count_and_do_not_bill_was_free_and_what_they_bill_without_tokens_stays() -> None:
    rows = (await analytics_of([cost_row("5", key="k", model=None)], [usage_row(key="k")])).rows
    assert {(row.model, row.cost_usd, row.tokens.total) for row in rows} == {
        ("claude-x-1", 0, 15),
        ("", Decimal("0.05"), 0),
    }


async def test_a_key_wins_over_the_person_and_the_person_over_nobody() -> None:
    service = {"type": "service_account_actor", "service_account_id": "svac_1"}
    federated = {"type": "federated_actor", "provider": {"type": "oidc"}, "subject": "ci@example"}
    actors = [(USER, "k"), (None, "k"), (USER, None), (service, None), (federated, None), (None, None)]
    actors += [({"type": "api_actor", "api_key_id": "k2"}, None), ({"type": "federated_actor", "subject": None}, None)]
    costs = [cost_row("1", actor, key) for actor, key in actors[:-1]]
    costs.append(cost_row("1", actors[-1][0], None, workspace_id="wrkspc_1"))
    found = {(row.key, row.project): row.cost_usd for row in (await analytics_of(costs, [])).rows}
    cent = Decimal("0.01")
    assert found == {
        ("k", "default"): 2 * cent,
        ("user_1", "default"): cent,
        ("svac_1", "default"): cent,
        ("federated:ci@example", "default"): cent,
        ("k2", "default"): cent,
        ("", "default"): cent,
        ("", "wrkspc_1"): cent,
    }


async def test_usage_names_the_same_keys_as_analytics() -> None:
    rows = [COUNTS | {"api_key_id": key, "account_id": who} for key, who in (("k", "user_1"), ("k", "user_2"))]
    rows.append(COUNTS | {"api_key_id": None, "account_id": "user_1"})
    found = {row.key: row.tokens.output for row in (await usage_of(*rows)).rows}
    assert found == {"k": 14, "user_1": 7}


async def test_lines_of_a_bill_say_why_they_name_no_key() -> None:
    page = await bill_of(
        {"amount": "1", "cost_type": "web_search"},
        {"amount": "2", "cost_type": "session_usage"},
        {"amount": "4", "description": "Claude Opus 4.5 Usage - Output Tokens", "cost_type": "tokens"},
        {"amount": "8", "description": "Something new"},
    )
    found = {(row.reason, row.model): row.cost_usd for row in page.rows}
    assert found == {
        (REASONS["web_search"], ""): Decimal("0.01"),
        (REASONS["session_usage"], ""): Decimal("0.02"),
        (REASONS["tokens"], "claude-opus-4.5"): Decimal("0.04"),
        (OTHER, ""): Decimal("0.08"),
    }


async def test_a_page_that_comes_twice_counts_once() -> None:
    row = COUNTS | {"api_key_id": "k"}
    bucket = {"starting_at": told(NOON), "results": [row]}
    pages = {"": "a", "a": "b", "b": ""}

    def answer(request: httpx.Request) -> Any:
        following = pages[request.url.params.get("page", "")]
        return {"data": [bucket], "has_more": bool(following), "next_page": following or None}

    async with organization(messages=answer) as plugin:
        (found,) = (await plugin.poll("usage", LUNCH, None)).rows
    assert found.tokens.output == 7


@pytest.mark.parametrize("path", ["messages", "users"])
async def test_pages_that_go_round_end(path: str) -> None:
    circle = {"data": [{"id": "u", "starting_at": told(NOON), "results": []}], "has_more": True}
    async with organization(**{path: circle | {"next_page": "again", "last_id": "u"}}) as plugin:
        with pytest.raises(Permanent, match="in circles"):
            await (plugin.keys() if path == "users" else plugin.poll("usage", LUNCH, None))


async def test_rows_outside_of_what_was_asked_for_are_left_out() -> None:
    late = [{"starting_at": told(NOON + hours * HOUR), "results": [COUNTS]} for hours in (-1, 1, 2)]
    async with organization(messages={"data": late}) as plugin:
        assert not (await plugin.poll("usage", LUNCH, None)).rows


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"output_tokens": 1}, "uncached_input_tokens"),
        (COUNTS | {"output_tokens": -1}, "output_tokens"),
        (COUNTS | {"output_tokens": "many"}, "output_tokens"),
        (COUNTS | {"output_tokens": 1.5}, "output_tokens"),
        (COUNTS | {"model": ["x"]}, "model"),
    ],
)
async def test_what_cannot_be_read_is_named(row: dict[str, Any], field: str) -> None:
    with pytest.raises(Permanent, match=field):
        await usage_of(row)


@pytest.mark.parametrize("cents", [None, "", "NaN", "1e30", "-5", "12 cents"])
async def test_an_amount_that_is_none_is_refused(cents: Any) -> None:
    with pytest.raises(PluginError, match="amount"):
        await bill_of({"amount": cents, "cost_type": "tokens"})


async def test_another_currency_is_refused() -> None:
    with pytest.raises(Permanent, match="EUR"):
        await bill_of({"amount": "1", "currency": "EUR"})


async def test_analytics_without_a_watermark_are_believed_a_day_later() -> None:
    page = await analytics_of([cost_row("1", key="k")], [], refreshed_at=None)
    assert page.window == Window(NOON, NOON)
    assert not page.rows


async def test_the_older_of_the_two_watermarks_ends_the_page() -> None:
    fresh, stale = told(NOW), told(NOON + HOUR)
    window = Window(NOON, NOON + 4 * HOUR)
    costs = {"data": [cost_row("1", key="k")], "data_refreshed_at": fresh}
    async with organization(cost=costs, usage={"data": [usage_row(key="k")], "data_refreshed_at": stale}) as plugin:
        page = await plugin.poll("analytics", window, None)
    assert (page.window.end, page.cursor, len(page.rows)) == (NOON + HOUR, None, 1)


async def test_analytics_that_have_dollars_and_no_tokens_are_absent_for_all_reports() -> None:
    good = {"data": [], "data_refreshed_at": told(NOW)}
    async with organization(cost=good, usage=403, cost_report={"data": []}) as plugin:
        assert (await plugin.poll("analytics", LUNCH, None)).absent
    async with organization(cost=good, usage=403, cost_report={"data": []}) as plugin:
        assert not (await plugin.poll("cost_report", YESTERDAY, None)).absent


async def test_a_400_that_is_about_no_beta_is_no_absence() -> None:
    async with organization(cost=400) as plugin:
        with pytest.raises(Permanent):
            await plugin.poll("analytics", LUNCH, None)


async def test_what_is_older_than_analytics_is_not_asked_for() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request.url.params["starting_at"])
        return {"data": [], "data_refreshed_at": told(NOW)}

    async with organization(cost=answer, usage=answer) as plugin:
        page = await plugin.poll("analytics", Window(datetime(2025, 12, 30, tzinfo=UTC), NOW), None)
    assert page.window.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert min(asked) == "2026-01-01T00:00:00Z"


async def test_keys_of_both_shapes_say_where_they_belong_and_whose_they_are() -> None:
    keys = [
        {"id": "k1", "name": "old", "status": "archived", "workspace_id": None, "created_by": {"id": "user_1"}},
        {"id": "k2", "status": "expired", "workspace_id": "wrkspc_1", "created_by": {"id": "user_9", "type": "user"}},
        {
            "id": "k3",
            "scope": {"type": "workspace", "workspace_id": "wrkspc_1"},
            "created_by": None,
            "status": "active",
        },
        {"id": "k4", "scope": {"type": "organization"}, "principal": {"type": "user", "user_id": "user_1"}},
        {
            "id": "k5",
            "name": None,
            "scope": None,
            "principal": {"type": "service_account", "id": "svac_1"},
            "created_by": {"id": "user_1", "type": "user"},
        },
    ]
    people = [{"id": "user_1", "email": "a@b.example", "name": "A"}, {"id": "user_2", "email": None, "name": None}]
    places = [{"id": "wrkspc_1", "name": "Lab"}]
    async with organization(api_keys={"data": keys}, users={"data": people}, workspaces={"data": places}) as plugin:
        found = {key.id: key for key in await plugin.keys()}
    assert {name: (key.project_id, key.project_name) for name, key in found.items() if name.startswith("k")} == {
        "k1": ("default", "Default workspace"),
        "k2": ("wrkspc_1", "Lab"),
        "k3": ("wrkspc_1", "Lab"),
        "k4": ("", ""),
        "k5": ("default", "Default workspace"),
    }
    assert {name for name, key in found.items() if key.email} == {"k1", "k4", "user_1"}
    assert {name for name, key in found.items() if key.disabled} == {"k1", "k2"}
    assert found["user_2"].name == ""


def test_no_grouping_is_more_than_anthropic_takes() -> None:
    for groupings in (USAGE_GROUPINGS, ANALYTICS_GROUPINGS):
        assert len(groupings[0]) == 5
        assert all(set(narrower) < set(wider) for wider, narrower in pairwise(groupings))


async def test_a_cursor_of_somebody_else_is_refused() -> None:
    async with organization() as plugin:
        with pytest.raises(Permanent, match="cursor"):
            await plugin.poll("usage", LUNCH, "tomorrow")
        with pytest.raises(Permanent, match="no report"):
            await plugin.poll("claude_code", LUNCH, None)
