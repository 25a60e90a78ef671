"""Ticket inbox: the state of tickets on the other side, by webhook, or by a sweep where no webhook can reach the bot.

Both give incidents and how their tickets stand, and apply the consequences in the same transaction (see `tickets`). A
webhook is processed once; a sweep may report the same as often as it likes.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.connections.service import ConnectionService
from outlay.core.clock import Clock
from outlay.database.engine import Database, execute
from outlay.database.tables import Connection
from outlay.delivery import receipts
from outlay.incidents.ticket_sync import TicketSync, TicketUpdate
from outlay.plugin.contract import Sink
from outlay.plugin.errors import BadConfig, Permanent, PluginError, Transient
from outlay.plugin.events import Inbound, Receipt, TicketState
from outlay.scheduler import claim_slot
from outlay.vault.errors import VaultError

SWEPT_FOR = timedelta(days=30)  # a ticket without news for so long is no longer swept
SWEPT_MOST = 200
SWEPT_CONNECTIONS = 50
SWEEP_PERIOD_SECONDS = 300
SWEEP_TIMEOUT_SECONDS = 30
REMEMBERED = timedelta(days=1)  # of deliveries; a signature is refused as too old long before
MAX_BODY_BYTES = 1024 * 1024
_JOB = "inbound:"
log = logging.getLogger("outlay.clock")

__all__ = ["TicketInbox", "TicketUpdate"]


class TicketInbox:
    """Service that receives ticket states, by webhook and by sweep."""

    def __init__(self, database: Database, connections: ConnectionService, clock: Clock) -> None:
        self._database = database
        self._connections = connections
        self._clock = clock
        self._tickets = TicketSync(clock)

    async def webhook(self, connection_id: int, headers: Mapping[str, str], body: bytes) -> list[TicketUpdate]:
        """Process a webhook; [] for one that was processed before. Raises a PluginError for a bad signature."""
        if len(body) > MAX_BODY_BYTES:
            raise Permanent("This is longer than any webhook.", status=413)
        said = await self._read(connection_id, headers, body)
        async with self._database.write() as session:
            if not await _first_time(session, connection_id, said.delivery, self._clock.now()):
                return []
            return await self._heard(session, connection_id, said.stands)

    async def sweep(self, connection_id: int) -> list[TicketUpdate]:
        """Fetch how everything that a connection made recently stands now. Raises a PluginError."""
        recent = await self._recent(connection_id)
        if not recent:
            return []
        async with self._connections.open(connection_id) as plugin:
            if not isinstance(plugin, Sink) or not plugin.can("standings"):
                return []
            stands = tuple(await plugin.standings([receipt for _, receipt in recent]))
        if not all(isinstance(one, TicketState) for one in stands):
            raise Permanent(f"the plugin {plugin.meta.slug} gave back something else than how tickets stand")
        async with self._database.write() as session:
            return await self._heard(session, connection_id, stands)

    async def sweep_due(self) -> None:
        """Sweep every connection that supports it, once a period each, on whichever replica is first."""
        async with self._database.read() as session:
            rows = await session.exec(
                select(Connection)
                .where(
                    Connection.role == "sink",
                    col(Connection.disconnected_at).is_(None),
                    col(Connection.state).not_in(["needs_reauth", "paused"]),
                )
                .order_by(col(Connection.id))
                .limit(SWEPT_CONNECTIONS)
            )
            sinks = list(rows)
        for row in sinks:
            if self._can_be_asked(row.ledger) and await self._recent(row.id or 0) and await self._claim(row.id or 0):
                await self._sweep_safely(row)

    async def _sweep_safely(self, row: Connection) -> None:
        """Sweep one connection and log its failure, so that the others are swept all the same."""
        try:
            async with asyncio.timeout(SWEEP_TIMEOUT_SECONDS):
                await self.sweep(row.id or 0)
        except (PluginError, VaultError, TimeoutError) as error:
            log.warning("how tickets stand is not known", extra={"connection": row.name, "why": str(error)})
        except Exception:
            log.exception("sink broke", extra={"connection": row.name, "what": "standings"})

    def _can_be_asked(self, slug: str) -> bool:
        try:
            plugin = self._connections.plugin(slug)
        except BadConfig:
            return False  # the doctor says that this plugin is not loaded
        return issubclass(plugin, Sink) and plugin.can("standings")

    async def _claim(self, connection_id: int) -> bool:
        async with self._database.write() as session:
            return await claim_slot(session, f"sweep:{connection_id}", self._clock.now(), SWEEP_PERIOD_SECONDS)

    async def _recent(self, connection_id: int) -> Sequence[tuple[str, Receipt]]:
        async with self._database.read() as session:
            return await receipts.recent(session, connection_id, self._clock.now() - SWEPT_FOR, SWEPT_MOST)

    async def _read(self, connection_id: int, headers: Mapping[str, str], body: bytes) -> Inbound:
        """Return what a webhook says, once the plugin has verified its sender. Raises a PluginError."""
        try:
            async with self._connections.open(connection_id) as plugin:
                if not isinstance(plugin, Sink) or not plugin.can("webhook"):
                    raise Permanent("Nothing comes in by this connection.", status=404)
                said = await plugin.webhook({name.lower(): value for name, value in headers.items()}, body)
        except VaultError as error:
            raise Transient(str(error)) from None
        except PluginError:
            raise
        except Exception as error:
            log.exception("sink broke", extra={"connection_id": connection_id, "what": "webhook"})
            raise Transient(f"the plugin broke ({type(error).__name__})") from None
        if not isinstance(said, Inbound):
            raise Permanent(f"the plugin {plugin.meta.slug} gave back a {type(said).__name__} instead of an Inbound")
        return said

    async def _heard(
        self, session: AsyncSession, connection_id: int, stands: Sequence[TicketState]
    ) -> list[TicketUpdate]:
        """Apply states of tickets, each to the newest incident it was made of: an older one is over."""
        connection = await session.get(Connection, connection_id)
        if connection is None:
            return []
        title = self._connections.plugin(connection.ledger).meta.title
        found = []
        for one in stands:
            for incident in (await receipts.incidents_of(session, connection_id, one.external_id))[:1]:
                found.append(TicketUpdate(incident, one.standing, one.by))
                await self._tickets.apply_update(session, connection, title, found[-1])
        return found


async def _first_time(session: AsyncSession, connection_id: int, delivery: str, now: datetime) -> bool:
    """Record a delivery and return whether it is the first; delete the records of old ones."""
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
