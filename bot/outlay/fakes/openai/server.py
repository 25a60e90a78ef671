"""Fake OpenAI organization API on loopback: answers like the published schema, about the example company.

    app = openai_app(company, clock)        # any view of the company; it reports what went to OpenAI directly
    async with serving(app) as url:         # the API's base is f"{url}/v1"
        ...
    standin(app).faults.costs_lag = timedelta(hours=30)
    assert not standin(app).journal.violations

Anything that would write is refused with 403 and recorded as a violation.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from outlay.core.clock import Clock
from outlay.fakes.company.company import Company
from outlay.fakes.company.usage_model import DAY, MINUTE, Spend
from outlay.fakes.http_common import ExactJSONResponse, FaultMiddleware, Json, RequestLog
from outlay.fakes.openai import payloads as shapes
from outlay.fakes.openai import query as language
from outlay.fakes.openai.faults import OpenAIFaults
from outlay.fakes.openai.query import OpenAiQueryError, OpenAiReportQuery

ROOT = "/v1"
ADMIN_KEY: Final = f"sk-admin-{sha256(b'brightloom/admin').hexdigest()[:40]}"
PROJECT_KEY: Final = f"sk-proj-{sha256(b'brightloom/project').hexdigest()[:40]}"
_MISSING_SCOPE = "You have insufficient permissions for this operation. Missing scopes: api.usage.read."


class FakeOpenAiError(Exception):
    """HTTP error answer: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeOpenAi:
    """Fake organization: request handlers, faults to inject, and the journal of requests."""

    def __init__(self, company: Company, clock: Clock, admin_key: str, project_key: str) -> None:
        self.company, self.clock = company.view_of("openai"), clock
        self.faults, self.journal = OpenAIFaults(), RequestLog()
        self._admin_key, self._project_key = admin_key, project_key

    # Endpoints

    async def costs(self, request: Request) -> Json:
        """Answer /organization/costs."""
        self._admin(request)
        asked = language.parse(request.query_params, self._now(), language.COSTS_LIMITS, language.COSTS_GROUPS)
        since = self.faults.keys_since or language.KEYS_SINCE
        if "api_key_id" in asked.groups and (self.faults.keyless_bill or asked.first < since):
            epoch = "" if self.faults.keyless_bill else f" before {int(since.timestamp())}"
            raise FakeOpenAiError(400, f"Grouping by api_key_id is not supported{epoch}.")
        return self._page(asked, lambda start, end: self._bill(asked, start, end))

    async def usage(self, request: Request) -> Json:
        """Answer /organization/usage/{kind}; buckets of any other kind than completions are empty."""
        self._admin(request)
        kind = request.path_params["kind"]
        if kind not in language.USAGE_GROUPS:
            raise FakeOpenAiError(404, "Invalid URL")
        asked = language.parse(request.query_params, self._now(), language.USAGE_LIMITS, language.USAGE_GROUPS[kind])
        if self.faults.no_people and "user_id" in asked.groups:
            raise FakeOpenAiError(400, "Grouping by user_id is not available for this organization.")
        return self._page(asked, lambda start, end: self._used(asked, start, end) if kind == "completions" else [])

    async def projects(self, request: Request) -> Json:
        """Answer /organization/projects."""
        self._admin(request)
        with_archived = request.query_params.get("include_archived", "false") == "true"
        rows = [
            shapes.project(one, archived, place, self.company)
            for place, (one, archived) in enumerate(shapes.projects(self.company))
            if with_archived or not archived
        ]
        return _listed(request, rows)

    async def api_keys(self, request: Request) -> Json:
        """Answer a project's /api_keys, filtered by `owner_project_access`; deleted keys are not listed."""
        self._admin(request)
        place = request.path_params["project"]
        if place not in {one.id for one, _ in shapes.projects(self.company)}:
            raise FakeOpenAiError(404, "Project not found")
        access, now = request.query_params.get("owner_project_access", "active"), self._now()
        if access not in ("active", "inactive", "any"):
            raise FakeOpenAiError(400, f"Invalid value for 'owner_project_access': '{access}'.")
        rows = []
        for key in self.company.keys:
            deleted = self.company.deleted_at(key)
            gone = key.hash in self.faults.deleted or (deleted is not None and deleted <= now)
            row = shapes.api_key(key, self.company)
            if key.workspace.id == place and not gone and access in ("any", row["owner_project_access"]):
                rows.append(row)
        return _listed(request, rows)

    async def users(self, request: Request) -> Json:
        """Answer /organization/users."""
        self._admin(request)
        return _listed(request, [shapes.user(person, self.company) for person in self.company.staff.people])

    # Helpers

    def _admin(self, request: Request) -> None:
        """Raise Refused unless the request has the admin key and may read this path."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if not credential or scheme.lower() != "bearer":
            raise FakeOpenAiError(401, "You didn't provide an API key.")
        if credential == self._project_key:
            raise FakeOpenAiError(403, _MISSING_SCOPE)
        if credential != self._admin_key or self.faults.revoked:
            raise FakeOpenAiError(401, "Incorrect API key provided.")
        if request.url.path.removeprefix(ROOT) in self.faults.forbidden:
            raise FakeOpenAiError(403, "You have insufficient permissions for this operation.")

    def _now(self) -> datetime:
        """Return the time of OpenAI's clock, which may be behind."""
        return self.clock.now() - self.faults.clock_behind

    def _page(self, asked: OpenAiReportQuery, told: Callable[[datetime, datetime], Sequence[Json]]) -> Json:
        """Return a page of buckets whose lines `told` computes from their start and end."""
        data: list[Json] = []
        start = asked.page_start
        while start < asked.page_end:
            end = min(start + asked.width, asked.end)
            lines = list(told(start, end))
            bucket: dict[str, Json] = {
                "object": "bucket",
                "start_time": shapes.seconds(start),
                "end_time": shapes.seconds(start + asked.width),
                "results": lines,
            }
            if not lines and "no_results" in self.faults.oddities:
                bucket["results"] = None
            if lines or not self.faults.skips_empty:
                data.append(bucket)
            start += asked.width
        following = self._following(asked, start)
        return {"object": "page", "data": data, "has_more": following is not None, "next_page": following}

    def _following(self, asked: OpenAiReportQuery, start: datetime) -> str | None:
        """Return the cursor after a page that ends at `start`; None after the last page."""
        this = f"page_{shapes.seconds(asked.page_start)}"
        if self.faults.repeats_pages and not asked.again:
            return f"{this}-again"
        if start < asked.end:
            return f"page_{shapes.seconds(start)}"
        return this if self.faults.endless else None

    def _used(self, asked: OpenAiReportQuery, start: datetime, end: datetime) -> list[Json]:
        known_end = min(end, self._now() - self.faults.usage_lag)
        groups: dict[tuple[str | bool | None, ...], list[Spend]] = {}
        for spend in self.company.spends(start, known_end, "minute" if asked.width == MINUTE else "hour"):
            identity = tuple(shapes.dimension(spend, name, self.faults) for name in asked.groups)
            groups.setdefault(identity, []).append(spend)
        return [
            self.faults.apply_oddities(shapes.usage(spends, asked.groups, self.faults)) for spends in groups.values()
        ]

    def _bill(self, asked: OpenAiReportQuery, start: datetime, end: datetime) -> list[Json]:
        """Return a day's lines of the bill.

        Until `costs_lag` after midnight the day is incomplete: it holds what was spent until that long ago.
        """
        now, whole = self._now(), start + DAY
        known_end = min(end, whole if now >= whole + self.faults.costs_lag else now - self.faults.costs_lag)
        sums: dict[tuple[str | None, ...], tuple[int, int]] = {}
        for line in shapes.bill(self.company.spends(start, known_end)):
            told = {
                "line_item": line.line_item,
                "project_id": line.key.workspace.id,
                "api_key_id": shapes.key_id(line.key, self.faults),
            }
            identity = tuple(told[name] for name in asked.groups)
            nano_usd, tokens = sums.get(identity, (0, 0))
            sums[identity] = (nano_usd + line.nano_usd, tokens + line.tokens)
        rows: list[Json] = []
        for identity, (nano_usd, tokens) in sums.items():
            named = dict(zip(asked.groups, identity, strict=True))
            count = tokens if "line_item" in named else None
            rows.append(self.faults.apply_oddities(shapes.cost(nano_usd, named, count, self.faults)))
        for extra in self.faults.extras:
            if extra.day == start and known_end == whole:
                named = {name: getattr(extra, name) for name in asked.groups}
                rows.append(self.faults.apply_oddities(shapes.cost(extra.nano_usd, named, None, self.faults)))
        return rows


