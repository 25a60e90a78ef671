"""LiteLLM against the stand-in of a proxy: its reports say what went through, whatever the version and the weather.

Every request of the plugin and every answer of the stand-in is held to the published schema, where that is at hand.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from outlay.core.clock import FakeClock
from outlay.core.money import to_nano
from outlay.fakes.company.company import Company
from outlay.fakes.litellm.faults import Oddity
from outlay.fakes.litellm.payloads import A_PROMPT
from outlay.fakes.litellm.server import MASTER_KEY, USER_KEY, VIEWER_KEY, FakeLiteLLM, fake_litellm_of, litellm_app
from outlay.fakes.litellm.traffic import BEHIND, LOGGED_MODEL_NAMES, PROVIDERS, ProxyRequest
from outlay.plugin import BadConfig, NeedsReauth, Page, Permanent, Row, Transient, Window
from outlay.plugin.session import plugin_session
from outlay.plugin.testing.ledger_trial import everything_logged
from outlay_plugins.litellm import LiteLLM, LiteLLMConfig

SPEC = Path(__file__).parents[2].parent / "shared" / "specs" / "litellm-proxy.openapi.json"
NOW = datetime(2026, 11, 21, 9, 20, 30, tzinfo=UTC)
TODAY, DAY, HOUR = NOW.replace(hour=0, minute=0, second=0), timedelta(days=1), timedelta(hours=1)
COMPANY = Company(seed=7, now=NOW, days=3)  # only ever asked; it remembers its hours
START, END = TODAY - 2 * DAY, TODAY


class Published:
    """The published schema, and whether a request and its answer fit it."""

    def __init__(self) -> None:
        self.document = json.loads(SPEC.read_bytes())
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self.registry: Registry[Any] = Registry().with_resource("urn:litellm", resource)

    def check(self, request: httpx.Request, response: httpx.Response) -> None:
        path = request.url.path
        assert path in self.document["paths"], f"{path} is not a published path"
        operation = self.document["paths"][path][request.method.lower()]
        known = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
        for name, text in request.url.params.multi_items():
            schema = known[name]["schema"]
            value = json.loads(text) if schema.get("type") in ("integer", "boolean") else text
            Draft202012Validator(schema).validate(value)
        assert {name for name, found in known.items() if found.get("required")} <= set(request.url.params)
        if response.status_code == 200:
            place = path.replace("/", "~1")
            pointer = f"paths/{place}/get/responses/200/content/application~1json/schema"
            Draft202012Validator({"$ref": f"urn:litellm#/{pointer}"}, registry=self.registry).validate(response.json())


PUBLISHED = Published() if SPEC.exists() else None


class Witness(httpx.ASGITransport):
    """Between plugin and stand-in: holds what passes against the schema, unless the stand-in was told to be odd."""

    def __init__(self, app: Any, ours: FakeLiteLLM) -> None:
        super().__init__(app)
        self.ours, self.asked, self.held = ours, list[httpx.URL](), 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        self.asked.append(request.url)
        if PUBLISHED and not self.ours.faults.oddities:
            await response.aread()
            PUBLISHED.check(request, response)
            self.held += 1
        return response


@dataclass
class Proxy:
    """The stand-in, and a plugin that talks to it."""

    plugin: LiteLLM
    standin: FakeLiteLLM
    clock: FakeClock
    witness: Witness

    async def drain(self, report: str, start: datetime = START, end: datetime = END) -> list[Page]:
        """All pages of a poll."""
        pages = [await self.plugin.poll(report, Window(start, end), None)]
        while (cursor := pages[-1].cursor) is not None:
            pages.append(await self.plugin.poll(report, Window(start, end), cursor))
        return pages

    async def rows(self, report: str, start: datetime = START, end: datetime = END) -> list[Row]:
        """All rows of a poll."""
        return [row for page in await self.drain(report, start, end) for row in page.rows]

    def asked(self, path: str) -> list[httpx.QueryParams]:
        """With what a path was asked."""
        return [url.params for url in self.witness.asked if url.path == path]


@asynccontextmanager
async def proxy(company: Company = COMPANY, api_key: str = VIEWER_KEY, provider: str = "") -> AsyncIterator[Proxy]:
    """The company's proxy. Nobody may write there, or ask for prompts or a time zone."""
    clock = FakeClock(NOW)
    app = litellm_app(company, clock)
    ours = fake_litellm_of(app)
    witness = Witness(app, ours)
    config = LiteLLMConfig.model_validate(
        {"api_key": api_key, "base_url": "http://litellm.internal", "provider": provider}
    )
    async with plugin_session(LiteLLM, config, clock=clock, transport=witness) as plugin:
        yield Proxy(plugin, ours, clock, witness)
    assert not ours.journal.violations
    assert not any("timezone" in url.params for url in witness.asked)


