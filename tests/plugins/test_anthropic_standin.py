"""Anthropic against the stand-in: its reports say what the company spent, to the nano-dollar, in their own dialect."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.core.model_names import canonical
from outlay.core.money import to_nano
from outlay.fakes.anthropic.faults import Oddity
from outlay.fakes.anthropic.server import ADMIN_KEY, INFERENCE_KEY, FakeAnthropic, anthropic_app, fake_anthropic_of
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import PEOPLE
from outlay.fakes.http_server import serving
from outlay.plugin import BadConfig, NeedsReauth, Page, Permanent, RateLimited, Row, Transient, Window
from outlay.plugin.session import plugin_session
from outlay_plugins._anthropic.rows import NOBODYS
from outlay_plugins.anthropic import Anthropic, AnthropicConfig
from tests.plugins.anthropic_published import Recorder, published

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
BRIGHTLOOM = Company(seed=7, now=NOW, days=5)  # only ever asked; it remembers its hours
COMPANY = BRIGHTLOOM.view_of("anthropic")
DEFAULT = COMPANY.keys[0].workspace
START, END = COMPANY.start, COMPANY.start + 2 * DAY
EMRE = next(person for person in PEOPLE if person.name.startswith("Emre"))
ANALYTICS, BILLS, USAGE = "analytics", "cost_report", "usage"
USAGE_PATH, ANALYTICS_PATH = "/usage_report/messages", "/analytics/cost"


@dataclass
class Account:
    """The stand-in, and a plugin that talks to it."""

    plugin: Anthropic
    standin: FakeAnthropic
    clock: FakeClock
    wire: Recorder

    async def drain(self, report: str, start: datetime = START, end: datetime = END) -> list[Page]:
        """All pages of a poll."""
        pages = [await self.plugin.poll(report, Window(start, end), None)]
        while (cursor := pages[-1].cursor) is not None:
            pages.append(await self.plugin.poll(report, Window(start, end), cursor))
        return pages

    async def rows(self, report: str, start: datetime = START, end: datetime = END) -> list[Row]:
        """All rows of a poll."""
        return [row for page in await self.drain(report, start, end) for row in page.rows]

    def asked(self, path: str) -> int:
        """How often."""
        return sum(one.path == path for one in self.standin.journal.asked)


@asynccontextmanager
async def brightloom(api_key: str = ADMIN_KEY, company: Company = BRIGHTLOOM) -> AsyncIterator[Account]:
    """The invented company's organization. Every question and every answer fits what is written of the API."""
    clock = FakeClock(NOW)
    app = anthropic_app(company, clock)
    wire = Recorder(httpx.ASGITransport(app=app))
    config = AnthropicConfig.model_validate({"api_key": api_key})
    async with plugin_session(Anthropic, config, clock=clock, transport=wire) as plugin:
        yield Account(plugin, fake_anthropic_of(app), clock, wire)
    assert not fake_anthropic_of(app).journal.violations


def told(rows: Iterable[Row], step: str) -> dict[tuple[str, ...], int]:
    """What rows say by key, slot and model, in nano-dollars, zeros left out."""
    sums: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = (row.key, f"{row.start:{step}}", canonical(row.model))
        sums[group] = sums.get(group, 0) + to_nano(row.cost_usd or Decimal(0))
    return {group: nano for group, nano in sums.items() if nano}


def counted(rows: Iterable[Row], name: str) -> int:
    return sum(getattr(row.tokens, name) for row in rows)


async def test_analytics_are_the_truth_by_hour() -> None:
    async with brightloom() as account:
        rows = await account.rows(ANALYTICS)
    assert told(rows, "%Y-%m-%dT%H:00:00Z") == COMPANY.truth(START, END, ("key", "hour", "model"))
    assert counted(rows, "cache_read") == COMPANY.truth(START, END, of="cached_tokens")[()]
    assert counted(rows, "output") == COMPANY.truth(START, END, of="completion_tokens")[()]
    assert counted(rows, "input") + counted(rows, "cache_read") == COMPANY.truth(START, END, of="prompt_tokens")[()]
    assert sum(row.requests or 0 for row in rows) == COMPANY.truth(START, END, of="requests")[()]
    assert {row.reason for row in rows if not row.key} == {NOBODYS}


