"""Fakes behind the Slack face: books with given answers, a ledger that accepts or refuses as given."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from outlay.access.policy import AccessSettings, TeamAccess
from outlay.core.clock import Clock
from outlay.core.owner import KeyRef, Owner
from outlay.core.tokens import Tokens
from outlay.delivery.dead_letters import DeadLetter
from outlay.incidents.alert_settings import AlertSettings
from outlay.incidents.service import IncidentNotFoundError, IncidentView
from outlay.incidents.state_machine import IncidentAction, IncidentStatus, next_status
from outlay.incidents.tables import Expectation, IncidentChange
from outlay.plugin.forms import FormField
from outlay.slack.deps import Deps
from outlay.slack.message_poster import Poster
from outlay.slack.protocols import ConnectionSummary, LedgerForm, MembershipProtocol, OwnedKey, SavedConnection
from outlay.slack.tasks import Tasks
from outlay.spend.answer import Answer, AnswerLine, ModelRef
from outlay.spend.parser import parse
from tests.slack.fake_digests_budgets import FakeBudgets, FakeDigests, FakeHomes

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
TODAY = date(2026, 11, 21)
DOLLAR = 1_000_000_000

SECRET_FIELD = FormField("key", "Management key", "Settings → Management keys.", "secret", True)
OPENROUTER = LedgerForm(
    "openrouter",
    "OpenRouter",
    (SECRET_FIELD, FormField("base_url", "Base URL", "", "url", False, "https://openrouter.ai/api/v1", advanced=True)),
)
LITELLM = LedgerForm(
    "litellm",
    "LiteLLM",
    (
        FormField("base_url", "Base URL", "Its root.", "url", True),
        FormField("key", "Master key", "", "secret", True),
        FormField(
            "role", "Role", "", "choice", False, "attribution", (("books", "Books"), ("attribution", "Attribution"))
        ),
        FormField("hourly", "By the hour", "", "bool", False, "true", advanced=True),
        FormField("days", "Days", "", "number", False, "35", advanced=True),
    ),
)
SAVED = SavedConnection("c1", "openrouter", "OpenRouter", "Acme Inc.", "7f3a…c2", ("activity", "keys"))


def owner_line(name: str, usd: float | None, **more: Any) -> AnswerLine:
    """Build a line of an answer by owner."""
    nano = None if usd is None else round(usd * DOLLAR)
    basis = "unpriced" if usd is None else "billed"
    line = AnswerLine(nano, "settled", basis, Tokens(input=1_000, output=200), 3, owner=Owner(name, name, "person"))
    return replace(line, **more)


def key_line(name: str, key_id: str, usd: float, **more: Any) -> AnswerLine:
    """Build a line of an answer by key."""
    line = AnswerLine(round(usd * DOLLAR), "settled", "billed", key=KeyRef(key_id, name, "openrouter", "main"))
    return replace(line, **more)


def model_line(name: str, usd: float) -> AnswerLine:
    """Build a line of an answer by model."""
    return AnswerLine(round(usd * DOLLAR), "settled", "billed", Tokens(output=5), model=ModelRef(name, (name,)))


def answer_of(*lines: AnswerLine, words: str = "", **more: Any) -> Answer:
    """Build an answer to these words, with these lines."""
    total = sum(line.cost_nano_usd or 0 for line in lines)
    found = Answer(
        query=parse(words, today=TODAY, me="U02BEN"),
        time_zone="UTC",
        as_of=NOW,
        lines=lines,
        total_nano_usd=total,
        status="provisional",
        basis="billed",
        coverage=1.0,
        fresh_until={"main": NOW},
    )
    return replace(found, **more)


class FakeAsking:
    """Answers every valid query with the same answer."""

    def __init__(self) -> None:
        self.answer = answer_of(owner_line("dev@example.com", 400), owner_line("agent-ci", 12.4))
        self.error: Exception | None = None
        self.asked: list[tuple[str, str, str]] = []

    async def spend(self, workspace_id: str, text: str, *, me: str) -> Answer:
        self.asked.append((workspace_id, text, me))
        if self.error:
            raise self.error
        return replace(self.answer, query=parse(text, today=TODAY, me=me))


class FakeConnecting:
    """A ledger that returns the given outcomes, once `gate` is open."""

    def __init__(self, *ledgers: LedgerForm) -> None:
        self.ledgers = ledgers or (OPENROUTER,)
        self.outcomes: deque[SavedConnection | BaseException] = deque()
        self.existing: list[ConnectionSummary] = []
        self.calls: list[tuple[str, str, str, dict[str, str], bool]] = []
        self.by: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def forms(self) -> tuple[LedgerForm, ...]:
        return self.ledgers

    async def connections(self, workspace_id: str) -> tuple[ConnectionSummary, ...]:
        return tuple(self.existing)

    async def connect(
        self,
        workspace_id: str,
        slug: str,
        name: str,
        values: Mapping[str, str],
        *,
        replace: bool = False,
        by: str = "",
    ) -> SavedConnection:
        self.by.append(by)
        self.calls.append((workspace_id, slug, name, dict(values), replace))
        await self.gate.wait()
        outcome = self.outcomes.popleft() if self.outcomes else SAVED
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def eventually(condition: Callable[[], object], seconds: float = 5) -> None:
    """Wait until `condition()` holds. Raises TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event to wait on)
            await asyncio.sleep(0)