def told(rows: Iterable[Row], step: str) -> dict[tuple[str, ...], tuple[int, ...]]:
    """What rows say by key, slot and model: nano-dollars, requests, prompt, output."""
    return _sums(
        ((row.key, f"{row.start:{step}}", row.model), (to_nano(row.cost_usd or 0), row.requests or 0,
          row.tokens.total - row.tokens.output, row.tokens.output))
        for row in rows
    )  # fmt: skip


def truth(at: Proxy, step: str, start: datetime = START, end: datetime = END) -> dict[tuple[str, ...], tuple[int, ...]]:
    """What went through."""
    return _sums(
        ((call.key.hash, f"{call.started_at:{step}}", LOGGED_MODEL_NAMES[call.model]),
         (call.cost_nano_usd, 1, call.prompt_tokens, call.completion_tokens))
        for call in calls(at, start, end)
    )  # fmt: skip


def calls(at: Proxy, start: datetime = START, end: datetime = END) -> list[ProxyRequest]:
    return list(at.standin.traffic.calls(start, end))


def _sums(parts: Iterable[tuple[tuple[str, ...], tuple[int, ...]]]) -> dict[tuple[str, ...], tuple[int, ...]]:
    sums: dict[tuple[str, ...], tuple[int, ...]] = {}
    for group, figures in parts:
        sums[group] = tuple(a + b for a, b in zip(sums.get(group, (0, 0, 0, 0)), figures, strict=True))
    return sums


# The stand-in itself


def test_what_goes_through_is_a_part_of_what_the_providers_bill() -> None:
    ours = fake_litellm_of(litellm_app(COMPANY, FakeClock(NOW)))
    for provider in PROVIDERS:
        seen = COMPANY.view_of(provider)
        mine = sum(call.cost_nano_usd for call in ours.traffic.calls(START, END) if call.provider == provider)
        behind = sum(spend.cost_nano_usd for spend in seen.spends(START, END) if spend.key.name in BEHIND)
        whole = seen.truth(START, END)[()]
        assert 0.85 < mine / behind < 1
        assert mine < whole * 0.8


# Figures


async def test_lines_add_up_by_the_hour_to_what_went_through() -> None:
    async with proxy() as at:
        rows = await at.rows("logs")
        assert told(rows, "%Y-%m-%dT%H") == truth(at, "%Y-%m-%dT%H")
        assert len(rows) > 200
        assert {(row.model, row.requested) for row in rows} == {
            ("gpt-5-mini", ""), ("claude-sonnet-4-5-20250929", "claude"), ("claude-haiku-4-5-20251001", "quick"),
        }  # fmt: skip
        assert {dict(row.detail)["provider"] for row in rows} == set(PROVIDERS)
        assert {row.project for row in rows} == {"team-platform", "team-product", ""}


async def test_every_request_and_every_answer_is_as_litellm_publishes_it() -> None:
    if PUBLISHED is None:
        pytest.skip("LiteLLM's published schema is not beside this repository")
    async with proxy() as at:
        await at.plugin.check()
        await at.plugin.keys()
        for report in at.plugin.reports:
            await at.rows(report.name)
        paths = {url.path for url in at.witness.asked}
        assert at.witness.held == len(at.witness.asked) > 0
    assert {"/key/list", "/user/list", "/spend/logs/v2", "/user/daily/activity/aggregated"} <= paths


async def test_days_add_up_to_what_went_through_with_cached_tokens_apart() -> None:
    async with proxy() as at:
        rows = await at.rows("daily")
        assert told(rows, "%Y-%m-%d") == truth(at, "%Y-%m-%d")
        assert sum(row.tokens.cache_read for row in rows) == sum(call.cached_tokens for call in calls(at)) > 0
        assert at.witness.held == (2 if PUBLISHED else 0)


