"""Changed hours that the detector has not examined yet, and their current figures.

A touched hour is recorded in the transaction that derived it again, and deleted in the transaction that stores what the
detector found. If the process dies in between, the hour is examined again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.byok_rules import byok_counts
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS
from outlay.core.offload import offload
from outlay.core.tokens import CLASSES
from outlay.database.engine import execute

KEPT_DAYS = 40  # older changes are not examined
HOURS_A_LOOK_MAX = 2_000
_INSERT = text(
    "INSERT INTO touched_hour (connection_id, hour, times) VALUES (:connection_id, :hour, 1) "
    "ON CONFLICT (connection_id, hour) DO UPDATE SET times = touched_hour.times + 1"
)
_TOKENS = " + ".join(f"h.{name}" for name in CLASSES)
_LINES = (
    f"SELECT h.connection_id, h.hour, h.key_id, h.model_id, m.name, SUM(COALESCE(h.cost_nano_usd, 0)), "
    f"SUM(h.byok_nano_usd), SUM({_TOKENS}), SUM(h.requests) FROM spend_hour h JOIN model m ON m.id = h.model_id "
    "WHERE h.adjusts = 0 AND {where} GROUP BY h.connection_id, h.hour, h.key_id, h.model_id, m.name"
)


@dataclass(frozen=True, slots=True)
class Touched:
    """Hour to examine. `times`: how often it was touched so far; a change meanwhile raises it."""

    connection_id: int
    hour: int
    times: int


@dataclass(frozen=True, slots=True)
class HourLine:
    """Spend of a key in an hour on a model, by the ledger's name for it. `requests` None: the ledger gives none."""

    connection_id: int
    hour: int
    key_id: int
    model_id: int
    model: str
    cost_nano_usd: int
    byok_nano_usd: int
    tokens: int
    requests: int | None


async def mark_changed(
    session: AsyncSession, connection_id: int, days: Mapping[int, Collection[int] | None], now: int
) -> None:
    """Record hours as touched. `days`: for each UTC day some hours, or None for all of them."""
    oldest = now - KEPT_DAYS * DAY_SECONDS
    hours = sorted(
        {
            hour
            for day, some in days.items()
            for hour in (range(day, day + DAY_SECONDS, HOUR_SECONDS) if some is None else some)
            if oldest <= hour <= now
        }
    )
    if hours:
        rows = [{"connection_id": connection_id, "hour": hour} for hour in hours]
        await (await session.connection()).execute(_INSERT, rows)


async def hours_to_examine(
    session: AsyncSession, workspace_id: str, *, most: int = HOURS_A_LOOK_MAX
) -> Sequence[Touched]:
    """Return touched hours of the workspace's books, oldest first, at most `most`."""
    rows = await execute(
        session,
        text(
            "SELECT t.connection_id, t.hour, t.times FROM touched_hour t JOIN connection c ON c.id = t.connection_id "
            "WHERE c.workspace_id = :workspace AND c.role = 'books' ORDER BY t.hour, t.connection_id LIMIT :most"
        ),
        {"workspace": workspace_id, "most": most},
    )
    return [Touched(*row) for row in rows]


async def mark_examined(session: AsyncSession, seen: Sequence[Touched]) -> None:
    """Delete hours that have been examined, except those touched again since."""
    if seen:
        statement = text(
            "DELETE FROM touched_hour WHERE connection_id = :connection_id AND hour = :hour AND times = :times"
        )
        await (await session.connection()).execute(statement, [asdict(one) for one in seen])


async def lines_of(session: AsyncSession, seen: Sequence[Touched]) -> list[HourLine]:
    """Return the current figures of these hours."""
    hours: dict[int, list[int]] = defaultdict(list)
    for one in seen:
        hours[one.connection_id].append(one.hour)
    statement = text(_LINES.format(where="h.connection_id = :connection AND h.hour IN :hours"))
    statement = statement.bindparams(bindparam("hours", expanding=True))
    found: list[HourLine] = []
    for connection_id, wanted in hours.items():
        found += await _lines(session, statement, {"connection": connection_id, "hours": wanted})
    return found


async def history(session: AsyncSession, workspace_id: str, day: int) -> list[HourLine]:
    """Return all figures in the hours of one UTC day, of all books of the workspace."""
    where = (
        "h.hour >= :day AND h.hour < :end AND h.connection_id IN "
        "(SELECT id FROM connection WHERE workspace_id = :workspace AND role = 'books')"
    )
    values = {"workspace": workspace_id, "day": day, "end": day + DAY_SECONDS}
    return await _lines(session, text(_LINES.format(where=where)), values)


async def spent_since(
    session: AsyncSession, workspace_id: str, key_ids: Collection[int] | None, since: int, ledgers: Collection[str]
) -> int:
    """Return the nano-dollars of some keys (None: all) from the hour that `since` falls into: the same as in `/spend`.

    `ledgers`: those that keep the books; whether money paid upstream counts here depends on them.
    """
    return sum((await hours_since(session, workspace_id, key_ids, since, ledgers)).values())


async def hours_since(
    session: AsyncSession, workspace_id: str, key_ids: Collection[int] | None, since: int, ledgers: Collection[str]
) -> dict[int, int]:
    """Return the nano-dollars of `spent_since` by hour, keyed by its start."""
    some = "" if key_ids is None else "AND h.key_id IN :keys "
    statement = text(
        "SELECT h.hour, m.name, SUM(COALESCE(h.cost_nano_usd, 0)), SUM(h.byok_nano_usd) FROM spend_hour h "
        "JOIN connection c ON c.id = h.connection_id JOIN model m ON m.id = h.model_id "
        f"WHERE c.workspace_id = :workspace AND c.role = 'books' {some}AND h.hour >= :since AND h.adjusts = 0 "
        "GROUP BY h.hour, m.name"
    )
    values: dict[str, object] = {"workspace": workspace_id, "since": since // HOUR_SECONDS * HOUR_SECONDS}
    if key_ids is not None:
        statement = statement.bindparams(bindparam("keys", expanding=True))
        values["keys"] = list(key_ids) or [0]
    rows = await execute(session, statement, values)
    found: dict[int, int] = {}
    for hour, name, cost, byok in rows:
        found[hour] = found.get(hour, 0) + int(cost) + (int(byok) if byok_counts(str(name), ledgers) else 0)
    return found


async def _lines(session: AsyncSession, statement: TextClause, values: Mapping[str, object]) -> list[HourLine]:
    rows = (await execute(session, statement, values)).all()
    return await offload(lambda: [_line(row) for row in rows], len(rows))


def _line(row: Sequence[Any]) -> HourLine:
    """Convert a row to integers: PostgreSQL sums to numeric."""
    connection, hour, key, model, name, cost, byok, tokens, requests = row
    return HourLine(
        int(connection), int(hour), int(key), int(model), str(name), int(cost), int(byok), int(tokens),
        None if requests is None else int(requests),
    )  # fmt: skip
