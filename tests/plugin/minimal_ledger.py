"""The smallest ledger that fulfills the contract, and its vendor: the base of the conformance kit's own tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from pydantic import Field, SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import (
    CheckResult,
    Config,
    CounterReading,
    Key,
    Ledger,
    Page,
    Permanent,
    PluginInfo,
    RateLimit,
    Report,
    Row,
    Tokens,
    Window,
)
from outlay.plugin.testing.ledger_trial import Trial

SECRET = "sk-little-9f8e7d6c5b4a39281706"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class LittleConfig(Config):
    api_key: SecretStr = Field(description="From the settings page.")
    base_url: str = Field("https://little.example/v1", json_schema_extra={"advanced": True})


class LittleLedger(Ledger[LittleConfig]):
    """Ledger with an hourly report by key, two hours to a page, and a counter."""

    meta = PluginInfo("little", "Little")
    Config = LittleConfig
    reading_posts = ("/search",)
    paces = (RateLimit("POST", "/search", 60, 60.0),)
    reports = (Report("hours", HOUR), Report("counters", None))

    @classmethod
    def headers(cls, config: LittleConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value()}"}

    async def check(self) -> CheckResult:
        me = await self._get("/me", "id", "name")
        return CheckResult(me["id"], me["name"], "admin key")

    async def keys(self) -> list[Key]:
        found = await self._get("/keys", "keys")
        return [Key(key["id"], key["name"]) for key in self._list(found["keys"], "id", "name")]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        now = self.context.clock.now()
        if report == "counters":
            found = self._list((await self._get("/counters", "counters"))["counters"], "key", "usd")
            return Page(window, readings=[CounterReading(counter["key"], now, counter["usd"]) for counter in found])
        start = datetime.fromisoformat(cursor) if cursor else window.start
        end = min(start + 2 * HOUR, window.end)
        asked = {"from": start.isoformat(), "to": end.isoformat()}
        answer = self._dict(await self.context.http.post("/search", asked), "rows")
        rows = [self.row(row) for row in self._list(answer["rows"], "hour", "key", "usd", "in", "out")]
        return Page(Window(start, end), rows, cursor=end.isoformat() if end < window.end else None)

    def row(self, row: dict[str, Any]) -> Row:
        if not all(type(row[name]) is int for name in ("in", "out")) or not isinstance(row["usd"], Decimal | None):
            raise Permanent("Little answered with something that is no number.")
        tokens = Tokens(input=row["in"], output=row["out"])
        reason = "" if row["key"] else "used in the console"
        if not isinstance(row["hour"], str) or not isinstance(row["key"], str):
            raise Permanent("Little answered with something that is no text.")
        return Row(datetime.fromisoformat(row["hour"]), row["key"], "m", row["usd"], tokens, reason=reason)

    async def _get(self, path: str, *names: str) -> dict[str, Any]:
        return self._dict(await self.context.http.get(path), *names)

    def _dict(self, found: Any, *names: str) -> dict[str, Any]:
        if not isinstance(found, dict) or not all(name in found for name in names):
            raise Permanent("Little answered with something else than what its documentation says.")
        return found

    def _list(self, found: Any, *names: str) -> list[dict[str, Any]]:
        if not isinstance(found, list):
            raise Permanent("Little answered with something that is no list.")
        return [self._dict(item, *names) for item in found]


def vendor(request: httpx.Request) -> httpx.Response:
    """Answer as the vendor: spend in every hour of one day."""
    if request.headers["Authorization"] != f"Bearer {SECRET}":
        return httpx.Response(401, json={"error": {"message": "unknown key"}})
    path = request.url.path.removeprefix("/v1")
    if path == "/me":
        return httpx.Response(200, json={"id": "org_1", "name": "Ex"})
    if path == "/keys":
        return httpx.Response(200, json={"keys": [{"id": "k1", "name": "ci"}, {"id": "k2", "name": "ci"}]})
    if path == "/counters":
        return httpx.Response(200, content=b'{"counters": [{"key": "k1", "usd": 12.34}]}')
    if request.method != "POST":
        return httpx.Response(404)
    body = httpx.Response(200, content=request.content).json()
    asked = {name: datetime.fromisoformat(body[name]) for name in ("from", "to")}
    if body.get("offset"):  # all of it is on the first page
        return httpx.Response(200, content=b'{"rows": []}')
    hours = [NOW.replace(hour=0) - timedelta(days=1) + number * HOUR for number in range(24)]
    rows = ", ".join(
        f'{{"hour": "{hour.isoformat()}", "key": "{key}", "usd": 0.1, "in": 3, "out": 2}}'
        for hour in hours
        if asked["from"] <= hour < asked["to"]
        for key in ("k1", "")
    )
    return httpx.Response(200, content=f'{{"rows": [{rows}]}}')


@asynccontextmanager
async def little_trial() -> AsyncIterator[Trial]:
    yield Trial(
        good=LittleConfig(api_key=SecretStr(SECRET)),
        wrong=LittleConfig(api_key=SecretStr("sk-little-wrong")),
        secret=SECRET,
        window=Window(NOW - timedelta(hours=30), NOW - timedelta(hours=23)),
        empty=Window(NOW - timedelta(days=5), NOW - timedelta(days=4)),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor),
    )
