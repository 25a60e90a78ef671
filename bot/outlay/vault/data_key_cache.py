"""Cache of unwrapped data keys in memory, so that a poll each minute does not call the key service each time.

They are never on disk, at most MAX_HELD of them, and each expires HELD_SECONDS after it was unwrapped, used or not: a
key that was disabled at the service stops working here within that time. A changed byte or another context is another
entry, so it is always the service that refuses it.
"""

import hmac
import json
from collections import OrderedDict
from collections.abc import Mapping

from outlay.core.clock import Clock
from outlay.vault.errors import VaultError
from outlay.vault.key_wrapper import KeyWrapper

HELD_SECONDS = 300.0
MAX_HELD = 1_000
_CacheKey = tuple[bytes, str]


class DataKeyCache:
    """KeyWrapper that caches the data keys of another one."""

    def __init__(self, inner: KeyWrapper, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._held: OrderedDict[_CacheKey, tuple[float, bytes]] = OrderedDict()  # (expiry, key), least recent first

    def __repr__(self) -> str:
        return f"DataKeyCache({self._inner!r}, {len(self._held)} held)"

    @property
    def id(self) -> str:
        return self._inner.id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        """Wrap the data key, and check that it unwraps again, so that nothing is stored that cannot be opened."""
        wrapped = await self._inner.wrap(data_key, context)
        if not hmac.compare_digest(await self._inner.unwrap(wrapped, context), data_key):
            raise VaultError(f"the key {self.id} does not give back what it wrapped; nothing was stored")
        self._hold(_place(wrapped, context), data_key)
        return wrapped

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        place = _place(wrapped, context)
        found = self._held.get(place)
        if found is not None and found[0] > self._clock.monotonic():
            self._held.move_to_end(place)
            return found[1]
        self._let_go()
        data_key = await self._inner.unwrap(wrapped, context)
        self._hold(place, data_key)
        return data_key

    def _hold(self, place: _CacheKey, data_key: bytes) -> None:
        self._held[place] = (self._clock.monotonic() + HELD_SECONDS, data_key)
        self._held.move_to_end(place)
        while len(self._held) > MAX_HELD:
            self._held.popitem(last=False)

    def _let_go(self) -> None:
        now = self._clock.monotonic()
        for place in [place for place, (until, _) in self._held.items() if until <= now]:
            del self._held[place]


def _place(wrapped: bytes, context: Mapping[str, str]) -> _CacheKey:
    return wrapped, json.dumps(sorted(context.items()))
