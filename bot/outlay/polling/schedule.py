"""Polling schedule: what part of a report to read next, by its plugin's schedule and what was read so far.

The first read goes back as far as asked. From then on, of all re-reads that are due the longest is done; a gap, after
the bot was down, is closed by the same read, since it never starts later than where the last one ended. What is read
for the first time begins at a UTC midnight: the rest of a day is never taken for the day. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from outlay.books.rollups.report_precedence import DAY_SECONDS

FIRST_READ = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class ReadSchedule:
    """Schedule of a report: see outlay.plugin.Report, whose fields these are. `rereads`: (every, back)."""

    grain: timedelta | None
    lag: timedelta
    history: timedelta
    rereads: tuple[tuple[timedelta, timedelta], ...]


@dataclass(frozen=True, slots=True)
class DueRead:
    """A stretch to read now, and the indexes in `rereads` that it covers."""

    start: datetime
    end: datetime
    rereads: tuple[int, ...]


def next_read(
    terms: ReadSchedule,
    *,
    now: datetime,
    watermark: datetime | None,
    done: Mapping[int, datetime],
    since: datetime | None = None,
) -> DueRead | None:
    """Return what to read now, or None.

    `done`: when each re-read was last done. `since`: an explicit start, asked for by hand.
    """
    everything = tuple(range(len(terms.rereads)))
    if terms.grain is None:
        return DueRead(now, now, everything)
    whole_days = terms.grain >= timedelta(days=1)
    end = _floor(now - terms.lag, DAY_SECONDS) if whole_days else now
    oldest = oldest_day(terms.history, now)
    whole = whole_days
    if since is not None or watermark is None:
        start, places, whole = max(since or now - FIRST_READ, oldest), everything, True
    else:
        places = tuple(
            place
            for place, (every, _) in enumerate(terms.rereads)
            if place not in done or done[place] > now or now - done[place] >= every  # the clock may have gone back
        )
        if not places and not (whole_days and watermark < end):
            return None
        back = max((terms.rereads[place][1] for place in places), default=timedelta(0))
        start = max(min(end - back, watermark), oldest)
    start = _floor(start, DAY_SECONDS if whole else int(max(terms.grain.total_seconds(), 3600)))
    return DueRead(start, end, places) if start < end else None


def oldest_day(history: timedelta, now: datetime) -> datetime:
    """Return the UTC midnight from which on a report that remembers so long can be read by whole days."""
    return _floor(now, DAY_SECONDS) - history


def _floor(at: datetime, seconds: int) -> datetime:
    return at - timedelta(seconds=at.timestamp() % seconds)
