"""Claude Code's report: what people used, day by day, at an estimate that is in no total, since nobody paid it so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlay import migrations
from outlay.connections.service import ConnectionService
from outlay.core.clock import FakeClock
from outlay.core.model_names import canonical
from outlay.core.money import to_nano
from outlay.database.engine import Database
from outlay.fakes.anthropic.server import ADMIN_KEY, INFERENCE_KEY, FakeAnthropic, anthropic_app, fake_anthropic_of
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.owners import KeyOwnerService
from outlay.plugin import BadConfig, Page, Window
from outlay.plugin.session import plugin_session
from outlay.plugin.testing.ledger_tests import Trial, ledger_conformance
from outlay.polling.poller import Poller
from outlay.spend.service import SpendService
from outlay.vault.key_setup import open_vault
from outlay.workspaces.store import LOCAL, ensure
from outlay_plugins.anthropic import Anthropic
from outlay_plugins.claude_code import NOBODY, ClaudeCode, ClaudeCodeConfig
from tests.plugins.anthropic_published import Recorder, published

NOW = datetime(2026, 11, 20, 9, 20, tzinfo=UTC)
TODAY, DAY = NOW.replace(hour=0, minute=0), timedelta(days=1)
BRIGHTLOOM = Company(seed=7, now=NOW, days=4)  # only ever asked
SEATS = BRIGHTLOOM.view_of("claude-code")
START, END = BRIGHTLOOM.start, TODAY


@dataclass
class Account:
    """The stand-in, and a plugin that talks to it."""

    plugin: ClaudeCode
    standin: FakeAnthropic
    wire: Recorder

    async def drain(self, start: datetime = START, end: datetime = END) -> list[Page]:
        """All pages of a poll."""
        pages = [await self.plugin.poll("use", Window(start, end), None)]
        while (cursor := pages[-1].cursor) is not None:
            pages.append(await self.plugin.poll("use", Window(start, end), cursor))
        return pages


@asynccontextmanager
async def brightloom(api_key: str = ADMIN_KEY) -> AsyncIterator[Account]:
    clock = FakeClock(NOW)
    app = anthropic_app(BRIGHTLOOM, clock)
    wire = Recorder(httpx.ASGITransport(app=app))
    config = ClaudeCodeConfig.model_validate({"api_key": api_key})
    async with plugin_session(ClaudeCode, config, clock=clock, transport=wire) as plugin:
        yield Account(plugin, fake_anthropic_of(app), wire)
    assert not fake_anthropic_of(app).journal.violations


@asynccontextmanager
async def trial() -> AsyncIterator[Trial]:
    clock = FakeClock(NOW)
    yield Trial(
        good=ClaudeCodeConfig.model_validate({"api_key": ADMIN_KEY}),
        wrong=ClaudeCodeConfig.model_validate({"api_key": INFERENCE_KEY}),
        secret=ADMIN_KEY,
        window=Window(START, START + 3 * DAY),
        empty=Window(START - 9 * DAY, START - 8 * DAY),
        clock=clock,
        transport=httpx.ASGITransport(app=anthropic_app(BRIGHTLOOM, clock)),
    )


TestClaudeCode = ledger_conformance(ClaudeCode, make=trial)


async def test_each_person_and_day_is_told_at_anthropics_estimate_in_cents() -> None:
    async with brightloom() as account:
        rows = [row for page in await account.drain() for row in page.rows]
    told: dict[tuple[str, ...], int] = {}
    for row in rows:
        place = (row.key, f"{row.start:%Y-%m-%d}", canonical(row.model))
        told[place] = told.get(place, 0) + to_nano(row.cost_usd or Decimal(0))
    truth = SEATS.truth(START, END, ("key", "day", "model"))  # and nothing of what is billed by the token
    emails = {key.hash: getattr(key.owner, "email", "") for key in SEATS.keys}
    assert told == {(emails[key], day, model): nano for (key, day, model), nano in truth.items()}
    assert {row.detail for row in rows} == {(("subscription", "team"),)}


async def test_seats_are_the_members_by_their_e_mail() -> None:
    async with brightloom() as account:
        keys = {key.id: key for key in await account.plugin.keys()}
    assert set(keys) == {person.email for person in BRIGHTLOOM.staff.people}
    assert keys["hana@brightloom.example"].name == "Hana Sato"


async def test_every_question_and_answer_is_as_it_is_published() -> None:
    document = published()
    async with brightloom() as account:
        await account.plugin.check()
        await account.plugin.keys()
        await account.drain()
        paths = {request.url.path for request, _ in account.wire.seen}
        for request, response in account.wire.seen:
            document.check_request(request)
            document.check_response(request.url.path, response.status_code, response.json())
    assert "/v1/organizations/usage_report/claude_code" in paths


async def test_rows_in_pages_and_cursors_that_expire_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with brightloom() as account:
        whole = await account.drain()
        monkeypatch.setattr("outlay_plugins.claude_code.PAGE_ROWS", 1)
        account.standin.faults.expired_cursors = 1
        assert await account.drain() == whole


@pytest.mark.parametrize(("status", "field"), [(401, "api_key"), (403, "api_key"), (404, "base_url")])
async def test_what_cannot_read_it_is_refused_on_its_field(status: int, field: str) -> None:
    async with brightloom() as account:
        account.standin.faults.status("/usage_report/claude_code", status)
        with pytest.raises(BadConfig) as refusal:
            await account.plugin.check()
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("actor", "key", "reason"),
    [
        ({"email_address": "A@b.example"}, "a@b.example", ""),
        ({}, "", NOBODY),
    ],
)
async def test_what_is_not_told_is_unknown(actor: dict[str, Any], key: str, reason: str) -> None:
    tokens = {"input": 5, "output": 2, "cache_read": None, "cache_creation": 3}
    used = {"model": "claude-x-1", "tokens": tokens, "estimated_cost": None}
    row = {"date": "2026-11-19T00:00:00Z", "actor": actor, "customer_type": "subscription", "model_breakdown": [used]}

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": [row], "has_more": False, "next_page": None})

    config = ClaudeCodeConfig.model_validate({"api_key": "sk-ant-admin01-x"})
    async with plugin_session(
        ClaudeCode, config, clock=FakeClock(NOW), transport=httpx.MockTransport(answer)
    ) as plugin:
        page = await plugin.poll("use", Window(TODAY - DAY, TODAY), None)
    (found,) = page.rows
    assert (found.key, found.reason, found.cost_usd, found.requests) == (key, reason, None, None)
    assert (found.tokens.input, found.tokens.cache_write_5m, found.tokens.output) == (5, 3, 2)


async def test_it_is_shown_where_it_is_asked_for_and_added_to_nothing(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'books.sqlite'}")
    await migrations.upgrade(database)
    vault = open_vault(data_dir=tmp_path, master_key=None, master_key_file=None, kms_uris=None, on_secret=None)
    connections = ConnectionService(database, vault, {"anthropic": Anthropic, "claude-code": ClaudeCode}, clock)
    asking, poller = SpendService(database, clock), Poller(database, connections, clock)

    async def total(question: str) -> int:
        return (await asking.spend(LOCAL, question)).total_nano_usd

    async with serving(anthropic_app(BRIGHTLOOM, clock)) as url:
        async with database.write() as session_:
            await ensure(session_, LOCAL, now=NOW)
        values = {"api_key": ADMIN_KEY, "base_url": url}
        await connections.connect(LOCAL, "anthropic", "claude", values)
        for field, value in (("role", "books"), ("in_front_of", "claude")):
            with pytest.raises(BadConfig, match="nobody ever paid") as refusal:
                await connections.connect(LOCAL, "claude-code", "seats", values | {field: value})
            assert refusal.value.field == field
        await connections.connect(LOCAL, "claude-code", "seats", values)
        clock.advance(timedelta(minutes=1))
        for number in (1, 2):
            assert (await poller.poll(number, since=START)) is not None
    billed = BRIGHTLOOM.truth(START, TODAY, ledger="anthropic")[()]
    notional = SEATS.truth(START, TODAY)[()]
    days = f"from {START:%Y-%m-%d} to {TODAY - DAY:%Y-%m-%d}"
    assert await total(days) == billed
    assert await total(f"{days} connection:seats") == notional
    shown = await asking.spend(LOCAL, f"{days} connection:seats by owner")
    assert {line.owner.id for line in shown.lines if line.owner} == {
        "bruno@brightloom.example",
        "hana@brightloom.example",
    }
    owned = await KeyOwnerService(database, clock).keys(LOCAL)
    assert {key.spent_nano_usd for key in owned if key.connection == "seats"} == {0}
    assert any(key.spent_nano_usd for key in owned if key.connection == "claude")
    await database.close()
