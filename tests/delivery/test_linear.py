"""The whole way to Linear on both databases: connect, tell, deliver; one issue, whoever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from outlay import outbox
from outlay.connections.service import ConnectionService
from outlay.connections.views import ChoiceNeeded
from outlay.core.clock import FakeClock
from outlay.delivery import receipts
from outlay.delivery.circuit_breaker import MAX_SHUT_SECONDS
from outlay.delivery.sinks import SinkDispatcher
from outlay.delivery.worker import MAX_BACKOFF_SECONDS, DeliveryWorker
from outlay.fakes.http_common import HttpFaults
from outlay.fakes.http_server import serving
from outlay.fakes.linear.server import API_KEY, CLIENT_ID, CLIENT_SECRET, PATH, FakeLinear, linear_app
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.incidents.ticket_inbox import SWEEP_PERIOD_SECONDS, TicketInbox, TicketUpdate
from outlay.plugin import BadConfig, EventKind, Permanent
from outlay.vault.key_setup import open_vault
from outlay_plugins.linear import Linear
from tests.books.crash_injection import CrashError, Crashing
from tests.books.factories import Books
from tests.delivery.fake_sink import NOW, finding

LIFE: tuple[tuple[EventKind, str], ...] = (
    ("opened", "100"),
    ("updated", "450"),
    ("updated", "1700"),
    ("resolved", "1800"),
)
SAID = ["**$450.00 by now**", "**$1,700.00 by now**", "**It is over.**"]


@dataclass
class House:
    """Books, a vault, connections, and a Linear on loopback."""

    books: Books
    clock: FakeClock
    connections: ConnectionService
    linear: FakeLinear
    base_url: str

    async def connect(self, **values: str) -> int:
        given = {"api_key": API_KEY, "team": "ENG", "base_url": self.base_url} | values
        given = {name: value for name, value in given.items() if value}
        done = await self.connections.connect("T1", "linear", "tickets", given)
        return int(done.id.removeprefix("con_"))

    async def tell(self, number: int, incident: str = "i1", subject: str = "U1") -> None:
        what, spent = LIFE[number]
        async with self.books.database.write() as session:
            await enqueue_sink_events(
                session, workspace_id="T1", incident=incident, what=what, key=str(number),
                finding=finding(subject, spent, usual_usd=Decimal(0)), now=self.clock.now(),
            )  # fmt: skip

    async def deliver(self) -> None:
        """A dispatcher of its own, as a process that has just been started."""
        sinks = SinkDispatcher(self.connections, self.clock)
        try:
            await DeliveryWorker(self.books.database, self.clock, nothing, sinks=sinks).run()
        finally:
            await sinks.aclose()

    async def waiting(self) -> int:
        async with self.books.database.read() as session:
            return await outbox.waiting(session)

    def lives(self) -> list[list[str]]:
        """What was said on each issue, without the details."""
        return [
            [
                text.partition("**")[1] + text.split("**")[1] + "**"
                for text in self.linear.world.comment_bodies(issue_id)
            ]
            for issue_id in self.linear.issues
        ]


async def nothing(_: outbox.OutboxMessage) -> None:
    """Slack is not asked here."""


@pytest.fixture
async def house(books: Books, tmp_path: Path) -> AsyncIterator[House]:
    clock = FakeClock(NOW)
    vault = open_vault(data_dir=tmp_path, master_key=None, master_key_file=None, kms_uris=None, on_secret=None)
    app = linear_app(clock)
    async with serving(app) as url:
        connections = ConnectionService(books.database, vault, {"linear": Linear}, clock)
        yield House(books, clock, connections, app.state.standin, url + PATH)


async def test_an_incident_lives_and_ends_in_one_issue(house: House) -> None:
    connection_id = await house.connect()
    for number in range(len(LIFE)):
        await house.tell(number)
        await house.deliver()

    assert house.lives() == [SAID]
    async with house.books.database.read() as session:
        found = await receipts.of_incident(session, "i1")
        (issue,) = house.linear.issues.values()
        assert found[connection_id].url == issue["url"]
        assert await receipts.incidents_of(session, connection_id, issue["id"]) == ["i1"]
        assert [incident for incident, _ in await receipts.recent(session, connection_id, NOW, 10)] == ["i1"]
    (view,) = [view for view in await house.connections.views("T1") if view.role == "sink"]
    assert (view.state, view.ledger) == ("ok", "linear")


async def test_without_a_team_nothing_is_saved_and_the_choices_are_told(house: House) -> None:
    with pytest.raises(ChoiceNeeded, match=r"ENG \(Engineering\), OPS \(Operations\)") as told:
        await house.connect(team="")
    assert (told.value.field, dict(told.value.choices)["team"][0]) == ("team", ("ENG", "Engineering"))
    assert [view for view in await house.connections.views("T1") if view.role == "sink"] == []


async def test_the_same_team_is_not_connected_twice_and_another_is(house: House) -> None:
    await house.connect()
    values = {"api_key": API_KEY, "base_url": house.base_url}
    with pytest.raises(BadConfig, match="everything would be told twice"):
        await house.connections.connect("T1", "linear", "again", values | {"team": "eng"})
    await house.connections.connect("T1", "linear", "ops", values | {"team": "OPS"})
    await house.tell(0)
    await house.deliver()
    assert sorted(issue["team"]["key"] for issue in house.linear.issues.values()) == ["ENG", "OPS"]


async def test_replicas_share_the_token_of_an_app(house: House) -> None:
    await house.connect(api_key="", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    given = house.linear.tokens_given
    house.linear.token = ""  # whatever was given for the check is dead
    for number in range(6):
        await house.tell(0, f"i{number}", f"U{number}")
    while await house.waiting():
        await asyncio.gather(house.deliver(), house.deliver())
        house.clock.advance(timedelta(seconds=MAX_BACKOFF_SECONDS))

    assert house.linear.tokens_given == given + 1
    assert len(house.linear.issues) == 6
    stored = await house.books.rows("SELECT field, blob FROM secret WHERE field LIKE '~%'")
    assert len(stored) == 1
    assert house.linear.token.encode() not in bytes(stored[0][1])


async def test_a_process_that_dies_at_any_step_leaves_one_issue_with_its_comments_in_order(house: House) -> None:
    """Steps are statements of the database and requests to Linear; after each a new process goes on."""
    await house.connect()
    crashing = Crashing(house.books)
    is_sqlite = house.books.database.dialect == "sqlite"
    points = 0
    for kind, stride in (("statement", 7 if is_sqlite else 19), ("request", 2 if is_sqlite else 5)):
        step = 0
        while True:
            if not await _life(house, crashing, kind, step):
                break
            assert house.lives() == [SAID], (kind, step)
            house.linear.issues.clear()
            house.linear.world.comments.clear()
            points, step = points + 1, step + stride
        house.linear.issues.clear()
        house.linear.world.comments.clear()
    assert points >= (12 if is_sqlite else 5)


async def _life(house: House, crashing: Crashing, kind: str, step: int) -> bool:
    """A life in which the process dies at a step. False: it has no so many steps."""
    name = f"{kind}{step}"
    left, died = step, False
    for number in range(len(LIFE)):
        await house.tell(number, name, name)
        while await house.waiting():
            dying = None
            if not died and kind == "statement":
                crashing.left = left
            running = asyncio.create_task(house.deliver())
            if not died and kind == "request":
                dying = _Dying(running, left)
                house.linear.faults.pop = dying.take  # type: ignore[method-assign]
            try:
                await running
            except (CrashError, asyncio.CancelledError):
                died = True
                house.clock.advance(timedelta(seconds=outbox.LEASE_SECONDS))
            if not died and kind == "statement":
                died = crashing.left is None  # in the midst of a delivery a crash may end as that delivery's failure
                left, crashing.left = crashing.left or 0, None
            if dying is not None:
                left = dying.left
                house.linear.faults.pop = HttpFaults.pop.__get__(house.linear.faults)  # type: ignore[method-assign]
            house.clock.advance(timedelta(seconds=MAX_BACKOFF_SECONDS))
    return died


class _Dying:
    """Kills the dispatcher when Linear gets its nth request; Linear does what it was asked for all the same."""

    def __init__(self, running: "asyncio.Task[None]", left: int) -> None:
        self.running, self.left = running, left

    def take(self, _: str) -> Any:
        self.left -= 1
        if self.left == -1:
            self.running.cancel()


async def test_an_hour_of_outage_ends_in_one_issue_that_says_how_it_stands(house: House) -> None:
    await house.connect()
    await house.tell(0)
    house.linear.faults.status(PATH, 503, times=1_000)
    for minute in range(60):
        if minute in (10, 20, 30):
            await house.tell(minute // 10)
        await house.deliver()
        house.clock.advance(timedelta(minutes=1))
    asked = len(house.linear.journal.asked)
    assert asked < 60
    house.linear.faults.clear()
    for _ in range(10):
        house.clock.advance(timedelta(seconds=max(MAX_BACKOFF_SECONDS, MAX_SHUT_SECONDS)))
        await house.deliver()

    assert house.lives() == [["**$1,700.00 by now**", "**It is over.**"]] or house.lives() == [["**It is over.**"]]
    assert await house.waiting() == 0


async def test_two_replicas_file_each_incident_once(house: House) -> None:
    await house.connect()
    for incident in range(8):
        for number in range(len(LIFE)):
            await house.tell(number, f"i{incident}", f"U{incident}")
    while await house.waiting():
        await asyncio.gather(house.deliver(), house.deliver())
        house.clock.advance(timedelta(seconds=MAX_BACKOFF_SECONDS))
    assert house.lives() == [["**$1,700.00 by now**", "**It is over.**"]] * 8


async def test_what_linear_says_of_an_issue_is_heard_once_by_webhook_or_sweep(house: House) -> None:
    secret = "whsec-0123456789"
    connection_id = await house.connect(webhook_secret=secret)
    hearing = TicketInbox(house.books.database, house.connections, house.clock)
    assert await hearing.sweep(connection_id) == []
    await house.tell(0)
    await house.deliver()
    (issue,) = house.linear.issues.values()
    issue["state"] = house.linear.world.state("Canceled")

    headers, body = house.linear.world.webhook(secret, issue["id"])
    titled = {name.title(): value for name, value in headers.items()}
    assert await hearing.webhook(connection_id, titled, body) == [TicketUpdate("i1", "canceled", "Bob")]
    assert await hearing.webhook(connection_id, titled, body) == [], "the same thing again says nothing"
    with pytest.raises(Permanent):
        await hearing.webhook(connection_id, titled, body + b" ")
    house.clock.advance(timedelta(minutes=2))
    with pytest.raises(Permanent, match="too long ago"):
        await hearing.webhook(connection_id, titled, body)
    assert await hearing.sweep(connection_id) == [TicketUpdate("i1", "canceled")]
    issue["trashed"] = True
    assert await hearing.sweep(connection_id) == [TicketUpdate("i1", "gone")]


async def test_each_side_is_asked_once_in_a_while_and_one_that_is_down_keeps_nobody_from_being_asked(
    house: House,
) -> None:
    connection_id = await house.connect()
    hearing = TicketInbox(house.books.database, house.connections, house.clock)
    await hearing.sweep_due()
    assert await standing(house, connection_id) == [], "nothing was made yet, so nobody is asked"
    await house.tell(0)
    await house.deliver()
    (issue,) = house.linear.issues.values()
    issue["state"] = house.linear.world.state("In Progress")

    house.linear.faults.status(PATH, 500, times=1)
    await hearing.sweep_due()
    assert await standing(house, connection_id) == [""]
    house.clock.advance(timedelta(seconds=SWEEP_PERIOD_SECONDS))
    await hearing.sweep_due()
    assert await standing(house, connection_id) == ["started"]
    issue["state"] = house.linear.world.state("Done")
    await hearing.sweep_due()
    assert await standing(house, connection_id) == ["started"], "its turn has not come again"


async def standing(house: House, connection_id: int) -> list[str]:
    rows = await house.books.rows("SELECT standing FROM receipt WHERE connection_id = :id", id=connection_id)
    return [standing for (standing,) in rows]
