"""Benchmark: error of the month's forecast against a straight line, for synthetic companies with and without incidents.

Every company lives 60 days before and through a month; at the end of its 3rd, 7th, 10th, 14th, 18th, 21st and 25th day
both forecasts predict the month's cost and are compared with the true one. Errors are in percent of the month.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from statistics import mean

from benchmarks.measure import Row
from outlay.core.calendar_periods import month_of
from outlay.fakes.company.company import Company
from outlay.fakes.company.usage_model import hour_of
from outlay.spend.forecast import forecast

SEEDS = range(1, 13)
MONTHS = (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1))
ASKED_ON = (3, 7, 10, 14, 18, 21, 25)
BEFORE_DAYS = 60
LEDGERS = ("openrouter", "openai", "anthropic")


async def run(scale: float) -> list[Row]:
    """Return rows for ordinary months and for months with incidents of one or two nights."""
    seeds = list(SEEDS)[: max(2, int(len(SEEDS) * min(scale, 1.0)))]
    rows = []
    for title, nights in (("a usual month", 0), ("a month with incidents", 2)):
        ours, naive, inside = _errors(seeds, nights)
        rows.append(
            Row(
                f"forecast of {title}, mean absolute error over {len(ours):,} forecasts "
                f"({100 * mean(inside):.0f} % of months end in the range)",
                100 * mean(ours),
                "% of the month",
                baseline=100 * mean(naive),
                baseline_name="straight line",
            )
        )
        for place, day in enumerate(ASKED_ON):
            rows.append(
                Row(
                    f"- asked after day {day}",
                    100 * mean(ours[place :: len(ASKED_ON)]),
                    "%",
                    baseline=100 * mean(naive[place :: len(ASKED_ON)]),
                    baseline_name="straight line",
                )
            )
    return rows


def straight_line(days: Mapping[date, int], *, start: date, end: date, today: date, gone: float = 0.0) -> int | None:
    """Extrapolate the average day so far; None before any of the period is over. A naive baseline to compare with."""
    spent = sum(nano for day, nano in days.items() if start <= day <= today)
    elapsed = (today - start).days + gone
    return int(spent / elapsed * ((end - start).days + 1)) if elapsed > 0 else None


def _errors(seeds: list[int], incidents: int) -> tuple[list[float], list[float], list[bool]]:
    """Return for each forecast: our relative error, the straight line's, and whether the month ended in our range."""
    ours, naive, inside = [], [], []
    for seed in seeds:
        month = MONTHS[seed % len(MONTHS)]
        days = _days(seed, month, incidents)
        first, last = month_of(month)
        true = sum(days.get(first + timedelta(days=n), 0) for n in range((last - first).days + 1))
        for asked in ASKED_ON:
            today = first + timedelta(days=asked)
            known = {day: nano for day, nano in days.items() if day < today}
            said = forecast(known, start=first, end=last, today=today)
            line = straight_line(known, start=first, end=last, today=today)
            if said.likely_nano_usd is None or said.low_nano_usd is None or said.high_nano_usd is None or line is None:
                raise AssertionError(f"no forecast: {said.reason}")
            ours.append(abs(said.likely_nano_usd - true) / true)
            naive.append(abs(line - true) / true)
            inside.append(said.low_nano_usd <= true <= said.high_nano_usd)
    return ours, naive, inside


def _days(seed: int, month: date, incidents: int) -> dict[date, int]:
    """Simulate a company from 60 days before the month; return each day's cost in nano-dollars."""
    from random import Random

    end = month_of(month)[1] + timedelta(days=1)
    life = (end - month).days + BEFORE_DAYS
    company = Company(seed, now=datetime(end.year, end.month, end.day, tzinfo=UTC), days=life)
    found: dict[date, int] = defaultdict(int)
    for key in company.staff.keys:
        if key.deleted:
            continue
        for hour in range(life * 24):
            at = company.start + timedelta(hours=hour)
            for spend in hour_of(seed, key, at, hour):
                found[at.date()] += spend.paid_nano_usd
    dice = Random(seed)
    usual = sum(found.values()) // life
    for _ in range(incidents):
        night = month + timedelta(days=dice.randrange(2, 24))
        found[night] += int(usual * dice.uniform(1.5, 6))
    return dict(found)
