"""Conversion of hourly history into the five-minute polls that a live watch would have seen.

Ledgers report the past by the hour, and a live watch sees it by the minute. If hours were learned as lumps, nothing
would be known of pauses, and an ordinary morning would look like work without any. So an hour's requests are
distributed over its twelve slots at random, with a fixed seed, and its money with them.
"""

from collections.abc import Iterable, Iterator
from random import Random

from outlay.core.money import split_by_weights
from outlay.detection.inputs import Delta
from outlay.detection.time_slots import SLOT_SECONDS

REQUESTS_WHERE_NOT_TOLD = 8
THROWS_MAX = 120  # more requests than that leave no slot of an hour empty


def split_into_polls(deltas: Iterable[Delta]) -> Iterator[Delta]:
    """Split deltas of an hour or less by the slot; sums stay exact. Longer or shorter ones are yielded unchanged."""
    for delta in deltas:
        slots = (delta.end - delta.start) // SLOT_SECONDS
        if not 1 < slots <= 12 or delta.cost_nano_usd <= 0:
            yield delta
            continue
        requests = REQUESTS_WHERE_NOT_TOLD if delta.requests is None else max(1, delta.requests)
        dice = Random(f"{delta.subject}/{delta.key}/{delta.model}/{delta.start}")  # noqa: S311  no secret
        hits = [0] * slots
        for slot in dice.choices(range(slots), k=min(requests, THROWS_MAX)):
            hits[slot] += 1
        weights = [hit * int(5 + 15 * dice.random()) for hit in hits]
        parts = zip(
            split_by_weights(delta.cost_nano_usd, weights),
            split_by_weights(delta.tokens or 0, weights),
            hits if requests <= THROWS_MAX else split_by_weights(requests, hits),
            strict=True,
        )
        for slot, (cost, tokens, asked) in enumerate(parts):
            if hits[slot]:
                start = delta.start + slot * SLOT_SECONDS
                yield delta._replace(
                    tokens=None if delta.tokens is None else tokens,
                    requests=None if delta.requests is None else asked,
                    cost_nano_usd=cost,
                    start=start,
                    end=start + SLOT_SECONDS,
                )
