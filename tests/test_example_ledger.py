"""The ledger of docs/examples keeps every promise of the contract; docs/plugins.md says that it does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
from pydantic import SecretStr

from docs.examples.example_ledger import Tollgate, TollgateConfig
from outlay.core.clock import FakeClock
from outlay.plugin import Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "tg-billing-7d1c4e90ab52"
PAGE_LINES = 20


def tollgate(request: httpx.Request) -> httpx.Response:
    """Tollgate's own side: two keys and the playground spend in every hour of 18 November, twenty lines to a page."""
    if request.headers["Authorization"] != f"Bearer {SECRET}":
        return httpx.Response(401, json={"error": "no such key"})
    path = request.url.path.removeprefix("/v1")
    if path == "/me":
        return httpx.Response(200, json={"id": "acc_1", "name": "Example Ltd", "scope": "billing:read"})
    if path == "/keys":
        keys = [{"id": "k1", "name": "ci", "owner_email": "dev@example.com"}, {"id": "k2"}]
        return httpx.Response(200, json={"keys": keys})
    asked = request.url.params
    start, end = (datetime.fromisoformat(asked[name]) for name in ("from", "to"))
    hours = [datetime(2026, 11, 18, hour, tzinfo=UTC) for hour in range(24)]
    lines = [line(hour, key) for hour in hours if start <= hour < end for key in ("k1", "k2", None)]
    first = int(asked["page"] or 0)
    more = str(first + PAGE_LINES) if first + PAGE_LINES < len(lines) else None
    return httpx.Response(200, content=json.dumps({"usage": lines[first : first + PAGE_LINES], "next": more}))


def line(hour: datetime, key: str | None) -> dict[str, object]:
    """What one key used in one hour; k2 ran a model that has no price yet."""
    counts = {"requests": 3, "input_tokens": 900, "cached_tokens": 600, "output_tokens": 40}
    return {"hour": hour.isoformat(), "key": key, "model": "m-1", "cost_usd": None if key == "k2" else 0.1} | counts


@asynccontextmanager
async def trial() -> AsyncIterator[Trial]:
    """What the kit tries the plugin with."""
    yield Trial(
        good=TollgateConfig(api_key=SecretStr(SECRET)),
        wrong=TollgateConfig(api_key=SecretStr("tg-billing-of-somebody-else")),
        secret=SECRET,
        window=Window(NOW - timedelta(days=3), NOW - timedelta(days=1)),
        empty=Window(NOW - timedelta(days=9), NOW - timedelta(days=8)),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(tollgate),
    )


TestTollgate = ledger_conformance(Tollgate, make=trial)
