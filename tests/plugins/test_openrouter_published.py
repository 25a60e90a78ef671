"""Each request of the OpenRouter plugin and each answer of the stand-in, held against OpenRouter's published schema."""

import json
from datetime import UTC, datetime, timedelta

import httpx

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from outlay.fakes.openrouter.server import MANAGEMENT_KEY, ROOT, fake_openrouter_of, openrouter_app
from outlay.plugin import Window
from outlay.plugin.session import plugin_session
from outlay_plugins.openrouter import OpenRouter
from tests.plugins.documented_vendor import Paper, Published

NOW = datetime(2026, 11, 20, 9, 20, tzinfo=UTC)
DAY = timedelta(days=1)


class Witness(httpx.AsyncBaseTransport):
    """Passes requests on to the stand-in, and writes down what was asked and answered."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.seen = Paper(("", ""), {})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        path = request.url.path.removeprefix(ROOT)
        body = json.loads(request.content) if request.content else {}
        self.seen.asked.append((request.method, path, body | dict(request.url.params)))
        answer = json.loads(await response.aread())
        if response.status_code == 200:
            self.seen.answers.append((request.method, path, answer))
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)


async def test_all_that_is_asked_and_answered_is_published() -> None:
    published, clock = Published("openrouter.openapi.yaml"), FakeClock(NOW)
    app = openrouter_app(Company(seed=7, now=NOW, days=3), clock)
    wire = Witness(httpx.ASGITransport(app=app))
    config = OpenRouter.Config.model_validate({"api_key": MANAGEMENT_KEY})
    async with plugin_session(OpenRouter, config, clock=clock, transport=wire) as plugin:
        await plugin.check()
        assert await plugin.keys()
        for report in plugin.reports:
            end = NOW.replace(hour=0, minute=0) if report.name == "activity" else NOW
            cursor = None
            while True:
                page = await plugin.poll(report.name, Window(end - 2 * DAY, end), cursor)
                if (cursor := page.cursor) is None:
                    break

    asked = {f"{method} {path}" for method, path, _ in wire.seen.asked}
    assert {"GET /key", "GET /keys", "GET /workspaces", "GET /activity", "POST /analytics/query"} <= asked
    assert published.track(wire.seen) == len(wire.seen.asked)
    assert not fake_openrouter_of(app).journal.violations
