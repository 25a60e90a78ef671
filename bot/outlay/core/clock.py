"""Clocks as dependencies: the product asks a Clock for the time, so that tests and the demo can set it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Interface to time: wall clock, monotonic clock, sleep."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; for durations and pacing."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ShiftedClock(SystemClock):
    """The machine's clock shifted to another moment, from which it runs on; `advance` shifts it further."""

    def __init__(self, now: datetime) -> None:
        self._shift = now - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    def advance(self, by: timedelta) -> None:
        """Move the clock ahead (or back)."""
        self._shift += by


class FakeClock:
    """A clock that stands still. Sleeping advances it at once; for tests of pacing and waiting."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._monotonic = 0.0
        self.slept_seconds: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.slept_seconds.append(seconds)
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def advance(self, by: timedelta) -> None:
        """Move wall and monotonic time together."""
        self._now += by
        self._monotonic += by.total_seconds()
