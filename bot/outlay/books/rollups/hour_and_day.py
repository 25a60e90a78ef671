"""Roll-ups: sums by hour and by day, derived from the entries in the transaction that changed them.

What a change touched is deleted and derived again from the entries: no sum is ever updated by a difference. So a
roll-up is right by construction, and `audit` can derive it again into a scratch table and compare.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData, insert, text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.pricing import calibration
from outlay.books.rollups import bill_allocation, period_sums
from outlay.books.rollups.hour_winner import sub_daily_reports, winner_runs
from outlay.books.rollups.report_precedence import DAY_SECONDS, HOUR_SECONDS, is_whole_day, report_for_day
from outlay.core.offload import offload
from outlay.core.tokens import CLASSES
from outlay.database.bulk_write import run_many
from outlay.database.engine import execute
from outlay.database.tables import BILLED, FIGURES, UNPRICED, SpendHour
from outlay.plugin.contract import Report

NEVER = 253_402_300_799  # the end of the year 9999, for a figure that only a better one can settle
HOURS = "spend_hour"
SCRATCH = "fresh_hour"  # a temporary table like spend_hour, for deriving without touching it
_SUMS = ", ".join(f"SUM({{}}{name})" for name in FIGURES)
_COLUMNS = ", ".join(FIGURES)
_MEASURES = (*FIGURES, "unpriced_tokens")
_TOKENS = " + ".join(f"e.{name}" for name in CLASSES)
_WHAT_COUNTS = [name for name in FIGURES if name not in ("reasoning", "saved_nano_usd")]
_ANYTHING = " OR ".join(f"SUM(e.{name}) <> 0" for name in _WHAT_COUNTS)
_NOTHING = " AND ".join(f"COALESCE({name}, 0) = 0" for name in _WHAT_COUNTS)
_UNPRICED = f"CASE WHEN e.basis = {UNPRICED} THEN {_TOKENS} ELSE 0 END"
_HOUR_COLUMNS = (
    "connection_id", "hour", "key_id", "model_id", "basis", "adjusts", *FIGURES, "unpriced_tokens", "settles_at",
)  # fmt: skip
_INTO = {
    HOURS: insert(SpendHour),
    SCRATCH: insert(SpendHour.metadata.tables[HOURS].to_metadata(MetaData(), name=SCRATCH)),
}


@dataclass(frozen=True, slots=True)
class DerivationScope:
    """Input of a derivation: a connection, its ledger's reports, and the model of money not split by model."""

    connection_id: int
    reports: Sequence[Report]
    blank_model_id: int


_HOURS_FROM_ENTRIES = f"""
    INSERT INTO {{target}} ({", ".join(_HOUR_COLUMNS)})
    SELECT e.connection_id, e.start - e.start % {HOUR_SECONDS}, s.key_id, s.model_id, e.basis, 0,
           {_SUMS.replace("{}", "e.")},
           SUM({_UNPRICED}), :settles_at
    FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report
    GROUP BY e.connection_id, e.start - e.start % {HOUR_SECONDS}, s.key_id, s.model_id, e.basis
    HAVING {_ANYTHING}
    """
# The same into hours that were just deleted, without sorting, which is two thirds of what grouping costs SQLite: each
# entry is added to its line by an upsert, with the result of SUM. What is unknown in all of them stays unknown.
_ADDED_UP = ", ".join(
    f"{name} = COALESCE({HOURS}.{name} + EXCLUDED.{name}, {HOURS}.{name}, EXCLUDED.{name})" for name in _MEASURES
)
_HOURS_ADDED_UP = f"""
    INSERT INTO {HOURS} ({", ".join(_HOUR_COLUMNS)})
    SELECT e.connection_id, e.start - e.start % {HOUR_SECONDS}, s.key_id, s.model_id, e.basis, 0,
           {", ".join(f"e.{name}" for name in FIGURES)}, {_UNPRICED}, :settles_at
    FROM entry e JOIN series s ON s.id = e.series_id
    WHERE e.connection_id = :connection AND e.start >= :start AND e.start < :end AND s.report = :report
    ON CONFLICT (connection_id, hour, key_id, model_id, basis, adjusts) DO UPDATE SET {_ADDED_UP}
    """
_WITHOUT_NOTHINGS = (
    f"DELETE FROM {HOURS} WHERE connection_id = :connection AND hour >= :start AND hour < :end AND {_NOTHING}"
)
_HOURS_FROM_ADJUSTMENTS = f"""
    INSERT INTO {{target}} ({", ".join(_HOUR_COLUMNS)})
    SELECT connection_id, hour, key_id, model_id, basis, month, {_SUMS.replace("{}", "")}, SUM(unpriced_tokens), 0
    FROM adjustment WHERE connection_id = :connection AND hour >= :start AND hour < :end
    GROUP BY connection_id, hour, key_id, model_id, basis, month
    """


