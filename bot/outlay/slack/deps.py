"""What a listener may ask for. Each feature's `register(app, deps)` gets this and nothing else."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outlay.core.clock import Clock
from outlay.slack.message_poster import Poster
from outlay.slack.protocols import (
    Admitting,
    Asking,
    Budgets,
    Connecting,
    Desking,
    Digests,
    Homes,
    Owning,
    Ruling,
    Undeliverables,
)
from outlay.slack.tasks import Tasks

Removed = Callable[[str, bool], Awaitable[None]]  # the workspace, and whether it has uninstalled the app


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a form that is being submitted waits for the ledger.

    Slack wants its answer within three seconds, the question who the person is included. `settle_seconds` lets the
    "Checking…" view arrive before it is replaced: an acknowledgement and a `views.update` travel different ways.
    """

    wait_seconds: float = 2.0
    answer_seconds: float = 2.7
    settle_seconds: float = 0.3
    check_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The services behind the Slack face. `removed` is told of a workspace that has thrown the app out.

    `deliver_soon`: something was just done that is to be seen at once; the outbox would come to it in a moment anyway.
    """

    asking: Asking
    connecting: Connecting
    owning: Owning
    admitting: Admitting
    desk: Desking
    digests: Digests
    budgets: Budgets
    homes: Homes
    ruling: Ruling
    undelivered: Undeliverables
    poster: Poster
    tasks: Tasks
    clock: Clock
    log: logging.Logger
    admins: tuple[str, ...] = ()
    patience: Patience = Patience()
    removed: Removed | None = None
    deliver_soon: Callable[[], None] = lambda: None
