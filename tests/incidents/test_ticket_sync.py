"""An incident and its tickets: filed once and shown with its link, with a link back; heard when people close them."""

import contextlib
import json
from dataclasses import dataclass, field

import pytest
from sqlmodel import select

from outlay.core.clock import FakeClock
from outlay.database.tables import Connection, Workspace
from outlay.delivery import receipts
from outlay.delivery.worker import DeliveryWorker
from outlay.incidents import lifecycle
from outlay.incidents import store as incident_store
from outlay.incidents.service import IncidentService, IncidentView
from outlay.incidents.state_machine import IncidentAction, InvalidTransitionError
from outlay.incidents.tables import Incident
from outlay.incidents.ticket_sync import TicketSync, TicketUpdate
from outlay.outbox import OutboxMessage
from outlay.plugin.events import Receipt, TicketStanding
from tests.books.factories import Books
from tests.delivery.fake_sink import NOW, Bench, LittleSink

pytestmark = pytest.mark.parametrize("empty_books", ["sqlite"], indirect=True)  # nothing here depends on the database


@dataclass
class Room:
    """One incident, a sink and Slack, which takes every message."""

    books: Books
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    sink: LittleSink = field(default_factory=LittleSink)
    shown: list[tuple[str, ...]] = field(default_factory=list)  # each time, the tickets in the message

    @property
    def desk(self) -> IncidentService:
        return IncidentService(self.books.database, self.clock)

    @classmethod
    async def opened(cls, books: Books) -> "Room":
        room = cls(books)
        await Bench(books.database).connect()
        async with books.database.write() as session:
            workspace = await session.get(Workspace, "T1")
            assert workspace is not None
            workspace.url = "https://acme.slack.com/"
            begun = int(NOW.timestamp())
            incident = Incident(
                workspace_id="T1", subject="U1", name="ana", kind="person", severity="page", since=begun,
                opened_at=begun, seen_at=begun, spent_nano_usd=10**11, verdict="{}",
            )  # fmt: skip
            session.add(incident)
            await session.flush()
            await lifecycle.post_new_incidents(session, [incident], now=NOW)
        return room

    async def say(self, message: OutboxMessage) -> None:
        view = await self.view()
        self.shown.append(tuple(url for _, url in view.tickets))
        if not view.ts:
            await self.desk.place("T1", view.number, "C0ALERTS", "1795275600.000100")

    async def deliver(self) -> None:
        tickets = TicketSync(self.clock)
        await DeliveryWorker(
            self.books.database, self.clock, self.say, sinks=self.sink, on_receipt=tickets.record_filed
        ).run()  # fmt: skip

    async def view(self) -> IncidentView:
        (found,) = await self.desk.recent("T1")
        return await self.desk.incident("T1", found.number)

    async def hears(self, standing: TicketStanding, by: str = "Bob", *, incident: str = "") -> str:
        """A ticket was heard to stand so; gives the state of the incident then."""
        number = (await self.view()).number
        async with self.books.database.write() as session:
            connection = (await session.exec(select(Connection).where(Connection.name == "tickets"))).one()
            heard = TicketUpdate(incident or f"incident-{number}", standing, by)
            await TicketSync(self.clock).apply_update(session, connection, "Linear", heard)
        return (await self.view()).state

    async def does(self, deed: IncidentAction) -> None:
        """What the clock does to the incident, if it can be done."""
        async with self.books.database.write() as session:
            row = await session.get(Incident, (await self.view()).number)
            assert row is not None
            with contextlib.suppress(InvalidTransitionError):
                await incident_store.apply_change(session, row, deed, now=NOW)

    async def changes(self) -> list[tuple[str, str, str]]:
        return [(change.what, change.who, change.detail) for change in (await self.view()).changes]


async def test_a_ticket_is_noted_once_and_the_message_is_shown_anew_with_its_link(books: Books) -> None:
    room = await Room.opened(books)
    await room.deliver()
    assert await room.changes() == [("opened", "", ""), ("filed", "", "tickets")]
    assert room.shown == [(), ("https://tickets.example/1",)]

    await room.desk.file("T1", (await room.view()).number, who="U02BRUNO", who_name="Bruno")
    await room.deliver()
    assert [what for what, _, _ in await room.changes()].count("filed") == 1


async def test_a_sink_that_comes_later_is_named_too(books: Books) -> None:
    room = await Room.opened(books)
    await room.deliver()
    await Bench(books.database).connect("board")
    view = await room.view()
    ((board, name),) = view.unfiled
    assert (name, view.sinks) == ("board", 2)
    assert await room.desk.file("T1", view.number, who="U02BRUNO", who_name="Bruno", connections=[board]) == 1
    await room.deliver()
    assert (await room.view()).unfiled == ()
    assert [detail for what, _, detail in await room.changes() if what == "filed"] == ["tickets", "board"]


