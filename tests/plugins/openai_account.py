"""The invented company's organization at OpenAI: the fake over real HTTP, and the plugin that reads it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from outlay.core.clock import FakeClock
from outlay.core.money import to_nano
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openai.server import ADMIN_KEY, ROOT, FakeOpenAi, fake_openai_of, openai_app
from outlay.plugin import Key, Page, Row, Window
from outlay.plugin.session import plugin_session
from outlay_plugins.openai import OpenAI, OpenAIConfig

NOW = datetime(2026, 11, 21, 9, 20, 30, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
COMPANY = Company(seed=7, now=NOW).view_of("openai")  # shared read-only; it caches its hours
DELETED = COMPANY.key("goran-spike")
START, END = COMPANY.start + 8 * DAY, COMPANY.start + 10 * DAY  # around the deletion of that key


@dataclass
class Account:
    """The fake, and a plugin that talks to it."""

    plugin: OpenAI
    standin: FakeOpenAi
    clock: FakeClock

    async def drain(self, report: str, start: datetime = START, end: datetime = END) -> list[Page]:
        """Return all pages of a poll."""
        pages = [await self.plugin.poll(report, Window(start, end), None)]
        while (cursor := pages[-1].cursor) is not None:
            pages.append(await self.plugin.poll(report, Window(start, end), cursor))
        return pages

    async def rows(self, report: str, start: datetime = START, end: datetime = END) -> list[Row]:
        """Return all rows of a poll."""
        return [row for page in await self.drain(report, start, end) for row in page.rows]

    def queries(self, path: str) -> list[str]:
        """Return the query strings of all requests to a path."""
        return [asked.query for asked in self.standin.journal.asked if asked.path == path]


@asynccontextmanager
async def brightloom(
    known_keys: Sequence[Key] = (), api_key: str = ADMIN_KEY, company: Company = COMPANY, now: datetime = NOW
) -> AsyncIterator[Account]:
    """Serve the invented company's organization."""
    clock = FakeClock(now)
    app = openai_app(company, clock)
    async with serving(app) as url:
        config = OpenAIConfig.model_validate({"api_key": api_key, "base_url": url + ROOT})
        async with plugin_session(OpenAI, config, clock=clock, known_keys=known_keys) as plugin:
            yield Account(plugin, fake_openai_of(app), clock)
    assert not fake_openai_of(app).journal.violations


def cost_by_group(rows: Iterable[Row], step: str) -> dict[tuple[str, ...], int]:
    """Sum rows by key, slot and model (without its date), in nano-dollars, zeros left out."""
    sums: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = (row.key, f"{row.start:{step}}", f"openai/{row.model.removesuffix('-2025-08-07')}")
        sums[group] = sums.get(group, 0) + to_nano(row.cost_usd or Decimal(0))
    return {group: nano for group, nano in sums.items() if nano}


def tokens(rows: Iterable[Row], step: str) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """Sum input including cached, cached, and output tokens by key, slot and model."""
    sums: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for row in rows:
        group = (row.key, f"{row.start:{step}}", f"openai/{row.model.removesuffix('-2025-08-07')}")
        whole, cached, output = sums.get(group, (0, 0, 0))
        read = row.tokens.cache_read
        sums[group] = (whole + row.tokens.input + read, cached + read, output + row.tokens.output)
    return sums


def true_tokens(company: Company, start: datetime, end: datetime, slot: str) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return the company's true usage, in the shape of `tokens`."""
    sums: dict[tuple[str, ...], tuple[int, ...]] = {}
    names = ("prompt_tokens", "cached_tokens", "completion_tokens")
    for place, name in enumerate(names):
        for group, count in company.truth(start, end, ("key", slot, "model"), of=name).items():
            known = sums.get(group, (0, 0, 0))
            sums[group] = (*known[:place], known[place] + count, *known[place + 1 :])
    return sums
