"""Retries and circuit breaker for a key service: three tries of a few seconds each, then no calls for a short while.

Without the breaker a thousand connections would each wait for an outage, one after the other. Only temporary failures
are retried; a refusal is final.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from outlay.core.clock import Clock
from outlay.vault.errors import VaultUnavailableError
from outlay.vault.key_wrapper import KeyWrapper
from outlay.vault.kms.errors import unreachable_error

TRY_SECONDS = 5.0
WAITS_SECONDS = (0.2, 0.8)  # between tries: so there are three
AT_ONCE = 4
SHUT_SECONDS = 15.0
_Result = TypeVar("_Result")


class RetryingKey:
    """KeyWrapper that retries another one.

    Raises VaultUnavailableError after the last try and while the circuit is open.
    """

    def __init__(self, backend: KeyWrapper, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._shut_until = float("-inf")
        self._why = ""

    def __repr__(self) -> str:
        return f"Patient({self._backend!r})"

    @property
    def id(self) -> str:
        return self._backend.id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        return await self._persist(lambda: self._backend.wrap(data_key, context))

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return await self._persist(lambda: self._backend.unwrap(wrapped, context))

    async def _persist(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        async with self._places:
            for wait_seconds in (*WAITS_SECONDS, None):
                if self._clock.monotonic() < self._shut_until:
                    break
                try:
                    async with asyncio.timeout(TRY_SECONDS):
                        return await ask()
                except TimeoutError:
                    self._why = str(unreachable_error(self.id, f"nothing within {TRY_SECONDS:g} s"))
                except VaultUnavailableError as error:
                    self._why = str(error)
                if wait_seconds is None:
                    self._shut_until = self._clock.monotonic() + SHUT_SECONDS
                else:
                    await self._clock.sleep(wait_seconds)
            raise VaultUnavailableError(self._why)
