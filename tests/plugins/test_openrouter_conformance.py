"""OpenRouter runs the conformance kit like any stranger's ledger: on an account with all that makes one awkward."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx

from outlay.core.clock import FakeClock
from outlay.plugin import Window
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay_plugins.openrouter import OpenRouter, OpenRouterConfig
from tests.plugins.openrouter_vendor import DAY, HOUR, LAB, NOW, SECRET, TODAY, Use, Vendor, digest

KEYS = ALICE, LAPTOP, TWIN, NAMELESS, GONE = tuple(map(digest, range(5)))


def awkward() -> Vendor:
    """Namesakes, a nameless key, a deleted one, use without a key, a router, own keys, and answers cut short."""
    uses = []
    for hour in range(1, 13 * 24, 5):
        for number, key in enumerate((*KEYS, "")):
            use = Use(TODAY - hour * HOUR, key, usd=Decimal(number + 1).scaleb(-9), byok=Decimal(hour % 3))
            uses.append(use)
        uses.append(Use(TODAY - hour * HOUR, ALICE, model="a/x", asked="openrouter/auto", usd=None, endpoint="e2"))
    names: dict[str, str | None] = {ALICE: "alice", LAPTOP: "laptop", TWIN: "laptop", NAMELESS: None}
    return Vendor(uses, names, deleted={GONE: "old"}, home={TWIN: LAB}, max_rows=150)


@asynccontextmanager
async def account() -> AsyncIterator[Trial]:
    """Twelve days of it, and none before."""
    vendor = awkward()
    yield Trial(
        good=OpenRouterConfig.model_validate({"api_key": SECRET}),
        wrong=OpenRouterConfig.model_validate({"api_key": f"{SECRET}0"}),
        secret=SECRET,
        window=Window(TODAY - 12 * DAY, TODAY - 4 * DAY),
        empty=Window(TODAY - 20 * DAY, TODAY - 18 * DAY),
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(vendor.handle),
    )


TestOpenRouter = ledger_conformance(OpenRouter, make=account)
