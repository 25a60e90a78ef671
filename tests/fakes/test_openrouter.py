"""The OpenRouter stand-in: every answer fits the published schema, and its figures are the company's, to the nano."""

import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from outlay.core.clock import FakeClock
from outlay.core.money import to_nano
from outlay.fakes.company.company import Company
from outlay.fakes.company.model_catalog import AUTO, SONNET
from outlay.fakes.company.usage_model import DAY, HOUR, MINUTE
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.server import (
    INFERENCE_KEY,
    KEYS_A_PAGE,
    MANAGEMENT_KEY,
    QUERIES_A_MINUTE,
    ROOT,
    FakeOpenRouter,
    fake_openrouter_of,
    openrouter_app,
)

SPEC = Path(__file__).parents[2].parent / "shared" / "specs" / "openrouter.openapi.yaml"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a plain one is quick; httpx would read all certificates each time
NOW = datetime(2026, 11, 20, 15, 40, 30, tzinfo=UTC)  # a Friday
TODAY = NOW.replace(hour=0, minute=0, second=0)
QUERY = "/analytics/query"
REFUSALS = {"403": "ForbiddenResponse", "429": "TooManyRequestsResponse"}


class Account:
    """The stand-in behind a real socket, asked as a plugin would ask it."""

    def __init__(self, client: httpx.AsyncClient, company: Company, clock: FakeClock, ours: FakeOpenRouter) -> None:
        self.client, self.company, self.clock, self.ours = client, company, clock, ours
        self.faults, self.journal = ours.faults, ours.journal

    async def ask(
        self, path: str, body: Any = None, *, key: str = MANAGEMENT_KEY, method: str = "", **params: str | int
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        verb = method or ("GET" if body is None else "POST")
        return await self.client.request(verb, path, params=params, json=body, headers=headers)

    async def get(self, path: str, body: Any = None, **params: str | int) -> Any:
        """The JSON of a good answer, with numbers as they were written."""
        response = await self.ask(path, body, **params)
        assert response.status_code == 200, response.text
        return json.loads(response.text, parse_float=Decimal)

    async def rows(self, **query: Any) -> list[dict[str, Any]]:
        body = {"metrics": ["credits_usage"], "limit": 10_000, **query}
        answer = (await self.get(QUERY, body))["data"]
        assert not answer["metadata"]["truncated"]
        assert answer["metadata"]["row_count"] == len(answer["data"])
        return list(answer["data"])


@pytest.fixture
def company() -> Company:
    return Company(seed=7, now=NOW, days=6)


@pytest.fixture
async def account(company: Company) -> AsyncIterator[Account]:
    clock = FakeClock(NOW)
    app = openrouter_app(company, clock)
    async with (
        serving(app) as base_url,
        httpx.AsyncClient(base_url=f"{base_url}{ROOT}", trust_env=False, timeout=20, verify=NO_TLS) as client,
    ):
        yield Account(client, company, clock, fake_openrouter_of(app))


def between(start: datetime, end: datetime) -> dict[str, str]:
    return {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{end:%Y-%m-%dT%H:%M:%SZ}"}


def nano(value: Decimal | int) -> int:
    return to_nano(Decimal(value))


# The published schema


class Published:
    """The vendor's schema, and whether an answer fits it."""

    def __init__(self) -> None:
        self.document = yaml.load(SPEC.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  safe, and quick
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self.registry: Registry[Any] = Registry().with_resource("urn:openrouter", resource)

    def check(self, method: str, path: str, response: httpx.Response) -> None:
        responses = self.document["paths"][path][method]["responses"]
        status = str(response.status_code)
        place = path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
        pointer = f"paths/{place}/{method}/responses/{status}/content/application~1json/schema"
        if status not in responses:  # the vendor refuses more than it publishes
            pointer = f"components/schemas/{REFUSALS[status]}"
        validator = Draft202012Validator(
            {"$ref": f"urn:openrouter#/{pointer}"},
            registry=self.registry,
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        validator.validate(response.json())


@pytest.fixture(scope="module")
def published() -> Published:
    if not SPEC.exists():
        pytest.skip("OpenRouter's published schema is not beside this repository")
    return Published()


GOOD: list[tuple[str, dict[str, str | int], Any]] = [
    ("/key", {}, None),
    ("/workspaces", {}, None),
    ("/workspaces", {"offset": 1, "limit": 1}, None),
    ("/keys", {}, None),
    ("/keys", {"include_disabled": "true", "include_expired": "true"}, None),
    ("/organization/members", {"limit": 3}, None),
    ("/credits", {}, None),
    ("/activity", {}, None),
    ("/activity", {"date": "2026-11-19", "group_by": "workspace"}, None),
    ("/analytics/meta", {}, None),
    (QUERY, {}, {"metrics": ["request_count"]}),
    (
        QUERY,
        {},
        {
            "metrics": ["total_usage", "cache_hit_rate", "usage_web", "usage_cache"],
            "dimensions": ["user", "provider"],
            "granularity": "day",
        },
    ),
    ("/generation", {"id": "gen-auto-1"}, None),
    ("/generation", {"id": "gen-byok-1"}, None),
    ("/models", {}, None),
]


@pytest.mark.parametrize(
    ("path", "params", "body"), GOOD, ids=[f"{path}-{place}" for place, (path, *_) in enumerate(GOOD)]
)
async def test_good_answers_fit_the_published_schema(
    account: Account, published: Published, path: str, params: dict[str, str | int], body: Any
) -> None:
    response = await account.ask(path, body, **params)
    assert response.status_code == 200, response.text
    published.check("post" if body else "get", path, response)
    if path == "/keys":
        found = response.json()["data"][0]["hash"]
        published.check("get", "/keys/{hash}", await account.ask(f"/keys/{found}"))


NO_SECONDS = {"start": "2026-11-20T00:00Z", "end": "2026-11-20T01:00Z"}
FILTER = {"field": "model", "operator": "eq", "value": "x"}
BAD_QUERIES: list[dict[str, Any]] = [
    {"metrics": []},
    {"metrics": ["dollars"]},
    {"dimensions": ["colour"]},
    {"dimensions": ["model", "user", "workspace"]},
    {"granularity": "second"},
    {"limit": 10_001},
    {"filters": [FILTER] * 21},
    {"filters": [{**FILTER, "operator": "in"}]},
    {"filters": [{**FILTER, "field": "colour"}]},
    {"time_range": NO_SECONDS},
    {"time_range": between(NOW, NOW)},
    {"time_range": between(NOW - 4 * HOUR, NOW), "granularity": "minute"},
    {"time_range": between(NOW - 40 * DAY, NOW), "dimensions": ["provider"]},
    {"order_by": {"field": "colour", "direction": "asc"}},
]
BAD: list[tuple[int, str, dict[str, str | int], Any]] = [
    (400, "/activity", {"date": "2026-11-20"}, None),
    (400, "/activity", {"date": "yesterday"}, None),
    (400, "/activity", {"date": "2026-10-20"}, None),
    (400, "/activity", {"group_by": "key"}, None),
    (404, "/activity", {"api_key_hash": "0" * 64}, None),
    (404, "/activity", {"workspace_id": "nowhere"}, None),
    (400, "/keys", {"workspace_id": "nowhere"}, None),
    (400, "/keys", {"offset": "-1"}, None),
    (404, "/keys/" + "0" * 64, {}, None),
    (404, "/generation", {"id": "gen-unknown"}, None),
    (400, QUERY, {}, []),
    *((400, QUERY, {}, {"metrics": ["total_usage"], **query}) for query in BAD_QUERIES),
]


@pytest.mark.parametrize(
    ("status", "path", "params", "body"), BAD, ids=[f"{path[:12]}-{place}" for place, (_, path, *_) in enumerate(BAD)]
)
async def test_refusals_fit_the_published_schema(
    account: Account, published: Published, status: int, path: str, params: dict[str, str | int], body: Any
) -> None:
    response = await account.ask(path, body, **params)
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == status
    published.check("get" if body is None else "post", "/keys/{hash}" if path.startswith("/keys/") else path, response)


def test_the_published_schema_refuses_what_does_not_fit(published: Published) -> None:
    for path, body in (("/activity", {"data": [{}]}), ("/keys/{hash}", {"data": {"hash": 1}}), ("/credits", {})):
        with pytest.raises(ValidationError):
            published.check("get", path, httpx.Response(200, json=body))
    with pytest.raises(ValidationError):
        published.check("get", "/keys", httpx.Response(403, json={"message": "no"}))


async def test_who_may_ask(account: Account, published: Published) -> None:
    for path in ("/keys", "/credits", "/activity", "/workspaces", "/organization/members", "/analytics/meta"):
        for key, status in (("", 401), ("sk-or-v1-wrong", 401), (INFERENCE_KEY, 403)):
            response = await account.ask(path, key=key)
            assert response.status_code == status
            published.check("get", path, response)
    assert "Only management keys" in response.json()["error"]["message"]
    mine = await account.ask("/key", key=INFERENCE_KEY)
    assert mine.json()["data"]["is_management_key"] is False
    published.check("get", "/key", mine)
    assert (await account.get("/key"))["data"]["is_management_key"] is True
    assert (await account.ask("/models", key="")).status_code == 200
    assert (await account.ask("/key", key="")).status_code == 401


# Figures


async def test_activity_is_the_truth_of_every_finished_day(account: Account, company: Company) -> None:
    rows = (await account.get("/activity"))["data"]
    assert max(row["date"] for row in rows) == "2026-11-19"
    for field, figure in (("usage", "cost_nano_usd"), ("byok_usage_inference", "byok_nano_usd")):
        said: Counter[tuple[str, str]] = Counter()
        for row in rows:
            said[row["date"], row["model"]] += nano(row[field])
        assert +said == company.truth(company.start, TODAY, ("day", "model"), of=figure)
    for field, figure in (
        ("requests", "requests"),
        ("prompt_tokens", "prompt_tokens"),
        ("cached_tokens", "cached_tokens"),
        ("completion_tokens", "completion_tokens"),
        ("reasoning_tokens", "reasoning_tokens"),
    ):
        assert {(): sum(row[field] for row in rows)} == company.truth(company.start, TODAY, of=figure)
    slots = Counter((row["date"], row["model"], row["endpoint_id"]) for row in rows)
    assert set(slots.values()) == {1}
    assert len({row["provider_name"] for row in rows if row["model"] == SONNET.slug}) == 2
    assert all("workspace_id" not in row and row["cached_tokens"] <= row["prompt_tokens"] for row in rows)


async def test_the_activities_of_all_keys_add_up_to_the_account_by_endpoint(account: Account, company: Company) -> None:
    whole: Counter[tuple[str, str]] = Counter()
    parts: Counter[tuple[str, str]] = Counter()
    for row in (await account.get("/activity"))["data"]:
        whole[row["date"], row["endpoint_id"]] += nano(row["usage"])
    for key in company.keys:
        rows = (await account.get("/activity", api_key_hash=key.hash))["data"]
        assert sum(nano(row["usage"]) for row in rows) == company.total(key, company.start, TODAY)[0]
        for row in rows:
            parts[row["date"], row["endpoint_id"]] += nano(row["usage"])
    assert parts == whole


async def test_activity_by_workspace_and_by_member(account: Account, company: Company) -> None:
    truth = company.truth(company.start, TODAY, ("workspace",))
    said: Counter[tuple[str]] = Counter()
    for row in (await account.get("/activity", group_by="workspace"))["data"]:
        said[row["workspace_id"],] += nano(row["usage"])
    assert said == truth
    research = company.staff.workspaces[1].id
    rows = (await account.get("/activity", workspace_id=research))["data"]
    assert sum(nano(row["usage"]) for row in rows) == truth[research,]
    emre = company.staff.people[4]
    rows = (await account.get("/activity", user_id=emre.user_id))["data"]
    assert sum(nano(row["usage"]) for row in rows) == company.truth(company.start, TODAY, ("owner",))["U05EMRE",]


@pytest.mark.parametrize(("granularity", "cut"), [("hour", 13), ("day", 10)])
async def test_analytics_is_the_truth_up_to_this_minute(
    account: Account, company: Company, granularity: str, cut: int
) -> None:
    rows = await account.rows(
        dimensions=["api_key_id", "model"], granularity=granularity, time_range=between(company.start, NOW + DAY)
    )
    said: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        said[row[f"date__{granularity}"][:cut], row["api_key_id"], row["model"]] += nano(row["credits_usage"])
    truth: Counter[tuple[str, str, str]] = Counter()
    for (slot, name, model), amount in company.truth(company.start, NOW, ("hour", "key_name", "permaslug")).items():
        truth[slot[:cut], name, model] += amount
    assert +said == truth
    assert all(row[f"date__{granularity}"].endswith(":00:00.000Z") for row in rows)
    assert not {row["model"] for row in rows} & {AUTO}


async def test_minutes_for_three_hours(account: Account, company: Company) -> None:
    window = between(NOW - 3 * HOUR, NOW)
    rows = await account.rows(dimensions=["model"], granularity="minute", time_range=window)
    said = {(row["date__minute"][:16], row["model"]): nano(row["credits_usage"]) for row in rows}
    truth = company.truth(NOW - 3 * HOUR, NOW, ("minute", "permaslug"))
    assert {slot: amount for slot, amount in said.items() if amount} == {
        (minute[:16], model): amount for (minute, model), amount in truth.items()
    }


async def test_counts_are_strings_and_costs_are_numbers(account: Account, company: Company) -> None:
    metrics = [
        "request_count",
        "tokens_prompt",
        "tokens_total",
        "total_usage",
        "byok_usage",
        "usage_data",
        "cache_hit_rate",
    ]
    (row,) = await account.rows(metrics=metrics, time_range=between(company.start, NOW))
    requests, prompt, completion, cost, byok = (
        company.truth(company.start, NOW, of=figure)[()]
        for figure in ("requests", "prompt_tokens", "completion_tokens", "cost_nano_usd", "byok_nano_usd")
    )
    assert row["request_count"] == str(requests)
    assert row["tokens_total"] == str(prompt + completion)
    assert nano(row["total_usage"]) == cost + byok
    assert nano(row["byok_usage"]) == byok
    assert row["usage_data"] is None
    assert Decimal(0) < row["cache_hit_rate"] < 1


async def test_names_come_back_ids_go_in(account: Account, company: Company) -> None:
    window = between(TODAY - DAY, TODAY)
    rows = await account.rows(dimensions=["api_key_id", "workspace"], time_range=window)
    names = Counter(row["api_key_id"] for row in rows)
    assert names["laptop"] == 2
    assert {row["workspace"] for row in rows} == {workspace.name for workspace in company.staff.workspaces}
    bruno, chidi = (key for key in company.keys if key.name == "laptop")
    for key in (bruno, chidi):
        for value in (key.hash, str(key.number)):
            filters = [{"field": "api_key_id", "operator": "eq", "value": value}]
            (row,) = await account.rows(filters=filters, time_range=window)
            assert nano(row["credits_usage"]) == company.total(key, TODAY - DAY, TODAY)[0]
    both = [{"field": "api_key_id", "operator": "in", "value": [bruno.hash, chidi.hash]}]
    (row,) = await account.rows(filters=both, time_range=window)
    assert nano(row["credits_usage"]) == sum(company.total(key, TODAY - DAY, TODAY)[0] for key in (bruno, chidi))
    by_user = await account.rows(dimensions=["user"], time_range=window)
    assert {row["user_email"] for row in by_user} <= {person.email for person in company.staff.people}


async def test_a_hash_that_means_nothing_gives_no_rows_and_a_warning(account: Account) -> None:
    filters = [{"field": "api_key_id", "operator": "eq", "value": "f" * 64}]
    answer = (await account.get(QUERY, {"metrics": ["total_usage"], "filters": filters}))["data"]
    assert answer["data"] == []
    assert "ffff" in answer["warnings"][0]
    assert answer["cachedAt"] == NOW.timestamp() * 1000


async def test_what_is_too_much_is_truncated_newest_first(account: Account, company: Company) -> None:
    body = {
        "metrics": ["total_usage"],
        "dimensions": ["model"],
        "granularity": "hour",
        "time_range": between(company.start, NOW),
    }
    answer = (await account.get(QUERY, {**body, "limit": 20}))["data"]
    assert answer["metadata"] == {"query_time_ms": 12, "row_count": 20, "truncated": True}
    times = [row["date__hour"] for row in answer["data"]]
    assert times == sorted(times, reverse=True)
    assert times[0] == "2026-11-20T15:00:00.000Z"
    order = {"field": "total_usage", "direction": "asc"}
    costs = [row["total_usage"] for row in await account.rows(**{**body, "metrics": ["total_usage"]}, order_by=order)]
    assert costs == sorted(costs)


async def test_the_counters_of_keys_are_the_truth(account: Account, company: Company) -> None:
    rows = []
    for workspace in company.staff.workspaces:
        rows += (await account.get("/keys", workspace_id=workspace.id, include_disabled="true"))["data"]
    assert {row["hash"] for row in rows} == {key.hash for key in company.keys} - {company.key("old-prototype").hash}
    windows = {"": company.start, "_daily": TODAY, "_weekly": TODAY - 4 * DAY, "_monthly": TODAY.replace(day=1)}
    for row in rows:
        key = company.key(row["hash"])
        for suffix, start in windows.items():
            cost, byok = company.total(key, start, NOW)
            assert nano(row[f"usage{suffix}"]) == cost + (0 if suffix else key.before_nano_usd)
            assert nano(row[f"byok_usage{suffix}"]) == byok
        last = [spend.start for spend in company.spends(company.start, NOW, "minute", (key,))]
        assert row["last_used_at"] == f"{max(last):%Y-%m-%dT%H:%M:%SZ}"
    limited = next(row for row in rows if row["limit"] is not None)
    assert limited["limit"] - limited["limit_remaining"] == limited["usage_daily"]
    total = sum(nano(row["usage"]) for row in rows)
    gone = company.key("old-prototype")
    left = gone.before_nano_usd + company.total(gone, company.start, NOW)[0]
    assert nano((await account.get("/credits"))["data"]["total_usage"]) == total + left


async def test_keys_of_the_default_workspace_alone_and_disabled_ones_on_request(
    account: Account, company: Company
) -> None:
    default, research = company.staff.workspaces
    assert {row["workspace_id"] for row in (await account.get("/keys"))["data"]} == {default.id}
    names = {row["name"] for row in (await account.get("/keys", workspace_id=research.id))["data"]}
    assert "fatima-research" in names
    assert "alice-experiments" not in names


async def test_keys_come_in_pages_of_a_hundred_and_workspaces_with_a_total() -> None:
    company = Company(seed=7, now=NOW, days=1, extra_keys=230)
    clock = FakeClock(NOW)
    app = openrouter_app(company, clock)
    async with serving(app) as base_url, httpx.AsyncClient(base_url=f"{base_url}{ROOT}", verify=NO_TLS) as client:
        account = Account(client, company, clock, fake_openrouter_of(app))
        sizes, hashes = [], set()
        for offset in range(0, 400, KEYS_A_PAGE):
            page = (await account.get("/keys", offset=offset))["data"]
            sizes.append(len(page))
            hashes |= {row["hash"] for row in page}
        assert sizes == [100, 100, 39, 0]
        assert len(hashes) == 239
        workspaces = await account.get("/workspaces", offset=1, limit=1)
        assert [row["name"] for row in workspaces["data"]] == ["Research"]
        assert workspaces["total_count"] == 2
        members = await account.get("/organization/members", offset=6, limit=100)
        assert (len(members["data"]), members["total_count"]) == (2, 8)


async def test_time_brings_new_spend_and_nothing_from_the_future(account: Account, company: Company) -> None:
    async def total() -> int:
        (row,) = await account.rows(time_range=between(company.start, NOW + 9 * DAY))
        return nano(row["credits_usage"])

    before = await total()
    account.clock.advance(timedelta(minutes=7))
    assert await total() - before == company.truth(NOW, NOW + 7 * MINUTE)[()]


async def test_an_agent_that_runs_away_is_seen_by_counters_and_analytics(account: Account, company: Company) -> None:
    key = company.key("agent-docs")
    filters = [{"field": "api_key_id", "operator": "eq", "value": key.hash}]
    account.clock.advance(TODAY + DAY + 2 * HOUR + 10 * MINUTE - NOW)
    counter = (await account.get(f"/keys/{key.hash}"))["data"]["usage"]
    company.runaway(key, account.clock.now(), 60)
    account.clock.advance(timedelta(minutes=20))
    assert (await account.get(f"/keys/{key.hash}"))["data"]["usage"] - counter == 20
    window = between(TODAY + DAY + 2 * HOUR, TODAY + DAY + 3 * HOUR)
    (row,) = await account.rows(filters=filters, granularity="hour", dimensions=["model"], time_range=window)
    assert (row["model"], row["credits_usage"]) == (SONNET.permaslug, 20)


async def test_a_generation_tells_what_auto_resolved_to(account: Account) -> None:
    made = (await account.get("/generation", id="gen-auto-1"))["data"]
    assert (made["router"], made["model"]) == (AUTO, SONNET.permaslug)
    byok = (await account.get("/generation", id="gen-byok-1"))["data"]
    assert (byok["usage"], byok["is_byok"]) == (0, True)
    assert byok["upstream_inference_cost"] > 0


async def test_prices_are_strings_a_token(account: Account) -> None:
    models = {row["id"]: row for row in (await account.get("/models"))["data"]}
    assert models[SONNET.slug]["pricing"] == {
        "prompt": "0.000003",
        "completion": "0.000015",
        "input_cache_read": "0.0000003",
    }
    assert models["z-ai/glm-4.5-air:free"]["pricing"]["prompt"] == "0"
    assert AUTO in models


# Manners


async def test_whoever_writes_or_reads_prompts_is_refused_and_remembered(account: Account) -> None:
    await account.get("/credits")
    assert not account.journal.violations
    wrong = [
        ("POST", "/keys"),
        ("PATCH", "/keys/" + "0" * 64),
        ("DELETE", "/keys/" + "0" * 64),
        ("PUT", "/workspaces/x/budgets/daily"),
        ("GET", "/generation/content"),
        ("POST", "/activity"),
    ]
    for method, path in wrong:
        assert (await account.ask(path, method=method, key="")).status_code == 403
    assert [(asked.method, asked.path) for asked in account.journal.violations] == wrong
    assert account.journal.paths()[0] == "GET /credits"
    assert MANAGEMENT_KEY not in repr(account.journal.asked)


async def test_sixty_four_queries_a_minute(account: Account, published: Published) -> None:
    body = {"metrics": ["request_count"], "time_range": between(NOW - HOUR, NOW)}
    for _ in range(QUERIES_A_MINUTE):
        assert (await account.ask(QUERY, body)).status_code == 200
    account.clock.advance(timedelta(seconds=10))
    refused = await account.ask(QUERY, body)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "50")
    published.check("post", QUERY, refused)
    account.faults.tells_retry_after = False
    assert "retry-after" not in (await account.ask(QUERY, body)).headers
    assert (await account.ask("/credits")).status_code == 200
    account.clock.advance(timedelta(seconds=50))
    assert (await account.ask(QUERY, body)).status_code == 200


# Faults to order


async def test_the_next_answers_of_a_path_go_wrong_and_then_no_more(account: Account) -> None:
    account.faults.status("/credits", 503, times=2)
    account.faults.status("/keys", 429, headers={"retry-after": "7"})
    assert [(await account.ask("/credits")).status_code for _ in range(3)] == [503, 503, 200]
    limited = await account.ask("/keys")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    account.faults.html("*", status=502)
    page = await account.ask("/workspaces")
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    account.faults.body("/credits", '{"data":null}')
    assert (await account.ask("/credits")).json() == {"data": None}
    account.faults.half_json("/credits")
    half = await account.ask("/credits")
    assert half.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        half.json()
    for fault in (account.faults.drop, account.faults.cut):
        fault("/credits")
        with pytest.raises(httpx.RemoteProtocolError):
            await account.ask("/credits")
    account.faults.slow("/credits", 30)
    with pytest.raises(httpx.ReadTimeout):
        await account.client.get("/credits", timeout=0.05)
    account.faults.drop("/credits")
    account.faults.clear()
    assert (await account.ask("/credits")).status_code == 200


async def test_a_revoked_credential(account: Account) -> None:
    account.faults.revoked = True
    assert (await account.ask("/credits")).status_code == 401


async def test_a_restated_day(account: Account, company: Company) -> None:
    async def yesterday() -> int:
        rows = (await account.get("/activity", date="2026-11-19"))["data"]
        return sum(nano(row["usage"]) for row in rows)

    before = await yesterday()
    company.restate(TODAY - DAY, TODAY, Fraction(9, 10))
    after = await yesterday()
    assert before > after > before * 89 // 100
    assert {(): after} == company.truth(TODAY - DAY, TODAY)
    company.restate(TODAY - DAY, TODAY, 0)
    assert await yesterday() == 0


async def test_late_analytics_and_late_counters(account: Account, company: Company) -> None:
    account.faults.analytics_lag = account.faults.counters_lag = timedelta(minutes=25)
    (row,) = await account.rows(time_range=between(company.start, NOW))
    assert {(): nano(row["credits_usage"])} == company.truth(company.start, NOW - timedelta(minutes=25))
    key = company.key("alice-laptop")
    daily = (await account.get(f"/keys/{key.hash}"))["data"]["usage_daily"]
    assert nano(daily) == company.total(key, TODAY, NOW - timedelta(minutes=25))[0]


async def test_a_key_renamed_and_a_key_deleted(account: Account, company: Company) -> None:
    triage, window = company.key("agent-triage"), between(TODAY - DAY, TODAY)
    account.faults.renamed[triage.hash] = "triage-bot"
    assert (await account.get(f"/keys/{triage.hash}"))["data"]["name"] == "triage-bot"
    assert "triage-bot" in {
        row["api_key_id"] for row in await account.rows(dimensions=["api_key_id"], time_range=window)
    }
    account.faults.deleted.add(triage.hash)
    assert (await account.ask(f"/keys/{triage.hash}")).status_code == 404
    assert triage.hash not in {row["hash"] for row in (await account.get("/keys"))["data"]}
    assert (await account.get("/activity", api_key_hash=triage.hash))["data"]
    filters = [{"field": "api_key_id", "operator": "eq", "value": triage.hash}]
    assert await account.rows(filters=filters, time_range=window)
    account.faults.forgets_deleted = True
    assert (await account.ask("/activity", api_key_hash=triage.hash)).status_code == 404
    assert await account.rows(filters=filters, time_range=window) == []


async def test_odd_rows_a_new_model_and_a_price_unknown(account: Account) -> None:
    account.faults.called[SONNET.slug] = "newlab/mystery-1"
    account.faults.unpriced.add(SONNET.slug)
    account.faults.oddities |= {"extra_fields", "nulls", "numbers_as_strings"}
    rows = (await account.get("/activity", date="2026-11-19"))["data"]
    new = [row for row in rows if row["model"] == "newlab/mystery-1"]
    assert new
    assert all(row["usage"] is None and row["cached_tokens"] is None for row in new)
    assert all(row["model"] != SONNET.slug and "surprise" in row for row in rows)
    assert any(isinstance(row["usage"], str) for row in rows)
    window = between(TODAY - DAY, TODAY)
    lines = await account.rows(dimensions=["model"], time_range=window)
    assert {row["credits_usage"] for row in lines if row["model"].startswith("newlab/")} == {None}
    account.faults.oddities = {"counts_as_numbers"}
    account.faults.bucket_prefix = "created_at"
    (*_, row) = await account.rows(metrics=["request_count"], granularity="day", time_range=window)
    assert isinstance(row["request_count"], int)
    assert row["created_at__day"] == "2026-11-19T00:00:00.000Z"