class FakeOwning:
    """Keys, some without an owner; records the assignments."""

    def __init__(self, *keys: OwnedKey) -> None:
        self.found = list(keys)
        self.said: list[tuple[int, str, date | None]] = []

    async def keys(self, workspace_id: str) -> list[OwnedKey]:
        return self.found

    async def own(self, workspace_id: str, number: int, owner_id: str, start: date | None) -> bool:
        self.said.append((number, owner_id, start))
        return any(key.number == number for key in self.found)


def incident(number: int = 7, **more: Any) -> IncidentView:
    """Build an agent's runaway at 02:10, as the incident service shows it."""
    numbers = {
        "sentence": "usually $2.10 by 02:40 on a Saturday, now $83, 39×; $31 an hour; at this pace $240 by midnight",
        "today_nano_usd": 83 * DOLLAR,
        "usual_by_now_nano_usd": 2_100_000_000,
        "hour_nano_usd": 31 * DOLLAR,
        "by_midnight_nano_usd": 240 * DOLLAR,
        "model": "anthropic/claude-opus-4.1",
        "key": "agent-ci",
        "key_id": "3",
        "as_of": int(NOW.timestamp()) - 60,
    }
    opened = IncidentChange(id=1, incident_id=number, at=int(NOW.timestamp()) - 300, what="opened")
    found = IncidentView(
        number=number,
        subject="agent:ci",
        name="ci",
        kind="agent",
        severity="page",
        state="open",
        since=NOW.replace(hour=2, minute=10),
        opened_at=NOW - timedelta(minutes=5),
        ended_at=None,
        snoozed_until=None,
        spent_nano_usd=83 * DOLLAR,
        numbers=numbers,
        changes=(opened,),
        members=(),
        tickets=(),
        sinks=0,
        channel="",
        ts="",
        zone=UTC,
        fresh_until={"main": NOW},
    )
    return replace(found, **more)


