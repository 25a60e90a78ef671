"""One subject's last days on a grid of five minutes, with prefix sums: any window's sum is two look-ups.

Only slots with money are stored. Money of a span longer than a slot is spread over the span's slots, so that rates stay
true, but counts as one observation, so that a lump after a gap never looks like hours of steady work.
"""

from array import array
from bisect import bisect_left, bisect_right

SLOT_SECONDS = 300
DAY_SLOTS = 288
HOUR_SLOTS = 12
USD = 1e-9
MAX_SPREAD_SLOTS = DAY_SLOTS
MAX_NANO = 2**62


def slot_of(end: int) -> int:
    """Return the slot of money spent up to this moment: slot s is the stretch (s × 300, (s + 1) × 300]."""
    return (end - 1) // SLOT_SECONDS


class Slots:
    """Sparse slots in order.

    `at`: slot numbers; `nano`: money; `sums`: dollars up to the slot; `seen`: observations up to the slot.
    """

    __slots__ = ("at", "nano", "seen", "sums")

    def __init__(self) -> None:
        self.at = array("i")
        self.nano = array("q")
        self.sums = array("d")
        self.seen = array("i")

    def __len__(self) -> int:
        return len(self.at)

    def add(self, start: int, end: int, nano: int) -> int:
        """Add money spent in (start, end]. Return the first slot that changed."""
        last = slot_of(end)
        first = min(last, max(start // SLOT_SECONDS, last - MAX_SPREAD_SLOTS + 1))
        if first == last:
            self._put(last, nano, int(nano > 0))
            return last
        parts, sign, size = last - first + 1, -1 if nano < 0 else 1, abs(nano)
        seen = nano > 0 and not self._looked_at(first, last)  # else it corrects money already observed
        for part in range(parts):
            share = size * (part + 1) // parts - size * part // parts
            self._put(first + part, sign * share, int(seen and part == parts - 1))
        return first

    def _looked_at(self, first: int, last: int) -> bool:
        start, end = bisect_left(self.at, first), bisect_right(self.at, last)
        return end > start and self.seen[end - 1] > (self.seen[start - 1] if start else 0)

    def _put(self, slot: int, nano: int, seen: int) -> None:
        at, count = self.at, len(self.at)
        if not count or slot > at[-1]:
            at.append(slot)
            self.nano.append(max(-MAX_NANO, min(MAX_NANO, nano)))
            self.sums.append((self.sums[-1] if count else 0.0) + nano * USD)
            self.seen.append((self.seen[-1] if count else 0) + seen)
            return
        place = bisect_left(at, slot)
        if place == count or at[place] != slot:
            at.insert(place, slot)
            self.nano.insert(place, 0)
            self.sums.insert(place, 0.0)
            self.seen.insert(place, self.seen[place - 1] if place else 0)
        self.nano[place] = max(-MAX_NANO, min(MAX_NANO, self.nano[place] + nano))
        if seen and self.seen[place] == (self.seen[place - 1] if place else 0):
            for later in range(place, len(self.seen)):
                self.seen[later] += 1
        total = self.sums[place - 1] if place else 0.0
        for later in range(place, len(at)):
            total += self.nano[later] * USD
            self.sums[later] = total

    def spent(self, place: int, slots: int) -> float:
        """Return the dollars of the window of so many slots that ends with the slot at this place."""
        before = bisect_right(self.at, self.at[place] - slots) - 1
        return max(0.0, self.sums[place] - (self.sums[before] if before >= 0 else 0.0))

    def observed(self, place: int, slots: int) -> int:
        """Return the number of observations with money in that window."""
        before = bisect_right(self.at, self.at[place] - slots) - 1
        return self.seen[place] - (self.seen[before] if before >= 0 else 0)

    def is_observed(self, place: int) -> bool:
        """Report whether this slot was observed by itself or ends a lump; False inside a lump."""
        return self.seen[place] > (self.seen[place - 1] if place else 0)

    def fill(self, at: list[int], nano: list[int], seen: list[int]) -> None:
        """Load saved slots."""
        self.at, self.nano, self.seen = array("i", at), array("q", nano), array("i", seen)
        total, sums = 0.0, array("d")
        for money in nano:
            total += money * USD
            sums.append(total)
        self.sums = sums

    def cut(self, end: int) -> None:
        """Drop this slot and all after it."""
        place = bisect_left(self.at, end)
        for kept in (self.at, self.nano, self.sums, self.seen):
            del kept[place:]

    def trim(self, before: int) -> None:
        """Drop what is older than this slot, and recompute the sums, so that they stay exact."""
        cut = bisect_left(self.at, before)
        if not cut:
            return
        was_seen = self.seen[cut - 1]
        for kept in (self.at, self.nano, self.sums, self.seen):
            del kept[:cut]
        total = 0.0
        for place in range(len(self.at)):
            total += self.nano[place] * USD
            self.sums[place] = total
            self.seen[place] -= was_seen
