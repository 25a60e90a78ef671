"""OpenAI runs the conformance kit like any stranger's ledger: on the stand-in, with several pages and a deleted key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from outlay.fakes.openai.server import ADMIN_KEY, openai_app
from outlay.plugin import Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins.openai import OpenAI, OpenAIConfig

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0)
DAY = timedelta(days=1)
COMPANY = Company(seed=7, now=NOW, days=12)  # only ever asked


@asynccontextmanager
async def account() -> AsyncIterator[Trial]:
    """A stretch over which buckets become narrower, and one before the story."""
    clock = FakeClock(NOW)
    yield Trial(
        good=OpenAIConfig.model_validate({"api_key": ADMIN_KEY}),
        wrong=OpenAIConfig.model_validate({"api_key": f"{ADMIN_KEY}0"}),
        secret=ADMIN_KEY,
        window=Window(TODAY - 10 * DAY, TODAY - 2 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=clock,
        transport=httpx.ASGITransport(openai_app(COMPANY, clock)),
    )


TestOpenAI = ledger_conformance(OpenAI, make=account)