async def test_usage_is_the_truth_by_minute_and_has_no_dollars() -> None:
    async with brightloom() as account:
        rows = await account.rows(USAGE)
    tokens: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = (row.key, f"{row.start:%Y-%m-%dT%H:%M:00Z}", canonical(row.model))
        tokens[group] = tokens.get(group, 0) + row.tokens.output
    assert {group: count for group, count in tokens.items() if count} == COMPANY.truth(
        START, END, ("key", "minute", "model"), of="completion_tokens"
    )
    assert {row.cost_usd for row in rows} == {None}


async def test_the_bill_is_the_truth_by_day_and_workspace_and_names_no_key() -> None:
    async with brightloom() as account:
        account.standin.faults.no_analytics = 404
        rows = await account.rows(BILLS)
    sums: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = (DEFAULT.id if row.project == "default" else row.project, f"{row.start:%Y-%m-%d}", canonical(row.model))
        sums[group] = sums.get(group, 0) + to_nano(row.cost_usd or Decimal(0))
    assert sums == COMPANY.truth(START, END, ("workspace", "day", "model"))
    assert {row.key for row in rows} == {""}


async def test_a_bill_that_names_models_in_words_only_says_the_same() -> None:
    async with brightloom() as account:
        account.standin.faults.no_analytics = 403
        named = told(await account.rows(BILLS), "%Y-%m-%d")
        account.standin.faults.model_in_description = True
        assert told(await account.rows(BILLS), "%Y-%m-%d") == named


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_who_has_no_analytics_is_told_and_the_older_reports_count(status: int) -> None:
    async with brightloom() as account:
        account.standin.faults.no_analytics = status
        (page,) = await account.drain(ANALYTICS)
        assert page.absent
        assert not page.rows
        assert "does not have Anthropic's analytics" in page.notes[0]
        assert not (await account.drain(BILLS))[0].absent
        assert any("does not have" in words for words in (await account.plugin.check()).can_read)


async def test_where_analytics_are_the_bill_of_the_same_money_is_not_read() -> None:
    async with brightloom() as account:
        (page,) = await account.drain(BILLS)
        assert page.absent
        assert not page.rows
        assert account.asked("/cost_report") == 0


async def test_analytics_end_with_the_last_hour_that_anthropic_knows_whole() -> None:
    async with brightloom() as account:
        account.standin.faults.analytics_lag = timedelta(hours=3, minutes=10)  # 06:10
        (page,) = await account.drain(ANALYTICS, TODAY, NOW)
        assert page.window == Window(TODAY, TODAY + 6 * HOUR)
        assert sum(told(page.rows, "%Y").values()) == COMPANY.truth(TODAY, TODAY + 6 * HOUR)[()]
        account.standin.faults.analytics_lag = 30 * HOUR
        (page,) = await account.drain(ANALYTICS, TODAY, NOW)
        assert page.window == Window(TODAY, TODAY)
        account.standin.faults.tells_freshness = False
        (page,) = await account.drain(ANALYTICS, TODAY, NOW)
        assert page.window.end <= NOW - DAY or page.window.end == TODAY


async def test_usage_tells_today_up_to_its_lag() -> None:
    async with brightloom() as account:
        rows = await account.rows(USAGE, TODAY, NOW)
        assert counted(rows, "output") == COMPANY.truth(TODAY, NOW, of="completion_tokens")[()]
        account.standin.faults.usage_lag = 5 * MINUTE
        late = await account.rows(USAGE, TODAY, NOW)
        assert counted(late, "output") == COMPANY.truth(TODAY, NOW - 5 * MINUTE, of="completion_tokens")[()]


async def test_whoever_uses_no_key_is_billed_by_a_seat_and_a_key_stays_a_key() -> None:
    async with brightloom() as account:
        account.standin.faults.names_people = True
        seats = {key.id: key for key in await account.plugin.keys()}
        assert (seats[EMRE.user_id].email, seats[EMRE.user_id].name) == (EMRE.email, EMRE.name)
        keys = {key.hash for key in COMPANY.keys if key.hash} | {EMRE.user_id}
        for report in (ANALYTICS, USAGE):
            rows = await account.rows(report)
            assert {row.key for row in rows} == keys
            mine = [row for row in rows if row.key == EMRE.user_id]
            console = COMPANY.truth(START, END, ("key",), of="completion_tokens")[("",)]
            assert counted(mine, "output") == console


