"""OpenRouter over real HTTP against the stand-in: the reports say what the company spent, to the nano-dollar."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from outlay.core.clock import FakeClock
from outlay.core.money import to_nano
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.faults import Oddity
from outlay.fakes.openrouter.server import (
    INFERENCE_KEY,
    MANAGEMENT_KEY,
    FakeOpenRouter,
    fake_openrouter_of,
    openrouter_app,
)
from outlay.plugin import BadConfig, Key, NeedsReauth, Page, Permanent, Row, Transient, Window
from outlay.plugin.session import plugin_session
from outlay_plugins.openrouter import OpenRouter, OpenRouterConfig

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
COMPANY = Company(seed=7, now=NOW)  # only ever asked; it remembers its hours
DELETED = COMPANY.key("old-prototype")
START, END = COMPANY.start + 8 * DAY, COMPANY.start + 10 * DAY  # around the deletion of that key


@dataclass
class Account:
    """The stand-in, and a plugin that talks to it."""

    plugin: OpenRouter
    standin: FakeOpenRouter
    clock: FakeClock

    async def drain(self, report: str, start: datetime = START, end: datetime = END) -> list[Page]:
        """All pages of a poll."""
        pages = [await self.plugin.poll(report, Window(start, end), None)]
        while (cursor := pages[-1].cursor) is not None:
            pages.append(await self.plugin.poll(report, Window(start, end), cursor))
        return pages

    async def rows(self, report: str, start: datetime = START, end: datetime = END) -> list[Row]:
        """All rows of a poll."""
        return [row for page in await self.drain(report, start, end) for row in page.rows]


@asynccontextmanager
async def brightloom(
    known_keys: Sequence[Key] = (), api_key: str = MANAGEMENT_KEY, company: Company = COMPANY
) -> AsyncIterator[Account]:
    """The invented company's account."""
    clock = FakeClock(NOW)
    app = openrouter_app(company, clock)
    async with serving(app) as url:
        config = OpenRouterConfig.model_validate({"api_key": api_key, "base_url": f"{url}/api/v1"})
        async with plugin_session(OpenRouter, config, clock=clock, known_keys=known_keys) as plugin:
            yield Account(plugin, fake_openrouter_of(app), clock)
    assert not fake_openrouter_of(app).journal.violations


def told(rows: Iterable[Row], step: str, of: str = "cost_usd") -> dict[tuple[str, ...], int]:
    """What rows say by key, slot and model, in nano-dollars, zeros left out."""
    sums: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = (row.key, f"{row.start:{step}}", row.model)
        sums[group] = sums.get(group, 0) + to_nano(getattr(row, of) or Decimal(0))
    return {group: nano for group, nano in sums.items() if nano}


def truth(slot: str, of: str = "cost_nano_usd", nobodys: Sequence[str] = (DELETED.hash,)) -> dict[tuple[str, ...], int]:
    """What was spent, with the spend of some keys as nobody's."""
    sums: dict[tuple[str, ...], int] = {}
    for (key, when, model), nano in COMPANY.truth(START, END, ("key", slot, "permaslug"), of=of).items():
        group = ("" if key in nobodys else key, when, model)
        sums[group] = sums.get(group, 0) + nano
    return sums


async def test_activity_is_the_truth_by_day() -> None:
    async with brightloom() as account:
        rows = await account.rows("activity")
    assert told(rows, "%Y-%m-%d") == truth("day")
    assert told(rows, "%Y-%m-%d", "byok_usd") == truth("day", "byok_nano_usd")
    assert sum(row.tokens.output for row in rows) == COMPANY.truth(START, END, of="completion_tokens")[()]
    assert sum(row.tokens.cache_read for row in rows) == COMPANY.truth(START, END, of="cached_tokens")[()]
    assert sum(row.requests or 0 for row in rows) == COMPANY.truth(START, END, of="requests")[()]
    assert {row.reason for row in rows if not row.key} == {"used by a key that no longer exists, or without a key"}


async def test_analytics_is_the_truth_by_hour() -> None:
    async with brightloom() as account:
        rows = await account.rows("analytics")
    assert told(rows, "%Y-%m-%dT%H:00:00Z") == truth("hour")
    assert told(rows, "%Y-%m-%dT%H:00:00Z", "byok_usd") == truth("hour", "byok_nano_usd")
    whole = COMPANY.truth(START, END, of="prompt_tokens")[()] + COMPANY.truth(START, END, of="completion_tokens")[()]
    assert sum(row.tokens.total for row in rows) == whole
    assert {row.reason for row in rows if not row.key} == {"used by a key named «old-prototype» that no longer exists"}
    assert "openrouter/auto" not in {row.model for row in rows}


