"""Usual spend by this time of this weekday: the median of the last five weeks, as `/spend` sums them."""

from array import array
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from statistics import median

WEEKS = 5
FEWEST = 3


def day_until(hours: Mapping[int, "array[int]"], at: datetime, zone: tzinfo) -> int:
    """Return nano-dollars from local midnight to this moment; the current hour counts in proportion."""
    local = at.astimezone(zone)
    begin = int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    end = int(at.timestamp())
    total = 0
    for hour in range(begin // 3600, (end + 3599) // 3600):
        held = hours.get(hour // 24)
        if held is None or not held[hour % 24]:
            continue
        lap = min(end, hour * 3600 + 3600) - max(begin, hour * 3600)
        total += held[hour % 24] * lap // 3600 if lap < 3600 else held[hour % 24]
    return total


def usual_spend_by_now(hours: Mapping[int, "array[int]"], at: datetime, zone: tzinfo, first: int | None) -> int | None:
    """Return the median spend by this time on the same weekday; None without history.

    With fewer than three such weekdays: of all days. `first`: the moment of the subject's first money, before which
    there is nothing to compare with.
    """
    if first is None:
        return None
    whole = max(0, int((at.timestamp() - first) // 86_400))
    every = 7 if whole >= 7 * FEWEST else 1
    chosen = [
        day_until(hours, at - timedelta(days=back), zone) for back in range(every, min(WEEKS * 7, whole) + 1, every)
    ]
    return int(median(chosen)) if chosen else None
