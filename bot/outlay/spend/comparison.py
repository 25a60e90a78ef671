"""Join of an answer with the answer for a comparison period: each line gets what it was before.

Lines match if they have the same names in every dimension; days and hours match by their distance from the first day.
What was there before and is gone gets a line with no dollars, so that nothing that fell is left out. Exception: days
beyond the length of the asked period have no counterpart; their dollars are in the comparison total alone.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from outlay.core.tokens import NO_TOKENS
from outlay.spend.answer import Answer, AnswerLine, ComparisonTotals
from outlay.spend.query import DateRange

LineKey = tuple[object, ...]


def with_comparison(now: Answer, before: Answer, days: DateRange, top: int | None) -> Answer:
    """Return `now` with the figures of `before` (of the days `days`).

    Both hold all their lines; `top` is applied here.
    """
    first, then = now.query.start, days.start
    earlier = {_place(line, then): line for line in before.lines}
    lines = [_with(line, earlier.pop(_place(line, first), None)) for line in now.lines]
    length = (now.query.end - first).days
    lines += [_gone(line, first - then) for line in earlier.values() if _days_in(line, then) <= length]
    ordered = sorted(lines, key=_order)
    shown = ordered[: top or len(ordered)]
    rest = ordered[len(shown) :]
    return replace(
        now,
        lines=tuple(shown),
        rest_count=len(rest),
        rest_nano_usd=_sum(line.cost_nano_usd for line in rest),
        before=ComparisonTotals(days, before.total_nano_usd, before.basis, _sum(line.before_nano_usd for line in rest)),
    )


def change(now_nano_usd: int | None, before_nano_usd: int | None) -> int | None:
    """Return the difference; None where one of the two is unknown."""
    return None if now_nano_usd is None or before_nano_usd is None else now_nano_usd - before_nano_usd


def biggest_change(lines: Iterable[AnswerLine]) -> AnswerLine | None:
    """Return the line that changed most, in either direction; None if none did."""
    moved = [(abs(change(line.cost_nano_usd, line.before_nano_usd) or 0), line) for line in lines]
    most = max(moved, key=lambda one: one[0], default=None)
    return most[1] if most and most[0] else None


def _place(line: AnswerLine, first: date) -> LineKey:
    return (
        line.owner and line.owner.id,
        line.key and (line.key.connection, line.key.id),
        line.model and line.model.id,
        line.ledger,
        line.connection,
        line.project,
        _days_in(line, first) if line.day else None,
        line.hour and datetime.fromisoformat(line.hour) - datetime.fromisoformat(f"{first}T00:00:00Z"),
        line.reason,
        line.adjusts,
    )


def _days_in(line: AnswerLine, first: date) -> int:
    """Return how many days the line is after the first; 0 where it has no day."""
    day = line.day or (line.hour or "")[:10]
    return (date.fromisoformat(day) - first).days if day else 0


def _with(line: AnswerLine, before: AnswerLine | None) -> AnswerLine:
    return replace(line, before_nano_usd=before.cost_nano_usd if before else 0)


def _gone(line: AnswerLine, shift: timedelta) -> AnswerLine:
    """Build the zero-dollar line, in the current days, of a line that was only there before."""
    day = line.day and (date.fromisoformat(line.day) + shift).isoformat()
    hour = line.hour and (datetime.fromisoformat(line.hour) + shift).strftime("%Y-%m-%dT%H:%M:%SZ")
    return replace(
        line,
        cost_nano_usd=0,
        tokens=NO_TOKENS,
        requests=None,
        unpriced_tokens=0,
        day=day,
        hour=hour,
        before_nano_usd=line.cost_nano_usd,
    )


def _order(line: AnswerLine) -> tuple[str, str, int, int, str]:
    """Return the sort key: time, then the biggest now, then the biggest before; ties by name, for a stable order."""
    who = f"{line.owner} {line.key} {line.model} {line.ledger} {line.connection} {line.project} {line.reason}"
    return line.day or "", line.hour or "", -(line.cost_nano_usd or 0), -(line.before_nano_usd or 0), who


def _sum(amounts: Iterable[int | None]) -> int:
    return sum(amount or 0 for amount in amounts)
