"""Rate limiting: a vendor publishes a limit, and we keep to it before the vendor has to refuse.

A `RateLimit` is that limit, as data in the plugin. A `RequestPacer` keeps when requests went out (a window for
each limit) and makes the next one wait for its turn. It is shared by all clients of one connection, told apart by
`identity`, so that two tasks of one account do not each take the whole allowance.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from outlay.core.clock import Clock
from outlay.plugin.errors import RateLimited

MAX_TURN_SECONDS = 300.0  # a request that would wait longer for its turn is handed back to the host instead
MAX_TRACKS = 1_000  # limits remembered at once; beyond it those that are idle are forgotten
_SHORTEST_SLEEP_SECONDS = 0.001  # what is left of a window may be less than a clock can tell


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Limit: at most `calls` of these requests in any `per_seconds`. `path` is exact, or a prefix that ends in `*`."""

    method: str
    path: str
    calls: int
    per_seconds: float

    def covers(self, method: str, path: str) -> bool:
        """Report whether a request counts against this limit."""
        if method != self.method:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


class RequestPacer:
    """Sliding-window rate limiter. One for the process; without one, a client limits itself alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[tuple[str, RateLimit], deque[float]] = {}

    async def acquire(self, identity: str, paces: Sequence[RateLimit]) -> None:
        """Wait until one more request keeps all these limits, and count it. Raises RateLimited if that is far off."""
        began = self._clock.monotonic()
        while (wait_seconds := self._wait_seconds(identity, paces)) > 0:
            if self._clock.monotonic() - began + wait_seconds > MAX_TURN_SECONDS:
                retry_at = self._clock.now() + timedelta(seconds=wait_seconds)
                raise RateLimited(retry_at, "too many requests are waiting for their turn under the vendor's limit")
            await self._clock.sleep(max(wait_seconds, _SHORTEST_SLEEP_SECONDS))
        now = self._clock.monotonic()  # no await since the check above: no other task took this turn meanwhile
        for pace in paces:
            self._sent[identity, pace].append(now)

    def _wait_seconds(self, identity: str, paces: Sequence[RateLimit]) -> float:
        now = self._clock.monotonic()
        wait_seconds = 0.0
        for pace in paces:
            sent = self._track(identity, pace)
            while sent and sent[0] + pace.per_seconds <= now:
                sent.popleft()
            if len(sent) >= pace.calls:
                wait_seconds = max(wait_seconds, sent[-pace.calls] + pace.per_seconds - now)
        return wait_seconds

    def _track(self, identity: str, pace: RateLimit) -> deque[float]:
        if (identity, pace) not in self._sent and len(self._sent) >= MAX_TRACKS:
            now = self._clock.monotonic()
            for known, sent in list(self._sent.items()):
                if not sent or sent[-1] + known[1].per_seconds <= now:
                    del self._sent[known]
        return self._sent.setdefault((identity, pace), deque())
