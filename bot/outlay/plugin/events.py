"""Events for sinks: one neutral finding, built once, which every sink renders in its own way.

A **finding** is plain text and figures: nothing in it is Markdown, mrkdwn or HTML, and names in it may hold anything a
stranger typed, so a sink escapes all of it. An **event** is one piece of news about one incident. It may be repeated
(an answer gets lost, a process dies), so whatever a sink makes gets its id from `event.uid(purpose)`, which is the same
each time. What a sink needs to remember for the next event goes into its **receipt**.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

Severity = Literal["info", "warning", "critical"]
EventKind = Literal["opened", "updated", "resolved"]
TicketStanding = Literal["open", "started", "done", "canceled", "gone"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")  # from least to most


@dataclass(frozen=True, slots=True)
class Fact:
    """Figure with its name, both as people read them: "Spent since 14:00" and "$912.40"."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    """Page worth opening. `url` is http or https."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Who or what a finding is about. `id` is stable; `kind`: person, agent, team, key, unattributed.

    `email` may be "".
    """

    id: str
    name: str
    kind: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Anomaly as plain text and figures.

    title      one line that stands alone: "ana: $912 on OpenAI today, 23 times the usual".
    sentences  what happened, most important first; each a whole sentence.
    why        how it was noticed; what_to_do  what a person can do about it.
    facts      figures with their names, in order.
    spent_usd  dollars of the episode so far; usual_usd  what would have been usual meanwhile. None: not known.
    since      when it began (aware, UTC).
    page       where the incident lives, the same address for all its life; None if nobody can open one.
    links      other pages: the message in Slack, the ledger's own page. `chart`: a picture of it, or None.
    """

    title: str
    sentences: tuple[str, ...]
    severity: Severity
    subject: Subject
    since: datetime
    spent_usd: Decimal | None
    usual_usd: Decimal | None = None
    facts: tuple[Fact, ...] = ()
    why: tuple[str, ...] = ()
    what_to_do: tuple[str, ...] = ()
    page: Link | None = None
    links: tuple[Link, ...] = ()
    chart: Link | None = None

    @property
    def excess_usd(self) -> Decimal | None:
        """Return the dollars beyond the usual; all of them while the usual is not known.

        None: the spend is not known.
        """
        if self.spent_usd is None:
            return None
        return max(self.spent_usd - (self.usual_usd or Decimal(0)), Decimal(0))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sink made, stored by the host for it.

    url          where a person sees it; external_id  what the other side calls it.
    state        whatever the sink needs to know next time: plain JSON, no secrets, at most 16 KiB.
    notes        what went less well than asked for, in whole sentences; shown to the admins beside the connection.
    """

    url: str = ""
    external_id: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of news about one incident.

    key       stable over retries of this one event, and of no other.
    what      opened, updated or resolved.
    incident  stable for the whole episode. `scope` is the connection's own, so that two never share an id.
    at        when it was queued (aware, UTC), the same in every retry.
    receipt   what this sink returned last time for this incident; None: it has received nothing of it yet. Set with
              `opened`: the incident was over, and has come back.
    before    the receipt of the subject's episode before this one, if there was one.
    asked_by  who asked for it by hand, as people read it; "" for the clock.
    """

    key: str
    what: EventKind
    incident: str
    at: datetime
    finding: Finding
    scope: str = ""
    receipt: Receipt | None = None
    before: Receipt | None = None
    asked_by: str = ""

    def uid(self, purpose: str) -> str:
        """Return an id in the shape of a random UUID, the same in each retry: of this connection, incident, purpose."""
        parts = (self.scope, self.incident, purpose)
        digest = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part.encode() for part in parts))
        return str(UUID(bytes=digest.digest()[:16], version=4))


@dataclass(frozen=True, slots=True)
class TicketState:
    """State on the other side of a thing that a sink made. `by` is who changed it, "" if unknown."""

    external_id: str
    standing: TicketStanding
    by: str = ""


@dataclass(frozen=True, slots=True)
class Inbound:
    """Content of a webhook with a valid signature. `delivery` is the same when it is repeated; the host takes one."""

    delivery: str
    stands: tuple[TicketState, ...] = ()
