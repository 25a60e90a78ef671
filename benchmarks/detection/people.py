"""Synthetic spending of people and agents on an ordinary day: sessions with pauses, levels that differ by factors.

Shapes come from what is known of real traces: a person's days are log-normal with a spread near one, slots inside a
session too; agents run evenly around the clock; jobs run at their hour; and people let agents work for hours, quite
evenly, without anything being wrong.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DAY_SLOTS = 288
PRICES = {"tiny": 0.15, "fast": 0.6, "work": 3.0, "smart": 15.0, "max": 75.0}  # dollars a million tokens
KINDS = ("worker", "night_owl", "sporadic", "power", "delegator", "agent", "job", "ci", "grower")


@dataclass(slots=True)
class Person:
    """Person or agent that spends. `slot_usd`: dollars of a usual busy slot."""

    name: str
    kind: str
    first_day: int
    starts_hour: float
    works_hours: float
    weekend: float
    absent: float
    sessions: float
    session_slots: float
    dense: float
    slot_usd: float
    slot_spread: float
    session_spread: float
    day_spread: float
    model: str
    second: str
    keys: tuple[str, ...]
    growth: float = 0.0
    long_runs: float = 0.0


def person(rng: random.Random, number: int, kind: str, scale: float, first_day: int, zone: float) -> Person:
    """Generate one of a kind, unlike the others of its kind."""
    model = rng.choices(list(PRICES), weights=(1, 4, 8, 4, 0.7))[0]
    second = rng.choice([name for name in PRICES if name != model])
    name = f"p{number:03d}"
    keys = (f"{name}-a",) if rng.random() < 0.75 else (f"{name}-a", f"{name}-b")
    one = Person(
        name, kind, first_day, starts_hour=(zone + rng.gauss(9, 1.2)) % 24, works_hours=rng.uniform(7, 10),
        weekend=rng.choice((0.02, 0.05, 0.1, 0.3)), absent=rng.uniform(0.05, 0.25), sessions=rng.uniform(2, 6),
        session_slots=rng.uniform(3, 10), dense=rng.uniform(0.55, 0.92), slot_usd=scale * rng.lognormvariate(0, 1.1),
        slot_spread=rng.uniform(0.8, 1.3), session_spread=rng.uniform(0.4, 0.9), day_spread=rng.uniform(0.3, 0.8),
        model=model, second=second, keys=keys, long_runs=rng.choice((0.0, 0.0, 0.02, 0.08)),
    )  # fmt: skip
    match kind:
        case "night_owl":
            one.starts_hour, one.works_hours = (one.starts_hour + rng.uniform(6, 12)) % 24, rng.uniform(5, 12)
        case "sporadic":
            one.absent, one.sessions = rng.uniform(0.55, 0.85), rng.uniform(1, 3)
        case "power":
            one.slot_usd, one.session_spread, one.day_spread = one.slot_usd * 4, 1.2, 1.1
            one.weekend, one.sessions = 0.5, 7.0
        case "delegator":
            one.long_runs, one.dense = rng.uniform(0.3, 0.9), 0.93
        case "agent":
            one.slot_usd, one.slot_spread = scale * rng.lognormvariate(-1.2, 1.2), rng.uniform(0.15, 0.6)
        case "job":
            one.slot_usd, one.slot_spread, one.session_slots = one.slot_usd * 1.5, 0.3, rng.uniform(6, 30)
            one.starts_hour, one.day_spread = rng.uniform(0, 24), rng.uniform(0.05, 0.3)
        case "ci":
            one.sessions, one.session_slots, one.dense, one.absent = rng.uniform(6, 20), rng.uniform(1, 4), 0.97, 0.01
        case "grower":
            one.growth, one.slot_usd = rng.uniform(0.01, 0.04), one.slot_usd / 2
    return one


Spent = tuple[int, str, str, float]  # slot, key, model, dollars


def usual_day(one: Person, day: int, rng: random.Random) -> Iterator[Spent]:
    """Yield the spending of a day without any event, slot by slot."""
    weekday = day % 7 < 5
    begin = day * DAY_SLOTS
    level = one.slot_usd * rng.lognormvariate(0, one.day_spread) * (1 + one.growth) ** (day - one.first_day)
    if one.kind == "agent":
        for slot in range(DAY_SLOTS):
            if rng.random() < 0.97:
                yield begin + slot, one.keys[0], one.model, one.slot_usd * rng.lognormvariate(0, one.slot_spread)
        return
    if one.kind == "job":
        start = begin + int(one.starts_hour * 12) + rng.randint(-1, 2)
        for slot in range(int(one.session_slots * rng.uniform(0.8, 1.25))):
            yield start + slot, one.keys[0], one.model, level * rng.lognormvariate(0, one.slot_spread)
        return
    if rng.random() < (one.absent if weekday else 1 - one.weekend):
        return
    opening, length = int(one.starts_hour * 12), int(one.works_hours * 12)
    for _ in range(poisson(rng, one.sessions)):
        start = begin + opening + int(rng.betavariate(1.3, 1.3) * length)
        much = level * rng.lognormvariate(0, one.session_spread)
        model = one.model if rng.random() < 0.8 else one.second
        if model != one.model:
            much *= min(4.0, (PRICES[model] / PRICES[one.model]) ** 0.7)
        key = rng.choice(one.keys)
        if rng.random() < one.long_runs / one.sessions * 2:  # an agent works for hours
            for slot in range(int(rng.uniform(10, 42))):
                if rng.random() < 0.93:
                    yield start + slot, key, model, 0.8 * much * rng.lognormvariate(0, 0.45)
            continue
        for slot in range(1 + int(rng.expovariate(1 / one.session_slots))):
            if rng.random() < one.dense:
                yield start + slot, key, model, much * rng.lognormvariate(0, one.slot_spread)


def poisson(rng: random.Random, mean: float) -> int:
    """Draw from a Poisson distribution; for small means only."""
    count, chance = 0, rng.expovariate(1.0)
    while chance < mean:
        count, chance = count + 1, chance + rng.expovariate(1.0)
    return count


Making = Callable[[Person, int, random.Random], Iterator[Spent]]
