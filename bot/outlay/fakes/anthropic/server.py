"""Fake Anthropic Admin API on loopback: the example company's spend, with the vendor's quirks.

    app = anthropic_app(company, clock)
    async with serving(app) as url:         # the plugin's base URL is the server's own
        ...
    standin(app).faults.no_analytics = 404
    assert not standin(app).journal.violations

Anything that would write, and every /v1/ path outside /v1/organizations, is refused with 403 and recorded as a
violation.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from outlay.core.clock import Clock
from outlay.fakes.anthropic import payloads as shapes
from outlay.fakes.anthropic import query as language
from outlay.fakes.anthropic.claude_code_report import ClaudeCodeUse
from outlay.fakes.anthropic.faults import AnthropicFaults
from outlay.fakes.anthropic.query import AnthropicQueryError
from outlay.fakes.anthropic.reports import Reports
from outlay.fakes.company.company import Company
from outlay.fakes.http_common import ExactJSONResponse, FaultMiddleware, Json, RequestLog

ROOT = "/v1/organizations"
VERSION, BETA = "2023-06-01", "analytics-usage-cost-2026-08-24"
ADMIN_KEY: Final = f"sk-ant-admin01-{sha256(b'brightloom/admin').hexdigest()}"
INFERENCE_KEY: Final = f"sk-ant-api03-{sha256(b'brightloom/claude').hexdigest()}"
ANALYTICS_A_MINUTE = 60
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    410: "invalid_request_error",
    429: "rate_limit_error",
}


class FakeAnthropicError(Exception):
    """HTTP error answer: status, message and headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class FakeAnthropic:
    """Fake organization: request handlers, faults to inject, and the journal of requests."""

    def __init__(self, company: Company, clock: Clock, admin_key: str, inference_key: str) -> None:
        self.company, self.clock = company.view_of("anthropic"), clock
        self.faults, self.journal = AnthropicFaults(), RequestLog()
        self._admin_key, self._inference_key = admin_key, inference_key
        self._reports = Reports(self.company, self.faults)
        self._code = ClaudeCodeUse(company, self.faults)
        self._asked: deque[float] = deque(maxlen=ANALYTICS_A_MINUTE)

    # Authorization

    def _admin(self, request: Request) -> None:
        """Raise Refused unless the request has the admin key and the `anthropic-version` header."""
        credential = request.headers.get("x-api-key", "")
        if not credential:
            raise FakeAnthropicError(401, "x-api-key header is required")
        if credential == self._inference_key:
            raise FakeAnthropicError(self.faults.inference_status, "This endpoint requires an Admin API key.")
        if credential != self._admin_key or self.faults.revoked:
            raise FakeAnthropicError(401, "invalid x-api-key")
        if request.headers.get("anthropic-version") != VERSION:
            raise FakeAnthropicError(400, "anthropic-version: header is required")

    def _analyst(self, request: Request) -> None:
        """Raise Refused unless the caller may read analytics: admin key, beta header, at most 60 requests a minute.

        Analytics are a beta that not every organization has.
        """
        self._admin(request)
        if self.faults.no_analytics is not None:
            said = (
                "This beta is not open to your organization." if self.faults.no_analytics == 400 else "Not available."
            )
            raise FakeAnthropicError(self.faults.no_analytics, said)
        if request.headers.get("anthropic-beta") != BETA:
            raise FakeAnthropicError(400, f"This endpoint requires the anthropic-beta header {BETA}.")
        now = self.clock.monotonic()
        if len(self._asked) == ANALYTICS_A_MINUTE and now - self._asked[0] < 60:
            left = timedelta(seconds=ceil(60 - (now - self._asked[0])))
            reset = {"anthropic-ratelimit-requests-reset": shapes.rfc3339(self.clock.now() + left)}
            raise FakeAnthropicError(429, "This request would exceed your rate limit.", reset)  # without Retry-After
        self._asked.append(now)

    # Endpoints

    async def me(self, request: Request) -> Json:
        """Answer /me: the organization's id and name."""
        self._admin(request)
        name = self.company.staff.workspaces[0].name
        return {"id": shapes.organization_id(self.company), "type": "organization", "name": name}

    async def keys(self, request: Request) -> Json:
        """Answer /api_keys, filtered by `status`; deleted keys are not listed."""
        self._admin(request)
        listed = [key for key in self.company.keys if key.hash and not key.deleted]
        rows = [
            shapes.key(key, "inactive" if key.disabled else "active", self.company, self._reports.default)
            for key in listed
        ]
        wanted = request.query_params.get("status")
        return self._list(request, [row for row in rows if wanted in (None, row["status"])])

    async def members(self, request: Request) -> Json:
        """Answer /users."""
        self._admin(request)
        return self._list(request, [shapes.member(person, self.company) for person in self.company.staff.people])

    async def workspaces(self, request: Request) -> Json:
        """Answer /workspaces; the default workspace is not listed."""
        self._admin(request)
        places = {key.workspace.id: key.workspace for key in self.company.keys}
        others = [place for place in places.values() if place.id != self._reports.default.id]
        return self._list(request, [shapes.workspace(place, self.company) for place in others])

    async def usage(self, request: Request) -> Json:
        """Answer /usage_report/messages."""
        self._admin(request)
        now = self.clock.now()
        known, widths = language.USAGE_GROUPS, tuple(language.WIDTHS)
        return self._reports.usage(language.buckets(request.query_params, now, known=known, widths=widths), now)

    async def cost(self, request: Request) -> Json:
        """Answer /cost_report, which has daily buckets only."""
        self._admin(request)
        now = self.clock.now()
        known = language.COST_GROUPS
        return self._reports.cost(language.buckets(request.query_params, now, known=known, widths=("1d",)), now)

    async def analytics_cost(self, request: Request) -> Json:
        """Answer /analytics/cost."""
        self._analyst(request)
        now, orders = self.clock.now(), ("time", "list_amount", "amount")
        query = language.analytics(request.query_params, now, more=language.UNCOUNTED_GROUPS, orders=orders)
        return self._reports.analytics(query, now, cost=True)

    async def analytics_usage(self, request: Request) -> Json:
        """Answer /analytics/usage."""
        self._analyst(request)
        now = self.clock.now()
        orders = ("time", "output_tokens", "requests", "uncached_input_tokens", "total_tokens")
        query = language.analytics(request.query_params, now, more=frozenset(), orders=orders)
        return self._reports.analytics(query, now, cost=False)

    async def claude_code(self, request: Request) -> Json:
        """Answer /usage_report/claude_code."""
        self._admin(request)
        return self._code.day(request.query_params, self.clock.now())

    def _list(self, request: Request, rows: list[dict[str, Json]]) -> Json:
        """Return one page of a list: the rows after the id `after_id` and before the id `before_id`."""
        asked = request.query_params
        limit = language.whole_number(asked, "limit", 20, 1_000)
        ids = [str(row["id"]) for row in rows]
        for name in ("after_id", "before_id"):
            if name in asked and asked[name] not in ids:
                raise FakeAnthropicError(400, f"{name}: no such object")
        first = ids.index(asked["after_id"]) + 1 if "after_id" in asked else 0
        last = ids.index(asked["before_id"]) if "before_id" in asked else len(rows)
        page = rows[first:last][:limit]
        ends: dict[str, Json] = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return {
            "data": [self.faults.apply_oddities(row) for row in page],
            "has_more": first + limit < last,
            "first_id": None,
            "last_id": None,
            **ends,
        }


