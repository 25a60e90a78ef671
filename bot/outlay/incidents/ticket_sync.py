"""Ticket sync: a sink's ticket is shown in Slack once, and what people do to it is applied to the incident.

Only a change of a ticket has an effect, so that what was undone in Slack is not done again at the next sweep, and what
Outlay itself did to a ticket does not come back. Everything here happens in the caller's transaction.
"""

import contextlib
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core.actor import Actor, acting
from outlay.core.clock import Clock
from outlay.database.tables import Connection
from outlay.delivery import receipts
from outlay.incidents import actions as incident_actions
from outlay.incidents import store as incident_store
from outlay.incidents.state_machine import IncidentAction, InvalidTransitionError
from outlay.incidents.tables import Incident
from outlay.outbox import OutboxMessage
from outlay.plugin.events import Receipt, TicketStanding

FILED = "filed"
MAX_NAME_CHARACTERS = 60
MEANS: dict[TicketStanding, IncidentAction] = {
    "started": "acknowledge",  # a person works on it
    "done": "acknowledge",  # whether the spend has stopped is for the ledger to show
    "canceled": "dismiss",
    "gone": "dismiss",
}  # "open" has no action of its own: it undoes what the ticket caused before
_NAMED = "incident-"


@dataclass(frozen=True, slots=True)
class TicketUpdate:
    """State of an incident's ticket. `by`: who changed it, "" if unknown."""

    incident: str
    standing: TicketStanding
    by: str = ""


class TicketSync:
    """Service that keeps incidents and their tickets in step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def record_filed(self, session: AsyncSession, message: OutboxMessage, receipt: Receipt) -> None:
        """Record that a sink made a ticket with a URL, so that the incident's message shows the link.

        Later events about that ticket change nothing more.
        """
        connection = await session.get(Connection, message.lane)
        row = await incident_named(session, message.workspace_id, str(message.payload["incident"]))
        if row is None or connection is None or not receipt.url:
            return
        known = await incident_store.history(session, row)
        if all((change.what, change.detail) != (FILED, connection.name) for change in known):
            await incident_store.record_change(session, row, FILED, now=self._clock.now(), detail=connection.name)

    async def apply_update(
        self, session: AsyncSession, connection: Connection, title: str, heard: TicketUpdate
    ) -> None:
        """Apply a ticket's state to its incident. `title`: what people call the other side."""
        if not await receipts.record_ticket_state(session, connection.id or 0, heard.incident, heard.standing):
            return
        row = await incident_named(session, connection.workspace_id, heard.incident, lock=True)
        if row is None:
            return
        now, there = self._clock.now(), f" in {title}"
        who = (heard.by.strip()[:MAX_NAME_CHARACTERS] or "somebody") + there
        deed = MEANS.get(heard.standing)
        with acting(Actor(who, "ticket", connection.workspace_id)):
            said_there = await _said_there(session, row, there)
            if said_there and (deed is None or (row.state == "false" and deed != "dismiss")):
                await incident_actions.apply_action(
                    session, row, "undo", who=who, now=now, heard_from=connection.id or 0
                )
            if deed is not None:
                with contextlib.suppress(
                    InvalidTransitionError
                ):  # it is over, or was acknowledged or dismissed here already
                    await incident_actions.apply_action(session, row, deed, who=who, now=now)


async def _said_there(session: AsyncSession, row: Incident, there: str) -> bool:
    """Report whether it is acknowledged or dismissed because of a change to a ticket there."""
    deed = {"acknowledged": "acknowledge", "false": "dismiss"}.get(row.state, "")
    last = next(
        (change for change in reversed(await incident_store.history(session, row)) if change.what == deed), None
    )
    return last is not None and last.who.endswith(there)


async def incident_named(session: AsyncSession, workspace_id: str, name: str, *, lock: bool = False) -> Incident | None:
    """Return the incident by the name that sinks know it by; None if there is none."""
    number = name.removeprefix(_NAMED)
    if number == name or not number.isdecimal():
        return None
    return await incident_store.get_incident(session, workspace_id, int(number), lock=lock)
