"""Circuit breaker of each delivery lane, shared by all replicas, with the times that a receiver asked to wait.

After FAILURES failures in a row a lane is shut for a while, longer each time; then one message is let through as a
trial. So a sink that is down costs a request now and then, not one for each message that waits.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.engine import execute

FAILURES = 5
SHUT_SECONDS = 30
MAX_SHUT_SECONDS = 300
MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class DeliveryHealth:
    """State of a lane. `error`: the last one, in words."""

    failures: int = 0
    trips: int = 0
    open_until: int = 0
    hold_until: int = 0
    error: str = ""

    def allowed_in_flight(self, now: datetime, most: int) -> int:
        """Return how many messages may be in flight: none while shut or held, one as a trial, else `most`."""
        at = int(now.timestamp())
        if max(self.open_until, self.hold_until) > at and self.open_until <= at + 2 * MAX_SHUT_SECONDS:
            return 0
        return 1 if self.failures >= FAILURES else most

    def words(self, now: datetime) -> str:
        """Describe what is wrong, for people; "" if nothing is."""
        at = int(now.timestamp())
        if self.open_until > at:
            return f"shut until {_clock(self.open_until)} after {self.failures} failures in a row: {self.error}"
        if self.hold_until > at:
            return f"asked to wait until {_clock(self.hold_until)}"
        if self.failures >= FAILURES:
            return f"being tried again after {self.failures} failures in a row: {self.error}"
        return ""

    def went_well(self) -> "DeliveryHealth":
        """Return the state after a success."""
        return DeliveryHealth(hold_until=self.hold_until)

    def failed(self, now: datetime, error: str) -> "DeliveryHealth":
        """Return the state after a failure that another message would have met too."""
        at, failures = int(now.timestamp()), self.failures + 1
        if failures < FAILURES or self.open_until > at:
            return DeliveryHealth(failures, self.trips, self.open_until, self.hold_until, error)
        shut_seconds = min(SHUT_SECONDS * 2 ** min(self.trips, MAX_DOUBLINGS), MAX_SHUT_SECONDS)
        return DeliveryHealth(failures, self.trips + 1, at + shut_seconds, self.hold_until, error)

    def held(self, until: datetime) -> "DeliveryHealth":
        """Return the state after being asked to wait."""
        hold_until = max(self.hold_until, int(until.timestamp()) + (until.microsecond > 0))
        return DeliveryHealth(self.failures, self.trips, self.open_until, hold_until, self.error)


WELL = DeliveryHealth()


async def health(session: AsyncSession) -> dict[int, DeliveryHealth]:
    """Return the state of every lane that has ever had a problem."""
    rows = await execute(session, text("SELECT id, failures, trips, open_until, hold_until, error FROM lane"))
    return {row.id: DeliveryHealth(row.failures, row.trips, row.open_until, row.hold_until, row.error) for row in rows}


async def note(session: AsyncSession, lane: int, found: DeliveryHealth) -> None:
    """Store the state of a lane."""
    await execute(
        session,
        text(
            "INSERT INTO lane (id, failures, trips, open_until, hold_until, error) "
            "VALUES (:lane, :failures, :trips, :open, :hold, :error) ON CONFLICT (id) DO UPDATE SET "
            "failures = excluded.failures, trips = excluded.trips, open_until = excluded.open_until, "
            "hold_until = excluded.hold_until, error = excluded.error"
        ),
        {
            "lane": lane,
            "failures": found.failures,
            "trips": found.trips,
            "open": found.open_until,
            "hold": found.hold_until,
            "error": found.error[:300],
        },
    )


def _clock(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
