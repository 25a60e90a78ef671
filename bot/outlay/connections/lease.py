"""Connection lease: one poll at a time, whatever the number of processes; a row's lease, renewed while the poll runs.

A process that dies stops renewing, and after LEASE_SECONDS another may go on.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from outlay.core.clock import Clock
from outlay.core.errors import OutlayError
from outlay.database.engine import Database, execute

LEASE_SECONDS = 30
RENEW_SECONDS = 8
RETRY_SECONDS = 0.25


class BusyError(OutlayError, RuntimeError):
    """Lease held by another process for longer than the caller was willing to wait."""


@asynccontextmanager
async def connection_lease(
    database: Database, clock: Clock, connection_id: int, *, wait_seconds: float
) -> AsyncIterator[str]:
    """Hold a connection's lease for the block. Raises BusyError after waiting `wait_seconds` in vain."""
    owner = uuid.uuid4().hex
    deadline = clock.monotonic() + wait_seconds
    while not await _take(database, clock, connection_id, owner):
        if clock.monotonic() >= deadline:
            raise BusyError("another poll of this connection is still running; try again when it is done")
        await clock.sleep(RETRY_SECONDS)
    holder = asyncio.current_task()
    renewing = asyncio.create_task(_renew(database, clock, connection_id, owner, holder))
    try:
        yield owner
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await _give_back(database, connection_id, owner)


async def _take(database: Database, clock: Clock, connection_id: int, owner: str) -> bool:
    now = int(clock.now().timestamp())
    async with database.write() as session:
        taken = await execute(
            session,
            text(
                "UPDATE connection SET lease_owner = :owner, lease_until = :until "
                "WHERE id = :id AND (lease_until <= :now OR lease_until > :absurd OR lease_owner = :owner)"
            ),
            {
                "id": connection_id,
                "owner": owner,
                "now": now,
                "until": now + LEASE_SECONDS,
                "absurd": now + 10 * LEASE_SECONDS,  # a lease so far ahead means that the clock went back
            },
        )
        return bool(getattr(taken, "rowcount", 0))


async def _renew(
    database: Database, clock: Clock, connection_id: int, owner: str, holder: "asyncio.Task[object] | None"
) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        if not await _take(database, clock, connection_id, owner):
            if holder:
                holder.cancel("the lease was lost")
            return


async def _give_back(database: Database, connection_id: int, owner: str) -> None:
    async with database.write() as session:
        await execute(
            session,
            text("UPDATE connection SET lease_owner = '', lease_until = 0 WHERE id = :id AND lease_owner = :owner"),
            {"id": connection_id, "owner": owner},
        )
