"""A very small fake OpenRouter over httpx.MockTransport: answers of the published shape from a list of uses."""

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from outlay.core.clock import FakeClock
from outlay.plugin import Key, Page, Window
from outlay.plugin.session import plugin_session
from outlay_plugins.openrouter import OpenRouter, OpenRouterConfig

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0)
SECRET = "sk-or-v1-0123456789abcdef"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MAIN, LAB = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"


def digest(number: int) -> str:
    """Return a key's hash."""
    return f"{number:064x}"


@dataclass(frozen=True)
class Use:
    """Use of one model by one key in one hour. `key` "" is a use without a key."""

    hour: datetime
    key: str
    model: str = "openai/gpt-4.1-2025-04-14"
    usd: Decimal | None = Decimal("0.25")
    byok: Decimal = Decimal(0)
    requests: int = 2
    prompt: int = 1_000
    cached: int = 400
    completion: int = 100
    reasoning: int = 30
    asked: str = "openai/gpt-4.1"
    endpoint: str = "e1"


def dumps(value: Any) -> str:
    """Encode JSON with Decimals as numbers, digit by digit."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dumps(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


@dataclass
class Vendor:
    """The account. `display` maps a model to its name in analytics. `max_rows` truncates the answers of analytics."""

    uses: list[Use] = field(default_factory=list)
    names: dict[str, str | None] = field(default_factory=dict)  # of the keys that exist, by hash
    deleted: dict[str, str] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)  # workspace by hash; else MAIN
    display: Callable[[str], str] = str
    max_rows: int = 10_000
    metrics: tuple[str, ...] | None = None  # None: analytics/meta answers 404
    organization: str | None = None
    faults: dict[str, tuple[int, Any]] = field(default_factory=dict)
    last_used: bool = True
    forgotten: dict[str, int] = field(default_factory=dict)  # hashes that activity answers with this status
    slow_above: timedelta | None = None  # analytics gives up on longer stretches of time
    generous: bool = False  # analytics answers with the hour after the end too
    shows_labels: bool = False  # analytics shows the label of a key without a name
    loses_models: bool = False  # the account's own activity has no rows, as observed in reality
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else {}
        self.asked.append((path, body | dict(request.url.params)))
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return httpx.Response(401, json={"error": {"code": 401, "message": "User not found."}})
        if path in self.faults:
            status, answer = self.faults[path]
            return httpx.Response(status, text=answer if isinstance(answer, str) else dumps(answer))
        answers = {
            "/key": self._key,
            "/workspaces": self._workspaces,
            "/organization/members": self._members,
            "/keys": self._keys,
            "/activity": self._activity,
            "/analytics/meta": self._meta,
            "/analytics/query": self._query,
            "/credits": self._credits,
            "/models": self._models,
        }
        if path not in answers:
            return httpx.Response(404, json={"error": {"code": 404, "message": "Resource not found"}})
        answer = answers[path](body | dict(request.url.params))
        if isinstance(answer, int):
            return httpx.Response(answer, json={"error": {"code": answer, "message": "no"}})
        return httpx.Response(200, text=dumps(answer))

    def count(self, path: str) -> int:
        """Return how often a path was requested."""
        return sum(asked == path for asked, _ in self.asked)

    def _key(self, _: dict[str, Any]) -> Any:
        me = {"is_management_key": True, "is_provisioning_key": True, "creator_user_id": "user_admin"}
        return {"data": me | {"label": "sk-or-v1-012...def", "organization_id": self.organization}}

    def _workspaces(self, asked: dict[str, Any]) -> Any:
        lab = {"id": LAB, "name": "Lab", "slug": "lab", "created_at": "2026-03-01T00:00:00Z"}
        main = {"id": MAIN, "name": "Brightloom", "slug": "default", "created_at": "2026-01-01T00:00:00Z"}
        return {"data": [lab, main] if asked["offset"] == "0" else [], "total_count": 2}

    def _members(self, asked: dict[str, Any]) -> Any:
        people = [{"id": "user_admin", "email": "ada@brightloom.example", "role": "org:admin"}]
        return {"data": people if asked["offset"] == "0" else [], "total_count": 1}

    def _keys(self, asked: dict[str, Any]) -> Any:
        here = [key for key in self.names if self.home.get(key, MAIN) == asked["workspace_id"]]
        start = int(asked["offset"])
        return {"data": [self._counters(key) for key in here[start : start + 100]]}

    def _counters(self, key: str) -> dict[str, Any]:
        used = [use for use in self.uses if use.key == key]
        latest = max((use.hour for use in used), default=None)
        told = {"last_used_at": latest.isoformat() if latest else None} if self.last_used else {}
        return told | {
            "hash": key,
            "name": self.names[key],
            "label": f"sk-or-v1-{key[-3:]}",
            "disabled": False,
            "usage": sum((use.usd or Decimal(0) for use in used), Decimal(0)),
            "byok_usage": sum((use.byok for use in used), Decimal(0)),
            "usage_daily": 99,
            "creator_user_id": "user_admin",
            "workspace_id": self.home.get(key, MAIN),
            "created_at": "2026-02-01T00:00:00Z",
        }

    def _credits(self, _: dict[str, Any]) -> Any:
        return {"data": {"total_credits": 1_000, "total_usage": sum(use.usd or Decimal(0) for use in self.uses)}}

    def _models(self, _: dict[str, Any]) -> Any:
        slugs = sorted({use.model for use in self.uses})
        return {"data": [{"id": slug, "canonical_slug": slug, "name": self.display(slug)} for slug in slugs]}

    def _activity(self, asked: dict[str, Any]) -> Any:
        key = asked.get("api_key_hash")
        if key in self.forgotten:
            return self.forgotten[key]
        if self.loses_models and not key:
            return {"data": []}
        past = [use for use in self.uses if TODAY - 30 * DAY <= use.hour < TODAY and key in (None, use.key)]
        groups = _grouped(past, lambda use: (f"{use.hour:%Y-%m-%d}", use.asked, use.model, use.endpoint))
        rows = []
        for (day, asked_for, model, endpoint), uses in groups.items():
            total = _total(uses)
            told = {"date": day, "model": asked_for, "model_permaslug": model, "endpoint_id": endpoint}
            rows.append(
                told
                | {
                    "provider_name": "Example",
                    "usage": total.usd,
                    "byok_usage_inference": total.byok,
                    "requests": total.requests,
                    "prompt_tokens": total.prompt,
                    "cached_tokens": total.cached,
                    "completion_tokens": total.completion,
                    "reasoning_tokens": total.reasoning,
                }
            )
        return {"data": rows}

    def _meta(self, _: dict[str, Any]) -> Any:
        if self.metrics is None:
            return 404
        return {"data": {"metrics": [{"name": name} for name in self.metrics], "dimensions": [], "operators": []}}

    def _query(self, asked: dict[str, Any]) -> Any:
        start, end = (datetime.fromisoformat(asked["time_range"][name]) for name in ("start", "end"))
        if self.slow_above and end - start > self.slow_above:
            return 408
        uses = [use for use in self.uses if start <= use.hour < end or (self.generous and use.hour == end)]
        for only in asked.get("filters", ()):
            wanted = only["value"] if only["operator"] == "in" else [only["value"]]
            uses = [use for use in uses if use.key in wanted]
        by_key = "api_key_id" in asked["dimensions"]
        groups = _grouped(uses, lambda use: (use.hour, use.key if by_key else "", use.model, use.usd is None))
        rows = []
        for (hour, key, model, _), found in groups.items():
            told: dict[str, Any] = {"date__hour": hour.strftime("%Y-%m-%d %H:%M:%S"), "model": self.display(model)}
            if by_key:
                told["api_key_id"] = self._shown(key) if key else None
            rows.append(told | {name: _metric(_total(found), name) for name in asked["metrics"]})
        bound = min(self.max_rows, asked["limit"])
        metadata = {"query_time_ms": 3, "row_count": len(rows[:bound]), "truncated": len(rows) > bound}
        return {"data": {"data": rows[:bound], "metadata": metadata, "cachedAt": 1, "warnings": []}}

    def _shown(self, key: str) -> str | None:
        name = self.names.get(key, self.deleted.get(key))
        return f"sk-or-v1-{key[-3:]}" if self.shows_labels and not name else name


def _grouped(uses: Iterable[Use], by: Callable[[Use], Any]) -> dict[Any, list[Use]]:
    groups: dict[Any, list[Use]] = {}
    for use in uses:
        groups.setdefault(by(use), []).append(use)
    return groups


def _total(uses: list[Use]) -> Use:
    sums = {
        name: sum(getattr(use, name) for use in uses)
        for name in ("byok", "requests", "prompt", "cached", "completion", "reasoning")
    }
    usd = None if uses[0].usd is None else sum((use.usd or Decimal(0) for use in uses), Decimal(0))
    return replace(uses[0], usd=usd, **sums)


def _metric(use: Use, name: str) -> Any:
    match name:
        case "credits_usage":
            return use.usd
        case "byok_usage":
            return use.byok
        case "total_usage":
            return None if use.usd is None else use.usd + use.byok
        case "request_count":
            return str(use.requests)
        case "tokens_prompt":
            return str(use.prompt)
        case "tokens_completion":
            return str(use.completion)
        case "reasoning_tokens":
            return use.reasoning
        case "cached_tokens":
            return use.cached
    raise AssertionError(f"no metric {name}")


@asynccontextmanager
async def ledger(
    vendor: Vendor, *, clock: FakeClock | None = None, known_keys: Iterable[Key] = ()
) -> AsyncIterator[OpenRouter]:
    """Open the plugin, connected to the small vendor."""
    config = OpenRouterConfig.model_validate({"api_key": SECRET})
    transport = httpx.MockTransport(vendor.handle)
    async with plugin_session(
        OpenRouter, config, clock=clock or FakeClock(NOW), transport=transport, known_keys=tuple(known_keys)
    ) as plugin:
        yield plugin


async def drain(plugin: OpenRouter, report: str, start: datetime, end: datetime) -> list[Page]:
    """Return all pages of a poll."""
    pages = [await plugin.poll(report, Window(start, end), None)]
    while (cursor := pages[-1].cursor) is not None:
        pages.append(await plugin.poll(report, Window(start, end), cursor))
        assert len(pages) < 2_000
    return pages
