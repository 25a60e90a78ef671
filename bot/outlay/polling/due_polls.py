"""Polls that are due and look-ups of people, started by the clock while the bot runs.

Each may run on several replicas at once: a poll holds its connection's lease, the rest claims a slot. Deliveries are in
`delivering`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.connections.lease import BusyError
from outlay.core.clock import Clock
from outlay.database.engine import Database, execute
from outlay.database.tables import Connection, Person, Workspace
from outlay.polling.poller import Poller
from outlay.scheduler import claim_slot

POLLS_AT_ONCE = 4
PEOPLE_AT_ONCE = 20
PEOPLE_AGAIN = timedelta(days=1)
PEOPLE_PERIOD_SECONDS = 300
log = logging.getLogger("outlay.clock")

LookUp = Callable[[str, str], Awaitable[tuple[str, str] | None]]  # workspace, e-mail → Slack id and name


class DuePolls:
    """Starter of polls: one for each connection when it is due."""

    def __init__(self, database: Database, poller: Poller, clock: Clock) -> None:
        self._database = database
        self._poller = poller
        self._clock = clock
        self._running: dict[int, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(POLLS_AT_ONCE)

    async def start_due(self) -> None:
        """Start a poll for each connection that is due and is not being polled by this process."""
        now = int(self._clock.now().timestamp())
        async with self._database.read() as session:
            due = await session.exec(
                select(Connection.id)
                .join(Workspace)
                .where(
                    col(Workspace.removed_at).is_(None),
                    col(Connection.disconnected_at).is_(None),
                    Connection.state != "needs_reauth",
                    # Paused with a time, as while a key service is away: polled again at that time.
                    or_(Connection.state != "paused", col(Connection.next_poll_at).is_not(None)),
                    Connection.role != "sink",
                    or_(col(Connection.next_poll_at).is_(None), col(Connection.next_poll_at) <= now),
                )
            )
            wanted = [connection_id for connection_id in due if connection_id]
        for connection_id in wanted:
            if connection_id in self._running:  # checked only here: another call may have started it meanwhile
                continue
            task = asyncio.create_task(self._poll(connection_id), name=f"poll {connection_id}")
            self._running[connection_id] = task
            task.add_done_callback(lambda _, key=connection_id: self._running.pop(key, None))  # type: ignore[misc]

    async def stop(self, drain_seconds: float) -> None:
        """Let running polls finish within `drain_seconds`, then cancel them."""
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until no poll runs in this process."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _poll(self, connection_id: int) -> None:
        async with self._places:
            try:
                result = await self._poller.poll(connection_id, only_if_due=True)
            except BusyError:
                return  # another replica polls it
            except Exception:
                log.exception("poll failed", extra={"connection_id": connection_id})
                return
            if result and not result.ok:
                log.warning("poll failed", extra={"connection": result.name, "error": result.error})
            if result and (result.new or result.changed):
                log.info("polled", extra={"connection": result.name, "new": result.new, "changed": result.changed})


class SlackUserLookup:
    """Look-up of the Slack user that an e-mail on a key belongs to."""

    def __init__(self, database: Database, clock: Clock, look_up: LookUp) -> None:
        self._database = database
        self._clock = clock
        self._look_up = look_up

    async def run(self) -> None:
        """Look up some e-mails that are unknown, or were looked up over a day ago; one replica at a time."""
        now = self._clock.now()
        async with self._database.read() as session:
            wanted = await self._wanted(session, now)
        async with self._database.write() as session:
            if not wanted or not await claim_slot(session, "people", now, PEOPLE_PERIOD_SECONDS):
                return
        for workspace_id, email in wanted:
            found = await self._look_up(workspace_id, email)
            async with self._database.write() as session:
                person = await session.get(Person, (workspace_id, email)) or Person(
                    workspace_id=workspace_id, email=email, looked_up_at=0
                )
                person.slack_user_id, person.name = found or ("", "")
                person.looked_up_at = int(now.timestamp())
                session.add(person)

    async def _wanted(self, session: AsyncSession, now: datetime) -> list[tuple[str, str]]:
        rows = await execute(
            session,
            text(
                "SELECT DISTINCT c.workspace_id, k.email FROM ledger_key k JOIN connection c ON c.id = k.connection_id "
                "JOIN workspace w ON w.id = c.workspace_id AND w.removed_at IS NULL "
                "LEFT JOIN person p ON p.workspace_id = c.workspace_id AND p.email = k.email "
                "WHERE k.email <> '' AND c.workspace_id <> 'local' "
                "AND (p.email IS NULL OR p.looked_up_at < :old) ORDER BY k.email LIMIT :most"
            ),
            {"old": int((now - PEOPLE_AGAIN).timestamp()), "most": PEOPLE_AT_ONCE},
        )
        return [(row[0], row[1]) for row in rows]
