"""Event loop lag: how late a timer fires that should fire four times a second."""

import asyncio
from collections import deque

EVERY_SECONDS = 0.25
KEPT = 240  # a minute


class LoopLag:
    """Gauge of event loop lag while it is started. Its time is the loop's own, not a Clock's."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=KEPT)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start measuring."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + EVERY_SECONDS, self._heard, loop.time() + EVERY_SECONDS)

    async def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def worst_seconds(self) -> float | None:
        """Return the worst lag of the last minute; None before the first measurement."""
        return round(max(self._late), 4) if self._late else None

    def _heard(self, due: float) -> None:
        self._late.append(max(0.0, asyncio.get_running_loop().time() - due))
        self.start()
