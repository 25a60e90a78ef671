"""State of one subject: its last days by the slot, five weeks by the hour, and habits learned from closed days.

A day is closed when a later one is looked at, and reopened when money comes for it late: habits are a function of
the true series, not of the order in which it arrived. Late money for days older than the stored slots changes only the
hours.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import log
from typing import NamedTuple

from outlay.detection.baselines import (
    FACTS,
    FLOORS,
    SIZES,
    Baseline,
    DayRecords,
    Facts,
    Habits,
    Peers,
    baseline_of,
    logs,
    update_habits,
)
from outlay.detection.cusum import CENT, CusumState, advance_cusum
from outlay.detection.inputs import Delta
from outlay.detection.time_slots import DAY_SLOTS, HOUR_SLOTS, MAX_NANO, SLOT_SECONDS, USD, Slots, slot_of

OPEN_DAYS = 3
KEPT_HOURS_DAYS = 36
MIX_HOURS = 30
FRESH_SLOTS = 2 * DAY_SLOTS
QUIET_SLOTS = 14 * DAY_SLOTS
QUARTER_SLOTS = 3
NO_HOURS = array("q", bytes(192))
WINDOWS = (QUARTER_SLOTS, HOUR_SLOTS, 48, DAY_SLOTS)


class NewUse(NamedTuple):
    """Money on a model or a key that this subject had not used before, or not for long."""

    slot: int
    usd: float
    tokens: int
    model: bool
    key: bool


class NewUseSpend(NamedTuple):
    """Spend on new models and keys in the last 24 hours.

    Dollars on new models, what a token of theirs costs against the usual (1 where that is unknown), and dollars on keys
    that are new or were quiet for long.
    """

    model_usd: float = 0.0
    dear: float = 1.0
    key_usd: float = 0.0


class SlotFacts(NamedTuple):
    """Everything known at a slot. `facts` in the order of FACTS, in dollars and observations."""

    slot: int
    facts: Facts
    walk: CusumState
    baseline: Baseline
    stake_usd: float


class SubjectState:
    """Detector state of one subject."""

    __slots__ = (
        "_baseline", "ahead", "first", "fresh", "habits", "hours", "keys", "mix", "models", "open_day",
        "past", "slots", "usual_tokens", "usual_usd",
    )  # fmt: skip

    def __init__(self) -> None:
        self.slots = Slots()
        self.hours: dict[int, array[int]] = {}
        self.mix: dict[int, dict[tuple[str, str], list[int]]] = {}
        self.models: dict[str, list[int]] = {}
        self.keys: dict[str, list[int]] = {}
        self.fresh: list[NewUse] = []
        self.first: int | None = None
        self.usual_usd = self.usual_tokens = 0.0
        self.open_day = -1
        self.habits = Habits()
        self.past: list[tuple[int, Habits, CusumState | None]] = []  # recent days, with the state at their start
        self.ahead: CusumState | None = None  # state at the last processed slot of the open day
        self._baseline: Baseline | None = None

    def book_delta(self, delta: Delta) -> int | None:
        """Book a delta. Return the slot in which it ends, or None where it is too old to be judged."""
        nano, end = delta.cost_nano_usd, delta.end
        last = slot_of(end)
        hour = last // HOUR_SLOTS
        self._book_hours(max(delta.start, end - 86_400), end, nano)
        if self.open_day >= 0 and last < (self.open_day - OPEN_DAYS + 1) * DAY_SLOTS:
            return None
        first = self.slots.add(delta.start, end, nano) if nano else last
        if self.first is None:
            self.first = last
        if first // DAY_SLOTS < self.open_day or (self.ahead is not None and first <= self.ahead.slot):
            self._rewind(first // DAY_SLOTS)
        parts = self.mix.setdefault(hour, {}).setdefault((delta.key, delta.model), [0, 0, 0, 0])
        parts[0] += nano
        parts[1] += delta.tokens or 0
        parts[2] += delta.requests or 0
        parts[3] |= (delta.requests is not None) * 1
        new_model = self._is_fresh(self.models, delta.model, last)
        new_key = self._is_fresh(self.keys, delta.key, last)
        if new_model or new_key:
            self.fresh.append(NewUse(last, nano * USD, delta.tokens or 0, new_model, new_key))
        if not new_model and delta.tokens:
            self.usual_usd += nano * USD
            self.usual_tokens += delta.tokens
        return last

    def learn(self, history: list[Delta], peers: Peers) -> None:
        """Book back-filled money, in order of time. Days known by the slot are closed by the slot.

        Where only hours are known, all but the last two days are closed by the hour: for money that is spread evenly
        over its hour that gives the same records, and it says nothing of pauses.
        """
        fine = sum(1 for delta in history if delta.end - delta.start <= SLOT_SECONDS)
        if 2 * fine > len(history):
            for delta in history:
                slot = self.book_delta(delta)
                if slot is not None and slot // DAY_SLOTS > self.open_day:
                    self.look(slot, peers)
            return
        recent = (slot_of(history[-1].end) // DAY_SLOTS - 1) * DAY_SLOTS if history else 0
        for delta in history:
            last = slot_of(delta.end)
            if last >= recent:
                continue
            self._book_hours(max(delta.start, delta.end - 86_400), delta.end, delta.cost_nano_usd)
            self.first = last if self.first is None else min(self.first, last)
            if not self._is_fresh(self.models, delta.model, last) and delta.tokens:
                self.usual_usd += delta.cost_nano_usd * USD
                self.usual_tokens += delta.tokens
            self._is_fresh(self.keys, delta.key, last)
        for day in sorted(self.hours):
            if self.open_day < 0 and sum(self.hours[day]) > 0:
                self.habits = update_habits(self.habits, day_by_hour(self.hours, day), baseline_of(self.habits, peers))
        for delta in history:
            if slot_of(delta.end) >= recent:
                self.book_delta(delta)

    def book_expected_delta(self, delta: Delta) -> None:
        """Book a delta that is expected: it is in the day's money, but nothing is learned from it."""
        self._book_hours(max(delta.start, delta.end - 86_400), delta.end, delta.cost_nano_usd)

    def _is_fresh(self, known: dict[str, list[int]], name: str, slot: int) -> bool:
        since = known.get(name)
        if since is None or slot - since[1] > QUIET_SLOTS:
            known[name] = since = [slot, slot]
        elif slot > since[1]:
            since[1] = slot
        young = self.first is not None and since[0] - self.first < FRESH_SLOTS  # everything of a newcomer is new
        return not young and slot - since[0] < FRESH_SLOTS

    def _book_hours(self, start: int, end: int, nano: int) -> None:
        start = min(start, end - 1)
        sign, size, length, booked = -1 if nano < 0 else 1, abs(nano), end - start, 0
        for hour in range(start // 3600, (end - 1) // 3600 + 1):
            upto = size * (min(end, hour * 3600 + 3600) - start) // length
            held = self.hours.get(hour // 24)
            if held is None:
                held = self.hours[hour // 24] = array("q", bytes(192))
            held[hour % 24] = max(-MAX_NANO, min(MAX_NANO, held[hour % 24] + sign * (upto - booked)))
            booked = upto

    def look(self, slot: int, peers: Peers, *, least_usd: float = 0.0) -> SlotFacts | None:
        """Return the facts at this slot; None where it has no money or 24 hours cost less than `least_usd`."""
        slots = self.slots
        place = bisect_left(slots.at, slot)
        if place == len(slots.at) or slots.at[place] != slot:
            return None
        self._settle(slot // DAY_SLOTS, peers)
        if slot // DAY_SLOTS != self.open_day:
            return None
        place = bisect_left(slots.at, slot)  # again: closing a day drops old slots
        day, hour = slots.spent(place, DAY_SLOTS), slots.spent(place, HOUR_SLOTS)
        if day < least_usd:
            return None
        baseline = self.baseline(peers)
        walk = self._walk_to(place, baseline)
        quarter, four = slots.spent(place, 3), slots.spent(place, 48)
        facts = (
            quarter, hour, four, day, float(walk.run), float(slots.observed(place, DAY_SLOTS)),
            walk.tireless, walk.machine,
        )  # fmt: skip
        return SlotFacts(slot, facts, walk, baseline, slots.spent(place, slot - walk.since + 1))

    def pace(self, slot: int, since: int) -> float:
        """Return dollars an hour: of the last hour, or of the stretch since `since` if shorter, at least 15 minutes."""
        over = min(HOUR_SLOTS, max(QUARTER_SLOTS, slot - since + 1))
        place = bisect_left(self.slots.at, slot)
        return self.slots.spent(place, over) * HOUR_SLOTS / over

    def baseline(self, peers: Peers) -> Baseline:
        """Return the baseline of the open day."""
        if self._baseline is None:
            self._baseline = baseline_of(self.habits, peers)
        return self._baseline

    def _walk_to(self, place: int, baseline: Baseline) -> CusumState:
        at, slots = self.slots.at, self.slots
        ahead = self.ahead
        start = bisect_left(at, ahead.slot + 1) if ahead else bisect_left(at, self.open_day * DAY_SLOTS)
        for earlier in range(start, place):
            ahead = self._step(ahead, earlier, baseline)
        self.ahead = ahead
        return self._step(ahead, place, baseline) or CusumState(slots.at[place])

    def _step(self, walk: CusumState | None, place: int, baseline: Baseline) -> CusumState | None:
        slots = self.slots
        slot, usd = slots.at[place], slots.nano[place] * USD
        if usd <= 0:
            return walk
        if not slots.is_observed(place):  # inside a lump: neither activity nor a pause
            return walk._replace(slot=slot) if walk and slot - walk.slot <= HOUR_SLOTS else walk
        hour = slot // HOUR_SLOTS % 24
        return advance_cusum(walk, slot, usd, baseline.active[hour], baseline.level, baseline.level_spread)

    def _rewind(self, day: int) -> None:
        if day >= self.open_day:
            self.ahead = self.past[-1][2] if self.past and self.past[-1][0] == self.open_day else None
            return
        popped = None
        while self.past and self.past[-1][0] > day:
            popped = self.past.pop()
        if self.past and self.past[-1][0] == day:
            popped = self.past.pop()
        if popped:
            self.past.append((day, popped[1], popped[2]))
            self.open_day, self.habits, self.ahead = day, popped[1], popped[2]
            self._baseline = None

    def _settle(self, day: int, peers: Peers) -> None:
        if day == self.open_day:
            return
        if day < self.open_day:
            self._rewind(day)
        if self.open_day < 0:
            self.past.append((day, self.habits, None))
            self.open_day = day
        if day <= self.open_day:
            return
        at = self.slots.at
        while self.open_day < day:
            place = bisect_left(at, self.open_day * DAY_SLOTS)
            if place < len(at) and at[place] < (self.open_day + 1) * DAY_SLOTS:
                self._close(place, peers)
            following = at[bisect_left(at, (self.open_day + 1) * DAY_SLOTS)] // DAY_SLOTS
            self.open_day = min(day, following)
            self.past.append((self.open_day, self.habits, self.ahead))
            self._baseline = None
        del self.past[: -OPEN_DAYS - 1]
        self._forget()

    def _close(self, place: int, peers: Peers) -> None:
        baseline, slots, end = self.baseline(peers), self.slots, (self.open_day + 1) * DAY_SLOTS
        walk = self.past[-1][2] if self.past else None
        top = [0.0] * len(FACTS)
        active, levels, seen, total = [0.0] * 24, [], 0, 0
        for here in range(place, len(slots.at)):
            if slots.at[here] >= end:
                break
            total += 1
            for size, window in enumerate(WINDOWS):
                top[size] = max(top[size], slots.spent(here, window))
            top[5] = max(top[5], slots.observed(here, DAY_SLOTS))
            after = self._step(walk, here, baseline)
            if after is not None:
                walk = after
                top[4] = max(top[4], walk.run)
                top[6], top[7] = max(top[6], walk.tireless), max(top[7], walk.machine)
            if slots.is_observed(here) and slots.nano[here] > 0:
                seen += 1
                active[slots.at[here] // HOUR_SLOTS % 24] += 1 / HOUR_SLOTS
                levels.append(log(max(CENT, slots.nano[here] * USD)))
        self.ahead = walk
        if top[3] <= 0:
            return
        close = 2 * seen >= total  # else most came in lumps: amounts are known, pauses are not
        records: list[float | None] = list(logs(tuple(top)))
        if not close:
            records[SIZES:] = [None] * (len(FACTS) - SIZES)
        mean = sum(levels) / len(levels) if levels else 0.0
        var = sum((level - mean) ** 2 for level in levels) / len(levels) if levels else 0.0
        self.habits = update_habits(self.habits, DayRecords(records, active, seen if close else 0, mean, var), baseline)

    def _forget(self) -> None:
        day = self.open_day
        self.slots.trim((day - OPEN_DAYS - 1) * DAY_SLOTS)
        for old in [old for old in self.hours if old < day - KEPT_HOURS_DAYS]:
            del self.hours[old]
        for hour in [hour for hour in self.mix if hour < day * 24 - MIX_HOURS]:
            del self.mix[hour]
        self.fresh = [one for one in self.fresh if one.slot >= day * DAY_SLOTS - FRESH_SLOTS]
        if self.usual_tokens > 1e9 or self.usual_usd > 1e4:
            self.usual_tokens, self.usual_usd = self.usual_tokens / 2, self.usual_usd / 2

    def freshness(self, slot: int) -> NewUseSpend:
        """Return the spend on new models and keys in the 24 hours up to this slot."""
        if not self.fresh:
            return NewUseSpend()
        model = key = tokens = 0.0
        for one in self.fresh:
            if slot - DAY_SLOTS < one.slot <= slot:
                if one.model:
                    model, tokens = model + one.usd, tokens + one.tokens
                if one.key:
                    key += one.usd
        dear = 1.0
        if tokens > 0 and model > 0 and self.usual_tokens > 0 and self.usual_usd > 0:
            dear = (model / tokens) / (self.usual_usd / self.usual_tokens)
        return NewUseSpend(max(0.0, model), dear, max(0.0, key))

    def back_to(self, day: int) -> None:
        """Drop what was booked after this day, and what only that taught: the clock was wrong."""
        self.slots.cut((day + 1) * DAY_SLOTS)
        self.hours = {held: hours for held, hours in self.hours.items() if held <= day}
        self.mix = {hour: parts for hour, parts in self.mix.items() if hour < (day + 1) * 24}
        self.fresh = [one for one in self.fresh if one.slot < (day + 1) * DAY_SLOTS]
        for known in (self.models, self.keys):
            for name, (first, last) in list(known.items()):
                known[name] = [min(first, (day + 1) * DAY_SLOTS), min(last, (day + 1) * DAY_SLOTS)]
        if self.open_day > day:
            while len(self.past) > 1 and self.past[-1][0] > day:
                self.past.pop()
            habits = self.past[-1][1] if self.past else self.habits
            self.past, self.open_day, self.habits, self.ahead = [(day, habits, None)], day, habits, None
            self._baseline = None

    def parts(self, since_hour: int, until_hour: int) -> Iterable[tuple[tuple[str, str], list[int]]]:
        """Yield key and model with nano-dollars, tokens, requests, and whether requests are known, hour by hour."""
        for hour in range(since_hour, until_hour + 1):
            yield from self.mix.get(hour, {}).items()


def day_by_hour(hours: Mapping[int, "array[int]"], day: int) -> DayRecords:
    """Compute the records of a day of which only hours are known.

    For even hours, the window with the highest sum ends with an hour.
    """
    line = [money * USD for which in (day - 1, day) for money in hours.get(which, NO_HOURS)]
    tops = [0.0, 0.0, 0.0]
    for end in range(25, 49):
        for place, length in enumerate((1, 4, 24)):
            tops[place] = max(tops[place], sum(line[end - length : end]))
    sizes = (tops[0] / 4, *tops)
    unknown: list[float | None] = [None] * (len(FACTS) - SIZES)
    return DayRecords([*(log(size + floor) for size, floor in zip(sizes, FLOORS, strict=False)), *unknown])
