"""Anomaly score: a weighted sum of rows, each a fact compared with its usual value.

The score approximates the logarithm of the odds that this is a runaway. Its weights were fitted on invented companies
(`benchmarks/detection`), never below zero, and rounded; docs/detection.md says which were then moved by hand. Money
alone says little: people's days differ by factors of ten. What gives away an unattended machine is that it does not
pause, works at any hour and spends evenly.
"""

from math import log
from typing import Final, NamedTuple

from outlay.detection.baselines import SIZES, logs
from outlay.detection.subject import NewUseSpend, SlotFacts
from outlay.detection.time_slots import HOUR_SLOTS

ROWS: Final = ("quarter", "hour", "day", "machine", "tireless", "busy", "dear", "key", "young")
BIAS: Final = -3.2
WEIGHTS: Final = {
    "quarter": 0.2, "hour": 0.6, "day": 0.3, "machine": 0.8, "tireless": 0.2, "busy": 0.2,
    "dear": 2.5, "key": 1.0, "young": 1.0,
}  # fmt: skip
FAR: Final = 2.0
FAR_BUSY: Final = 1.5
YOUNG_DAYS: Final = 7.0
MOST: Final = 5.0
LASTING_FROM: Final = 0.5
LASTING_SHARE: Final = 0.1  # of the points above LASTING_FROM, added each slot
LASTING_FORGETS: Final = 0.05  # subtracted each slot without money
LASTING_MOST: Final = 3.0


class Evidence(NamedTuple):
    """Evidence for a runaway at a slot: the rows, zero where there is none, and all facts in spreads."""

    rows: dict[str, float]
    z: tuple[float, ...]


def evidence(look: SlotFacts, fresh: NewUseSpend) -> Evidence:
    """Compute the rows from the facts at a slot."""
    baseline, facts = look.baseline, look.facts
    z = tuple(
        (value - mean) / spread for value, mean, spread in zip(logs(facts), baseline.mean, baseline.spread, strict=True)
    )
    day = max(facts[3], 0.01)
    large = min(1.0, cut(max(z[:SIZES])) / FAR)  # a new model or key alone is noise; one with large spend is not
    rows = {
        "quarter": cut(z[0]),
        "hour": cut(z[1]),
        "day": cut(z[3]),
        "machine": cut(z[7]),
        "tireless": cut(z[6] - FAR),
        "busy": cut(z[5]) + FAR_BUSY / WEIGHTS["busy"] * cut(z[5] - FAR),
        "dear": large * min(1.0, fresh.model_usd / day) * min(3.0, max(0.0, log(max(fresh.dear, 1e-9) / 2.0))),
        "key": large * min(1.0, fresh.key_usd / day),
        "young": max(0.0, 1.0 - baseline.days / YOUNG_DAYS),
    }
    return Evidence(rows, z)


def cut(z: float) -> float:
    """Clip to [0, MOST]: only what is above the usual counts, up to a maximum."""
    return 0.0 if z < 0 else min(z, MOST)


def points(found: Evidence) -> dict[str, float]:
    """Return the points that each row adds."""
    return {row: WEIGHTS[row] * found.rows[row] for row in ROWS}


def score(found: Evidence) -> float:
    """Return the sum of the rows; above 0 a notice, above `PAGE` a page, at normal sensitivity."""
    return BIAS + sum(WEIGHTS[row] * found.rows[row] for row in ROWS)


class ScorePersistence(NamedTuple):
    """How long, and how far, one subject has been above the notice threshold: what persists becomes a page."""

    slot: int
    points: float = 0.0


def update_score_persistence(before: ScorePersistence | None, slot: int, points: float) -> ScorePersistence:
    """Update the persistence with the points at this slot.

    An hour without any slot resets it; a slot that is judged again does not count twice.
    """
    if before is None or abs(slot - before.slot) > HOUR_SLOTS:
        before = ScorePersistence(slot - 1)
    elif slot <= before.slot:
        return before
    kept = max(0.0, before.points - LASTING_FORGETS * (slot - before.slot - 1))
    return ScorePersistence(slot, min(LASTING_MOST, max(0.0, kept + LASTING_SHARE * (points - LASTING_FROM))))
