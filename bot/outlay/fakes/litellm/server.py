"""Fake LiteLLM proxy on loopback: answers like the published schema, about what the company sent through it.

    app = litellm_app(company, clock)
    async with serving(app) as url:         # the proxy's root
        ...
    standin(app).faults.missing.add("/spend/logs/v2")
    assert not standin(app).journal.violations

Anything that would write, and every route that returns prompts, is refused with 403 and recorded as a violation.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from outlay.core.clock import Clock
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import PEOPLE
from outlay.fakes.company.usage_model import DAY
from outlay.fakes.http_common import ExactJSONResponse, FaultMiddleware, Json, RequestLog
from outlay.fakes.litellm import payloads as shapes
from outlay.fakes.litellm.faults import LiteLLMFaults
from outlay.fakes.litellm.traffic import ProxyRequest, Traffic, VirtualKey

VIEWER_KEY: Final = f"sk-{sha256(b'brightloom/litellm/viewer').hexdigest()[:22]}"
MASTER_KEY: Final = f"sk-{sha256(b'brightloom/litellm/master').hexdigest()[:22]}"
USER_KEY: Final = f"sk-{sha256(b'brightloom/litellm/user').hexdigest()[:22]}"
VIEWER_ID, USER_ID = "outlay-viewer", PEOPLE[2].user_id
LIST_ROWS = 100  # maximum page size of keys, users or teams
_LOGS, _DAILY = "/spend/logs/v2", "/user/daily/activity/aggregated"
_FOR_ADMINS = "Only proxy admin can be used to generate, delete, update info for new keys/users/teams."


class FakeLiteLLMError(Exception):
    """HTTP error answer: status, message and LiteLLM's type of error."""

    def __init__(self, status: int, message: str, kind: str = "auth_error") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class FakeLiteLLM:
    """Fake proxy: request handlers, faults to inject, and the journal of requests."""

    def __init__(self, company: Company, clock: Clock) -> None:
        self.company, self.clock = company, clock
        self.traffic = Traffic(company)
        self.faults, self.journal = LiteLLMFaults(), RequestLog()
        self.born = company.start - timedelta(days=200, seconds=7, milliseconds=-123)

    # Authorization

    def _known(self, request: Request) -> str:
        """Return the caller's role: `viewer`, `master` or `user`; raise Refused for an unknown key."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        who = {VIEWER_KEY: "viewer", MASTER_KEY: "master", USER_KEY: "user"}.get(credential, "")
        if self.faults.no_database and who != "master":
            raise FakeLiteLLMError(400, "No connected db.", "no_db_connection")
        if scheme.lower() != "bearer" or not who or (who == "viewer" and self.faults.revoked):
            raise FakeLiteLLMError(
                401, "Authentication Error, Invalid proxy server token passed.", "token_not_found_in_db"
            )
        if who == "viewer" and self.faults.demoted:
            return "user"
        return who

    def _reader(self, request: Request) -> str:
        """Return the caller's role; raise Refused if the proxy has no database."""
        who = self._known(request)
        if self.faults.no_database:
            raise FakeLiteLLMError(500, "No db connected. prisma client=None", "internal_error")
        return who

    # Endpoints

    async def readiness(self, request: Request) -> Json:
        """Answer /health/readiness."""
        return {"status": "healthy", "db": "Not connected" if self.faults.no_database else "connected"}

    async def key_info(self, request: Request) -> Json:
        """Answer /key/info."""
        who = self._reader(request)
        if who == "master":
            raise FakeLiteLLMError(404, "Key not found in database", "not_found_error")
        user_id = VIEWER_ID if who == "viewer" else USER_ID
        return {"key": "…", "info": {"key_alias": who, "user_id": user_id, "spend": 0, "models": []}}

    async def keys(self, request: Request) -> Json:
        """Answer /key/list; a plain user sees their own keys only."""
        who = self._reader(request)
        status = request.query_params.get("status")
        chosen = [
            key
            for key in self.traffic.keys
            if (status == "deleted") == key.deleted and (who != "user" or key.user_id == USER_ID)
        ]
        rows = [shapes.key(key, self.born + DAY, self._last_used(key), self.faults) for key in chosen]
        return _page(request, "keys", rows, "size", "total_count", "current_page")

    async def users(self, request: Request) -> Json:
        """Answer /user/list, which is refused to plain users."""
        if self._reader(request) == "user":
            raise FakeLiteLLMError(
                401, f"Authentication Error, {_FOR_ADMINS} Route=/user/list. Your role=internal_user"
            )
        rows = [shapes.user(shapes.FIRST_USER, None, "proxy_admin", self.born, self.faults)]
        rows += [
            shapes.user(one.user_id, one.email, "internal_user", self.born + number * DAY, self.faults)
            for number, one in enumerate(PEOPLE, 1)
        ]
        rows.append(shapes.user(VIEWER_ID, None, "proxy_admin_viewer", self.born + 190 * DAY, self.faults))
        return _page(request, "users", rows, "page_size", "total", "page")

    async def teams(self, request: Request) -> Json:
        """Answer /v2/team/list."""
        self._reader(request)
        return _page(request, "teams", [shapes.team(one) for one in shapes.TEAMS], "page_size", "total", "page")

    async def logs(self, request: Request) -> Json:
        """Answer /spend/logs/v2: one page of request lines."""
        if self.faults.no_database and self._known(request):
            raise FakeLiteLLMError(401, "Prisma Client is not initialized", "internal_error")
        who = self._reader(request)
        start, end = (_moment(request, name) for name in ("start_date", "end_date"))
        rows_a_page = _number(request, "page_size", 50, self.faults.most_rows)
        page = _number(request, "page", 1, 10**9)
        calls = self._written(start, end + timedelta(microseconds=1), who)
        if request.query_params.get("sort_order", "desc") == "desc":
            calls.reverse()
        capped = self.faults.tells_capped and len(calls) > self.faults.counted_to
        total = self.faults.counted_to if capped else len(calls)
        first = (page - 1) * rows_a_page - (self.faults.shifting if page > 1 else 0)
        told: dict[str, Json] = {
            "data": [shapes.line(call, self.faults) for call in calls[max(first, 0) : max(first, 0) + rows_a_page]],
            "total": total,
            "page": page,
            "page_size": rows_a_page,
            "total_pages": -(-total // rows_a_page),
        }
        return told | ({"total_is_capped": capped} if self.faults.tells_capped else {})

    async def daily(self, request: Request) -> Json:
        """Answer /user/daily/activity/aggregated: sums by day, latest first."""
        who = self._reader(request)
        asked = request.query_params
        first, last = (_moment(request, name, "%Y-%m-%d") for name in ("start_date", "end_date"))
        limit = _number(request, "api_key_limit", 100, 1000)
        factor = 2 if "timezone" in asked else 1  # with a time zone LiteLLM counts the days at the edges twice
        days: list[Json] = []
        at = last
        while at >= max(first, self.company.start):
            calls = self._written(at, at + DAY, who, lines=False)
            if calls:
                days.append(shapes.day(at.date(), calls, limit, self.faults, factor))
            at -= DAY
        return {"results": days, "metadata": {"page": 1, "total_pages": 1, "has_more": False, "api_key_limit": limit}}

    # Helpers

    def _written(self, start: datetime, end: datetime, who: str, *, lines: bool = True) -> list[ProxyRequest]:
        """Return the requests that are in the database by now and that this caller may see."""
        if lines and self.faults.no_lines:
            return []
        latest = self.clock.now() - self.faults.write_lag
        calls = self.traffic.calls(start, min(end, self.clock.now()))
        return [call for call in calls if call.ended_at <= latest and (who != "user" or call.key.user_id == USER_ID)]

    def _last_used(self, key: VirtualKey) -> datetime | None:
        now = self.clock.now()
        return max((call.ended_at for call in self._written(now - DAY, now, "viewer") if call.key is key), default=None)


def litellm_app(company: Company, clock: Clock) -> Starlette:
    """Build the fake server as an ASGI app; `fake_litellm_of(app)` returns its faults and journal."""
    ours = FakeLiteLLM(company, clock)

    def route(path: str, answer: Callable[[Request], Awaitable[Json]]) -> Path:
        async def endpoint(request: Request) -> Response:
            try:
                if path in ours.faults.missing:
                    return ExactJSONResponse({"detail": "Not Found"}, 404)
                return ExactJSONResponse(await answer(request))
            except FakeLiteLLMError as error:
                if error.kind == "validation":
                    return ExactJSONResponse({"detail": [{"loc": ["query"], "msg": str(error), "type": "value"}]}, 422)
                body: Json = {"message": str(error), "type": error.kind, "param": "None", "code": str(error.status)}
                return ExactJSONResponse({"error": body}, error.status)

        return Path(path, endpoint)

    routes = [
        route("/health/readiness", ours.readiness),
        route("/key/info", ours.key_info),
        route("/key/list", ours.keys),
        route("/user/list", ours.users),
        route("/v2/team/list", ours.teams),
        route(_LOGS, ours.logs),
        route(_DAILY, ours.daily),
    ]
    wire = Middleware(
        FaultMiddleware, root="", clock=clock, faults=ours.faults, journal=ours.journal, forbidden=_is_forbidden
    )
    app = Starlette(routes=routes, middleware=[wire])
    app.state.standin = ours
    return app


def fake_litellm_of(app: Starlette) -> FakeLiteLLM:
    """Return the fake behind an app that `litellm_app` built."""
    found: FakeLiteLLM = app.state.standin
    return found


def _is_forbidden(method: str, path: str) -> bool:
    prompts = path.startswith("/spend/logs") and path.rstrip("/") != _LOGS
    return method not in ("GET", "HEAD") or prompts


def _page(request: Request, name: str, rows: list[Json], size: str, total: str, page: str) -> Json:
    number, most = _number(request, "page", 1, 10**9), _number(request, size, 10, LIST_ROWS)
    told: dict[str, Json] = {
        name: rows[(number - 1) * most : number * most],
        total: len(rows),
        page: number,
        "total_pages": -(-len(rows) // most),
    }
    return told | ({"page_size": most} if size == "page_size" else {})


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise FakeLiteLLMError(422, f"Input should be from 1 to {most}", "validation")
    return int(text)


def _moment(request: Request, name: str, form: str = "%Y-%m-%d %H:%M:%S") -> datetime:
    try:
        return datetime.strptime(request.query_params.get(name, ""), form).replace(tzinfo=UTC)
    except ValueError:
        raise FakeLiteLLMError(400, f"Invalid date format: {name}", "bad_request") from None
