"""Running counters of a ledger: a rise beyond what its reports show is money spent that no report has yet.

For each counter the books store its value now and its value at its base: the last reading that the reports have caught
up with. A fall is a reset, not negative spend: the rise before it stays, and counting starts again from there. What a
counter shows right after a fall is not taken for spend: it may as well be a correction.

A counter also rises when the ledger restates a past that it has told before. So what the reports add to hours before a
base is added to the base too: a restated past is not today's spend.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.ingest.identity_cache import IdentityCache
from outlay.core.money import to_nano
from outlay.database.bulk_write import run_many
from outlay.database.engine import execute, upsert
from outlay.database.tables import Counter
from outlay.plugin.contract import CounterReading

ACCOUNT = "the account as a whole"
_SERIES_A_STATEMENT = 2_000
_COLUMNS = (
    "connection_id", "key_id", "base_at", "base_nano_usd", "next_at", "next_nano_usd", "read_at", "total_nano_usd",
    "before_reset_nano_usd", "resets",
)  # fmt: skip


async def advance_counters(
    session: AsyncSession,
    interner: IdentityCache,
    connection_id: int,
    readings: Sequence[CounterReading],
    told_until: int,
) -> list[int]:
    """Advance the counters; return the times whose roll-ups that touches. A counter that has not moved is not written.

    `told_until`: up to when (seconds) reports with buckets have been read; 0 if none has.
    """
    held = {
        row[0]: tuple(row[1:])
        for row in await execute(
            session,
            text(f"SELECT {', '.join(_COLUMNS[1:])} FROM counter WHERE connection_id = :connection"),
            {"connection": connection_id},
        )
    }
    changed: dict[int, tuple[int, ...]] = {}
    touched: set[int] = set()
    for reading in sorted(readings, key=lambda reading: reading.at):
        at, total = int(reading.at.timestamp()), to_nano(reading.total_usd)
        key_id = await interner.key(reading.key, reason="" if reading.key else ACCOUNT)
        if key_id not in held:
            held[key_id] = changed[key_id] = (at, total, at, total, at, total, 0, 0)
            continue
        base_at, base, next_at, next_, read_at, before, kept, resets = held[key_id]
        if at <= read_at:
            continue
        if total < before:
            kept += before - base
            base, next_at, next_, resets = total, at, total, resets + 1
        elif told_until >= next_at:
            base_at, base, next_at, next_, kept = next_at, next_, at, total, 0
        moved = (base_at, base, next_at, next_, at, total, kept, resets)
        if total == before and (base, kept) == (held[key_id][1], held[key_id][6]):
            continue  # unchanged
        held[key_id] = changed[key_id] = moved
        touched |= {read_at, at}
    rows = [(connection_id, key_id, *values) for key_id, values in changed.items()]
    await run_many(session, upsert(session, Counter, update=_COLUMNS[2:]), _COLUMNS, rows)
    return sorted(touched)


async def restated(
    session: AsyncSession, connection_id: int, moves: Collection[tuple[int, int, int]], slack_seconds: int
) -> list[int]:
    """Raise the bases by what reports have added to the time before them; return the times whose roll-ups that touches.

    `moves`: (series id, end of its bucket, nano-dollars more than before) of buckets that had been told before. The
    reading between a base and now is raised alike, so for one reading more a surplus can be too small, never too large.
    """
    if not moves:
        return []
    counters = (
        await execute(
            session,
            text(f"SELECT {', '.join(_COLUMNS[1:])} FROM counter WHERE connection_id = :connection"),
            {"connection": connection_id},
        )
    ).all()
    key_of = await _keys(session, {series for series, _, _ in moves}) if counters else {}
    rows: list[tuple[int, ...]] = []
    touched: list[int] = []
    for held in counters:
        since = held.base_at - slack_seconds
        more = sum(nano for series, end, nano in moves if key_of[series] == held.key_id and end <= since)
        if more > 0:
            raised = held._asdict()
            raised["base_nano_usd"] += more
            raised["next_nano_usd"] += more
            rows.append((connection_id, *raised.values()))
            touched.append(held.read_at)
    await run_many(session, upsert(session, Counter, update=_COLUMNS[2:]), _COLUMNS, rows)
    return touched


async def _keys(session: AsyncSession, series: Collection[int]) -> Mapping[int, int]:
    """Return the key of each series."""
    statement = text("SELECT id, key_id FROM series WHERE id IN :some").bindparams(bindparam("some", expanding=True))
    found: dict[int, int] = {}
    numbers = sorted(series)
    for first in range(0, len(numbers), _SERIES_A_STATEMENT):
        some = numbers[first : first + _SERIES_A_STATEMENT]
        found |= {row.id: row.key_id for row in await execute(session, statement, {"some": some})}
    return found
