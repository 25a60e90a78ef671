"""Calendar periods: the day, week or month that contains a day, and the one before. Weeks begin on Monday. Pure."""

from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Period = Literal["day", "week", "month"]
HOUR_SECONDS = 3600
PERIODS: tuple[Period, ...] = ("day", "week", "month")


def month_of(day: date) -> tuple[date, date]:
    """Return first and last day of the month that contains `day`."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def span_of(period: Period, day: date) -> tuple[date, date]:
    """Return first and last day of the period that contains `day`."""
    if period == "day":
        return day, day
    if period == "month":
        return month_of(day)
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def last_span(period: Period, today: date) -> tuple[date, date]:
    """Return the latest complete period."""
    return span_of(period, span_of(period, today)[0] - timedelta(days=1))


def compared_with(period: Period, first: date) -> tuple[date, date]:
    """Return the period to compare with: the one before; for a day the same weekday of the week before."""
    return span_of(period, first - timedelta(days=7 if period == "day" else 1))


def midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first hour roll-up that starts in a local day. Zones off by half an hour round up on both sides."""
    seconds = int(datetime.combine(day, time(), zone).timestamp())
    return -(-seconds // HOUR_SECONDS) * HOUR_SECONDS


def part_gone(now: datetime, today: date, zone: ZoneInfo) -> float:
    """Return the share of the local day that is over, from 0 to 1; a day has 23 to 25 hours."""
    begin, end = (midnight(day, zone) for day in (today, today + timedelta(days=1)))
    return min(max((now.timestamp() - begin) / (end - begin), 0.0), 1.0)
