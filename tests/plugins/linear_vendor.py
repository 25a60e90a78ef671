"""Fake Linear over Linear's own published schema, and a sink that uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.fakes.company.employees import PEOPLE
from outlay.fakes.linear.server import API_KEY, FakeLinear, linear_app, schema_of
from outlay.plugin import Event, Fact, Finding, Link, Receipt, Subject
from outlay.plugin.contract import TokenStore
from outlay.plugin.session import plugin_session
from outlay_plugins.linear import Linear, LinearConfig

SCHEMA = Path(__file__).parents[3] / "shared" / "specs" / "linear.schema.graphql"
NOW = datetime(2026, 11, 20, 15, 40, tzinfo=UTC)
ANA = PEOPLE[1]
PAGE = Link("The incident", "https://outlay.example/incidents/7")
BASE_URL = "https://linear.example/graphql"


@cache
def published_schema() -> GraphQLSchema:
    """Load Linear's own schema once; it takes a second."""
    if not SCHEMA.exists():
        pytest.skip("no copy of Linear's schema beside the repository")
    return schema_of(SCHEMA.read_text(encoding="utf-8"))


def config(**more: Any) -> LinearConfig:
    return LinearConfig(**{"api_key": SecretStr(API_KEY), "team": "ENG", "base_url": BASE_URL, **more})


def finding(spent: str | None = "912.40", **more: Any) -> Finding:
    plain = Finding(
        title="ana: $912 on OpenAI today, 23 times the usual",
        sentences=("ana has spent $912.40 since 14:00.", "Usual for this hour is $39.10."),
        severity="warning",
        subject=Subject("U1", "ana", "person", ANA.email),
        since=NOW - timedelta(hours=1, minutes=40),
        spent_usd=None if spent is None else Decimal(spent),
        usual_usd=Decimal("39.10"),
        facts=(Fact("Spent", "$912.40"), Fact("Model", "gpt-5.1")),
        why=("Spend an hour was above 20 times the median of 28 days.",),
        what_to_do=("Look at what runs under key ci-2.",),
        page=PAGE,
        links=(Link("The message in Slack", "https://acme.slack.com/archives/C1/p1"),),
    )
    return replace(plain, **more)


def event(what: Any = "opened", spent: str | None = "912.40", *, key: str = "k1", **more: Any) -> Event:
    of_finding = {name: more.pop(name) for name in list(more) if name in Finding.__dataclass_fields__}
    plain = Event(key, what, "U1/7", NOW, finding(spent, **of_finding), scope="1/0/org")
    return replace(plain, **more)


class Vendor:
    """Linear, and sinks that talk to it."""

    def __init__(self, *, schema: GraphQLSchema | None = None) -> None:
        self.clock = FakeClock(NOW)
        self.app = linear_app(self.clock, schema=schema or published_schema())
        self.linear: FakeLinear = self.app.state.standin
        self.config = config()
        self.armed = True

    @asynccontextmanager
    async def sink(
        self, with_config: LinearConfig | None = None, kept: TokenStore | None = None
    ) -> AsyncIterator[Linear]:
        async with plugin_session(
            Linear,
            with_config or self.config,
            clock=self.clock,
            kept=kept,
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=True),
        ) as sink:
            yield sink

    async def tell(self, told: Event) -> Receipt:
        async with self.sink() as sink:
            method = {"opened": sink.opened, "updated": sink.updated, "resolved": sink.resolved}[told.what]
            return await method(told)

    @property
    def issue(self) -> dict[str, Any]:
        (only,) = self.linear.issues.values()
        return only

    def said(self) -> list[str]:
        return self.linear.world.comment_bodies(self.issue["id"])
