"""A small sink in memory: tickets by id, the notes on each, and injected failures."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from outlay import outbox
from outlay.core.clock import FakeClock
from outlay.database.engine import Database
from outlay.database.tables import Connection
from outlay.delivery import receipts
from outlay.delivery.sinks import event_of
from outlay.delivery.worker import DeliveryWorker, LeasedMessage
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.plugin.errors import Permanent
from outlay.plugin.events import Event, EventKind, Finding, Receipt, Subject

NOW = datetime(2026, 11, 20, 15, 40, tzinfo=UTC)


def finding(subject: str = "U1", spent: str = "100", **more: Any) -> Finding:
    return Finding(
        title=f"{subject}: ${spent} today",
        sentences=(f"{subject} spent ${spent}.",),
        severity="warning",
        subject=Subject(subject, subject, "person"),
        since=NOW,
        spent_usd=Decimal(spent),
        **more,
    )


class LittleSink:
    """The vendor and the delivery to it in one. `trouble` may raise before or after something was done."""

    def __init__(self) -> None:
        self.tickets: dict[str, list[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.trouble: Callable[[str, Event], Exception | None] = lambda _step, _event: None
        self.under_way: Counter[str] = Counter()
        self.most_under_way = 0
        self.seconds = 0.0

    async def deliver(self, taken: LeasedMessage) -> Receipt | None:
        assert taken.connection is not None
        event = event_of(taken, taken.connection)
        self.calls.append((event.what, event.key))
        subject = event.finding.subject.id
        self.under_way[subject] += 1
        self.most_under_way = max(self.most_under_way, self.under_way.total())
        assert self.under_way[subject] == 1, "two events of one subject at once"
        try:
            await asyncio.sleep(self.seconds)
            return self._do(event)
        finally:
            self.under_way[subject] -= 1

    def _do(self, event: Event) -> Receipt:
        self._raise("before", event)
        said = self.tickets.setdefault(event.uid("ticket"), [])
        words = f"{event.what} {event.finding.spent_usd}"
        if words not in said:
            said.append(words)
        self._raise("after", event)
        return Receipt(f"https://tickets.example/{len(self.tickets)}", event.uid("ticket"), {"said": len(said)})

    def _raise(self, step: str, event: Event) -> None:
        error = self.trouble(step, event)
        if error:
            raise error


class Bench:
    """A database, a clock, the sink and a dispatcher."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock(NOW)
        self.sink = LittleSink()
        self.slack: list[str] = []
        self.slack_was_told = asyncio.Event()
        self.deliveries = self.dispatcher()

    def dispatcher(self) -> DeliveryWorker:
        return DeliveryWorker(self.database, self.clock, self.to_slack, sinks=self.sink)

    async def to_slack(self, message: outbox.OutboxMessage) -> None:
        self.slack.append(message.key)
        self.slack_was_told.set()

    async def connect(self, name: str = "tickets") -> int:
        async with self.database.write() as session:
            row = Connection(
                workspace_id="T1", name=name, ledger="little", role="sink", account_id=name, account_title=name,
                fingerprint="f", created_at=0,
            )  # fmt: skip
            session.add(row)
            await session.flush()
            return row.id or 0

    async def tell(
        self, what: EventKind, spent: str = "100", *, incident: str = "i1", subject: str = "U1", **more: Any
    ) -> None:
        async with self.database.write() as session:
            await enqueue_sink_events(
                session,
                workspace_id="T1",
                incident=incident,
                what=what,
                key=spent,
                finding=finding(subject, spent),
                now=self.clock.now(),
                **more,
            )

    async def post(self, key: str) -> None:
        async with self.database.write() as session:
            await outbox.enqueue(
                session, workspace_id="T1", key=key, stream="slack", kind="x", payload={}, now=self.clock.now()
            )

    async def receipt(self, connection_id: int, incident: str = "i1") -> Receipt | None:
        async with self.database.read() as session:
            return await receipts.get_receipt(session, connection_id, incident)

    async def dead(self) -> list[str]:
        async with self.database.read() as session:
            return [one.error for one in await outbox.dead(session, "T1")]

    async def waiting(self) -> int:
        async with self.database.read() as session:
            return await outbox.waiting(session)

    async def connection(self, connection_id: int) -> Connection:
        async with self.database.read() as session:
            row = await session.get(Connection, connection_id)
            assert row is not None
            return row


__all__ = ["NOW", "Bench", "LittleSink", "Permanent", "finding"]
