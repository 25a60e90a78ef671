"""What the other side says of things that a sink made: by a webhook, or asked for by a sweep where nobody can reach us.

Both end in the same: incidents and how their tickets stand. What follows from that, an acknowledgement or a mute, is
the incidents' own business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books import receipts
from bot.books.database import Database, execute
from bot.core.clock import Clock
from bot.plugin.contract import Sink
from bot.plugin.errors import Permanent
from bot.plugin.finding import Inbound, Standing, Stands
from bot.work.connecting import Connections

SWEPT_FOR = timedelta(days=30)  # what nothing was told of for so long is not asked after any more
SWEPT_MOST = 200
REMEMBERED = timedelta(days=1)  # a signature is refused as too old long before
MAX_BODY_BYTES = 1024 * 1024
_JOB = "inbound:"


@dataclass(frozen=True, slots=True)
class Heard:
    """How the ticket of an incident stands."""

    incident: str
    standing: Standing
    by: str = ""


class Hearing:
    """Hears what other sides say."""

    def __init__(self, database: Database, connections: Connections, clock: Clock) -> None:
        self._database = database
        self._connections = connections
        self._clock = clock

    async def webhook(self, connection_id: int, headers: Mapping[str, str], body: bytes) -> list[Heard]:
        """What a webhook says; nothing for one that was heard before. Raises a PluginError for a bad signature."""
        if len(body) > MAX_BODY_BYTES:
            raise Permanent("This is longer than any webhook.", status=413)
        async with self._connections.open(connection_id) as plugin:
            if not isinstance(plugin, Sink) or not plugin.can("webhook"):
                raise Permanent("Nothing comes in by this connection.", status=404)
            said = await plugin.webhook({name.lower(): value for name, value in headers.items()}, body)
        if not isinstance(said, Inbound):
            raise Permanent(f"the plugin {plugin.meta.slug} gave back a {type(said).__name__} instead of an Inbound")
        async with self._database.write() as session:
            if not await _first_time(session, connection_id, said.delivery, self._clock.now()):
                return []
            return await _heard(session, connection_id, said.stands)

    async def sweep(self, connection_id: int) -> list[Heard]:
        """How everything that a connection made of late stands now. Raises a PluginError."""
        now = self._clock.now()
        async with self._database.read() as session:
            recent = await receipts.recent(session, connection_id, now - SWEPT_FOR, SWEPT_MOST)
        if not recent:
            return []
        async with self._connections.open(connection_id) as plugin:
            if not isinstance(plugin, Sink) or not plugin.can("standings"):
                return []
            stands = await plugin.standings([receipt for _, receipt in recent])
        async with self._database.read() as session:
            return await _heard(session, connection_id, tuple(stands))


async def _heard(session: AsyncSession, connection_id: int, stands: tuple[Stands, ...]) -> list[Heard]:
    """Of each thing the newest incident that it was made of: an older one is over."""
    found = []
    for one in stands:
        incidents = await receipts.incidents_of(session, connection_id, one.external_id)
        found += [Heard(incident, one.standing, one.by) for incident in incidents[:1]]
    return found


async def _first_time(session: AsyncSession, connection_id: int, delivery: str, now: datetime) -> bool:
    """Whether this was not heard before; who asks has heard it then."""
    day, job = int(now.timestamp()) // 86_400, f"{_JOB}{connection_id}:{delivery}"
    known = await execute(session, text("SELECT 1 FROM tick WHERE job = :job"), {"job": job})
    if known.first() is not None:
        return False
    old = {"like": f"{_JOB}{connection_id}:%", "old": day - 1 - REMEMBERED.days}
    await execute(session, text("DELETE FROM tick WHERE job LIKE :like AND slot < :old"), old)
    inserted = await execute(
        session,
        text("INSERT INTO tick (job, slot) VALUES (:job, :slot) ON CONFLICT DO NOTHING"),
        {"job": job, "slot": day},
    )
    return bool(getattr(inserted, "rowcount", 0))
