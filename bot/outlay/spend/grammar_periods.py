"""Resolution of a period's words to days of the workspace's time zone; both ends belong to a period.

A period that began and is not over ends today. Its comparison period then ends just as early: the first three weeks of
November are compared with the first three weeks of October, and the name of the days says so.
"""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from lark import Token, Tree

from outlay.core.calendar_periods import month_of
from outlay.spend.grammar import MONTHS, WEEKDAYS
from outlay.spend.query import DateRange, QueryError

MAX_DAYS = 400
LONGEST_DAYS = MAX_DAYS * 5
FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2099, 12, 31)
_DAYS_OF = {"d": 1, "day": 1, "w": 7, "week": 7}
_ABOUT_DAYS = {"month": 30, "year": 365}
_TO_DATE = {"wtd": "week", "mtd": "month", "ytd": "year"}
_RANGE = re.compile(r"([0-9-]+?)(?:\.{2,3}|…)([0-9-]+)")
DAY_EXAMPLE = "2026-10-01"


def resolve_period(period: Tree[Token], today: date) -> DateRange:
    """Resolve a period to its days. Raises QueryError for days outside of the calendar or the books."""
    (part,) = [child for child in period.children if isinstance(child, Tree)]
    return _READERS[part.data]([child for child in part.children if isinstance(child, Token)], today)


def comparison_range(asked: DateRange, other: DateRange, today: date) -> DateRange:
    """Return the days to compare with; of a whole week, month or year beside a current one, only as many days."""
    unit = _under_way(asked, today)
    if not unit or other.period != f"last {unit}":
        return other
    end = min(other.end, other.start + (asked.end - asked.start))
    return DateRange(other.start, end, other.period if end == other.end else f"from {other.start} to {end}")


def preceding_range(asked: DateRange, today: date) -> DateRange:
    """Return as many days right before; for a current week, month or year, as many of the one before."""
    if unit := _under_way(asked, today):
        return comparison_range(asked, _last(unit, today), today)
    end = asked.start - timedelta(days=1)
    start = end - (asked.end - asked.start)
    if start < FIRST_DAY:
        raise QueryError("vs", f"There are no books from before {FIRST_DAY}.", "vs last month")
    return DateRange(start, end, f"from {start} to {end}")


def _under_way(asked: DateRange, today: date) -> str:
    unit = _TO_DATE.get(asked.period, asked.period.removeprefix("this "))
    return unit if unit in ("week", "month", "year") and asked.end == today else ""


def implied_period(other: DateRange, today: date) -> DateRange | None:
    """Return the period that a comparison alone implies: `vs last week` asks about this week. None: no such period."""
    if other.period == "yesterday":
        return DateRange(today, today, "today")
    unit = other.period.removeprefix("last ")
    return _so_far(unit, today, f"this {unit}") if unit in ("week", "month", "year") else None


def _span(words: Sequence[Token], today: date) -> DateRange:
    low = words[0].lower()
    if low in _TO_DATE:
        return _so_far(_TO_DATE[low], today, low)
    day = today if low == "today" else today - timedelta(days=1)
    return DateRange(day, day, low)


def _counted(words: Sequence[Token], today: date) -> DateRange:
    word = words[0].lower()
    return _latest(int(word[:-1]) * _DAYS_OF[word[-1]], today, words[0], word)


def _latest(days: int, today: date, word: Token, name: str = "") -> DateRange:
    if not 1 <= days <= MAX_DAYS:
        raise QueryError(word, f"`{word}` is out of reach: 1d to {MAX_DAYS}d work.", "7d")
    return DateRange(today - timedelta(days=days - 1), today, name if name.endswith("d") else f"{days}d")


def _relative(words: Sequence[Token], today: date) -> DateRange:
    which, last = words[0].lower(), words[-1].lower().removesuffix("s")
    if len(words) == 3:
        if which == "this" or last not in _DAYS_OF:
            days = min(int(words[1]) * _ABOUT_DAYS.get(last, 1), MAX_DAYS)
            raise QueryError(words[0], f"`{' '.join(words)}` cannot be counted in days.", f"last {days} days")
        return _latest(int(words[1]) * _DAYS_OF[last], today, words[1])
    if which == "this":
        return _so_far(last, today, f"this {last}")
    return _last(last, today)