def fold(target: str, source: str, dimensions: str) -> str:
    """Return SQL that sums one roll-up into a coarser one, for one UTC day."""
    by_hour = source in (HOURS, SCRATCH)
    time = f"hour - hour % {DAY_SECONDS}" if by_hour else "day"
    span = "hour >= :day AND hour < :day_end" if by_hour else "day = :day"
    names = f"connection_id, day, {dimensions}, basis, adjusts"
    groups = f"connection_id, {time}, {dimensions}, basis, adjusts"
    return (
        f"INSERT INTO {target} ({names}, {_COLUMNS}, unpriced_tokens, settles_at) "
        f"SELECT {groups}, {_SUMS.replace('{}', '')}, SUM(unpriced_tokens), MAX(settles_at) "
        f"FROM {source} WHERE connection_id = :connection AND {span} GROUP BY {groups}"
    )


FOLDS = (
    ("spend_day", HOURS, "key_id, model_id"),
    ("spend_day_key", "spend_day", "key_id"),
    ("spend_day_model", "spend_day", "model_id"),
)


async def derive(session: AsyncSession, books: DerivationScope, *, day: int, hours: Collection[int] | None) -> None:
    """Derive one UTC day again. `hours`: only these changed, and the same report counts as before; None: the whole day.

    Raise OverflowError for sums beyond what the books can hold.
    """
    span = {"connection": books.connection_id, "day": day, "day_end": day + DAY_SECONDS}
    if hours and not (await execute(session, _ANY_HOUR, span)).first():
        hours = None  # the day's first hours, or hours deleted by retention: derive all of them
    await period_sums.delete_covering(session, books.connection_id, day)
    await compute(session, books, day=day, hours=hours, target=HOURS)
    for target, source, dimensions in FOLDS:
        await execute(session, text(f"DELETE FROM {target} WHERE connection_id = :connection AND day = :day"), span)
        await execute(session, text(fold(target, source, dimensions)), span)
    if _is_sqlite(session) and (await execute(session, _INEXACT, span)).first():
        raise OverflowError("the sums of a day are more than the books can hold")


_ANY_HOUR = text(
    f"SELECT 1 FROM {HOURS} WHERE connection_id = :connection AND hour >= :day AND hour < :day_end LIMIT 1"
)
_INEXACT = text(  # SQLite's + continues in floating point where its SUM would fail
    "SELECT 1 FROM spend_day WHERE connection_id = :connection AND day = :day "
    f"AND 'real' IN ({', '.join(f'typeof({name})' for name in _MEASURES)}) LIMIT 1"
)


def _is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


