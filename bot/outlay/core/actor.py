"""The current actor, in a context variable: a Slack or command-line user, the people of a ticket, or the clock.

The entry point (a listener, a command, a webhook) sets the actor once; the audit trail and the access gate read it
where the change is made. Tasks started meanwhile inherit it. Without one, the actor is the clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Origin = Literal["slack", "command line", "ticket", "clock"]


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor and where it comes from.

    `who`: a Slack user's id, a user of the machine, or the name that a ticket gives; '' for the clock.
    `workspace_id`: for a person in Slack, the workspace in which they act; nothing in another workspace is theirs.
    """

    who: str = ""
    origin: Origin = "clock"
    workspace_id: str = ""


CLOCK = Actor()
_actor: ContextVar[Actor] = ContextVar("outlay_actor", default=CLOCK)


def current_actor() -> Actor:
    """Return the current actor."""
    return _actor.get()


def set_actor(one: Actor) -> None:
    """Set the actor of this task and of the tasks that it starts from here on."""
    _actor.set(one)


@contextmanager
def acting(one: Actor) -> Iterator[None]:
    """Set the actor for the duration of a `with` block, then restore the previous one."""
    token = _actor.set(one)
    try:
        yield
    finally:
        _actor.reset(token)