async def test_the_running_day_is_in_the_lines_up_to_some_seconds_ago_and_in_no_day() -> None:
    async with proxy() as at:
        (nothing,) = await at.drain("daily", TODAY, NOW)
        assert list(nothing.rows) == []
        rows = await at.rows("logs", TODAY, NOW)
        late = NOW - timedelta(seconds=10)
        written = [call for call in calls(at, TODAY, NOW) if call.ended_at <= late]
        assert 0 < sum(row.requests or 0 for row in rows) == len(written)
        at.clock.advance(timedelta(seconds=60))
        again = await at.rows("logs", TODAY, NOW)
        assert sum(row.requests or 0 for row in again) == len(calls(at, TODAY, NOW))


@pytest.mark.parametrize("rows_a_page", [1000, 100])
@pytest.mark.parametrize(("counted_to", "tells_capped"), [(40, True), (10_000, False)])
async def test_pages_and_counts_that_end_lose_nothing(rows_a_page: int, counted_to: int, tells_capped: bool) -> None:
    async with proxy() as at:
        at.standin.faults.most_rows = rows_a_page
        at.standin.faults.counted_to, at.standin.faults.tells_capped = counted_to, tells_capped
        assert told(await at.rows("logs"), "%Y-%m-%dT%H") == truth(at, "%Y-%m-%dT%H")


async def test_pages_that_shift_while_lines_come_in_are_asked_again_in_halves() -> None:
    async with proxy() as at:
        at.standin.faults.most_rows, at.standin.faults.shifting = 100, 3
        pages = await at.drain("logs")
        assert told([row for page in pages for row in page.rows], "%Y-%m-%dT%H") == truth(at, "%Y-%m-%dT%H")
        assert all(page.complete for page in pages)


async def test_one_provider_of_several_is_read_from_its_lines_alone() -> None:
    async with proxy(provider="openai") as at:
        checked = await at.plugin.check()
        assert checked.account_id.endswith("/openai")
        assert checked.account_title == "litellm.internal (openai only)"
        assert all(page.absent for page in await at.drain("daily"))
        rows = await at.rows("logs")
        assert {row.model for row in rows} == {"gpt-5-mini"}
        spent = sum(call.cost_nano_usd for call in calls(at) if call.provider == "openai")
        assert sum(to_nano(row.cost_usd or 0) for row in rows) == spent


async def test_a_price_that_litellm_does_not_know_is_not_zero() -> None:
    async with proxy() as at:
        at.standin.faults.unpriced.add("gpt-5-mini")
        for report in ("logs", "daily"):
            rows = await at.rows(report)
            assert {row.model for row in rows if row.cost_usd is None} == {"gpt-5-mini"}
            priced = {row.model for row in rows if row.cost_usd is not None}
            assert priced == {"claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"}


async def test_a_restated_hour_is_read_as_it_is_now() -> None:
    company = Company(seed=7, now=NOW, days=3)
    async with proxy(company) as at:
        before = await at.rows("logs")
        company.restate(START + 10 * HOUR, START + 11 * HOUR, Fraction(2))
        after = await at.rows("logs")
        assert told(after, "%Y-%m-%dT%H") == truth(at, "%Y-%m-%dT%H") != told(before, "%Y-%m-%dT%H")


async def test_the_thousand_keys_that_are_named_and_the_rest_add_up_to_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlay_plugins._litellm.daily.MAX_KEYS", 3)
    async with proxy() as at:
        rows = await at.rows("daily")
        named = {row.key for row in rows if row.key}
        assert len(named) <= 2 * 3
        assert {row.reason for row in rows if not row.key} == {
            "used by one of the many keys beyond the thousand that LiteLLM names for a day"
        }
        assert sum(to_nano(row.cost_usd or 0) for row in rows) == sum(call.cost_nano_usd for call in calls(at))
        assert sum(row.tokens.total for row in rows) == sum(
            call.prompt_tokens + call.completion_tokens for call in calls(at)
        )


# Keys