async def test_a_deleted_key_that_the_books_have_met_has_its_spend() -> None:
    async with brightloom([Key(DELETED.hash, DELETED.name)]) as account:
        assert told(await account.rows("activity"), "%Y-%m-%d") == truth("day", nobodys=())
        assert told(await account.rows("analytics"), "%Y-%m-%dT%H:00:00Z") == truth("hour", nobodys=())


async def test_a_deleted_key_that_the_ledger_forgot_is_nobodys() -> None:
    async with brightloom([Key(DELETED.hash, "laptop"), Key("ff" * 32, "laptop")]) as account:
        account.standin.faults.forgets_deleted = True
        assert told(await account.rows("activity"), "%Y-%m-%d") == truth("day")
        assert told(await account.rows("analytics"), "%Y-%m-%dT%H:00:00Z") == truth("hour")


async def test_today_is_in_analytics_up_to_the_minute_and_not_in_activity() -> None:
    async with brightloom() as account:
        rows = await account.rows("analytics", TODAY, NOW)
        assert sum(told(rows, "%H").values()) == COMPANY.truth(TODAY, NOW)[()]
        (nothing,) = await account.drain("activity", TODAY, NOW)
        assert list(nothing.rows) == []
        account.standin.faults.analytics_lag = 2 * HOUR
        late = await account.rows("analytics", TODAY, NOW)
        assert sum(told(late, "%H").values()) == COMPANY.truth(TODAY, NOW - 2 * HOUR)[()]


async def test_a_key_renamed_meanwhile_keeps_its_spend_once_it_is_listed_again() -> None:
    ci = COMPANY.key("agent-ci")
    async with brightloom() as account:
        await account.plugin.keys()
        account.standin.faults.renamed[ci.hash] = "ci-of-old"
        rows = await account.rows("analytics")
        assert told(rows, "%Y-%m-%dT%H:00:00Z") == truth("hour", nobodys=(DELETED.hash, ci.hash))
        account.clock.advance(timedelta(minutes=10))
        assert told(await account.rows("analytics"), "%Y-%m-%dT%H:00:00Z") == truth("hour")


@pytest.mark.parametrize(
    ("report", "oddities"),
    [
        ("activity", {"extra_fields", "numbers_as_strings"}),
        ("analytics", {"extra_fields", "numbers_as_strings"}),
        ("analytics", {"counts_as_numbers"}),
    ],
)
async def test_odd_answers_say_the_same(report: str, oddities: set[Oddity]) -> None:
    async with brightloom() as account:
        plain = await account.rows(report)
        account.standin.faults.oddities |= oddities
        account.standin.faults.bucket_prefix = "created_at"
        account.clock.advance(timedelta(minutes=6))  # the keys are listed again
        assert await account.rows(report) == plain


async def test_nulls_are_nobodys_e_mail_and_no_cached_tokens() -> None:
    async with brightloom() as account:
        account.standin.faults.oddities.add("nulls")
        assert {key.email for key in await account.plugin.keys()} == {""}
        rows = await account.rows("analytics", START, START + HOUR * 12)
        assert sum(row.tokens.cache_read for row in rows) == 0
        assert sum(told(rows, "%Y").values()) == COMPANY.truth(START, START + HOUR * 12)[()]


async def test_unpriced_models_are_unpriced_and_the_others_are_not() -> None:
    async with brightloom() as account:
        account.standin.faults.unpriced.add("openai/gpt-5")
        days, hours = await account.rows("activity"), await account.rows("analytics")
    for rows in (days, hours):
        unpriced = [row for row in rows if row.cost_usd is None]
        assert {row.model for row in unpriced} == {"openai/gpt-5-2025-08-07"}
        assert all(row.tokens.total for row in unpriced)
    assert told(days, "%Y-%m-%d") == told(hours, "%Y-%m-%d")


async def test_a_model_never_seen_keeps_its_own_name() -> None:
    async with brightloom() as account:
        account.standin.faults.called["anthropic/claude-haiku-4.5"] = "nova/one"
        rows = await account.rows("analytics")
    assert "nova/one-20261101" in {row.model for row in rows}
    assert sum(told(rows, "%Y").values()) == COMPANY.truth(START, END)[()]


