"""Trial of a sink for the conformance kit: the author's part, and the story of an incident that the sink receives."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from outlay.core.clock import FakeClock
from outlay.plugin.contract import Config, Sink, TokenStore
from outlay.plugin.events import Event, EventKind, Fact, Finding, Link, Receipt, Subject
from outlay.plugin.session import plugin_session
from outlay.plugin.testing.ledger_trial import FaultyTransport

AT = datetime(2026, 11, 20, 15, 40, tzinfo=UTC)
EVIL = "evil.example"
HOSTILE = (f"](http://{EVIL}/a)", f"http://{EVIL}/b", "<!channel>", f"<http://{EVIL}/c|x>", "@everyone", f"www.{EVIL}")
LIFE: tuple[tuple[EventKind, str], ...] = (
    ("opened", "100"),
    ("updated", "450"),
    ("updated", "1700"),
    ("resolved", "1800"),
)


@dataclass(frozen=True, slots=True)
class SinkTrial:
    """Set-up that a sink is tested with. A fresh one for each check.

    good      settings that work; `secret` is the credential in it, as typed.
    wrong     the same settings with a credential that the server does not accept.
    made      what exists on the other side now: the id of each ticket, alert or message that is one incident.
    told      everything that was said there, in the order in which a reader meets it.
    live      every address and mention that a reader's program makes of it. Empty where nothing is ever made of text.
    clock     what the plugin takes for now.
    transport where requests go; None: over the network, to the base URL of `good`.
    kept      where the plugin stores tokens, if it does.
    answers   False: a status alone is the answer, as of a webhook's receiver; what else comes back is not read.
    wire      where it is no HTTP: what passes requests on in its way, and injects the faults.
    """

    good: Config
    wrong: Config
    secret: str
    made: Callable[[], Sequence[str]]
    told: Callable[[], Sequence[str]]
    live: Callable[[], Sequence[str]]
    clock: FakeClock = field(default_factory=lambda: FakeClock(AT))
    transport: httpx.AsyncBaseTransport | None = None
    kept: TokenStore | None = None
    answers: bool = True
    wire: FaultyTransport | None = None


class SinkBench:
    """Sink and its trial, with the wire between."""

    def __init__(self, plugin: type[Sink[Any]], trial: SinkTrial) -> None:
        self.plugin = plugin
        self.trial = trial
        self.wire = trial.wire or FaultyTransport(trial.transport, trial.clock)

    @asynccontextmanager
    async def sink(self, config: Config | None = None) -> AsyncIterator[Sink[Any]]:
        """Open a fresh instance with a client of its own."""
        async with plugin_session(
            self.plugin, config or self.trial.good, clock=self.trial.clock, kept=self.trial.kept, transport=self.wire
        ) as sink:
            yield sink

    async def tell(self, event: Event) -> Receipt:
        """Send one event to a fresh instance; return its receipt."""
        async with self.sink() as sink:
            method = {"opened": sink.opened, "updated": sink.updated, "resolved": sink.resolved}[event.what]
            receipt: Receipt = await method(event)
            return receipt

    async def outcome(self, event: Event) -> Exception | None:
        """Send one event; return what it raised, or None."""
        try:
            await self.tell(event)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what the kit judges
            return error
        return None

    async def live_through(self, *, times: int = 1, incident: str = "U1/7") -> list[list[str]]:
        """Send the whole life of an incident, each event `times` times; return what was said by the end of each."""
        receipt: Receipt | None = None
        said = []
        for number in range(len(LIFE)):
            event = event_at(number, receipt=receipt, incident=incident)  # a retry knows no more than the first try
            for _ in range(times):
                receipt = await self.tell(event)
            said.append(list(self.trial.told()))
        return said


def event_at(number: int, *, receipt: Receipt | None = None, incident: str = "U1/7", **more: Any) -> Event:
    """Return the nth event of a life."""
    what, spent = LIFE[number]
    return Event(
        key=f"{incident}/{number}",
        what=what,
        incident=incident,
        at=AT + timedelta(minutes=10 * number),
        finding=replace(sample_finding(spent), **more),
        scope="1/1763650000/acc",
        receipt=receipt,
    )


def returned(number: int, what: EventKind, receipt: Receipt | None) -> Event:
    """Return the event of the nth return of an incident after its life, or of the end of that return."""
    spent = str(1900 + 200 * number + (100 if what == "resolved" else 0))
    event = event_at(0 if what == "opened" else len(LIFE) - 1, receipt=receipt)
    key, at = f"{event.incident}/{what} {number}", AT + timedelta(hours=number)
    return replace(event, key=key, at=at, finding=sample_finding(spent))


def sample_finding(spent: str | None, name: str = "ana") -> Finding:
    """Build a finding about a person; `spent` None: dollars that are not known."""
    return Finding(
        title=f"{name}: ${spent} on OpenAI today, 23 times the usual",
        sentences=(f"{name} has spent ${spent} since 14:00.", "Usual for this hour is $39.10."),
        severity="critical",
        subject=Subject("U1", name, "person", "ana@brightloom.example"),
        since=AT - timedelta(hours=1),
        spent_usd=None if spent is None else Decimal(spent),
        usual_usd=Decimal("39.10"),
        facts=(Fact("Spent", f"${spent}"), Fact("Key", name)),
        why=(f"{name} was above 20 times the median of 28 days.",),
        what_to_do=(f"Look at what runs under {name}.",),
        page=Link("The incident", "https://outlay.example/incidents/7"),
    )
