"""Token store: short-lived tokens issued by the other side, encrypted in the connection's own rows.

All replicas share them, because some vendors revoke the old token the moment a new one is requested. So one process at
a time requests a new one, and the next one uses what the first was given.
"""

import asyncio
from collections.abc import Awaitable, Callable

from sqlmodel import select

from outlay.connections.lease import BusyError, connection_lease
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection, Secret
from outlay.plugin.errors import Transient
from outlay.vault.errors import VaultUnavailableError
from outlay.vault.vault import Vault

KEPT = "~"  # prefix of a stored token's field; no setting's name begins so
WAIT_SECONDS = 10.0


class EncryptedTokenStore:
    """Encrypted token store of one connection, shared by all replicas."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, connection: Connection) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._id = connection.id or 0
        self._workspace_id = connection.workspace_id
        self._renewing = asyncio.Lock()  # one task of this process asks the database at a time

    async def get(self, name: str) -> str | None:
        """Return the token stored by this name, or None. Raises Transient while the key service is away."""
        async with self._database.read() as session:
            row = (await session.exec(self._of(name))).first()
        if row is None:
            return None
        try:
            return (await self._vault.open(self._workspace_id, str(self._id), row.field, row.blob)).get_secret_value()
        except VaultUnavailableError as error:
            raise Transient(str(error)) from None

    async def renew(self, name: str, stale: str | None, make: Callable[[], Awaitable[str]]) -> str:
        """Return a token newer than `stale`: stored meanwhile, else from `make`.

        Raises Transient if another process takes too long to renew it.
        """
        try:
            async with (
                self._renewing,
                connection_lease(self._database, self._clock, self._id, wait_seconds=WAIT_SECONDS),
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


class MemoryTokenStore:
    """Token store in memory, for a connection that is not saved yet."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        """Return the token stored by this name, or None."""
        return self._kept.get(name)

    async def renew(self, name: str, stale: str | None, make: Callable[[], Awaitable[str]]) -> str:
        """Return a token newer than `stale`: stored meanwhile, else from `make`."""
        if self._kept.get(name) in (None, stale):
            self._kept[name] = await make()
        return self._kept[name]
