"""How soon money that is spent shows in `/spend`: within one poll and the vendor's own lag, measured poll by poll.

What is measured here is what docs/ledgers.md says of each ledger; the lags are the vendors', as far as they are known.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.polling.polled_bot import MINUTE, House, reading

NOW = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)  # a Wednesday
TODAY = NOW.replace(hour=0, minute=0)
DOCS = Path(__file__).parents[2] / "docs" / "ledgers.md"
POLL_SECONDS = 60
MOST_POLLS = 30
A_MOMENT = timedelta(seconds=1)  # each poll is just too early, so that the next one has to see it
BURST_USD_PER_HOUR, SEEN_NANO = 3_000, 40 * 10**9  # 50 dollars in the minute; a proxy does not see all of them


@dataclass(frozen=True, slots=True)
class Case:
    """A ledger; the fault that is its lag, and how long that is taken to be; what is spent, and where."""

    slug: str
    fault: str
    lag_seconds: int
    key: str
    model: str
    at: str
    title: str


CASES = (
    Case("openrouter", "counters_lag", 60, "dana-ide", "anthropic/claude-sonnet-4.5", "openrouter", "OpenRouter"),
    Case("openai", "usage_lag", 300, "emre-dev", "openai/gpt-5", "openai", "OpenAI"),
    Case("anthropic", "usage_lag", 300, "dana-claude", "anthropic/claude-sonnet-4.5", "anthropic", "Anthropic"),
    Case("litellm", "write_lag", 10, "triage-service", "openai/gpt-5-mini", "openai", "LiteLLM"),
)


async def measured(house: House, case: Case, lag: timedelta) -> float:
    """Seconds from the end of the minute in which a burst is spent to the poll after which `/spend` has it."""
    setattr(house.faults, case.fault, lag)
    assert (await house.poll(since=TODAY)).ok
    start = house.clock.now().replace(second=0, microsecond=0) + MINUTE
    end = start + MINUTE
    key = house.company.view_of(case.at).key(case.key)
    house.company.runaway(key, start, BURST_USD_PER_HOUR, case.model, end)
    before = house.truth(TODAY, start)
    for number in range(MOST_POLLS):
        ahead = start + number * timedelta(seconds=POLL_SECONDS) - A_MOMENT - house.clock.now()
        house.clock.advance(max(ahead, timedelta(0)))
        at = house.clock.now()
        assert (await house.poll()).ok
        if await house.total("today") >= before + SEEN_NANO:
            return (at - end).total_seconds()
    raise AssertionError(f"nothing showed within {MOST_POLLS} polls")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
async def test_spend_shows_within_one_poll_and_the_vendors_lag_as_the_docs_say(case: Case, tmp_path: Path) -> None:
    async with reading(case.slug, tmp_path, now=NOW) as house:
        seconds = await measured(house, case, timedelta(seconds=case.lag_seconds))

    assert 0 <= seconds <= case.lag_seconds + POLL_SECONDS
    table = DOCS.read_text(encoding="utf-8").partition("## How soon spend shows")[2].partition("\n## ")[0]
    row = re.search(rf"^\| {case.title} \| ([^|]*) \| ([\d,]+) s \| ([\d,]+) s \|", table, re.MULTILINE)
    assert row, f"docs/ledgers.md says nothing of {case.title}"
    lag, most = (int(row[place].replace(",", "")) for place in (2, 3))
    assert lag == case.lag_seconds
    assert seconds <= most == case.lag_seconds + POLL_SECONDS
