"""Fake OpenRouter on loopback: answers like the published schema, about the example company, with the vendor's quirks.

    app = openrouter_app(company, clock)
    async with serving(app) as url:         # the API's base is f"{url}/api/v1"
        ...
    standin(app).faults.drop("/credits")
    assert not standin(app).journal.violations

Anything that would write, and the path that returns prompts, is refused with 403 and recorded as a violation.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from math import ceil
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from outlay.core.clock import Clock
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import CompanyKey
from outlay.fakes.company.usage_model import DAY, HOUR, Spend, by_host
from outlay.fakes.http_common import ExactJSONResponse, FaultMiddleware, Json, RequestLog, usd
from outlay.fakes.openrouter import analytics
from outlay.fakes.openrouter import payloads as shapes
from outlay.fakes.openrouter import query as language
from outlay.fakes.openrouter.faults import OpenRouterFaults
from outlay.fakes.openrouter.payloads import Counters

ROOT = "/api/v1"
MANAGEMENT_KEY: Final = f"sk-or-v1-{sha256(b'brightloom/management').hexdigest()}"
INFERENCE_KEY: Final = f"sk-or-v1-{sha256(b'brightloom/inference').hexdigest()}"
QUERIES_A_MINUTE = 64
KEYS_A_PAGE = 100
ACTIVITY_DAYS = 30
CREDITS_NANO_USD = 25_000 * 10**9
_ONLY_MANAGEMENT = "Only management keys can perform this operation"
_READING_POSTS = ("/analytics/query",)
_NOBODYS_BUSINESS = ("/generation/content",)


class FakeOpenRouterError(Exception):
    """HTTP error answer: status, message, and how long to wait."""

    def __init__(self, status: int, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class FakeOpenRouter:
    """Fake account: request handlers, faults to inject, and the journal of requests."""

    def __init__(self, company: Company, clock: Clock, management_key: str, inference_key: str) -> None:
        self.company, self.clock = company, clock
        self.faults, self.journal = OpenRouterFaults(), RequestLog()
        self._management_key, self._inference_key = management_key, inference_key
        self._queried: deque[float] = deque(maxlen=QUERIES_A_MINUTE)

    # Authorization

    def _known(self, request: Request) -> str:
        """Return the kind of the caller's key, `management` or `inference`; raise Refused for an unknown one."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if not credential or scheme.lower() != "bearer":
            raise FakeOpenRouterError(401, "Missing Authentication header")
        if credential == self._management_key and not self.faults.revoked:
            return "management"
        if credential == self._inference_key:
            return "inference"
        raise FakeOpenRouterError(401, "User not found.")

    def _manager(self, request: Request) -> None:
        """Raise Refused unless the caller uses the management key."""
        if self._known(request) != "management":
            raise FakeOpenRouterError(403, _ONLY_MANAGEMENT)

    # Endpoints

    async def key(self, request: Request) -> Json:
        """Answer /key, which describes the key that asks."""
        if self._known(request) == "management":
            return shapes.own_key(None, self.company)
        key = self.company.keys[0]
        return shapes.own_key(key, self.company, self._counters(key, self.clock.now()))

    async def keys(self, request: Request) -> Json:
        """Answer /keys of one workspace, the default one if none is named; deleted keys are not listed."""
        self._manager(request)
        offset = _number(request, "offset", 0, 0)
        workspace_id = request.query_params.get("workspace_id") or self.company.staff.workspaces[0].id
        if workspace_id not in {workspace.id for workspace in self.company.staff.workspaces}:
            raise FakeOpenRouterError(400, "Invalid workspace_id")
        with_disabled = request.query_params.get("include_disabled", "false") == "true"
        chosen = [
            key
            for key in self.company.keys
            if key.workspace.id == workspace_id
            and not analytics.is_deleted(key, self.faults)
            and (with_disabled or not key.disabled)
        ]
        now = self.clock.now()
        return {"data": [self._key_row(key, now) for key in chosen[offset : offset + KEYS_A_PAGE]]}

    async def one_key(self, request: Request) -> Json:
        """Answer /keys/{hash}."""
        self._manager(request)
        for key in self.company.keys:
            if key.hash == request.path_params["hash"] and not analytics.is_deleted(key, self.faults):
                return {"data": self._key_row(key, self.clock.now())}
        raise FakeOpenRouterError(404, "API key not found")

    async def workspaces(self, request: Request) -> Json:
        """Answer /workspaces."""
        self._manager(request)
        return _page(request, [shapes.workspace(one, self.company) for one in self.company.staff.workspaces])

    async def members(self, request: Request) -> Json:
        """Answer /organization/members."""
        self._manager(request)
        return _page(request, [shapes.member(person) for person in self.company.staff.people])

    async def credits(self, request: Request) -> Json:
        """Answer /credits: the total bought and the total used."""
        self._manager(request)
        spent = sum(self._counters(key, self.clock.now()).usage for key in self.company.keys)
        return {"data": {"total_credits": usd(CREDITS_NANO_USD), "total_usage": usd(spent)}}

    async def activity(self, request: Request) -> Json:
        """Answer /activity: one of the last 30 completed UTC days, or all of them."""
        self._manager(request)
        asked, today = request.query_params, self.clock.now().date()
        oldest = today - timedelta(days=ACTIVITY_DAYS)
        days = [oldest + timedelta(days=number) for number in range(ACTIVITY_DAYS)]
        if "date" in asked:
            day = _day(asked["date"])
            if day not in days:
                raise FakeOpenRouterError(400, "Date must be within the last 30 (completed) UTC days")
            days = [day]
        if asked.get("group_by") not in (None, "workspace"):
            raise FakeOpenRouterError(400, "group_by must be 'workspace'")
        keys = self._keys_of(asked.get("api_key_hash"), asked.get("user_id"), asked.get("workspace_id"))
        split = "group_by" in asked
        return {"data": [row for day in reversed(days) for row in self._activity_rows(day, keys, split)]}

    async def meta(self, request: Request) -> Json:
        """Answer /analytics/meta."""
        self._manager(request)
        return language.meta()

    async def query(self, request: Request) -> Json:
        """Answer POST /analytics/query."""
        self._manager(request)
        self._admit()
        now = self.clock.now()
        try:
            query = language.parse(json.loads(await request.body()), now)
        except (ValueError, RecursionError) as error:
            raise FakeOpenRouterError(400, str(error)) from None
        return analytics.answer(query, self.company, self.faults, now)

    async def generation(self, request: Request) -> Json:
        """Answer /generation: one request by its id."""
        self._known(request)
        made = shapes.generations(self.company).get(request.query_params.get("id", ""))
        if made is None:
            raise FakeOpenRouterError(404, "Generation not found")
        return {"data": made}

    async def models(self, request: Request) -> Json:
        """Answer /models, for which no key is needed."""
        return shapes.models()

    # Helpers

    def _admit(self) -> None:
        """Raise Refused (429) for more than 64 queries in any 60 seconds."""
        now = self.clock.monotonic()
        if len(self._queried) == QUERIES_A_MINUTE and now - self._queried[0] < 60:
            wait = ceil(60 - (now - self._queried[0]))
            raise FakeOpenRouterError(429, "Rate limit exceeded", wait if self.faults.tells_retry_after else None)
        self._queried.append(now)

    def _key_row(self, key: CompanyKey, now: datetime) -> Json:
        used = self._last_used(key, now - self.faults.counters_lag)
        row = shapes.key(key, self.faults.name(key), self.company, self._counters(key, now), used)
        return self.faults.apply_oddities(row)

    def _counters(self, key: CompanyKey, now: datetime) -> Counters:
        """Return a key's counters: all time, and since the start of the UTC day, week and month."""
        end = now - self.faults.counters_lag
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        starts = (self.company.start, today, today - today.weekday() * DAY, today.replace(day=1))
        lifetime, *windows = (self.company.total(key, start, end) for start in starts)
        sums = [(lifetime[0] + key.before_nano_usd, lifetime[1]), *windows]
        return Counters(*(cost for cost, _ in sums), *(byok for _, byok in sums))

    def _last_used(self, key: CompanyKey, end: datetime) -> datetime | None:
        """Return the last minute before `end` in which the key was used; None if it never was."""
        hour = end.replace(minute=0, second=0, microsecond=0)
        while hour >= self.company.start:
            minutes = [spend.start for spend in self.company.spends(hour, min(hour + HOUR, end), "minute", (key,))]
            if minutes:
                return max(minutes)
            hour -= HOUR
        return None

    def _keys_of(self, key_hash: str | None, user_id: str | None, workspace_id: str | None) -> list[CompanyKey]:
        """Return the keys that pass the filters of /activity; raise Refused for an unknown key or workspace."""
        keys = list(self.company.keys)
        if key_hash is not None:
            keys = [key for key in keys if key.hash == key_hash and not analytics.is_forgotten(key, self.faults)]
            if not keys:
                raise FakeOpenRouterError(404, "API key not found")
        if workspace_id is not None:
            if workspace_id not in {workspace.id for workspace in self.company.staff.workspaces}:
                raise FakeOpenRouterError(404, "Workspace not found")
            keys = [key for key in keys if key.workspace.id == workspace_id]
        return [key for key in keys if user_id in (None, key.creator.user_id)]

    def _activity_rows(self, day: date, keys: Sequence[CompanyKey], split: bool) -> list[Json]:
        start = datetime.combine(day, time(0), UTC)
        groups: dict[tuple[str, str, str], list[Spend]] = {}
        for key in keys:
            for spend in self.company.day(key, start):
                for part in by_host(spend):
                    place = key.workspace.id if split else ""
                    groups.setdefault((place, part.model.slug, part.host), []).append(part)
        return [
            self.faults.apply_oddities(shapes.activity(spends, day, place, self.faults))
            for (place, _, _), spends in groups.items()
        ]


