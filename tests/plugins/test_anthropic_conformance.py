"""Anthropic runs the conformance kit like any stranger's ledger: an organization with analytics, and one without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from outlay.core.clock import FakeClock
from outlay.fakes.anthropic.server import ADMIN_KEY, INFERENCE_KEY, anthropic_app, fake_anthropic_of
from outlay.fakes.company.company import Company
from outlay.plugin import Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins.anthropic import Anthropic, AnthropicConfig

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
COMPANY = Company(seed=7, now=NOW, days=5)


@asynccontextmanager
async def newer(no_analytics: int | None = None) -> AsyncIterator[Trial]:
    """Two days of it, and none before."""
    clock = FakeClock(NOW)  # one for both sides, so that limits recover
    app = anthropic_app(COMPANY, clock)
    fake_anthropic_of(app).faults.no_analytics = no_analytics
    fake_anthropic_of(app).faults.names_people = True
    yield Trial(
        good=AnthropicConfig.model_validate({"api_key": ADMIN_KEY}),
        wrong=AnthropicConfig.model_validate({"api_key": INFERENCE_KEY}),
        secret=ADMIN_KEY,
        window=Window(COMPANY.start, COMPANY.start + 2 * DAY),
        empty=Window(COMPANY.start - 9 * DAY, COMPANY.start - 8 * DAY),
        clock=clock,
        transport=httpx.ASGITransport(app=app),
    )
    assert not fake_anthropic_of(app).journal.violations


@asynccontextmanager
async def older() -> AsyncIterator[Trial]:
    """The same, without analytics."""
    async with newer(no_analytics=404) as trial:
        yield trial


TestWithAnalytics = ledger_conformance(Anthropic, make=newer)
TestWithoutAnalytics = ledger_conformance(Anthropic, make=older)
