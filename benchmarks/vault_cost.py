"""What a sealed credential costs a poll: opened with the local key, and with a key service whose data key is held."""

import os
from collections.abc import Mapping

from benchmarks.measure import Row, median_ms
from outlay.core.clock import SystemClock
from outlay.vault.data_key_cache import HeldKeys
from outlay.vault.local_key import LocalKey
from outlay.vault.vault import Vault

OPENED = 200  # in one run: one takes too little to be timed
GOAL_MS = 1.0


class Service:
    """A key service that counts how often it is asked."""

    id = "aws-kms:bench"

    def __init__(self) -> None:
        self._key = LocalKey(os.urandom(32))
        self.asked = 0

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        return await self._key.wrap(data_key, context)

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        self.asked += 1
        return await self._key.unwrap(wrapped, context)


async def run(_scale: float) -> list[Row]:
    """Milliseconds for one."""
    service = Service()
    rows = []
    for name, key in (
        ("a credential opened with the local key", LocalKey(os.urandom(32))),
        ("a credential opened with a key service, its data key held", HeldKeys(service, clock=SystemClock())),
    ):
        vault = Vault(key, b"f" * 32)
        blob = await vault.seal("T1", "7", "api_key", "sk-" + "x" * 60)

        async def opened(vault: Vault = vault, blob: bytes = blob) -> None:
            for _ in range(OPENED):
                await vault.open("T1", "7", "api_key", blob)

        rows.append(Row(name, await median_ms(opened) / OPENED, "ms", GOAL_MS))
    if service.asked > 1:
        raise AssertionError(f"the service was asked {service.asked} times")
    return rows
