"""An incident and its tickets: filed once and shown with its link, with a link back."""

import json
from dataclasses import dataclass, field

import pytest

from bot.books.incident_tables import Incident
from bot.books.outbox import Message
from bot.books.tables import Workspace
from bot.core.clock import FakeClock
from bot.work import episodes
from bot.work.delivering import Deliveries
from bot.work.desk import Desk, IncidentView
from bot.work.tickets import Tickets
from tests.books.little_books import Books
from tests.work.little_sink import NOW, Bench, LittleSink

pytestmark = pytest.mark.parametrize("empty_books", ["sqlite"], indirect=True)  # nothing here depends on the database


@dataclass
class Room:
    """One incident, a sink and Slack, which takes every message."""

    books: Books
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    sink: LittleSink = field(default_factory=LittleSink)
    shown: list[tuple[str, ...]] = field(default_factory=list)  # each time, the tickets in the message

    @property
    def desk(self) -> Desk:
        return Desk(self.books.database, self.clock)

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
            await episodes.announce(session, [incident], now=NOW)
        return room

    async def say(self, message: Message) -> None:
        view = await self.view()
        self.shown.append(tuple(url for _, url in view.tickets))
        if not view.ts:
            await self.desk.place("T1", view.number, "C0ALERTS", "1795275600.000100")

    async def deliver(self) -> None:
        tickets = Tickets(self.clock)
        await Deliveries(
            self.books.database, self.clock, self.say, sinks=self.sink, on_receipt=tickets.filed
        ).run()  # fmt: skip

    async def view(self) -> IncidentView:
        (found,) = await self.desk.recent("T1")
        return await self.desk.incident("T1", found.number)

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
    board = (await books.rows("SELECT id FROM connection WHERE name = 'board'"))[0][0]
    async with books.database.write() as session:
        row = await session.get(Incident, (await room.view()).number)
        assert row is not None
        await episodes.tell(session, row, "opened", key="later", now=NOW, asked_by="Bruno", connections=[board])
    await room.deliver()
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