def anthropic_app(
    company: Company, clock: Clock, *, admin_key: str = ADMIN_KEY, inference_key: str = INFERENCE_KEY
) -> Starlette:
    """Build the fake server as an ASGI app; `fake_anthropic_of(app)` returns its faults and journal."""
    ours = FakeAnthropic(company, clock, admin_key, inference_key)
    answers = {
        "/me": ours.me,
        "/api_keys": ours.keys,
        "/users": ours.members,
        "/workspaces": ours.workspaces,
        "/usage_report/messages": ours.usage,
        "/usage_report/claude_code": ours.claude_code,
        "/cost_report": ours.cost,
        "/analytics/cost": ours.analytics_cost,
        "/analytics/usage": ours.analytics_usage,
    }
    routes = [Path(ROOT + path, _answering(answer)) for path, answer in answers.items()]
    routes.append(Path("/{anything:path}", _answering(_nothing_here)))
    wire = Middleware(
        FaultMiddleware, root=ROOT, clock=clock, faults=ours.faults, journal=ours.journal, forbidden=_is_forbidden
    )
    app = Starlette(routes=routes, middleware=[wire])
    app.state.standin = ours
    return app


def fake_anthropic_of(app: Starlette) -> FakeAnthropic:
    """Return the fake behind an app that `anthropic_app` built."""
    found: FakeAnthropic = app.state.standin
    return found


def _answering(answer: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler as an endpoint: its result as JSON, its refusal as an error in Anthropic's format."""

    async def endpoint(request: Request) -> Response:
        try:
            return ExactJSONResponse(await answer(request))
        except AnthropicQueryError as error:
            return _refusal(error.status, str(error), {})
        except FakeAnthropicError as error:
            return _refusal(error.status, str(error), error.headers)

    return endpoint


def _refusal(status: int, message: str, headers: dict[str, str]) -> Response:
    said: Json = {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}
    return ExactJSONResponse(said, status, headers)


async def _nothing_here(request: Request) -> Json:
    raise FakeAnthropicError(404, "Not found")


def _is_forbidden(method: str, path: str) -> bool:
    return method not in ("GET", "HEAD") or path.startswith("/v1/")  # Wire has stripped ROOT, so these lie outside
