"""A small office over real books: three keys used in office hours, polled every five minutes, and a watch.

office = await Office.opened(books)          # three weeks of history are in the books
await office.until(hour=14)                  # an ordinary day, poll by poll
office.extra["k1"] = 31                      # dollars an hour more, from now on
await office.polls(6)
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from sqlmodel import select

from outlay.core.clock import FakeClock
from outlay.core.tokens import Tokens
from outlay.database.tables import Connection
from outlay.detection import Verdict
from outlay.incidents import store as incident_store
from outlay.incidents.tables import Incident
from outlay.incidents.watcher import IncidentWatcher
from outlay.plugin.contract import Page, Row, Window
from tests.books.factories import HOURS, Books
from tests.books.weeks import say_owner

TUESDAY = datetime(2026, 11, 17, tzinfo=UTC)
WEEKS = 3
POLL = timedelta(minutes=5)
USUAL = {"k1": Decimal("2.0"), "k2": Decimal("1.2"), "k3": Decimal("3.1")}  # dollars in a busy hour
OFFICE_HOURS = range(8, 18)
REQUESTS = 8  # an hour


@dataclass
class Office:
    """The office. `extra`: dollars an hour that a key burns beyond the usual."""

    books: Books
    clock: FakeClock
    watch: IncidentWatcher
    extra: dict[str, int] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    polling: bool = True
    verdicts: list[Verdict] = field(default_factory=list)
    spent: dict[tuple[str, str, datetime], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @classmethod
    async def opened(cls, books: Books, *, start: datetime = TUESDAY) -> "Office":
        """Build an office that was connected at midnight, with its history in the books and learned."""
        start = start.astimezone(UTC)
        async with books.database.write() as session:
            row = await session.get(Connection, 1)
            assert row is not None
            row.created_at = row.last_poll_at = int(start.timestamp())
            session.add(row)
        office = cls(books, FakeClock(start), IncidentWatcher(books.database, FakeClock(start)))
        office.watch = IncidentWatcher(books.database, office.clock)
        begin = start.replace(hour=0, minute=0) - timedelta(weeks=WEEKS)
        moment = begin
        while moment < start:
            for key in USUAL:
                office.spent[key, "m1", moment] += office.usual(key, moment)
            moment += timedelta(hours=1)
        await office.read(begin, start)
        for key in USUAL:
            await say_owner(books, key, f"{key}@office.example")
        await office.watch.look("T1")
        return office

    @staticmethod
    def usual(key: str, hour: datetime) -> Decimal:
        """Return what a key usually spends in an hour."""
        if hour.weekday() >= 5 or hour.hour not in OFFICE_HOURS:
            return Decimal(0)
        dice = Random(f"{key}/{hour}")
        return (USUAL[key] * Decimal(str(round(dice.uniform(0.6, 1.4), 3)))).quantize(Decimal("0.000001"))

    @staticmethod
    def at_work(key: str, poll: datetime) -> int:
        """Return how many of an hour's requests fall into the five minutes from this moment on."""
        dice = Random(f"{key}/{poll:%Y-%m-%d %H}/slots")
        return [dice.randrange(12) for _ in range(REQUESTS)].count(poll.minute // 5)

    async def read(self, start: datetime, end: datetime) -> None:
        """Poll these hours from the ledger into the books."""
        rows = [
            Row(hour, key, model, usd, Tokens(input=int(usd * 100_000)), REQUESTS)
            for (key, model, hour), usd in self.spent.items()
            if start <= hour < end and usd
        ]
        now = self.clock.now()
        await self.books.take(Page(Window(start, end), rows), HOURS, at=now)
        async with self.books.database.write() as session:
            row = (await session.exec(select(Connection).where(Connection.id == 1))).one()
            row.last_poll_at = int(now.timestamp())
            session.add(row)

    async def polls(self, count: int) -> None:
        """Poll so many times, five minutes apart."""
        for _ in range(count):
            before = self.clock.now()
            hour = before.replace(minute=0, second=0, microsecond=0)
            for key in USUAL:
                usd = (
                    self.usual(key, hour) * self.at_work(key, before) / REQUESTS + Decimal(self.extra.get(key, 0)) / 12
                )
                self.spent[key, self.model.get(key, "m1"), hour] += usd.quantize(Decimal("0.000001"))
            self.clock.advance(POLL)
            now = self.clock.now()
            if self.polling:
                await self.read(hour - timedelta(hours=2), now)
            self.verdicts += await self.watch.look("T1")

    async def until(self, hour: int, day: int = 0) -> None:
        """Poll until this hour of the first day, or of a later one."""
        while self.clock.now() < TUESDAY + timedelta(days=day, hours=hour):
            await self.polls(1)

    async def incidents(self) -> list[Incident]:
        """Return all incidents, the newest first."""
        async with self.books.database.read() as session:
            return list(await incident_store.recent(session, "T1"))

    async def said(self) -> list[tuple[str, str]]:
        """Return the messages that wait for Slack: kind and payload."""
        rows = await self.books.rows(
            "SELECT kind, payload FROM outbox WHERE lane = 0 AND status = 'waiting' ORDER BY id"
        )
        return [(kind, payload) for kind, payload in rows]
