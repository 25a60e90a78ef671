"""Workspace-wide anomalies: a price change, a release, a loop in a shared tool. One alert for `*`, not fifty.

Each active subject is compared with its own last weeks at these hours. One that doubles is no evidence; when the
median of all does, something happened to all of them. A few subjects cannot move the median, however large they are.
"""

from collections.abc import Iterable
from math import log, sqrt
from statistics import median

from outlay.detection.subject import SubjectState
from outlay.detection.time_slots import HOUR_SLOTS, USD

EVERY_SLOTS = 3
FEWEST_SUBJECTS = 10
FEWEST_DAYS = 4
BACK_DAYS = 28
FLOOR_USD = 0.10
TRUST = 2.5
JUMP = log(1.3)
IN_A_ROW = 2
AT_MOST_SUBJECTS = 500


def departure(subject: SubjectState, slot: int, cache: dict[int, float]) -> float | None:
    """Return the logarithm of the last four hours' spend over the usual of these hours; None where one is unknown."""
    slots = subject.slots
    place = len(slots.at) - 1
    while place >= 0 and slots.at[place] > slot:
        place -= 1
    if place < 0 or slots.at[place] <= slot - 48:
        return None
    now = slots.spent(place, 48 - (slot - slots.at[place]))
    if now < FLOOR_USD:
        return None
    hour = slot // HOUR_SLOTS
    if hour not in cache:
        cache[hour] = _usual(subject, hour)
    if cache[hour] < 0:
        return None
    return log((now + FLOOR_USD) / (cache[hour] + FLOOR_USD))


def _usual(subject: SubjectState, hour: int) -> float:
    """Return the median of the same four hours on days with money in them; −1 where there are too few."""
    found = []
    for back in range(1, BACK_DAYS + 1):
        total = 0
        for which in range(hour - 24 * back - 3, hour - 24 * back + 1):
            held = subject.hours.get(which // 24)
            if held is not None:
                total += held[which % 24]
        if total * USD >= FLOOR_USD:
            found.append(total * USD)
    return median(found) if len(found) >= FEWEST_DAYS else -1.0


def jump(departures: Iterable[float]) -> tuple[float, float, int]:
    """Return the median departure, the lower bound of its confidence interval, and the number of subjects."""
    values = list(departures)
    if len(values) < FEWEST_SUBJECTS:
        return 0.0, -9.0, len(values)
    middle = median(values)
    spread = 1.4826 * median(abs(value - middle) for value in values)
    return middle, middle - TRUST * 1.2533 * max(0.3, spread) / sqrt(len(values)), len(values)