class FakeDesk:
    """Incidents in memory that go through the real state machine; records every call."""

    def __init__(self, *found: IncidentView) -> None:
        self.found = {view.number: view for view in found}
        self.said: list[tuple[Any, ...]] = []
        self.plans: list[Expectation] = []
        self.chosen = AlertSettings()

    def _at(self, number: int) -> IncidentView:
        if number not in self.found:
            raise IncidentNotFoundError("That incident is not in the books.")
        return self.found[number]

    def _change(
        self, number: int, deed: IncidentAction, who: str, detail: str = "", until: datetime | None = None
    ) -> None:
        view = self._at(number)
        before = IncidentStatus(state=view.state, severity=view.severity)  # type: ignore[arg-type]
        after = next_status(before, deed, until=int(until.timestamp()) if until else None)
        made = IncidentChange(
            id=len(view.changes) + 1, incident_id=number, at=int(NOW.timestamp()), who=who, what=deed, detail=detail
        )
        self.found[number] = replace(view, state=after.state, snoozed_until=until, changes=(*view.changes, made))

    async def incident(self, workspace_id: str, number: int) -> IncidentView:
        return self._at(number)

    async def recent(self, workspace_id: str, *, subject: str = "") -> list[IncidentView]:
        return [view for view in self.found.values() if subject in ("", view.subject)]

    async def do(
        self,
        workspace_id: str,
        number: int,
        deed: IncidentAction,
        *,
        who: str,
        until: datetime | None = None,
        reason: str = "",
    ) -> IncidentView:
        self._change(number, deed, who, reason, until)
        self.said.append((deed, number, who, until))
        return self.found[number]

    async def expect(
        self, workspace_id: str, number: int, *, who: str, reason: str, until: datetime | None,
        only_key: bool = False, below_nano_usd: int | None = None,
    ) -> IncidentView:  # fmt: skip
        self._change(number, "expect", who, reason)
        self.said.append(("expect", number, who, reason, until, only_key, below_nano_usd))
        return self.found[number]

    async def plan(
        self, workspace_id: str, subject: str, *, who: str, reason: str, start: datetime, until: datetime | None
    ) -> None:
        self.said.append(("plan", subject, who, reason, start, until))

    async def expected(self, workspace_id: str) -> list[Expectation]:
        return self.plans

    async def take_back(self, workspace_id: str, number: int) -> None:
        if number not in [plan.id for plan in self.plans]:
            raise IncidentNotFoundError("That is not expected any more.")
        self.plans = [plan for plan in self.plans if plan.id != number]
        self.said.append(("take_back", number))

    async def file(
        self, workspace_id: str, number: int, *, who: str, who_name: str, connections: Collection[int] | None = None
    ) -> int:
        self.said.append(("file", number, who, who_name, connections))
        return self._at(number).sinks

    async def alerting(self, workspace_id: str) -> AlertSettings:
        return self.chosen

    async def choose(self, workspace_id: str, chosen: AlertSettings) -> None:
        self.chosen = chosen

    async def want_direct(self, workspace_id: str, user_id: str, wanted: bool) -> None:
        now = self.chosen.direct | {user_id} if wanted else self.chosen.direct - {user_id}
        self.chosen = replace(self.chosen, direct=now)


class FakeUndelivered:
    """Messages that could not be delivered, until they are sent again."""

    def __init__(self, *found: DeadLetter) -> None:
        self.found = list(found)
        self.sent: list[list[int] | None] = []

    async def given_up(self, workspace_id: str) -> list[DeadLetter]:
        return self.found

    async def send_again(self, workspace_id: str, numbers: Sequence[int] | None = None) -> int:
        self.sent.append(None if numbers is None else list(numbers))
        left = [] if numbers is None else [one for one in self.found if one.number not in numbers]
        again, self.found = len(self.found) - len(left), left
        return again


class FakeRuling:
    """Access settings in memory."""

    def __init__(self) -> None:
        self.found = AccessSettings(teams={})

    async def rights(self, workspace_id: str) -> AccessSettings:
        return self.found

    async def choose(
        self, workspace_id: str, *, open_: bool | None = None, admins: Collection[str] | None = None
    ) -> AccessSettings:
        self.found = replace(self.found, open=bool(open_), admins=tuple(admins or ()))
        return self.found

    async def set_team(self, workspace_id: str, name: str, team: TeamAccess) -> AccessSettings:
        self.found = replace(self.found, teams={**(self.found.teams or {}), name: team})
        return self.found


def deps_of(admitting: MembershipProtocol, clock: Clock, log: logging.Logger, **more: Any) -> Deps:
    """Build the dependencies of listeners: fakes for all services, except those that a test passes in."""
    behind: dict[str, Any] = {
        "asking": FakeAsking(),
        "connecting": FakeConnecting(),
        "owning": FakeOwning(),
        "desk": FakeDesk(),
        "digests": FakeDigests(),
        "budgets": FakeBudgets(),
        "ruling": FakeRuling(),
        "homes": FakeHomes(),
        "undelivered": FakeUndelivered(),
        "poster": Poster(clock, log),
        "tasks": Tasks(log),
    }
    return Deps(admitting=admitting, clock=clock, log=log, **{**behind, **more})
