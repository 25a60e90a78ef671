"""Days, weeks and months of a calendar: the one that a day is in, and the one before. Weeks begin on Monday. Pure."""

from datetime import date, timedelta
from typing import Literal

from bot.core.query import month_of

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = ("day", "week", "month")


def span_of(period: Period, day: date) -> tuple[date, date]:
    """First and last day of the period that `day` is in."""
    if period == "day":
        return day, day
    if period == "month":
        return month_of(day)
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def last_span(period: Period, today: date) -> tuple[date, date]:
    """The newest period that is over."""
    return span_of(period, span_of(period, today)[0] - timedelta(days=1))


def compared_with(period: Period, first: date) -> tuple[date, date]:
    """What a period that begins on `first` is compared with: the one before, and of a day the same weekday before."""
    return span_of(period, first - timedelta(days=7 if period == "day" else 1))