async def test_batches_are_told_apart() -> None:
    async with brightloom() as account:
        batch = COMPANY.key("nightly-summaries").hash
        for report in (ANALYTICS, USAGE):
            rows = await account.rows(report)
            assert {row.key for row in rows if row.detail == (("service_tier", "batch"),)} == {batch}
            assert {row.key for row in rows if row.list_price_factor != 1} == {batch}
            assert all(not row.detail for row in rows if row.key != batch)


async def test_web_searches_on_a_bill_are_nobodys_for_a_reason() -> None:
    async with brightloom() as account:
        account.standin.faults.searches_nano_usd = 12_340_000_000
        whole = COMPANY.truth(START, END)[()] + 2 * 12_340_000_000
        assert sum(told(await account.rows(ANALYTICS), "%Y").values()) == whole
        account.standin.faults.no_analytics = 404
        account.clock.advance(DAY)
    async with brightloom() as account:
        account.standin.faults.searches_nano_usd = 12_340_000_000
        account.standin.faults.no_analytics = 404
        rows = await account.rows(BILLS)
    assert sum(told(rows, "%Y").values()) == whole
    assert sum((row.cost_usd or 0 for row in rows if row.reason == "web searches"), Decimal(0)) == Decimal("24.68")


async def test_keys_come_with_workspaces_and_whoever_made_them() -> None:
    async with brightloom() as account:
        account.standin.faults.oddities.add("extra_fields")
        keys = {key.id: key for key in await account.plugin.keys()}
    for made in COMPANY.keys:
        if made.hash and not made.deleted:
            key = keys[made.hash]
            assert (key.name, key.label, key.email) == (made.name, made.label, made.creator.email)
            name = "Default workspace" if made.workspace.id == DEFAULT.id else made.workspace.name
            assert key.project_name == name


async def test_who_is_who() -> None:
    async with brightloom() as account:
        checked = await account.plugin.check()
        assert (checked.account_title, checked.credential) == ("Brightloom", "admin key")
        assert any("analytics" in words for words in checked.can_read)
    for status in (401, 403):
        async with brightloom(INFERENCE_KEY) as account:
            account.standin.faults.inference_status = status
            with pytest.raises(BadConfig, match="inference key") as refused:
                await account.plugin.check()
            assert refused.value.field == "api_key"
    async with brightloom("sk-ant-admin01-wrong") as account:
        with pytest.raises(BadConfig, match="copied whole"):
            await account.plugin.check()


async def test_a_revoked_key_asks_for_another() -> None:
    async with brightloom() as account:
        await account.rows(USAGE, TODAY, NOW)
        account.standin.faults.revoked = True
        for report in (ANALYTICS, BILLS, USAGE):
            with pytest.raises(NeedsReauth):
                await account.rows(report)


@pytest.mark.parametrize("oddities", [{"extra_fields", "numbers_as_strings"}, {"nulls"}])
async def test_odd_answers_say_the_same(oddities: set[Oddity]) -> None:
    async with brightloom() as account:
        plain = {report: told(await account.rows(report), "%H") for report in (ANALYTICS, USAGE)}
        used = counted(await account.rows(USAGE), "output")
        account.standin.faults.oddities |= oddities
        assert {report: told(await account.rows(report), "%H") for report in plain} == plain
        assert counted(await account.rows(USAGE), "output") == used


