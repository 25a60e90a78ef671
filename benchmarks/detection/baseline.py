"""Baseline detector: today's running total above mean + 3σ of the days before, at least seven."""

from collections import defaultdict
from statistics import fmean, pstdev

from benchmarks.detection.companies import Company
from benchmarks.detection.scoring import Alert

FEWEST_DAYS, MOST_DAYS = 7, 30


def baseline_alerts(company: Company) -> list[Alert]:
    """Return the baseline's alerts, at most one a subject and day, all of them pages."""
    days: dict[str, dict[int, float]] = defaultdict(dict)
    limits: dict[tuple[str, int], float] = {}
    alerts: list[Alert] = []
    for at, deltas in company.polls:
        day = (at - 1) // 86_400
        for delta in deltas:
            own = days[delta.subject]
            own[day] = own.get(day, 0.0) + delta.cost_nano_usd / 1e9
            key = (delta.subject, day)
            if key not in limits:
                past = [own.get(before, 0.0) for before in range(max(min(own), day - MOST_DAYS), day)]
                limits[key] = fmean(past) + 3 * pstdev(past) if len(past) >= FEWEST_DAYS else float("inf")
            if own[day] > limits[key]:
                limits[key] = float("inf")
                alerts.append((at, delta.subject, True))
    return alerts
