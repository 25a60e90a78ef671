"""The carrier to sinks, with plugins that do what they should not: contained, told in words, and the rest goes on."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from outlay.connections.service import ConnectionService
from outlay.delivery import worker as delivery_worker
from outlay.delivery.sinks import MAX_STATE_CHARACTERS, SinkDispatcher
from outlay.delivery.worker import MAX_CRASHES, DeliveryWorker
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.plugin import CheckResult, Config, Event, PluginInfo, Receipt, Sink
from tests.books.factories import Books
from tests.delivery.fake_sink import Bench, finding

pytestmark = pytest.mark.parametrize("empty_books", ["sqlite"], indirect=True)  # nothing here depends on the database


class OddConfig(Config):
    """Nothing to choose."""

    base_url: str = "https://odd.example/v1"


class Odd(Sink[OddConfig]):
    """Does what a test wants; says what it was called for."""

    meta = PluginInfo("little", "Odd")
    Config = OddConfig
    heard: ClassVar[list[tuple[str, str, bool]]] = []
    does: ClassVar[Callable[[Event], Any]]

    async def check(self) -> CheckResult:
        return CheckResult("odd", "Odd", "nothing")

    async def _dimension_value(self, method: str, event: Event) -> Receipt:
        self.heard.append((method, event.incident, event.receipt is not None))
        found: Receipt = type(self).does(event)
        if isinstance(found, float):
            await asyncio.sleep(found)
        return found

    async def opened(self, event: Event) -> Receipt:
        return await self._dimension_value("opened", event)

    async def updated(self, event: Event) -> Receipt:
        return await self._dimension_value("updated", event)

    async def resolved(self, event: Event) -> Receipt:
        return await self._dimension_value("resolved", event)


def good(event: Event) -> Receipt:
    return Receipt(f"https://odd.example/{event.incident}", event.incident)


class Room:
    """A bench whose sink is that plugin."""

    def __init__(self, books: Books) -> None:
        self.bench, self.connection_id = Bench(books.database), 0
        connections = ConnectionService(books.database, None, {"little": Odd}, self.bench.clock)  # type: ignore[arg-type]
        self.sinks = SinkDispatcher(connections, self.bench.clock)
        self.deliveries = DeliveryWorker(books.database, self.bench.clock, self.bench.to_slack, sinks=self.sinks)

    async def tell(self, what: Any, incident: str = "i1", *, key: str = "", **how: Any) -> None:
        async with self.bench.database.write() as session:
            await enqueue_sink_events(
                session, workspace_id="T1", incident=incident, what=what, key=key or what,
                finding=finding(incident), now=self.bench.clock.now(), **how,
            )  # fmt: skip
        await self.deliveries.run()


@pytest.fixture
async def room(books: Books) -> Room:
    Odd.heard, Odd.does = [], staticmethod(good)  # type: ignore[assignment]
    found = Room(books)
    found.connection_id = await found.bench.connect()
    return found


def raising(_: Event) -> Receipt:
    raise LookupError("token-0123456789")


@pytest.mark.parametrize(
    ("does", "words", "attempts"),
    [
        (lambda _: None, "", 1),
        (lambda _: "done", "gave back a str instead of a Receipt", 1),
        (lambda _: Receipt(state={"x": {1, 2}}), "a state that is no plain JSON", 1),
        (lambda _: Receipt(state={"x": float("nan")}), "a state that is no plain JSON", 1),
        (lambda _: Receipt(state={"x": "y" * MAX_STATE_CHARACTERS}), "wants to keep more than", 1),
        (lambda _: Receipt(external_id=7), "not made of short texts", 1),  # type: ignore[arg-type]
        (raising, "the plugin little broke (LookupError)", MAX_CRASHES),
    ],
)
async def test_nonsense_is_given_up_in_words_and_stops_nobody_else(
    room: Room, does: Callable[[Event], Any], words: str, attempts: int
) -> None:
    Odd.does = staticmethod(lambda event: does(event) if event.incident == "i1" else good(event))  # type: ignore[assignment]
    await room.tell("opened")
    await room.tell("opened", "i2")
    for _ in range(attempts):
        room.bench.clock.advance(timedelta(seconds=delivery_worker.MAX_BACKOFF_SECONDS))
        await room.deliveries.run()

    told = await room.bench.dead()
    assert [words in one for one in told] == ([True] if words else [])
    assert "token-0123456789" not in str(told), "what an exception says may be anything: the log has it"
    assert [incident for _, incident, _ in Odd.heard].count("i1") == attempts
    assert ("opened", "i2", False) in Odd.heard


async def test_a_plugin_that_hangs_is_left_and_tried_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_worker, "TIMEOUT_SECONDS", 0.02)
    Odd.does = staticmethod(lambda _: 60.0)  # type: ignore[assignment]
    await room.tell("opened")
    assert (await room.bench.waiting(), await room.bench.dead()) == (1, [])

    Odd.does = staticmethod(good)  # type: ignore[assignment]
    room.bench.clock.advance(timedelta(seconds=delivery_worker.MAX_BACKOFF_SECONDS))
    await room.deliveries.run()
    assert await room.bench.waiting() == 0


async def test_an_address_that_is_none_is_not_kept(room: Room) -> None:
    Odd.does = staticmethod(lambda event: Receipt("javascript:alert(1)", event.incident))  # type: ignore[assignment]
    await room.tell("opened")
    receipt = await room.bench.receipt(room.connection_id)
    assert receipt is not None
    assert (receipt.url, receipt.external_id) == ("", "i1")


async def test_what_was_over_is_opened_again_and_a_first_message_that_comes_late_is_not_a_return(room: Room) -> None:
    await room.tell("opened")
    await room.tell("updated")
    await room.tell("resolved")
    await room.tell("opened", key="back", again=True)
    await room.tell("opened", key="by hand", asked_by="bo")
    await room.tell("opened", key="sent again")
    methods = [(method, has_receipt) for method, _, has_receipt in Odd.heard]
    assert methods == [
        ("opened", False),
        ("updated", True),
        ("resolved", True),
        ("opened", True),
        ("updated", True),
        ("updated", True),
    ]