async def test_a_cursor_that_expires_starts_the_report_over_and_not_for_ever() -> None:
    large = Company(seed=7, now=NOW, days=40)
    async with brightloom(company=large) as account:
        account.standin.faults.no_analytics = 404
        account.standin.faults.expired_cursors = 2
        start = large.start
        with pytest.MonkeyPatch.context() as patch:  # as if Anthropic gave fewer buckets than it was asked for
            patch.setattr("outlay_plugins._anthropic.cost_report.DAYS_A_PAGE", 4)
            patch.setattr("outlay_plugins._anthropic.usage.FIRST_HOURS", 24)
            patch.setattr("outlay.fakes.anthropic.query.BUCKETS", {"1m": (60, 300), "1h": (1, 1), "1d": (2, 2)})
            patch.setattr("outlay.fakes.anthropic.query.whole_number", lambda asked, name, usual, most: most)
            rows = await account.rows(USAGE, start, start + DAY)
            assert (
                counted(rows, "output")
                == large.view_of("anthropic").truth(start, start + DAY, of="completion_tokens")[()]
            )
            assert account.standin.faults.expired_cursors == 0
            bills = await account.rows(BILLS, start, start + 9 * DAY)
            assert sum(told(bills, "%Y").values()) == large.view_of("anthropic").truth(start, start + 9 * DAY)[()]
            account.standin.faults.expired_cursors = 50
            with pytest.raises(Permanent) as gone:
                await account.rows(USAGE, start, start + DAY)
            assert gone.value.status == 410