def openrouter_app(
    company: Company, clock: Clock, *, management_key: str = MANAGEMENT_KEY, inference_key: str = INFERENCE_KEY
) -> Starlette:
    """Build the fake server as an ASGI app; `fake_openrouter_of(app)` returns its faults and journal."""
    ours = FakeOpenRouter(company, clock, management_key, inference_key)
    routes = [
        Path(f"{ROOT}/key", _answering(ours.key)),
        Path(f"{ROOT}/keys", _answering(ours.keys)),
        Path(f"{ROOT}/keys/{{hash}}", _answering(ours.one_key)),
        Path(f"{ROOT}/workspaces", _answering(ours.workspaces)),
        Path(f"{ROOT}/organization/members", _answering(ours.members)),
        Path(f"{ROOT}/credits", _answering(ours.credits)),
        Path(f"{ROOT}/activity", _answering(ours.activity)),
        Path(f"{ROOT}/analytics/meta", _answering(ours.meta)),
        Path(f"{ROOT}/analytics/query", _answering(ours.query), methods=["POST"]),
        Path(f"{ROOT}/generation", _answering(ours.generation)),
        Path(f"{ROOT}/models", _answering(ours.models)),
        Path("/{anything:path}", _answering(_nothing_here)),
    ]
    wire = Middleware(
        FaultMiddleware, root=ROOT, clock=clock, faults=ours.faults, journal=ours.journal, forbidden=_is_forbidden
    )
    app = Starlette(routes=routes, middleware=[wire])
    app.state.standin = ours
    return app


