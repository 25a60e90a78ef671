"""LiteLLM runs the conformance kit like any stranger's ledger, against the stand-in of a proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from outlay.core.clock import FakeClock
from outlay.fakes.company.company import Company
from outlay.fakes.litellm.server import VIEWER_KEY, fake_litellm_of, litellm_app
from outlay.plugin import Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins.litellm import LiteLLM, LiteLLMConfig

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
TODAY, DAY = NOW.replace(hour=0, minute=0), timedelta(days=1)
COMPANY = Company(seed=7, now=NOW, days=4)  # only ever asked; it remembers its hours


@asynccontextmanager
async def proxy() -> AsyncIterator[Trial]:
    """A proxy whose lines come in many pages, the whole of a day."""
    clock = FakeClock(NOW)
    app = litellm_app(COMPANY, clock)
    fake_litellm_of(app).faults.most_rows = 100
    fake_litellm_of(app).faults.counted_to = 150
    at = {"base_url": "http://litellm.internal"}
    yield Trial(
        good=LiteLLMConfig.model_validate({"api_key": VIEWER_KEY, **at}),
        wrong=LiteLLMConfig.model_validate({"api_key": f"{VIEWER_KEY}0", **at}),
        secret=VIEWER_KEY,
        window=Window(TODAY - 4 * DAY, TODAY - 3 * DAY),
        empty=Window(TODAY - 7 * DAY, TODAY - 6 * DAY),
        clock=clock,
        transport=httpx.ASGITransport(app),
    )
    assert not fake_litellm_of(app).journal.violations


TestLiteLLM = ledger_conformance(LiteLLM, make=proxy)
