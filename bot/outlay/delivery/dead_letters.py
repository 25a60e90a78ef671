"""Dead letters: messages that no attempt could deliver, for those who fix the cause and send them again.

They keep their keys, and so their ids: what did arrive after all is not there twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import select

from outlay import outbox
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection

_WHAT = {
    "sink.opened": "that it began",
    "sink.updated": "how it stands",
    "sink.resolved": "that it is over",
    "incident": "an alert",
    "incident_thread": "a reply under an alert",
    "incident_direct": "an alert, directly",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Undelivered message. `to`: destination; `what`: its content; `about`: its subject, or ""; `why`: the error."""

    number: int
    to: str
    what: str
    about: str
    why: str
    said_at: datetime


class DeadLetterService:
    """Service for the undelivered messages of all workspaces."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def given_up(self, workspace_id: str) -> Sequence[DeadLetter]:
        """List undelivered messages, the newest first, a hundred at most."""
        async with self._database.read() as session:
            dead = await outbox.dead(session, workspace_id)
            rows = await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))
            names = {row.id or 0: row.name for row in rows} | {outbox.SLACK: "Slack"}
        return [
            DeadLetter(
                one.id,
                names.get(one.lane, "a connection that is gone"),
                _WHAT.get(one.kind, one.kind.replace("_", " ")),
                _about(one.payload),
                one.error,
                datetime.fromtimestamp(one.said_at, UTC),
            )
            for one in dead
        ]

    async def send_again(self, workspace_id: str, numbers: Sequence[int] | None = None) -> int:
        """Queue some undelivered messages, or all, once more; return how many. Others are left alone."""
        async with self._database.write() as session:
            return await outbox.replay(session, workspace_id, self._clock.now(), ids=numbers)


def _about(payload: Mapping[str, Any]) -> str:
    """Return the name of the incident's subject, or "" for none."""
    finding = payload.get("finding")
    subject = finding.get("subject") if isinstance(finding, Mapping) else None
    return str(subject.get("name") or "") if isinstance(subject, Mapping) else ""