def fake_openrouter_of(app: Starlette) -> FakeOpenRouter:
    """Return the fake behind an app that `openrouter_app` built."""
    found: FakeOpenRouter = app.state.standin
    return found


def _answering(answer: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler as an endpoint: its result as JSON, its refusal as an error in OpenRouter's format."""

    async def endpoint(request: Request) -> Response:
        try:
            return ExactJSONResponse(await answer(request))
        except FakeOpenRouterError as error:
            wait = error.retry_after_seconds
            headers = {} if wait is None else {"retry-after": str(wait)}
            body: Json = {"error": {"code": error.status, "message": str(error)}}
            return ExactJSONResponse(body, error.status, headers)

    return endpoint


async def _nothing_here(request: Request) -> Json:
    raise FakeOpenRouterError(404, "Not Found")


def _is_forbidden(method: str, path: str) -> bool:
    writes = method not in ("GET", "HEAD") and not (method == "POST" and path in _READING_POSTS)
    return writes or path.rstrip("/") in _NOBODYS_BUSINESS


def _page(request: Request, rows: list[Json]) -> Json:
    offset = _number(request, "offset", 0, 0)
    limit = _number(request, "limit", 50, 1, 100)
    return {"data": rows[offset : offset + limit], "total_count": len(rows)}


def _number(request: Request, name: str, default: int, least: int, most: int = 1_000_000) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise FakeOpenRouterError(400, f"{name} must be a number from {least} to {most}")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FakeOpenRouterError(400, "Invalid date format. Use YYYY-MM-DD") from None
