"""Synthetic companies: people, incidents, harmless look-alikes, and how the ledger is polled.

Each seed is another company: another mix of people, scale of dollars, size, time zones, polling, lateness. Seeds below
HELD_BACK were used to fit the weights; the others only for scoring.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace

from benchmarks.detection.people import DAY_SLOTS, KINDS, PRICES, Person, Spent, person, poisson, usual_day
from outlay.detection import Delta
from outlay.detection.time_slots import SLOT_SECONDS

HELD_BACK = 100
BEGIN = 1_735_516_800  # a Monday, 00:00 UTC
WARM_UP_DAYS = 14
INCIDENTS = {"loop": 34, "night": 18, "leak": 12, "switch": 16, "drip": 10, "cold": 10}


@dataclass(frozen=True, slots=True)
class Label:
    """Ground truth of one event, in slots.

    `incident` False: it only looks like one. `burned`: the incident's own dollars, by slot.
    """

    kind: str
    subject: str
    start: int
    end: int
    incident: bool
    burned: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class Company:
    """Series of polls with its ground truth."""

    seed: int
    polls: list[tuple[int, list[Delta]]]
    labels: list[Label]
    first: dict[str, int]
    days: int
    people: dict[str, Person] = field(default_factory=dict)


def company(seed: int, days: int = 45, size: int | None = None) -> Company:
    """Generate the company of this seed."""
    rng = random.Random(seed)
    size = size or rng.randint(40, 90)
    weights = [rng.gammavariate(0.9 if kind != "worker" else 2.5, 1.0) for kind in KINDS]
    scale, zones = rng.lognormvariate(-1.6, 0.7), [rng.uniform(0, 24) for _ in range(rng.randint(1, 3))]
    crew = []
    for number in range(size):
        first = 0 if rng.random() < 0.88 else rng.randint(3, days - 3)
        crew.append(person(rng, number, rng.choices(KINDS, weights)[0], scale, first, rng.choice(zones)))
    slots: dict[str, dict[int, dict[tuple[str, str], float]]] = {one.name: {} for one in crew}
    labels: list[Label] = []
    away, busy_weeks = {}, {}
    for one in crew:
        if one.kind not in ("agent", "job", "ci") and rng.random() < 0.25:
            gone = rng.randint(10, days - 8)
            away[one.name] = (gone, gone + rng.randint(6, 12))
        if rng.random() < 0.06:
            start = rng.randint(WARM_UP_DAYS, days - 6)
            busy_weeks[one.name] = (start, start + rng.randint(4, 7), rng.uniform(2, 4))
            labels.append(_span("launch", one.name, start, busy_weeks[one.name][1]))
        for day in range(one.first_day, days):
            gone_from, back = away.get(one.name, (0, 0))
            if gone_from <= day < back:
                continue
            start, end, more = busy_weeks.get(one.name, (0, 0, 1.0))
            today = (
                replace(one, slot_usd=one.slot_usd * more, sessions=one.sessions * 1.3) if start <= day < end else one
            )
            _lay(slots[one.name], usual_day(today, day, rng))
    _events(crew, slots, labels, days, rng)
    _everybody(slots, labels, days, rng)
    return Company(seed, _polled(slots, days, rng), labels, _first(slots), days, {one.name: one for one in crew})


def _span(kind: str, name: str, first_day: int, end_day: int) -> Label:
    return Label(kind, name, first_day * DAY_SLOTS, end_day * DAY_SLOTS, incident=False)


def _lay(
    into: dict[int, dict[tuple[str, str], float]], spent: object, sink: list[tuple[int, float]] | None = None
) -> None:
    for slot, key, model, usd in spent:  # type: ignore[attr-defined]
        parts = into.setdefault(slot, {})
        parts[key, model] = parts.get((key, model), 0.0) + usd
        if sink is not None:
            sink.append((slot, usd))


def _first(slots: dict[str, dict[int, dict[tuple[str, str], float]]]) -> dict[str, int]:
    return {name: min(held) for name, held in slots.items() if held}


def _usual(held: dict[int, dict[tuple[str, str], float]]) -> tuple[float, float]:
    """Return the median dollars of an active day and of an active slot."""
    by_day: dict[int, float] = defaultdict(float)
    for slot, parts in held.items():
        by_day[slot // DAY_SLOTS] += sum(parts.values())
    each = sorted(sum(parts.values()) for parts in held.values()) or [0.05]
    days = sorted(by_day.values()) or [2.0]
    return days[len(days) // 2], each[len(each) // 2]


def _events(
    crew: list[Person], slots: dict[str, dict[int, dict[tuple[str, str], float]]], labels: list[Label], days: int,
    rng: random.Random,
) -> None:  # fmt: skip
    count = round(len(crew) * (days - WARM_UP_DAYS) / 60)
    kinds = rng.choices(list(INCIDENTS), weights=list(INCIDENTS.values()), k=count)
    taken: dict[str, list[int]] = defaultdict(list)
    times = rng.lognormvariate(2.6, 0.5)  # size of runaways in this company, in usual days
    planned = round(count * rng.uniform(0.4, 0.8))
    for kind in [*kinds, *["batch"] * planned]:
        for _ in range(30):
            one = rng.choice(crew)
            day = rng.randint(max(WARM_UP_DAYS, one.first_day), days - 2)
            if kind == "cold":
                if one.first_day < WARM_UP_DAYS:
                    continue
                day = min(one.first_day + rng.randint(0, 2), days - 2)
            elif kind == "switch" and day - one.first_day < 7:
                continue
            if all(abs(day - other) > 6 for other in taken[one.name]):
                break
        else:
            continue
        taken[one.name].append(day)
        _event(kind, one, day, slots[one.name], labels, days, times, rng)


def _event(
    kind: str, one: Person, day: int, held: dict[int, dict[tuple[str, str], float]], labels: list[Label], days: int,
    times: float, rng: random.Random,
) -> None:  # fmt: skip
    usual_day_usd, usual_slot = _usual(held)
    begin = day * DAY_SLOTS
    working = begin + int((one.starts_hour + rng.uniform(0, one.works_hours)) * 12)
    night = begin + int((one.starts_hour + one.works_hours + rng.uniform(1, 8)) * 12)
    key, model = rng.choice(one.keys), one.model
    sink: list[tuple[int, float]] = []
    spent: list[Spent] = []
    if kind == "batch":
        start, length = working, int(12 * rng.uniform(0.5, 4))
        level = max(0.3 * usual_slot, usual_day_usd * rng.lognormvariate(0.3, 0.6) / length)
        spent = _even(start, length, level, 0.4, 0.95, key, rng.choice((model, one.second)), rng)
        _lay(held, spent)
        labels.append(Label(kind, one.name, start, start + length, incident=False))
        return
    worth = max(rng.uniform(20, 40), times * usual_day_usd * rng.lognormvariate(0, 1.1))
    if kind == "loop":
        start, length = (working if rng.random() < 0.6 else begin + rng.randint(0, 287)), int(12 * rng.uniform(1.2, 8))
        spent = _even(start, length, worth / length, rng.uniform(0.15, 0.5), rng.uniform(0.88, 1), key, model, rng)
    elif kind == "night":
        start, length = night, int(12 * rng.uniform(5, 11))
        spent = _even(start, length, worth / length, rng.uniform(0.3, 0.8), rng.uniform(0.85, 0.98), key, model, rng)
        grows = rng.random() < 0.4
        spent = [(at, k, m, usd * (0.4 + 1.2 * (at - start) / length if grows else 1)) for at, k, m, usd in spent]
    elif kind == "leak":
        start, length = begin + rng.randint(0, 287), int(12 * rng.uniform(6, 48))
        if rng.random() < 0.5:
            key = f"{one.name}-z" if len(one.keys) == 1 else one.keys[1]
        model = rng.choice((model, one.second, "max"))
        power = rng.uniform(1.0, 3.0)
        spent = _even(start, length, 1.0, rng.uniform(0.5, 0.9), 0.9, key, model, rng)
        spent = [(at, k, m, usd * (0.02 + ((at - start) / length) ** power)) for at, k, m, usd in spent]
        total = sum(usd for *_, usd in spent)
        spent = [(at, k, m, usd * worth * 1.5 / total) for at, k, m, usd in spent]
    elif kind == "drip":
        start, length = begin + rng.randint(0, 287), int(DAY_SLOTS * rng.uniform(2.5, 5))
        level = max(30.0, usual_day_usd * rng.uniform(1, 5)) / length
        spent = _even(start, length, level, rng.uniform(0.4, 0.7), rng.uniform(0.7, 0.95), key, model, rng)
    elif kind == "cold":
        start, length = working, int(12 * rng.uniform(2, 9))
        spent = _even(start, length, max(worth, 40.0) / length, rng.uniform(0.3, 0.6), 0.94, key, model, rng)
    elif kind == "switch":
        dear = [name for name in PRICES if PRICES[name] >= 4 * PRICES[model] and name not in (one.model, one.second)]
        target, more = (dear[0], PRICES[dear[0]] / PRICES[model]) if dear else ("ultra", 12.0)
        start, end = begin + rng.randint(0, 200), min(days, day + rng.randint(2, 5)) * DAY_SLOTS
        burned = []
        for slot in sorted(held):
            if start < slot < end and (model_usd := {k: v for k, v in held[slot].items() if k[1] == model}):
                for (its_key, _), usd in model_usd.items():
                    del held[slot][its_key, model]
                    held[slot][its_key, target] = usd * more * rng.lognormvariate(0, 0.2)
                    burned.append((slot, usd * (more - 1)))
        if sum(usd for _, usd in burned) >= 20:
            labels.append(Label(kind, one.name, burned[0][0], end, incident=True, burned=tuple(burned)))
        return
    _lay(held, spent, sink)
    if sink:
        labels.append(Label(kind, one.name, sink[0][0], sink[-1][0] + 1, incident=True, burned=tuple(sink)))


def _even(
    start: int, length: int, level: float, spread: float, dense: float, key: str, model: str, rng: random.Random
) -> list[Spent]:
    return [
        (slot, key, model, level * rng.lognormvariate(0, spread))
        for slot in range(start, start + max(3, length))
        if rng.random() < dense
    ]


def _everybody(
    slots: dict[str, dict[int, dict[tuple[str, str], float]]], labels: list[Label], days: int, rng: random.Random
) -> None:
    if rng.random() < 0.7:
        start = rng.randint(WARM_UP_DAYS + 3, days - 3) * DAY_SLOTS + rng.randint(0, 287)
        end, more = start + int(12 * rng.uniform(8, 24)), rng.uniform(2, 4)
        burned: dict[int, float] = defaultdict(float)
        for held in slots.values():
            for slot in [slot for slot in held if start <= slot < end]:
                burned[slot] += sum(held[slot].values()) * (more - 1)
                held[slot] = {pair: usd * more for pair, usd in held[slot].items()}
        labels.append(Label("jump", "*", start, end, incident=True, burned=tuple(sorted(burned.items()))))
    if rng.random() < 0.5:
        start, more = rng.randint(WARM_UP_DAYS, days - 3) * DAY_SLOTS, rng.uniform(1.15, 1.5)
        model = rng.choice(("fast", "work", "smart"))
        for held in slots.values():
            for slot in [slot for slot in held if slot >= start]:
                held[slot] = {pair: usd * (more if pair[1] == model else 1) for pair, usd in held[slot].items()}
        labels.append(Label("price", "*", start, start + 2 * DAY_SLOTS, incident=False))


def _polled(
    slots: dict[str, dict[int, dict[tuple[str, str], float]]], days: int, rng: random.Random
) -> list[tuple[int, list[Delta]]]:
    """Return the polls as a ledger shows them: some missing, some deltas a poll late, some intervals longer."""
    every = rng.choice((1, 1, 1, 1, 2))
    late = rng.choice((0.0, 0.01, 0.04))
    missed = set()
    for _ in range(poisson(rng, 2)):
        start = rng.randint(0, days * DAY_SLOTS)
        missed.update(range(start, start + rng.randint(3, 40)))
    times = [slot + 1 for slot in range(days * DAY_SLOTS) if (slot + 1) % every == 0 and slot + 1 not in missed]
    by_slot: dict[int, list[tuple[str, str, str, float]]] = defaultdict(list)
    for name, held in slots.items():
        for slot, parts in held.items():
            by_slot[slot].extend((name, key, model, usd) for (key, model), usd in parts.items())
    polls, before, carried = [], 0, list[tuple[str, str, str, float]]()
    for time in times:
        due = carried + [part for slot in range(before, time) for part in by_slot.get(slot, ())]
        carried, sums = [], dict[tuple[str, str, str], float]()
        for name, key, model, usd in due:
            if late and rng.random() < late:
                carried.append((name, key, model, usd))
            else:
                sums[name, key, model] = sums.get((name, key, model), 0.0) + usd
        at = BEGIN + time * SLOT_SECONDS
        polls.append((at, [_delta(*who, usd, BEGIN + before * SLOT_SECONDS, at, rng) for who, usd in sums.items()]))
        before = time
    return polls


def _delta(name: str, key: str, model: str, usd: float, start: int, end: int, rng: random.Random) -> Delta:
    tokens = int(usd / PRICES.get(model, 60.0) * 1e6 * rng.lognormvariate(0, 0.3))
    return Delta(name, key, model, tokens, None, round(usd * 1e9), max(start, end - 86_400), end)
