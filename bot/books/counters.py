"""Counters that a ledger keeps running: deltas come from consecutive readings; a fall is a reset, not negative spend.

Of each UTC day the books keep where a counter stood first and last and how far it rose in between. What it shows after
a reset is what it rose since.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.database import run_many, upsert
from bot.books.interning import Interner
from bot.books.tables import Counter
from bot.core.money import to_nano
from bot.core.precedence import DAY_SECONDS
from bot.plugin.contract import Reading

ACCOUNT = "the account as a whole"
_COLUMNS = ("connection_id", "key_id", "day", "base_at", "read_at", "total_nano_usd", "risen_nano_usd", "resets")


async def read(session: AsyncSession, interner: Interner, connection_id: int, readings: Sequence[Reading]) -> list[int]:
    """Moves the counters on. The moments at which one has risen; a counter that stands still is not written."""
    held = await _held(session, connection_id, readings)
    changed: dict[tuple[int, int], tuple[int, ...]] = {}
    risen_at = []
    for reading in sorted(readings, key=lambda reading: reading.at):
        at, total = int(reading.at.timestamp()), to_nano(reading.total_usd)
        day = at // DAY_SECONDS * DAY_SECONDS
        key_id = await interner.key(reading.key, reason="" if reading.key else ACCOUNT)
        place = (key_id, day)
        if place not in held:
            held[place] = changed[place] = (at, at, total, 0, 0)
            continue
        base_at, read_at, before, risen, resets = held[place]
        if at <= read_at or total == before:
            continue
        fell = total < before
        held[place] = changed[place] = (base_at, at, total, risen + total - (0 if fell else before), resets + fell)
        risen_at.append(at)
    rows = [(connection_id, *place, *values) for place, values in changed.items()]
    await run_many(session, upsert(session, Counter, update=_COLUMNS[4:]), _COLUMNS, rows)
    return risen_at


async def _held(
    session: AsyncSession, connection_id: int, readings: Sequence[Reading]
) -> dict[tuple[int, int], tuple[int, ...]]:
    """The counters of the days of these readings: by key and day."""
    first = min(reading.at for reading in readings) - timedelta(days=1)
    rows = await session.execute(
        text(
            "SELECT key_id, day, base_at, read_at, total_nano_usd, risen_nano_usd, resets FROM counter "
            "WHERE connection_id = :connection AND day >= :first"
        ),
        {"connection": connection_id, "first": int(first.timestamp())},
    )
    return {(row[0], row[1]): tuple(row[2:]) for row in rows}
