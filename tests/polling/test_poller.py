"""A poll reads what it can: a report that an account does not have, or may not read, stops no other."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import event, text

from outlay.books.closing.close_month import NotClosableError, close
from outlay.books.pricing.price_list import PriceList
from outlay.connections.service import ConnectionService
from outlay.core.clock import FakeClock
from outlay.core.tokens import Tokens
from outlay.database.engine import execute
from outlay.plugin.contract import Key, Page, Report, RereadRule, Row, Window
from outlay.plugin.errors import NeedsReauth, Permanent
from outlay.polling.poller import Poller
from outlay.slack.connections import notices as connection_notices
from tests.books.database_pool import SqliteShelf
from tests.books.factories import DAY, HOUR, MONDAY, Books, row

NOW = MONDAY + 2 * DAY + 10 * HOUR
BILL, BETTER, HOURS = Report("bill", DAY), Report("better", HOUR), Report("hours", HOUR)
Answer = Callable[[Window], Page]


class Ledger:
    """A ledger that answers each report as it was told to, and counts who asked."""

    reports = (BILL, BETTER, HOURS)
    context = SimpleNamespace(http=SimpleNamespace(requests=1))

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {report.name: spent for report in self.reports}
        self.asked: list[str] = []

    async def keys(self) -> Sequence[Key]:
        return []

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        self.asked.append(report)
        return self.answers[report](window)


def spent(window: Window) -> Page:
    """A dollar in the first hour of Monday."""
    rows = [row(MONDAY)] if window.start <= MONDAY < window.end else []
    return Page(window, rows)


def absent(window: Window) -> Page:
    return Page(window, absent=True, notes=("This account has no such report.",))


def forbidden(window: Window) -> Page:
    raise Permanent("not for this credential", status=403)


def no_longer_known(window: Window) -> Page:
    raise NeedsReauth("who is this?", status=401)


def not_for_you(window: Window) -> Page:
    raise NeedsReauth("missing scopes", status=403)


class Home:
    """Books, a clock, a ledger, and somebody who polls it."""

    def __init__(self, books: Books) -> None:
        self.books, self.clock, self.ledger = books, FakeClock(NOW), Ledger()
        self.poller = Poller(books.database, cast(ConnectionService, self), self.clock)

    @asynccontextmanager
    async def open_ledger(self, connection_id: int) -> AsyncIterator[Any]:
        yield self.ledger

    async def poll(self, *, later: timedelta = timedelta(0), since: datetime | None = None) -> Any:
        self.clock.advance(later)
        self.ledger.asked.clear()
        return await self.poller.poll(1, since=since)

    async def state(self) -> tuple[Any, ...]:
        return (await self.books.rows("SELECT state, error, notes FROM connection WHERE id = 1"))[0]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> SqliteShelf:
    return SqliteShelf(tmp_path_factory.mktemp("books"))


@pytest.fixture
async def home(shelf: SqliteShelf, tmp_path: Path) -> AsyncIterator[Home]:
    async with Books.copied(shelf, tmp_path) as books:
        yield Home(books)


async def test_a_report_that_the_account_does_not_have_says_nothing_and_hides_nothing(home: Home) -> None:
    home.ledger.answers["bill"] = absent
    result = await home.poll()
    assert (result.ok, result.notes) == (True, ["This account has no such report."])
    assert await home.state() == ("ok", "", "This account has no such report.")
    assert await home.books.rows("SELECT 1 FROM coverage WHERE report = 'bill'") == []
    assert await home.books.rows("SELECT watermark, absent FROM cursor WHERE report = 'bill'") == [(None, 1)]
    assert await home.books.total() == 10**9


async def test_it_is_asked_for_again_once_a_day_or_by_hand_and_its_note_stays_meanwhile(home: Home) -> None:
    home.ledger.answers["bill"] = absent
    await home.poll()
    result = await home.poll(later=23 * HOUR)
    assert "bill" not in home.ledger.asked
    assert result.notes == ["This account has no such report."]
    await home.poll(since=MONDAY)
    assert "bill" in home.ledger.asked
    home.ledger.answers["bill"] = spent
    await home.poll(later=25 * HOUR)
    assert "bill" in home.ledger.asked
    assert await home.books.rows("SELECT absent, note FROM cursor WHERE report = 'bill'") == [(0, "")]
    assert await home.state() == ("ok", "", "")


async def test_what_else_was_noted_stays_when_a_report_appears(home: Home) -> None:
    home.ledger.answers["bill"] = absent
    home.ledger.answers["hours"] = lambda window: Page(window, notes=("One project is not told.",))
    await home.poll()
    assert (await home.state())[2] == "This account has no such report.; One project is not told."
    home.ledger.answers["bill"] = home.ledger.answers["hours"] = spent
    await home.poll(later=25 * HOUR)
    assert (await home.state())[2] == "One project is not told."


async def test_a_month_can_be_closed_without_a_bill_that_there_is_not(home: Home) -> None:
    await home.poll()
    home.ledger.answers["bill"] = forbidden

    async def closed() -> None:
        async with home.books.database.write() as session:
            await close(session, "T1", int((MONDAY - 15 * DAY).timestamp()), now=home.clock.now(), reports=reports)

    reports = {"little": Ledger.reports}
    await home.poll(later=20 * DAY)
    late = MONDAY + 12 * DAY
    await home.books.accept_rows([row(late)], start=late, end=late + DAY, report=HOURS, at=home.clock.now())
    with pytest.raises(NotClosableError, match="no final bill yet for 1 of its days"):
        await closed()
    home.ledger.answers["bill"] = absent
    await home.poll(later=2 * HOUR)
    await closed()


@pytest.mark.parametrize("answer", [forbidden, not_for_you])
async def test_a_report_that_the_credential_may_not_read_stops_no_other(home: Home, answer: Answer) -> None:
    home.ledger.answers["better"] = answer
    result = await home.poll()
    assert not result.ok
    assert result.error.startswith("better: ")
    assert home.ledger.asked == ["bill", "better", "hours"]
    assert (await home.state())[0] == "failing"
    assert await home.books.total() == 10**9
    again = await home.poll(later=timedelta(minutes=1))
    assert home.ledger.asked == ["bill", "hours"]
    assert again.error == result.error
    home.ledger.answers["better"] = spent
    assert (await home.poll(later=HOUR)).ok
    assert (await home.state())[0] == "ok"


async def test_the_others_are_not_asked_less_often_for_it(home: Home) -> None:
    home.ledger.answers["better"] = forbidden
    for _ in range(4):
        await home.poll(later=HOUR)
    (next_poll,) = await home.books.rows("SELECT next_poll_at FROM connection WHERE id = 1")
    assert next_poll[0] - home.clock.now().timestamp() == 60


async def test_a_credential_that_nobody_knows_any_more_stops_the_poll(home: Home) -> None:
    home.ledger.answers["bill"] = no_longer_known
    await home.poll()
    assert home.ledger.asked == ["bill"]
    assert (await home.state())[0] == "needs_reauth"


async def test_neither_does_one_that_may_read_nothing_at_all(home: Home) -> None:
    home.ledger.answers = dict.fromkeys(home.ledger.answers, not_for_you)
    await home.poll()
    assert (await home.state())[0] == "needs_reauth"


async def test_a_last_page_that_ends_early_has_told_no_more_than_that(home: Home) -> None:
    def until_eight(window: Window) -> Page:
        return Page(Window(window.start, NOW - 2 * HOUR), [Row(MONDAY, "k", "m", Decimal(1))])

    home.ledger.answers["better"] = until_eight
    await home.poll()
    watermark = int((NOW - 2 * HOUR).timestamp())
    assert await home.books.rows("SELECT watermark FROM cursor WHERE report = 'better'") == [(watermark,)]


async def test_a_control_total_that_disagrees_is_the_connections_trouble_and_stops_nothing(home: Home) -> None:
    def miscounted(window: Window) -> Page:
        return Page(window, spent(window).rows, complete=False, disagrees=("It counted 3 events and told 2.",))

    home.ledger.answers["hours"] = miscounted
    first = await home.poll()
    assert (first.ok, first.error, first.new) == (False, "hours: It counted 3 events and told 2.", 3)
    assert (await home.state())[:2] == ("failing", first.error)
    read_to = await home.books.rows("SELECT watermark FROM cursor WHERE report = 'hours'")
    assert read_to == [(int(NOW.timestamp()),)]  # it goes on, and fresh_until with it
    home.ledger.answers["hours"] = spent
    assert (await home.poll(later=HOUR)).ok
    assert (await home.state())[:2] == ("ok", "")


async def test_a_control_total_that_disagreed_is_said_until_the_next_reading(home: Home) -> None:
    home.ledger.answers["bill"] = lambda window: Page(window, complete=False, disagrees=("It counted 3.",))
    await home.poll()
    home.ledger.answers["bill"] = spent
    home.ledger.reports = (replace(BILL, rereads=(RereadRule(DAY, DAY),)),)
    asked = await home.poll(later=HOUR)
    assert (home.ledger.asked, asked.error) == ([], "bill: It counted 3.")


async def test_admins_are_told_once_of_a_model_without_a_price(home: Home) -> None:
    """Not again with its next use, nor by the other report that has it, nor for a model that has one."""

    def used(window: Window) -> Page:
        starts = [at for at in (MONDAY, home.clock.now() - HOUR) if window.start <= at < window.end]
        named = ["acme/unheard-of", "acme/unheard-of-2026-01-01", "gpt-4o", ""]
        nine = Tokens(input=9)
        return Page(window, [row(at, None, model=model, tokens=nine) for at in starts for model in named])

    known, admins = cast(ConnectionService, home), ["U2", "U1"]
    home.poller = Poller(home.books.database, known, home.clock, admins=admins, prices=PriceList())
    home.ledger.answers |= {"better": used, "hours": used}
    await home.poll()
    await home.poll(later=2 * HOUR)
    said = await home.books.rows("SELECT kind, payload, status FROM outbox ORDER BY id")
    assert [(kind, json.loads(payload)["to"], status) for kind, payload, status in said] == [
        ("unpriced_model", "U1", "waiting"),
        ("unpriced_model", "U2", "waiting"),
    ]
    assert json.loads(said[0][1]) | {"to": ""} == {
        "model": "acme/unheard-of", "name": "main", "ledger": "little", "to": "",
    }  # fmt: skip
    async with home.books.database.write() as session:
        await execute(session, text("DELETE FROM outbox"))  # said, and long ago
    await home.poll(later=2 * HOUR)
    assert await home.books.rows("SELECT 1 FROM outbox") == []


def test_what_they_are_told_says_which_model_and_what_to_do() -> None:
    said = connection_notices.unpriced_model("acme/<unheard>", "main")
    assert "acme/&lt;unheard&gt;" in said.text
    assert "which main has used" in said.text
    assert "`prices.toml`" in said.text


async def test_a_database_that_is_full_is_not_the_plugins_fault(home: Home) -> None:
    await home.poll()
    home.ledger.answers["hours"] = lambda window: Page(window, [row(MONDAY, key=f"k{n}") for n in range(2_000)])
    [(pages,)] = await home.books.rows("PRAGMA page_count")
    full = Home(Books(home.books.url))
    full.ledger = home.ledger

    @event.listens_for(full.books.database.engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    result = await full.poll(later=HOUR, since=MONDAY)
    assert (result.ok, result.error) == (False, "the database does not do it: database or disk is full")
    assert await home.state() == ("failing", result.error, "")
    await full.books.database.close()
    assert await home.books.rows("SELECT COUNT(*) FROM entry WHERE cost_nano_usd <> 0") == [(3,)]
    result = await home.poll(later=2 * HOUR, since=MONDAY)
    assert (result.ok, result.new) == (True, 1_999)


async def test_sums_that_the_books_cannot_hold_are_said_to_be_that(home: Home) -> None:
    home.ledger.answers |= {
        "bill": absent,
        "better": absent,
        "hours": lambda window: Page(window, [row(MONDAY, key=key) for key in ("k1", "k2")]),
    }
    await home.poll()
    async with home.books.database.write() as session:
        await execute(session, text("UPDATE entry SET input = :almost"), {"almost": 2**63 - 9})
    home.ledger.answers["hours"] = lambda window: Page(window, [row(MONDAY, key="k3")], complete=False)
    result = await home.poll(later=HOUR, since=MONDAY)
    assert "integer overflow" in result.error or "more than the books can hold" in result.error
    assert await home.books.rows("SELECT 1 FROM ledger_key WHERE ledger_id = 'k3'") == []


async def test_a_first_read_and_one_after_a_long_outage_begin_at_a_utc_midnight(home: Home) -> None:
    await home.poll()
    await home.poll(later=100 * DAY)
    starts = {start for (start,) in await home.books.rows("SELECT start FROM statement WHERE report = 'hours'")}
    midnight = MONDAY + 2 * DAY
    assert starts == {(midnight - 35 * DAY).timestamp(), (midnight + 65 * DAY).timestamp()}
