"""Time ranges of usage queries, and the width of their buckets.

Recent days are read by the minute, days further back by the hour: an hour's figures then stand at its first minute. The
days that are reread every day are all recent ones, so that an everyday poll never changes a day's width.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from outlay.plugin import Permanent

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RECENT = 3 * DAY  # before today
MINUTES_A_PAGE = 6 * HOUR  # at most 360 buckets; OpenAI's bound is 1,440
HOURS_A_PAGE = 2 * DAY  # at most 48; OpenAI's bound is 168


class UsageRange(NamedTuple):
    """Time range [start, end) in buckets of one width, as OpenAI names it (`1m`, `1h`)."""

    start: datetime
    end: datetime
    width: str

    @property
    def bucket_count(self) -> int:
        """Return the number of buckets; the last one may be partial."""
        return -((self.start - self.end) // (HOUR if self.width == "1h" else MINUTE))


def next_usage_range(start: datetime, end: datetime, now: datetime) -> UsageRange:
    """Return the next time range to read."""
    recent = midnight(now) - RECENT
    if start >= recent:
        return UsageRange(start, min(end, start + MINUTES_A_PAGE), "1m")
    hour = start.replace(minute=0, second=0, microsecond=0)
    until = min(end.replace(minute=0, second=0, microsecond=0), recent, start + HOURS_A_PAGE)
    if start == hour and until > start:
        return UsageRange(start, until, "1h")
    return UsageRange(start, min(end, hour + HOUR), "1m")


def midnight(moment: datetime) -> datetime:
    """Return the start of a time's UTC day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def place(cursor: str | None, first: datetime) -> datetime:
    """Return where a poll continues. Raises Permanent for an invalid cursor."""
    if cursor is None:
        return first
    try:
        found = datetime.fromisoformat(cursor)
    except ValueError:
        found = first.replace(tzinfo=None)
    if found.tzinfo is None:
        raise Permanent(f"{cursor[:40]!r} is no place in OpenAI's reports.")
    return max(first, found)
