"""Forecast of a period's total: the days so far, plus for each day to come what such a day costs now.

A day to come costs the *level* times the shape of its weekday. The level is what a usual day of the last weeks cost,
newer ones weighted more. Days far above their kind (an incident's) are cut back to what is still usual before they
count, so that one bad night does not bend the month; what they did cost is in the sum all the same. Growth is followed,
but only so far as half of the weeks agree with it. The range is as wide as the days were off in the past.

Figures from the books are nano-dollars; estimates in between are ratios. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import median

HISTORY_DAYS = 56  # older days blur this month's level more than they help
FEWEST_DAYS = 10  # complete days with money that a forecast takes; below, a weekend and a weekday look like a trend
HALF_LIFE_DAYS = 9.0
SHAPE_DAYS = 28.0  # prior weight: as if so many days of flat weeks had been seen before the weekdays differ
SPIKE = 2.5  # a day counts as at most so many times the usual day of its kind
GROWTH_A_DAY_MAX = 0.02
GROWTH_DAYS_FEWEST = 21
GROWTH_TRUST = 0.8
RANGE_WIDTH = (
    2.6  # times the typical error of a day: in the benchmark, seven of eight months without an incident end inside
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`likely`, between `low` and `high`; all None where the history is too short, and `reason` says so in words."""

    spent_nano_usd: int
    likely_nano_usd: int | None = None
    low_nano_usd: int | None = None
    high_nano_usd: int | None = None
    reason: str = ""


def forecast(days: Mapping[date, int], *, start: date, end: date, today: date, gone: float = 0.0) -> Forecast:
    """Forecast what [start, end] will cost.

    `days`: nano-dollars by day, today's so far included; a missing day is 0.
    `gone`: the elapsed part of today, from 0 to 1.
    """
    spent = sum(nano for day, nano in days.items() if start <= day <= min(end, today))
    if end < today:
        return Forecast(spent, spent, spent, spent)
    past = _past(days, today)
    if len(past) < FEWEST_DAYS:
        have = f"{len(past)} complete {'day' if len(past) == 1 else 'days'}"
        return Forecast(spent, reason=f"too little history for a forecast: {have}, it takes {FEWEST_DAYS}")
    shape = _shape(past)
    usual = _without_spikes(past, shape)
    level, growth = _level(usual, today)
    ahead = [
        (day, 1.0 - gone if day == today else 1.0)
        for day in (max(start, today) + timedelta(days=n) for n in range((end - max(start, today)).days + 1))
    ]
    parts = [shape[day.weekday()] * left * (1 + growth * ((day - today).days)) for day, left in ahead]
    rest = max(level, 0.0) * sum(parts)
    wide = RANGE_WIDTH * level * _off(past, usual, shape, level, growth, today) * _spread(parts)
    return Forecast(spent, spent + int(rest), spent + int(max(rest - wide, rest * 0.2)), spent + int(rest + wide))


def _past(days: Mapping[date, int], today: date) -> list[tuple[date, float]]:
    """Return the complete days of the last weeks, from the first with money on; a credit counts as 0."""
    first = min((day for day, nano in days.items() if nano > 0), default=today)
    first = max(first, today - timedelta(days=HISTORY_DAYS))
    every = [first + timedelta(days=n) for n in range((today - first).days)]
    return [(day, float(max(days.get(day, 0), 0))) for day in every]


def _shape(past: list[tuple[date, float]]) -> list[float]:
    """Return what each weekday costs relative to the mean of its week; seven numbers around 1."""
    weekly: dict[int, list[float]] = {number: [] for number in range(7)}
    by_day = dict(past)
    for day, spent in past:
        around = [by_day[near] for n in range(-3, 4) if (near := day + timedelta(days=n)) in by_day]
        mean = sum(around) / len(around)
        if len(around) >= 5 and mean > 0:
            weekly[day.weekday()].append(min(spent / mean, 7.0))
    work = median([one for number in range(5) for one in weekly[number]] or [1.0])
    rest = median([one for number in (5, 6) for one in weekly[number]] or [1.0])
    shape = []
    for number in range(7):
        kind, seen = (rest if number >= 5 else work), weekly[number]
        trust = len(seen) / (len(seen) + SHAPE_DAYS / 7)
        shape.append(trust * median(seen) + (1 - trust) * kind if seen else kind)
    mean = sum(shape) / 7
    return [max(one / mean, 0.01) for one in shape] if mean > 0 else [1.0] * 7


def _without_spikes(past: list[tuple[date, float]], shape: list[float]) -> list[tuple[date, float]]:
    """Convert each day to a day of a flat week, cut back to what is still usual beside the two weeks around it."""
    flat = [(day, spent / shape[day.weekday()], shape[day.weekday()]) for day, spent in past]
    kept = []
    for place, (day, spent, _) in enumerate(flat):
        near = flat[max(0, place - 10) : place + 11]
        usual = _weighted_median([(one, heavy) for _, one, heavy in near])
        kept.append((day, min(spent, SPIKE * usual) if usual > 0 else spent))
    return kept


def _level(usual: list[tuple[date, float]], today: date) -> tuple[float, float]:
    """Return what a day of a flat week costs today, and its relative growth a day."""
    growth = _growth(usual)
    weights = [(0.5 ** ((today - day).days / HALF_LIFE_DAYS), day, spent) for day, spent in usual]
    whole = sum(weight for weight, _, _ in weights)
    level = sum(weight * spent * (1 + growth * (today - day).days) for weight, day, spent in weights) / whole
    return level, growth


def _growth(usual: list[tuple[date, float]]) -> float:
    """Return the relative growth a day: the median slope of all pairs of weekly means a week or more apart.

    It is damped by GROWTH_TRUST and bounded by GROWTH_A_DAY_MAX; 0 with too little history.
    """
    if len(usual) < GROWTH_DAYS_FEWEST:
        return 0.0
    values = [spent for _, spent in usual]
    weeks = [sum(values[place : place + 7]) / 7 for place in range(len(values) - 6)]
    last = weeks[-1]
    if last <= 0:
        return 0.0
    slopes = [
        (weeks[later] - weeks[earlier]) / (later - earlier) / last
        for earlier in range(len(weeks))
        for later in range(earlier + 7, len(weeks))
    ]
    return min(max(median(slopes) * GROWTH_TRUST, -GROWTH_A_DAY_MAX), GROWTH_A_DAY_MAX) if slopes else 0.0


def _off(
    past: list[tuple[date, float]],
    usual: list[tuple[date, float]],
    shape: list[float],
    level: float,
    growth: float,
    today: date,
) -> float:
    """Return how far a day is typically off its expected cost, relative to the level; a spike counts in part."""
    if level <= 0:
        return 0.0
    errors = []
    for (day, spent), (_, cut) in zip(past, usual, strict=True):
        weight = shape[day.weekday()]
        should = weight * max(1 - growth * (today - day).days, 0.1)
        errors.append(((cut * weight + min(spent - cut * weight, level)) / level - should) ** 2)
    return sqrt(sum(errors) / len(errors))


def _spread(parts: list[float]) -> float:
    """Return the error of a sum of days, in errors of a day.

    Errors of days even out like a root, but the level itself may be off too, by a few days' worth.
    """
    return sqrt(len(parts) + sum(parts) ** 2 / (HALF_LIFE_DAYS * 2))


def _weighted_median(values: list[tuple[float, float]]) -> float:
    half = sum(weight for _, weight in values) / 2
    for value, weight in sorted(values):
        half -= weight
        if half <= 0:
            return value
    return 0.0
