"""What lenses read: sums by hour and by day, derived from the entries in the transaction that changed them.

Nothing is ever added to a roll-up. What a change touched is derived anew from the entries, so that a roll-up is right
by construction, and `audit` can derive it once more and compare.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.database import run_many, upsert
from bot.books.tables import BILLED, FIGURES, UNPRICED, SpendHour
from bot.core.precedence import DAY_SECONDS, HOUR_SECONDS, counting, is_whole_day
from bot.core.spread import over_hours, shape_of
from bot.plugin.contract import Report

_SUMS = ", ".join(f"SUM({{}}{name})" for name in FIGURES)
_COLUMNS = ", ".join(FIGURES)
_MEASURED = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
_TOKENS = " + ".join(f"e.{name}" for name in _MEASURED)
_OUTPUT, _REASONING = FIGURES.index("output"), FIGURES.index("reasoning")
_ANYTHING = " OR ".join(f"SUM(e.{name}) <> 0" for name in FIGURES if name != "reasoning")

_HOURS_FROM_ENTRIES = text(
    f"""
    INSERT INTO spend_hour (connection_id, hour, key_id, model_id, basis, {_COLUMNS}, unpriced_tokens, settles_at)
    SELECT e.connection_id, e.start - e.start % {HOUR_SECONDS}, s.key_id, s.model_id, e.basis,
           {_SUMS.replace("{}", "e.")},
           SUM(CASE WHEN e.basis = {UNPRICED} THEN {_TOKENS} ELSE 0 END), :settles_at
    FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report
    GROUP BY e.connection_id, e.start - e.start % {HOUR_SECONDS}, s.key_id, s.model_id, e.basis
    HAVING {_ANYTHING}
    """
)


def _fold(target: str, source: str, dimensions: str) -> str:
    """SQL that sums one roll-up into a coarser one, for one UTC day."""
    time = f"hour - hour % {DAY_SECONDS}" if source == "spend_hour" else "day"
    span = "hour >= :day AND hour < :day_end" if source == "spend_hour" else "day = :day"
    names = f"connection_id, day, {dimensions}, basis"
    groups = f"connection_id, {time}, {dimensions}, basis"
    return (
        f"INSERT INTO {target} ({names}, {_COLUMNS}, unpriced_tokens, settles_at) "
        f"SELECT {groups}, {_SUMS.replace('{}', '')}, SUM(unpriced_tokens), MAX(settles_at) "
        f"FROM {source} WHERE connection_id = :connection AND {span} GROUP BY {groups}"
    )


_DAY_FOLDS = tuple(
    (text(f"DELETE FROM {target} WHERE connection_id = :connection AND day = :day"), text(_fold(target, source, by)))
    for target, source, by in (
        ("spend_day", "spend_hour", "key_id, model_id"),
        ("spend_day_key", "spend_day", "key_id"),
        ("spend_day_model", "spend_day", "model_id"),
    )
)


async def derive(
    session: AsyncSession,
    connection_id: int,
    reports: Sequence[Report],
    *,
    day: int,
    hours: Collection[int] | None,
    blank_model_id: int,
) -> None:
    """Derives one UTC day of one connection. `hours`: only these changed, and the same report counts as before."""
    spoke = {
        row.report: bool(row.final)
        for row in await session.execute(
            text("SELECT report, final FROM coverage WHERE connection_id = :connection AND day = :day"),
            {"connection": connection_id, "day": day},
        )
    }
    winner = next((report for report in reports if report is counting(reports, spoke)), None)
    whole_day = winner is not None and is_whole_day(winner)
    start, end = day, day + DAY_SECONDS
    if hours and not whole_day:
        start, end = min(hours), max(hours) + HOUR_SECONDS
    await session.execute(
        text("DELETE FROM spend_hour WHERE connection_id = :connection AND hour >= :start AND hour < :end"),
        {"connection": connection_id, "start": start, "end": end},
    )
    if winner:
        settles_at = day + DAY_SECONDS + int(winner.settles.total_seconds())
        if whole_day:
            await _spread_bill(session, connection_id, winner, reports, day, settles_at)
        else:
            await session.execute(
                _HOURS_FROM_ENTRIES,
                {
                    "connection": connection_id,
                    "start": start,
                    "end": end,
                    "report": winner.name,
                    "settles_at": settles_at,
                },
            )
    if not (winner and whole_day and spoke[winner.name]):
        await _surplus(session, connection_id, day, blank_model_id)
    for delete, insert in _DAY_FOLDS:
        await session.execute(delete, {"connection": connection_id, "day": day})
        await session.execute(insert, {"connection": connection_id, "day": day, "day_end": day + DAY_SECONDS})


_BILL = text(
    f"""
    SELECT s.key_id, s.model_id, e.basis, {_SUMS.replace("{}", "e.")}
    FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report
    GROUP BY s.key_id, s.model_id, e.basis HAVING {_ANYTHING}
    """
)
_SHAPE = text(
    f"""
    SELECT s.key_id, s.model_id, (e.start - :start) / {HOUR_SECONDS} AS hour,
           SUM(COALESCE(e.cost_nano_usd, 0)) AS cost, SUM({_TOKENS}) AS tokens
    FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report IN :reports
    GROUP BY s.key_id, s.model_id, (e.start - :start) / {HOUR_SECONDS}
    """
).bindparams(bindparam("reports", expanding=True))


async def _spread_bill(
    session: AsyncSession, connection_id: int, bill: Report, reports: Sequence[Report], day: int, settles_at: int
) -> None:
    """Lays a day's bill over its hours, by the shape that finer reports of the same money show."""
    span = {"connection": connection_id, "start": day, "end": day + DAY_SECONDS}
    finer = [report.name for report in reports if report.grain is not None and not is_whole_day(report)]
    exact: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    by_key: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in await session.execute(_SHAPE, {**span, "reports": finer or [""]}):
        weight = max(int(row.cost), 0) or int(row.tokens)
        exact[row.key_id, row.model_id][row.hour] = weight
        by_key[row.key_id][row.hour] += weight
    rows = []
    for key_id, model_id, basis, *figures in await session.execute(_BILL, {**span, "report": bill.name}):
        shape = shape_of(exact.get((key_id, model_id)), by_key.get(key_id))
        sums = [None if figure is None else int(figure) for figure in figures]  # PostgreSQL sums to numeric
        sums[_OUTPUT] = (sums[_OUTPUT] or 0) - (sums[_REASONING] or 0)  # shared out apart, so that no hour
        for hour, split in over_hours(sums, shape):  # reasons more than it puts out
            parts = [*split]
            parts[_OUTPUT] = (parts[_OUTPUT] or 0) + (parts[_REASONING] or 0)
            tokens = sum(parts[FIGURES.index(name)] or 0 for name in _MEASURED)
            unpriced = tokens if basis == UNPRICED else 0
            rows.append(
                (connection_id, day + hour * HOUR_SECONDS, key_id, model_id, basis, *parts, unpriced, settles_at)
            )
    await _insert_hours(session, rows)