def openai_app(
    company: Company, clock: Clock, *, admin_key: str = ADMIN_KEY, project_key: str = PROJECT_KEY
) -> Starlette:
    """Build the fake server as an ASGI app; `fake_openai_of(app)` returns its faults and journal."""
    ours = FakeOpenAi(company, clock, admin_key, project_key)
    routes = [
        Path(f"{ROOT}/organization/costs", _answering(ours.costs)),
        Path(f"{ROOT}/organization/usage/{{kind}}", _answering(ours.usage)),
        Path(f"{ROOT}/organization/projects", _answering(ours.projects)),
        Path(f"{ROOT}/organization/projects/{{project}}/api_keys", _answering(ours.api_keys)),
        Path(f"{ROOT}/organization/users", _answering(ours.users)),
        Path("/{anything:path}", _answering(_nothing_here)),
    ]
    wire = Middleware(
        FaultMiddleware, root=ROOT, clock=clock, faults=ours.faults, journal=ours.journal, forbidden=_is_forbidden
    )
    app = Starlette(routes=routes, middleware=[wire])
    app.state.standin = ours
    return app


def fake_openai_of(app: Starlette) -> FakeOpenAi:
    """Return the fake behind an app that `openai_app` built."""
    found: FakeOpenAi = app.state.standin
    return found


