"""Tokens that the other side gives out for a while, kept like a credential: sealed, in the connection's own row.

All replicas share them, because some vendors take the old token back the moment a new one is asked for. So a new one is
asked for by one process at a time, and whoever comes second takes what the first was given.
"""

import asyncio
from collections.abc import Awaitable, Callable

from sqlmodel import select

from outlay.connections.lease import BusyError, lease
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection, Secret
from outlay.plugin.errors import Transient
from outlay.vault.errors import VaultUnavailable
from outlay.vault.vault import Vault

KEPT = "~"  # no setting's name begins so
WAIT_SECONDS = 10.0


class KeptSecrets:
    """What is kept for one connection."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, connection: Connection) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._id = connection.id or 0
        self._workspace_id = connection.workspace_id
        self._renewing = asyncio.Lock()  # in this process one asks the database at a time

    async def get(self, name: str) -> str | None:
        """What is kept by this name."""
        async with self._database.read() as session:
            row = (await session.exec(self._of(name))).first()
        if row is None:
            return None
        try:
            return (await self._vault.open(self._workspace_id, str(self._id), row.field, row.blob)).get_secret_value()
        except VaultUnavailable as error:
            raise Transient(str(error)) from None

    async def renew(self, name: str, stale: str | None, make: Callable[[], Awaitable[str]]) -> str:
        """A newer one than `stale`. Raises Transient where another process is at it for too long."""
        try:
            async with (
                self._renewing,
                lease(self._database, self._clock, self._id, wait_seconds=WAIT_SECONDS),
            ):
                kept = await self.get(name)
                if kept is not None and kept != stale:
                    return kept
                made = await make()
                blob = await self._vault.seal(self._workspace_id, str(self._id), KEPT + name, made)
                async with self._database.write() as session:
                    row = (await session.exec(self._of(name))).first()
                    row = row or Secret(connection_id=self._id, field=KEPT + name, blob=blob)
                    row.blob = blob
                    session.add(row)
                return made
        except BusyError:
            raise Transient("another process is renewing the token of this connection") from None

    def _of(self, name: str):  # type: ignore[no-untyped-def]  # the type of a select is longer than this class
        return select(Secret).where(Secret.connection_id == self._id, Secret.field == KEPT + name)


class KeptMeanwhile:
    """The same for a connection that is not saved yet: kept in memory, and forgotten."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        """What is kept by this name."""
        return self._kept.get(name)

    async def renew(self, name: str, stale: str | None, make: Callable[[], Awaitable[str]]) -> str:
        """A newer one than `stale`."""
        if self._kept.get(name) in (None, stale):
            self._kept[name] = await make()
        return self._kept[name]
