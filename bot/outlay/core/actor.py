"""Who acts: a person in Slack, somebody at the command line, a ticket's people, or the clock. Carried beside the work.

Whoever lets work in (a listener, a command, a webhook) says who it is for, once; the audit trail and the gate read it
where the deed is done. A task that is started meanwhile takes it along. Where nobody has said, it is the clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Origin = Literal["slack", "command line", "ticket", "clock"]


@dataclass(frozen=True, slots=True)
class Actor:
    """`who`: a Slack user's id, a user of the machine, or whom a ticket names; '' for the clock.

    `workspace_id`: of a person in Slack, the workspace in which they act; it is no other's.
    """

    who: str = ""
    origin: Origin = "clock"
    workspace_id: str = ""


CLOCK = Actor()
_actor: ContextVar[Actor] = ContextVar("outlay_actor", default=CLOCK)


def actor() -> Actor:
    """Who acts now."""
    return _actor.get()


def act_as(one: Actor) -> None:
    """From here on, in this task and those it starts, this is who acts."""
    _actor.set(one)


@contextmanager
def acting(one: Actor) -> Iterator[None]:
    """While the block lasts, this is who acts."""
    token = _actor.set(one)
    try:
        yield
    finally:
        _actor.reset(token)