async def test_an_answer_of_many_pages_is_one_statement() -> None:
    async with brightloom() as account:
        whole = await account.rows(ANALYTICS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("outlay_plugins._anthropic.analytics.LIST_ROWS", 7)
            assert told(await account.rows(ANALYTICS), "%H") == told(whole, "%H")
        assert account.asked(ANALYTICS_PATH) > 10


async def test_a_dimension_that_is_not_there_is_left_out_and_said() -> None:
    async with brightloom() as account:
        account.standin.faults.names_people = True
        account.standin.faults.groupings_refused = {"actor", "account_id"}
        for report in (ANALYTICS, USAGE):
            pages = await account.drain(report)
            assert "by person" in pages[0].notes[0]
            assert EMRE.user_id not in {row.key for page in pages for row in page.rows}
        account.standin.faults.groupings_refused = {"model"}
        with pytest.raises(Permanent, match="model"):
            await account.rows(USAGE)


async def test_a_wait_that_only_the_reset_header_names_is_kept() -> None:
    async with brightloom() as account:
        reset = f"{NOW + timedelta(seconds=12):%Y-%m-%dT%H:%M:%SZ}"
        account.standin.faults.status(USAGE_PATH, 429, headers={"anthropic-ratelimit-requests-reset": reset})
        await account.rows(USAGE, TODAY, TODAY + HOUR)
        assert account.clock.now() == NOW + timedelta(seconds=12)
        reset = f"{NOW + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"
        account.standin.faults.status(USAGE_PATH, 429, headers={"anthropic-ratelimit-requests-reset": reset}, times=9)
        with pytest.raises(RateLimited) as limited:
            await account.rows(USAGE, TODAY, TODAY + HOUR)
        assert limited.value.retry_at == NOW + timedelta(minutes=30)


async def test_many_polls_keep_to_the_pace_of_analytics() -> None:
    async with brightloom() as account:
        for _ in range(35):
            await account.rows(ANALYTICS, TODAY, TODAY + HOUR)
        asked = [one for one in account.standin.journal.asked if one.path.startswith("/analytics/")]
    assert len(asked) > 60
    assert {one.status for one in asked} == {200}


async def test_a_month_by_the_minute_is_few_questions_and_no_page_is_more_than_a_day() -> None:
    quiet = Company(seed=7, now=NOW, days=1)
    async with brightloom(company=quiet) as account:
        pages = await account.drain(USAGE, NOW.replace(minute=0) - 35 * DAY, NOW)
        assert account.asked(USAGE_PATH) <= 45
        assert max(page.window.end - page.window.start for page in pages) == DAY


async def test_busy_hours_make_short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlay_plugins._anthropic.rows.MANY_ROWS", 60)
    monkeypatch.setattr("outlay_plugins._anthropic.rows.FEW_ROWS", 10)
    async with brightloom() as account:
        pages = await account.drain(USAGE)
        assert min(page.window.end - page.window.start for page in pages) == HOUR
        rows = [row for page in pages for row in page.rows]
        assert counted(rows, "output") == COMPANY.truth(START, END, of="completion_tokens")[()]


@pytest.mark.parametrize("report", [ANALYTICS, USAGE])
async def test_an_answer_that_is_too_much_is_asked_for_in_halves(report: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with brightloom() as account:
        whole = await account.rows(report)
        monkeypatch.setattr("outlay.plugin.read_client.MAX_BODY_BYTES", 60_000)
        halves = await account.drain(report)
        assert sorted(map(repr, whole)) == sorted(repr(row) for page in halves for row in page.rows)
        monkeypatch.setattr("outlay.plugin.read_client.MAX_BODY_BYTES", 2)
        with pytest.raises(Permanent, match="more than"):
            await account.rows(report)


async def test_pages_without_end_are_asked_for_in_halves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlay_plugins._anthropic.analytics.LIST_ROWS", 2)
    monkeypatch.setattr("outlay_plugins._anthropic.client.MAX_PAGES", 12)
    async with brightloom() as account:
        rows = await account.rows(ANALYTICS)
    assert told(rows, "%Y-%m-%dT%H:00:00Z") == COMPANY.truth(START, END, ("key", "hour", "model"))


async def test_a_restatement_is_told_when_it_is_read_again() -> None:
    company = Company(seed=7, now=NOW, days=2)
    async with brightloom(company=company) as account:
        start = company.start
        before = sum(told(await account.rows(ANALYTICS, start, start + DAY), "%Y").values())
        company.restate(start, start + DAY, Fraction(0), key_hash=COMPANY.key("dana-claude").hash)
        after = sum(told(await account.rows(ANALYTICS, start, start + DAY), "%Y").values())
    assert after == company.view_of("anthropic").truth(start, start + DAY)[()] < before


async def test_passing_trouble_passes_and_lasting_trouble_is_told() -> None:
    clock = FakeClock(NOW)
    app = anthropic_app(BRIGHTLOOM, clock)
    async with serving(app) as url:
        config = AnthropicConfig.model_validate({"api_key": ADMIN_KEY, "base_url": url})
        async with plugin_session(Anthropic, config, clock=clock) as plugin:
            faults, window = fake_anthropic_of(app).faults, Window(START, START + 3 * HOUR)
            faults.status(USAGE_PATH, 529)
            faults.drop(USAGE_PATH)
            plain = await plugin.poll(USAGE, window, None)
            assert counted(plain.rows, "output") == COMPANY.truth(*_of(window), of="completion_tokens")[()]
            faults.half_json(USAGE_PATH, times=3)
            with pytest.raises(Transient):
                await plugin.poll(USAGE, window, None)
            faults.html(ANALYTICS_PATH)
            with pytest.raises(Permanent, match="web page"):
                await plugin.poll(ANALYTICS, window, None)
            faults.body("/cost_report", '{"data": [{"rows": []}]}')
            faults.no_analytics = 404
        async with plugin_session(Anthropic, config, clock=clock) as plugin:
            with pytest.raises(Permanent, match="starting_at"):
                await plugin.poll(BILLS, Window(TODAY - DAY, TODAY), None)


def _of(window: Window) -> tuple[datetime, datetime]:
    return window.start, window.end


async def test_all_that_is_asked_and_answered_fits_what_is_written_of_the_api() -> None:
    document = published()
    for no_analytics in (None, 404, 400):
        async with brightloom() as account:
            account.standin.faults.no_analytics = no_analytics
            account.standin.faults.names_people = True
            account.standin.faults.searches_nano_usd = 5_000_000
            await account.plugin.check()
            await account.plugin.keys()
            for report in (ANALYTICS, BILLS, USAGE):
                await account.rows(report)
            account.standin.faults.status(USAGE_PATH, 403)
            with pytest.raises(Permanent):
                await account.rows(USAGE)
            account.standin.faults.revoked = True
            with pytest.raises(NeedsReauth):
                await account.rows(USAGE)
        paths = {request.url.path for request, _ in account.wire.seen}
        assert len(paths) == 7  # the bill, or the second half of analytics
        for request, response in account.wire.seen:
            document.check_request(request)
            document.check_response(request.url.path, response.status_code, response.json())
