"""How often somebody may knock: a bucket of tokens for each address, refilled slowly, for so many addresses.

When there are more addresses than that, the one that was heard of longest ago is forgotten: it begins anew.
"""

import math
from collections import OrderedDict

BURST = 60
PER_SECOND = 2.0
MAX_ADDRESSES = 4_096


class Quota:
    """Tokens by address. Times are seconds of a monotonic clock."""

    def __init__(self, *, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when that was so

    def __len__(self) -> int:
        return len(self._left)

    def take(self, address: str, now: float) -> int:
        """Takes a token: 0, or in how many seconds there is one again."""
        wait_seconds = self.wait_seconds(address, now)
        if not wait_seconds:
            self._left[neighbourhood(address)] = (self._tokens(neighbourhood(address), now) - 1, now)
            self._left.move_to_end(neighbourhood(address))
            while len(self._left) > MAX_ADDRESSES:
                self._left.popitem(last=False)
        return wait_seconds

    def wait_seconds(self, address: str, now: float) -> int:
        """The same without taking one."""
        tokens = self._tokens(neighbourhood(address), now)
        return 0 if tokens >= 1 else math.ceil((1 - tokens) / self._per_second)

    def _tokens(self, place: str, now: float) -> float:
        tokens, at = self._left.get(place, (float(self._burst), now))
        return min(self._burst, tokens + (now - at) * self._per_second)


def neighbourhood(address: str) -> str:
    """An IPv4 address is one; of an IPv6 address, everybody has 64 bits to choose from."""
    return ":".join(address.split(":")[:4]) if ":" in address else address