async def test_keys_come_with_users_teams_and_those_that_are_gone() -> None:
    async with proxy() as at:
        found = {key.name: key for key in await at.plugin.keys()}
    assert set(found) == {"gw-alice", "gw-bruno", "gw-chidi", "gw-dana", "agent-triage", "agent-docs", "gw-spike"}
    assert (found["gw-alice"].email, found["gw-alice"].project_name) == ("alice@brightloom.example", "Platform")
    assert (found["agent-triage"].email, found["gw-dana"].project_id) == ("", "")
    assert [name for name, key in found.items() if key.disabled] == ["gw-spike"]
    assert found["gw-chidi"].created_at == COMPANY.start - 199 * DAY - timedelta(seconds=7, milliseconds=-123)


async def test_lists_are_read_to_their_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlay_plugins._litellm.accounts.PAGE_ROWS", 2)
    async with proxy() as at:
        assert len(await at.plugin.keys()) == 7
        assert [int(params["page"]) for params in at.asked("/user/list")] == [1, 2, 3, 4, 5]


async def test_an_older_version_without_teams_still_has_keys() -> None:
    async with proxy() as at:
        at.standin.faults.missing.add("/v2/team/list")
        assert {key.project_name for key in await at.plugin.keys()} == {""}


# Whose books, and by which key


async def test_a_viewers_key_is_taken() -> None:
    async with proxy() as at:
        checked = await at.plugin.check()
    assert checked.credential == "viewer's key"
    assert checked.account_id == "2026-05-01T23:59:53.123000Z"
    assert checked.account_title == "litellm.internal"
    assert len(checked.can_read) == 3


async def test_the_master_key_is_taken_with_a_word_and_is_the_same_account() -> None:
    async with proxy() as one, proxy(api_key=MASTER_KEY) as other:
        checked = await other.plugin.check()
        assert checked.account_id == (await one.plugin.check()).account_id
    assert checked.credential.startswith("master key (more than Outlay needs")


async def test_a_key_that_sees_its_own_spend_only_is_refused() -> None:
    async with proxy(api_key=USER_KEY) as at:
        with pytest.raises(BadConfig, match="sees only its own spend") as caught:
            await at.plugin.check()
    assert caught.value.field == "api_key"


async def test_a_key_that_is_not_known_is_refused() -> None:
    async with proxy(api_key="sk-1234567890") as at:
        with pytest.raises(BadConfig, match="does not know this key") as caught:
            await at.plugin.check()
    assert caught.value.field == "api_key"


async def test_a_proxy_without_a_database_is_refused() -> None:
    async with proxy(api_key=MASTER_KEY) as at:
        at.standin.faults.no_database = True
        with pytest.raises(BadConfig, match="without a database") as caught:
            await at.plugin.check()
        with pytest.raises(Transient, match="no connection to its database"):
            await at.rows("logs")
    assert caught.value.field == "base_url"


async def test_a_key_revoked_meanwhile_is_told_as_such() -> None:
    async with proxy() as at:
        at.standin.faults.revoked = True
        for call in (at.plugin.keys(), at.rows("logs"), at.rows("daily")):
            with pytest.raises(NeedsReauth):
                await call


# Versions and odd answers


@pytest.mark.parametrize(("report", "path"), [("logs", "/spend/logs/v2"), ("daily", "/user/daily/activity/aggregated")])
async def test_a_report_that_a_version_does_not_have_is_absent_and_says_so(report: str, path: str) -> None:
    async with proxy() as at:
        at.standin.faults.missing.add(path)
        (page,) = await at.drain(report)
        assert page.absent
        assert "too old" in page.notes[0]
        assert len((await at.plugin.check()).can_read) == 2


async def test_a_version_that_has_neither_is_refused() -> None:
    async with proxy() as at:
        at.standin.faults.missing |= {"/spend/logs/v2", "/user/daily/activity/aggregated"}
        with pytest.raises(BadConfig, match="too old"):
            await at.plugin.check()


@pytest.mark.parametrize(
    "oddities", [{"extra_fields", "numbers_as_strings"}, {"plain_times"}], ids=["strange", "without a zone"]
)
@pytest.mark.parametrize("report", ["logs", "daily"])
async def test_odd_answers_say_the_same(report: str, oddities: set[Oddity]) -> None:
    async with proxy() as at:
        plain = await at.rows(report)
        at.standin.faults.oddities |= oddities
        assert await at.rows(report) == plain
        assert len(await at.plugin.keys()) == 7


