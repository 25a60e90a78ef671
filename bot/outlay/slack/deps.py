"""Dependencies of the Slack listeners. Each feature's `register(app, deps)` gets this object and nothing else."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outlay.core.clock import Clock
from outlay.slack.message_poster import Poster
from outlay.slack.protocols import (
    AccessPolicyProtocol,
    BudgetsProtocol,
    ConnectionsProtocol,
    DigestsProtocol,
    HomeTabProtocol,
    IncidentsProtocol,
    MembershipProtocol,
    OwnershipProtocol,
    SpendProtocol,
    UndeliveredProtocol,
)
from outlay.slack.tasks import Tasks

Removed = Callable[[str, bool], Awaitable[None]]  # workspace id, uninstalled or only revoked


@dataclass(frozen=True, slots=True)
class FormTimeouts:
    """Timeouts while a submitted form waits for the ledger.

    Slack wants its response within three seconds, including the lookup of who the user is. `settle_seconds` lets the
    "Checking…" view arrive before it is replaced: an acknowledgment and a `views.update` take different ways.
    """

    wait_seconds: float = 2.0
    answer_seconds: float = 2.7
    settle_seconds: float = 0.3
    check_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Services behind the Slack face.

    `removed` is called for a workspace that has removed the app. `deliver_soon` asks the outbox to deliver now what a
    person has just caused, instead of at its next turn.
    """

    asking: SpendProtocol
    connecting: ConnectionsProtocol
    owning: OwnershipProtocol
    admitting: MembershipProtocol
    desk: IncidentsProtocol
    digests: DigestsProtocol
    budgets: BudgetsProtocol
    homes: HomeTabProtocol
    ruling: AccessPolicyProtocol
    undelivered: UndeliveredProtocol
    poster: Poster
    tasks: Tasks
    clock: Clock
    log: logging.Logger
    admins: tuple[str, ...] = ()
    patience: FormTimeouts = FormTimeouts()
    removed: Removed | None = None
    deliver_soon: Callable[[], None] = lambda: None