async def _surplus(session: AsyncSession, connection_id: int, day: int, blank_model_id: int) -> None:
    """What a key's counter has risen beyond what the reports show yet: money already spent, not yet split by model.

    Both measure the same money, so the larger of the two counts, and never their sum. Usage is summed from the hour in
    which the counter was first read, which can only make the surplus too small.
    """
    counters = (
        await session.execute(
            text(
                "SELECT c.key_id, c.base_at, c.read_at, c.risen_nano_usd FROM counter c "
                "JOIN ledger_key k ON k.id = c.key_id WHERE c.connection_id = :connection AND c.day = :day "
                "AND c.risen_nano_usd > 0 AND k.ledger_id <> ''"
            ),
            {"connection": connection_id, "day": day},
        )
    ).all()
    if not counters:
        return
    first = min(row.base_at for row in counters) // HOUR_SECONDS * HOUR_SECONDS
    await session.execute(
        text(
            "DELETE FROM spend_hour WHERE connection_id = :connection AND hour >= :day AND hour < :end "
            "AND model_id = :blank AND settles_at = :never"
        ),
        {"connection": connection_id, "day": day, "end": day + DAY_SECONDS, "blank": blank_model_id, "never": NEVER},
    )
    shown: dict[int, dict[int, int]] = defaultdict(dict)
    for row in await session.execute(
        text(
            "SELECT key_id, hour, SUM(COALESCE(cost_nano_usd, 0)) AS cost FROM spend_hour "
            "WHERE connection_id = :connection AND hour >= :first AND hour < :end GROUP BY key_id, hour"
        ),
        {"connection": connection_id, "first": first, "end": day + DAY_SECONDS},
    ):
        shown[row.key_id][row.hour] = int(row.cost)
    rows = []
    for row in counters:
        seen = sum(cost for hour, cost in shown[row.key_id].items() if hour + HOUR_SECONDS > row.base_at)
        if (surplus := row.risen_nano_usd - seen) > 0:
            hour = row.read_at // HOUR_SECONDS * HOUR_SECONDS
            figures = tuple(
                surplus if name == "cost_nano_usd" else None if name == "requests" else 0 for name in FIGURES
            )
            rows.append((connection_id, hour, row.key_id, blank_model_id, BILLED, *figures, 0, NEVER))
    await _insert_hours(session, rows)


NEVER = 253_402_300_799  # the end of the year 9999: a figure that only a better one can settle
_HOUR_COLUMNS = ("connection_id", "hour", "key_id", "model_id", "basis", *FIGURES, "unpriced_tokens", "settles_at")


async def _insert_hours(session: AsyncSession, rows: Sequence[tuple[int | None, ...]]) -> None:
    await run_many(session, upsert(session, SpendHour, update=_HOUR_COLUMNS[5:]), _HOUR_COLUMNS, rows)