def _last(unit: str, today: date) -> DateRange:
    end = _so_far(unit, today, "").start - timedelta(days=1)
    return DateRange(_so_far(unit, end, "").start, end, f"last {unit}")


def _so_far(unit: str, today: date, name: str) -> DateRange:
    """Return the days from the first of the week (a Monday), month or year to today."""
    if unit == "week":
        return DateRange(today - timedelta(days=today.weekday()), today, name)
    return DateRange(today.replace(day=1) if unit == "month" else today.replace(month=1, day=1), today, name)


def _calendar(words: Sequence[Token], today: date) -> DateRange:
    word = words[0]
    if word.type == "RANGE":
        return _range(word)
    if word.type == "DATE":
        day = day_of(word, word)
        return DateRange(day, day, str(word))
    first = _named(words, today) if word.type == "NAMED" else day_of(f"{word}-01", word)
    return DateRange(first, month_of(first)[1], f"{first:%Y-%m}")


def _named(words: Sequence[Token], today: date) -> date:
    """Return the first day of `october 2025`; without a year, of the latest one that has begun."""
    number = next(place for place, name in enumerate(MONTHS, 1) if name.startswith(words[0].lower()[:3]))
    if len(words) == 2:
        return day_of(f"{int(words[1]):04d}-{number:02d}-01" if len(words[1]) == 4 else "", words[1])
    return date(today.year if number <= today.month else today.year - 1, number, 1)


def _range(word: Token) -> DateRange:
    """Parse `2026-10-01..15`, `2026-10-28..11-03` or `2026-09..2026-10`.

    What the end leaves out is taken from the start.
    """
    match = _RANGE.fullmatch(word)
    start, end = (match[1], match[2]) if match else ("", "")
    whole = start[: len(start) - len(end)] + end if len(end) < len(start) else end
    if len(start) == len(whole) == 7:
        first, last = day_of(f"{start}-01", word), month_of(day_of(f"{whole}-01", word))[1]
    else:
        first, last = day_of(start, word), day_of(whole, word)
    return _between(first, last, word, word)


def _stretch(words: Sequence[Token], today: date) -> DateRange:
    points = [word for word in words if word.type not in ("FROM", "TO")]
    start = _point(points[0], today)
    end = _point(points[1], today, last=True) if len(points) == 2 else today
    return _between(start, end, points[0], points[-1])


def _since(words: Sequence[Token], today: date) -> DateRange:
    return _between(_point(words[1], today), today, words[1], words[1])


def _between(start: date, end: date, first: Token, last: Token) -> DateRange:
    if end < start:
        raise QueryError(last, f"{end} is before {start}.", f"from {end} to {start}")
    if (end - start).days >= LONGEST_DAYS:
        near = end - timedelta(days=MAX_DAYS)
        raise QueryError(first, f"That is more than {LONGEST_DAYS} days.", f"from {near} to {end}")
    return DateRange(start, end, f"from {start} to {end}")


def _point(word: Token, today: date, *, last: bool = False) -> date:
    """Return the day that a period begins or (`last`) ends with. A weekday is the latest one, today included."""
    low = word.lower()
    if word.type == "WEEKDAY":
        number = next(place for place, name in enumerate(WEEKDAYS) if name.startswith(low[:3]))
        return today - timedelta(days=(today.weekday() - number) % 7)
    if word.type in ("TODAY", "YESTERDAY"):
        return today - timedelta(days=int(low == "yesterday"))
    if word.type == "DATE":
        return day_of(word, word)
    first = _named([word], today) if word.type == "NAMED" else day_of(f"{word}-01", word)
    return month_of(first)[1] if last else first


def day_of(text: str, word: str) -> date:
    """Parse a day that the books can have. Raises QueryError that names `word`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise QueryError(word, f"`{word}` is not a day or month of the calendar.", DAY_EXAMPLE) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise QueryError(word, f"`{word}` is outside {FIRST_DAY.year} to {LAST_DAY.year}.", DAY_EXAMPLE)
    return day


_READERS = {
    "span": _span,
    "counted": _counted,
    "relative": _relative,
    "calendar": _calendar,
    "stretch": _stretch,
    "since": _since,
}
