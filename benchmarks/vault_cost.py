"""Benchmark: cost of opening a sealed credential, with the local key and with a key service and a cached data key."""

import os
from collections.abc import Mapping

from benchmarks.measure import Row, median_ms
from outlay.core.clock import SystemClock
from outlay.vault.data_key_cache import DataKeyCache
from outlay.vault.local_key import LocalKey
from outlay.vault.vault import Vault

OPENED = 200  # in one run: a single one is too short to time
GOAL_MS = 1.0


class Service:
    """Key service that counts its calls."""

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
    """Return the milliseconds for one credential."""
    service = Service()
    rows = []
    for name, key in (
        ("a credential opened with the local key", LocalKey(os.urandom(32))),
        ("a credential opened with a key service, its data key held", DataKeyCache(service, clock=SystemClock())),
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
