"""Baselines: each day has one record (its highest value) of each fact; only records are compared with records.

A subject's records are stored as a mean and a spread of their logarithms, with a half-life of fourteen active
days. Where the subject has few days of its own, they are pooled with the other subjects' (empirical Bayes), so a
newcomer is judged as one of its peers. A record far above the usual enters clipped: an incident does not become normal
at once, a new level does in days. Since a day counts once, the false-alarm rate is per day and does not depend on how
often the detector looks.
"""

from dataclasses import dataclass, field, replace
from math import exp, log, sqrt
from statistics import median
from typing import Final

FACTS: Final = ("spend_15m", "spend_1h", "spend_4h", "spend_24h", "run", "busy", "tireless", "machine")
FLOORS: Final = (0.25, 0.25, 0.25, 0.25, 1.0, 3.0, 3.0, 3.0)
SIZES: Final = 4
KEEP_A_DAY: Final = 0.5 ** (1 / 14)
CLIP: Final = 2.5
PRIOR_DAYS_OF_SPREAD: Final = 3.0
Facts = tuple[float, ...]


def logs(facts: Facts) -> Facts:
    """Convert facts to the logarithmic scale on which they are compared."""
    return tuple(log(value + floor) for value, floor in zip(facts, FLOORS, strict=True))


def unlog(place: int, value: float) -> float:
    """Convert one fact back from that scale."""
    return max(0.0, exp(min(value, 60.0)) - FLOORS[place])


@dataclass(frozen=True, slots=True)
class Habits:
    """What a subject's closed days taught. `weight`: days in each mean, older ones weighted less.

    `active`: how likely a slot of each UTC hour has money, on an active day; `level`, `level_var`: mean and variance of
    the logarithm of the dollars in such a slot.
    """

    weight: Facts = (0.0,) * len(FACTS)
    mean: Facts = (0.0,) * len(FACTS)
    var: Facts = (0.0,) * len(FACTS)
    days: float = 0.0
    active: Facts = (0.0,) * 24
    level: float = 0.0
    level_var: float = 0.0


@dataclass(frozen=True, slots=True)
class Peers:
    """Prior from all subjects: where their means lie, how far apart those are, and how far apart a subject's days."""

    place: Facts = (1.0, 1.5, 1.9, 2.2, 1.9, 3.3, 2.4, 2.2)
    apart: Facts = (1.2, 1.3, 1.4, 1.5, 0.7, 0.7, 0.5, 0.6)
    spread: Facts = (0.8, 0.85, 0.9, 0.95, 0.6, 0.6, 0.5, 0.5)
    active: Facts = (0.12,) * 24
    level: float = -2.0
    level_spread: float = 1.3


@dataclass(frozen=True, slots=True)
class Baseline:
    """Expectation for one subject's day: `mean` and `spread` of each record, on the scale of `logs`."""

    mean: Facts
    spread: Facts
    active: Facts
    level: float
    level_spread: float
    days: float


@dataclass(slots=True)
class DayRecords:
    """Summary of a day: its records (None where the data was too coarse to know), activity, levels."""

    records: list[float | None]
    active: list[float] = field(default_factory=lambda: [0.0] * 24)
    slots: int = 0
    level: float = 0.0
    level_var: float = 0.0


def update_habits(habits: Habits, day: DayRecords, expected: Baseline) -> Habits:
    """Return the habits after one more active day."""
    weights, means, variances = list(habits.weight), list(habits.mean), list(habits.var)
    for place, record in enumerate(day.records):
        if record is None:
            continue
        value = min(record, expected.mean[place] + CLIP * expected.spread[place])
        old = weights[place] * KEEP_A_DAY
        weight = old + 1.0
        apart = value - means[place]
        means[place] += apart / weight
        variances[place] = (variances[place] * old + apart * (value - means[place])) / weight
        weights[place] = weight
    days = habits.days * KEEP_A_DAY
    changed = replace(habits, weight=tuple(weights), mean=tuple(means), var=tuple(variances))
    if not day.slots:
        return changed
    share = 1.0 / (days + 1.0)
    apart = day.level - habits.level
    level = habits.level + apart * share
    return replace(
        changed,
        days=days + 1.0,
        active=tuple(old + (new - old) * share for old, new in zip(habits.active, day.active, strict=True)),
        level=level,
        level_var=(1.0 - share) * habits.level_var + share * (day.level_var + apart * (day.level - level)),
    )


def baseline_of(habits: Habits, peers: Peers) -> Baseline:
    """Return the baseline from a subject's habits, shrunk toward its peers while it has few days."""
    means, spreads = [], []
    for place in range(len(FACTS)):
        weight, within, between = habits.weight[place], peers.spread[place] ** 2, peers.apart[place] ** 2
        lean = within / max(between, 1e-3)
        mean = (lean * peers.place[place] + weight * habits.mean[place]) / (lean + weight)
        var = (PRIOR_DAYS_OF_SPREAD * within + weight * habits.var[place]) / (PRIOR_DAYS_OF_SPREAD + weight)
        means.append(mean)
        spreads.append(sqrt(var * (1.0 + 1.0 / (lean + weight))))
    own = habits.days / (habits.days + 3.0)
    raw = [theirs + own * (mine - theirs) for mine, theirs in zip(habits.active, peers.active, strict=True)]
    active = tuple(
        min(0.9, max(0.02, 0.25 * raw[hour - 1] + 0.5 * raw[hour] + 0.25 * raw[(hour + 1) % 24])) for hour in range(24)
    )
    level = peers.level + own * (habits.level - peers.level)
    level_var = peers.level_spread**2 + own * (habits.level_var - peers.level_spread**2)
    return Baseline(tuple(means), tuple(spreads), active, level, sqrt(max(0.09, level_var)), habits.weight[0])


def peers_of(everybody: list[Habits], known: Peers) -> Peers:
    """Return the prior that the subjects have in common; with few subjects, shrunk toward `known`."""
    places, aparts, spreads = [], [], []
    for place in range(len(FACTS)):
        means = [one.mean[place] for one in everybody if one.weight[place] >= 1.9]
        within = [one.var[place] for one in everybody if one.weight[place] >= 4.0]
        if means:
            middle = median(means)
            apart = 1.4826 * median(abs(mean - middle) for mean in means)
        else:
            middle, apart = known.place[place], known.apart[place]
        own = len(means) / (len(means) + 5.0)
        places.append(known.place[place] + own * (middle - known.place[place]))
        aparts.append(max(0.2, known.apart[place] + own * (apart - known.apart[place])))
        own = len(within) / (len(within) + 5.0)
        usual = sqrt(median(within)) if within else known.spread[place]
        spreads.append(max(0.3, known.spread[place] + own * (usual - known.spread[place])))
    working = [one for one in everybody if one.days >= 1.9]
    own = len(working) / (len(working) + 5.0)
    level = median(one.level for one in working) if working else known.level
    active = tuple(
        (1 - own) * known.active[hour] + own * (sum(one.active[hour] for one in working) / max(1, len(working)))
        for hour in range(24)
    )
    return Peers(
        tuple(places),
        tuple(aparts),
        tuple(spreads),
        active,
        known.level + own * (level - known.level),
        known.level_spread,
    )