async def test_the_ticket_gets_a_link_to_the_message_as_soon_as_there_is_one(books: Books) -> None:
    room = await Room.opened(books)
    await room.deliver()
    rows = await books.rows("SELECT payload FROM outbox WHERE lane <> 0 ORDER BY id")
    pages = [json.loads(payload)["finding"]["page"] for (payload,) in rows]
    there = {"title": "The alert in Slack", "url": "https://acme.slack.com/archives/C0ALERTS/p1795275600000100"}
    assert pages == [None, there]
    await room.desk.place("T1", (await room.view()).number, "C0ALERTS", "1795275600.000100")
    assert len(await books.rows("SELECT id FROM outbox WHERE lane <> 0")) == 2, "it has not moved"


async def test_a_receipt_of_something_that_is_no_incident_changes_nothing(books: Books) -> None:
    bench, room = Bench(books.database), await Room.opened(books)
    await room.deliver()
    for name in ("budget-7", "incident-999", "incident-x"):
        await bench.tell("opened", incident=name)
    await room.deliver()
    assert [what for what, _, _ in await room.changes()] == ["opened", "filed"]


@pytest.mark.parametrize(
    ("standing", "state", "what"),
    [
        ("open", "open", None),
        ("started", "acknowledged", "acknowledge"),
        ("done", "acknowledged", "acknowledge"),
        ("canceled", "false", "dismiss"),
        ("gone", "false", "dismiss"),
    ],
)
async def test_what_people_do_to_a_ticket_is_done_to_the_incident_once_and_with_their_name(
    books: Books, standing: TicketStanding, state: str, what: str | None
) -> None:
    room = await Room.opened(books)
    await room.deliver()
    before = await room.changes()
    assert await room.hears(standing) == state
    assert await room.hears(standing) == state
    assert await room.changes() == before + ([(what, "Bob in Linear", "")] if what else [])


async def test_a_ticket_that_is_opened_again_takes_back_what_it_had_said_and_nothing_else(books: Books) -> None:
    room = await Room.opened(books)
    await room.deliver()
    assert [await room.hears(standing, "") for standing in ("canceled", "open")] == ["false", "open"]
    assert (await room.changes())[-1] == ("undo", "somebody in Linear", "")
    assert await room.desk.expected("T1") == [], "nor is it kept quiet any longer"
    assert [await room.hears(standing) for standing in ("canceled", "started")] == ["false", "acknowledged"]
    assert [await room.hears(standing) for standing in ("done", "open")] == ["acknowledged", "open"]

    await room.desk.do("T1", (await room.view()).number, "acknowledge", who="U02BRUNO")
    assert await room.hears("started") == "acknowledged"
    assert await room.hears("open") == "acknowledged", "Bruno has it in hand, whatever becomes of the ticket"


async def test_what_is_undone_in_slack_is_not_done_again_by_the_next_sweep(books: Books) -> None:
    room = await Room.opened(books)
    await room.deliver()
    await room.hears("canceled")
    await room.desk.do("T1", (await room.view()).number, "undo", who="U02BRUNO")
    assert [await room.hears("canceled") for _ in range(3)] == ["open"] * 3


async def test_our_own_moves_do_not_come_back(books: Books) -> None:
    """Linear's issue is set to Done when the incident is over, and opened again when it comes back."""
    room = await Room.opened(books)
    await room.deliver()
    for deed, standing in (("resolve", "done"), ("reopen", "done"), ("wake", "open")):
        await room.does(deed)  # type: ignore[arg-type]
        await room.hears(standing)  # type: ignore[arg-type]
    assert [what for what, _, _ in await room.changes()] == ["opened", "filed", "resolve", "reopen"]


async def test_a_ticket_that_was_canceled_for_an_older_incident_says_nothing_of_the_new_one(books: Books) -> None:
    room = await Room.opened(books)
    await room.deliver()
    number = (await room.view()).number
    connection, external_id = (await books.rows("SELECT connection_id, external_id FROM receipt"))[0]
    async with books.database.write() as session:
        row = await session.get(Incident, number)
        assert row is not None
        await receipts.keep(session, [(connection, "incident-0", "U1", Receipt("", external_id))], NOW)
        await receipts.record_ticket_state(session, connection, "incident-0", "canceled")
    assert await room.hears("canceled") == "open"
    assert await room.hears("open") == "open"
    assert await room.hears("canceled") == "false"