def _answering(answer: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler as an endpoint: its result as JSON, its refusal as an error in OpenAI's format."""

    async def endpoint(request: Request) -> Response:
        try:
            return ExactJSONResponse(await answer(request))
        except (FakeOpenAiError, OpenAiQueryError) as error:
            status = error.status if isinstance(error, FakeOpenAiError) else 400
            kind = "invalid_request_error" if status in (400, 404) else "server_error"
            body: Json = {"error": {"message": str(error), "type": kind, "param": None, "code": None}}
            return ExactJSONResponse(body, status)

    return endpoint


async def _nothing_here(request: Request) -> Json:
    raise FakeOpenAiError(404, "Invalid URL")


def _is_forbidden(method: str, path: str) -> bool:
    return method not in ("GET", "HEAD")


def _listed(request: Request, rows: Sequence[dict[str, Json]]) -> Json:
    """Return one page of a list: the rows after the id `after`."""
    limit, after = request.query_params.get("limit", "20"), request.query_params.get("after")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise FakeOpenAiError(400, f"Invalid 'limit': {limit}. Expected a value between 1 and 100.")
    ids = [row["id"] for row in rows]
    if after is not None and after not in ids:
        raise FakeOpenAiError(400, f"Invalid 'after': no such object {after}.")
    start = ids.index(after) + 1 if after is not None else 0
    page: list[Json] = [*rows[start : start + int(limit)]]
    told = ids[start : start + int(limit)]
    return {
        "object": "list",
        "data": page,
        "first_id": told[0] if told else None,
        "last_id": told[-1] if told else None,
        "has_more": start + len(page) < len(rows),
    }