async def scratch(session: AsyncSession) -> None:
    """Create the scratch table, empty."""
    await execute(session, text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {SCRATCH} AS SELECT * FROM {HOURS} WHERE 1 = 0"))
    await execute(session, text(f"DELETE FROM {SCRATCH}"))


async def compute(
    session: AsyncSession,
    books: DerivationScope,
    *,
    day: int,
    hours: Collection[int] | None = None,
    target: str = SCRATCH,
) -> None:
    """Derive hours of one UTC day (None: all) from the entries, the counters and the adjustments, into a table."""
    spoke = {
        row.report: bool(row.final)
        for row in await execute(
            session,
            text("SELECT report, final FROM coverage WHERE connection_id = :connection AND day = :day"),
            {"connection": books.connection_id, "day": day},
        )
    }
    winner = next((report for report in books.reports if report is report_for_day(books.reports, spoke)), None)
    whole_day = winner is not None and is_whole_day(winner)
    start, end = day, day + DAY_SECONDS
    if hours and not whole_day:
        start, end = min(hours), max(hours) + HOUR_SECONDS
    span = {"connection": books.connection_id, "start": start, "end": end}
    await execute(
        session,
        text(f"DELETE FROM {target} WHERE connection_id = :connection AND hour >= :start AND hour < :end"),
        span,
    )
    if winner:
        settles_at = day + DAY_SECONDS + int(winner.settles.total_seconds())
        if whole_day:
            found = await bill_allocation.lines(session, books.connection_id, books.reports, winner, day)
            rows = await offload(
                lambda: [
                    (books.connection_id, day + line.hour * HOUR_SECONDS, line.key_id, line.model_id, line.basis, 0,
                     *line.figures, line.unpriced, settles_at)
                    for line in found
                ],
                len(found),
            )  # fmt: skip
            await run_many(session, _INTO[target], _HOUR_COLUMNS, rows)
        else:
            speaking = [report for report in sub_daily_reports(books.reports) if report.name in spoke]
            for run in await winner_runs(session, books.connection_id, speaking, (start, end)):
                settles_at = day + DAY_SECONDS + int(run.report.settles.total_seconds())
                part = {**span, "start": run.start, "end": run.end}
                await _hours(session, {**part, "report": run.report.name, "settles_at": settles_at}, target)
                await calibration.scale(session, books.reports, run.report, day, part, target)
    if not (winner and whole_day and spoke[winner.name]):
        await _surplus(session, books, day, target)
    await execute(session, text(_HOURS_FROM_ADJUSTMENTS.format(target=target)), span)


async def _hours(session: AsyncSession, span: Mapping[str, Any], target: str) -> None:
    """Sum the entries of a report with buckets of an hour or less. The audit does it by grouping on any database."""
    if target == HOURS and _is_sqlite(session):
        await execute(session, text(_HOURS_ADDED_UP), span)
        await execute(session, text(_WITHOUT_NOTHINGS), span)
    else:
        await execute(session, text(_HOURS_FROM_ENTRIES.format(target=target)), span)


_COUNTERS = text(
    "SELECT c.key_id, c.base_at, c.read_at, "
    "c.total_nano_usd - c.base_nano_usd + c.before_reset_nano_usd AS risen_nano_usd "
    "FROM counter c JOIN ledger_key k ON k.id = c.key_id WHERE c.connection_id = :connection AND c.read_at >= :day "
    "AND c.read_at < :end AND c.total_nano_usd + c.before_reset_nano_usd > c.base_nano_usd AND k.ledger_id <> ''"
)
# The day is checked first: it has a fraction of the lines of its hours, and most days have no surplus.
_ANY_SURPLUS = text(
    "SELECT 1 FROM spend_day WHERE connection_id = :connection AND day = :day "
    "AND model_id = :blank AND settles_at = :never LIMIT 1"
)
_NO_SURPLUS = text(
    f"DELETE FROM {HOURS} WHERE connection_id = :connection AND hour >= :day AND hour < :end "
    "AND model_id = :blank AND settles_at = :never"
)
STALE_SECONDS = 300  # a counter may lag by so much, and then rise by what was spent before it was first read


async def _surplus(session: AsyncSession, books: DerivationScope, day: int, target: str) -> None:
    """Write the rise of a key's counter since its base beyond what reports show: spent already, not yet split by model.

    Both measure the same money, so the larger of the two counts, and never their sum. Usage is summed from the hour of
    the base, the counter's own lag included, which can only make the surplus too small.
    """
    span = {"connection": books.connection_id, "day": day, "end": day + DAY_SECONDS}
    blank = {**span, "blank": books.blank_model_id, "never": NEVER}
    if target == HOURS and (await execute(session, _ANY_SURPLUS, blank)).first():
        await execute(session, _NO_SURPLUS, blank)
    counters = (await execute(session, _COUNTERS, span)).all()
    if not counters:
        return
    first = (min(row.base_at for row in counters) - STALE_SECONDS) // HOUR_SECONDS * HOUR_SECONDS
    shown: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for table, low, high in ((HOURS, first, day), (target, max(first, day), day + DAY_SECONDS)):
        for row in await execute(
            session,
            text(
                f"SELECT key_id, hour, SUM(COALESCE(cost_nano_usd, 0)) AS cost FROM {table} "
                "WHERE connection_id = :connection AND hour >= :low AND hour < :high AND adjusts = 0 "
                "GROUP BY key_id, hour"
            ),
            {"connection": books.connection_id, "low": low, "high": high},
        ):
            shown[row.key_id][row.hour] += int(row.cost)
    rows: list[tuple[Any, ...]] = []
    for row in counters:
        since = row.base_at - STALE_SECONDS
        seen = sum(cost for hour, cost in shown[row.key_id].items() if hour + HOUR_SECONDS > since)
        if (surplus := row.risen_nano_usd - seen) > 0:
            at = row.read_at // HOUR_SECONDS * HOUR_SECONDS
            figures = [None if name in ("requests", "saved_nano_usd") else 0 for name in FIGURES]
            figures[FIGURES.index("cost_nano_usd")] = surplus
            rows.append((books.connection_id, at, row.key_id, books.blank_model_id, BILLED, 0, *figures, 0, NEVER))
    await run_many(session, _INTO[target], _HOUR_COLUMNS, rows)
