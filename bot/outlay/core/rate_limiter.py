"""Rate limiter: a token bucket for each address, refilled slowly, for a bounded number of addresses.

Beyond that bound, the address that was used least recently is dropped and starts anew.
"""

import math
from collections import OrderedDict

BURST = 60
PER_SECOND = 2.0
MAX_ADDRESSES = 4_096


class RateLimiter:
    """Token buckets by address. Times are seconds of a monotonic clock."""

    def __init__(self, *, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def __len__(self) -> int:
        return len(self._left)

    def take_token(self, address: str, now: float) -> int:
        """Take a token; return 0, or in how many seconds there is one again."""
        wait_seconds = self.wait_seconds(address, now)
        if not wait_seconds:
            self._left[client_network(address)] = (self._tokens(client_network(address), now) - 1, now)
            self._left.move_to_end(client_network(address))
            while len(self._left) > MAX_ADDRESSES:
                self._left.popitem(last=False)
        return wait_seconds

    def wait_seconds(self, address: str, now: float) -> int:
        """Return in how many seconds there is a token, 0 for now, without taking one."""
        tokens = self._tokens(client_network(address), now)
        return 0 if tokens >= 1 else math.ceil((1 - tokens) / self._per_second)

    def _tokens(self, place: str, now: float) -> float:
        tokens, at = self._left.get(place, (float(self._burst), now))
        return min(self._burst, tokens + (now - at) * self._per_second)


def client_network(address: str) -> str:
    """Return the part of an address that identifies a client: all of IPv4, the first 64 bits of IPv6.

    The owner of an IPv6 network can choose the other 64 bits freely.
    """
    return ":".join(address.split(":")[:4]) if ":" in address else address