async def test_counters_are_those_of_all_keys_that_exist() -> None:
    async with brightloom() as account:
        (page,) = await account.drain("keys", NOW, NOW)
        assert {key.id for key in await account.plugin.keys()} == {key.hash for key in COMPANY.keys} - {DELETED.hash}
    totals = {reading.key: reading for reading in page.readings}
    for key in COMPANY.keys:
        if key is not DELETED:
            cost, byok = COMPANY.total(key, COMPANY.start, NOW)
            assert to_nano(totals[key.hash].total_usd) == cost + key.before_nano_usd
            assert to_nano(totals[key.hash].byok_usd) == byok
    named = sum((reading.total_usd for reading in page.readings if reading.key), Decimal(0))
    gone = COMPANY.total(DELETED, COMPANY.start, NOW)[0] + DELETED.before_nano_usd
    assert to_nano(totals[""].total_usd - named) == gone


async def test_keys_come_with_workspaces_and_creators() -> None:
    async with brightloom() as account:
        keys = {key.id: key for key in await account.plugin.keys()}
    for made in COMPANY.keys:
        if made is not DELETED:
            key = keys[made.hash]
            assert (key.name, key.label, key.disabled) == (made.name, made.label, made.disabled)
            assert (key.email, key.project_name) == (made.creator.email, made.workspace.name)


async def test_who_is_who() -> None:
    async with brightloom() as account:
        checked = await account.plugin.check()
        assert checked.account_id.startswith("org_")
    async with brightloom(api_key=INFERENCE_KEY) as account:
        with pytest.raises(BadConfig, match="inference key"):
            await account.plugin.check()
    async with brightloom(api_key="sk-or-v1-wrong") as account:
        with pytest.raises(BadConfig, match="does not know this key"):
            await account.plugin.check()


async def test_a_revoked_key_asks_for_another() -> None:
    async with brightloom() as account:
        await account.rows("activity")
        account.standin.faults.revoked = True
        for report in ("activity", "analytics", "keys"):
            account.clock.advance(timedelta(minutes=6))
            with pytest.raises(NeedsReauth):
                await account.rows(report)


async def test_a_generation_that_a_router_resolved() -> None:
    async with brightloom() as account:
        routed = await account.plugin.generation("gen-auto-1")
        own = await account.plugin.generation("gen-byok-1")
        with pytest.raises(Permanent):
            await account.plugin.generation("gen-none")
    assert (routed.model, routed.requested) == ("anthropic/claude-4.5-sonnet-20250929", "openrouter/auto")
    assert (own.cost_usd, own.byok_usd > 0) == (0, True)


async def test_many_polls_keep_to_the_pace() -> None:
    async with brightloom() as account:
        for _ in range(40):
            await account.rows("analytics", TODAY + 8 * HOUR, NOW)
        asked = [one for one in account.standin.journal.asked if one.path == "/analytics/query"]
    assert len(asked) > 64
    assert {one.status for one in asked} == {200}
    for first, last in zip(asked, asked[60:], strict=False):
        assert last.at - first.at >= timedelta(seconds=60)


async def test_passing_trouble_passes() -> None:
    async with brightloom() as account:
        faults = account.standin.faults
        faults.status("/analytics/query", 429, headers={"retry-after": "3"})
        faults.status("/activity", 500)
        faults.drop("/keys")
        assert told(await account.rows("analytics"), "%Y-%m-%dT%H:00:00Z") == truth("hour")
        assert told(await account.rows("activity"), "%Y-%m-%d") == truth("day")


async def test_lasting_trouble_is_told_and_nothing_is_said() -> None:
    async with brightloom() as account:
        faults = account.standin.faults
        faults.half_json("/activity", times=3)
        with pytest.raises(Transient):
            await account.rows("activity")
        faults.html("/analytics/query")
        with pytest.raises(Permanent, match="web page"):
            await account.rows("analytics")
        faults.body("/analytics/query", '{"data": {"rows": []}}')
        with pytest.raises(Permanent, match="`data`"):
            await account.rows("analytics")
        faults.cut("/keys", times=3)
        account.clock.advance(timedelta(minutes=6))
        with pytest.raises(Transient):
            await account.rows("keys")