async def test_nulls_are_nobodys_e_mail_and_no_team() -> None:
    async with proxy() as at:
        at.standin.faults.oddities.add("nulls")
        assert {(key.email, key.name) for key in await at.plugin.keys()} == {("", "")}
        rows = await at.rows("logs")
        assert {(row.project, row.requested) for row in rows} == {("", "")}
        assert sum(row.requests or 0 for row in rows) == len(calls(at))


async def test_lines_that_are_switched_off_are_no_error_and_the_days_still_count() -> None:
    async with proxy() as at:
        at.standin.faults.no_lines = True
        assert await at.rows("logs") == []
        assert told(await at.rows("daily"), "%Y-%m-%d") == truth(at, "%Y-%m-%d")


@pytest.mark.parametrize(
    "broken",
    [
        '{"data": [], "total": null, "nothing": 1}',
        '{"data": [{"request_id": "r", "startTime": "2026-11-19T10:00:00Z"}], "total": 1}',
        '{"data": [{"request_id": "r", "startTime": "yesterday", "spend": 1}], "total": 1}',
        '{"data": [{"request_id": "r", "startTime": "2026-11-19T10:00:00Z", "spend": -1}], "total": 1}',
        '{"data": ["a line"], "total": 1}',
        '{"data": {}, "total": 0}',
    ],
)
async def test_an_answer_that_cannot_be_read_is_an_error_that_shows_no_value(broken: str) -> None:
    async with proxy() as at:
        at.standin.faults.oddities.add("extra_fields")  # the schema has no say
        at.standin.faults.body("/spend/logs/v2", broken)
        if "null" in broken:  # a count of nothing is none
            assert await at.rows("logs", START, START + HOUR) == []
            return
        with pytest.raises(Permanent, match="not what it documents") as caught:
            await at.rows("logs")
    assert "yesterday" not in str(caught.value)
    assert "a line" not in str(caught.value)


async def test_what_stands_in_metadata_is_seen_nowhere() -> None:
    with everything_logged() as lines:
        async with proxy() as at:
            rows, keys = await at.rows("logs"), await at.plugin.keys()
    assert rows
    assert A_PROMPT not in repr((rows, keys, lines))
    assert "tier:gold" not in repr((rows, keys, lines))


async def test_passing_trouble_passes() -> None:
    async with proxy() as at:
        faults = at.standin.faults
        faults.status("/spend/logs/v2", 429, headers={"retry-after": "3"})
        faults.status("/user/daily/activity/aggregated", 503)
        assert told(await at.rows("logs"), "%Y-%m-%dT%H") == truth(at, "%Y-%m-%dT%H")
        assert told(await at.rows("daily"), "%Y-%m-%d") == truth(at, "%Y-%m-%d")


async def test_a_time_zone_would_count_twice_and_is_never_asked_for() -> None:
    async with proxy() as at:
        plain = await at.plugin.context.http.get(
            "/user/daily/activity/aggregated", {"start_date": "2026-11-20", "end_date": "2026-11-20"}
        )
        app_side = httpx.AsyncClient(transport=httpx.ASGITransport(at.witness.app), base_url="http://litellm.internal")
        async with app_side as other:
            zoned = await other.get(
                "/user/daily/activity/aggregated",
                params={"start_date": "2026-11-20", "end_date": "2026-11-20", "timezone": 480},
                headers={"authorization": f"Bearer {VIEWER_KEY}"},
            )
    spent = plain["results"][0]["metrics"]["api_requests"]
    assert zoned.json()["results"][0]["metrics"]["api_requests"] == 2 * spent


@pytest.mark.parametrize(
    "path", ["/spend/logs", "/spend/logs/ui", "/spend/logs/ui/chatcmpl-1", "/lens/traces/findings"]
)
async def test_a_route_that_may_return_prompts_is_refused_before_it_is_asked(path: str) -> None:
    async with proxy() as at:
        with pytest.raises(Permanent, match="prompts"):
            await at.plugin.context.http.get(path)
        assert at.witness.asked == []
