"""An incident and its tickets, kept in step: what a sink made of it is shown in Slack, once.

Everything here happens in the caller's transaction.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books import incidents
from bot.books.incident_tables import Incident
from bot.books.outbox import Message
from bot.books.tables import Connection
from bot.core.clock import Clock
from bot.plugin.finding import Receipt

FILED = "filed"
_NAMED = "incident-"


class Tickets:
    """Keeps them in step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def filed(self, session: AsyncSession, message: Message, receipt: Receipt) -> None:
        """A sink has made a ticket that people can open: the incident says so, and its message is shown with the
        link. What is told of that ticket later changes nothing more."""
        connection = await session.get(Connection, message.lane)
        row = await incident_named(session, message.workspace_id, str(message.payload["incident"]))
        if row is None or connection is None or not receipt.url:
            return
        known = await incidents.history(session, row)
        if all((change.what, change.detail) != (FILED, connection.name) for change in known):
            await incidents.note(session, row, FILED, now=self._clock.now(), detail=connection.name)


async def incident_named(session: AsyncSession, workspace_id: str, name: str, *, lock: bool = False) -> Incident | None:
    """The incident by the name that sinks know it by."""
    number = name.removeprefix(_NAMED)
    if number == name or not number.isdecimal():
        return None
    return await incidents.one(session, workspace_id, int(number), lock=lock)
