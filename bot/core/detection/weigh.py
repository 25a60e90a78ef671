"""How strange is it? A sum of rows, each of which is a fact with a number on both sides.

The score is near the logarithm of the odds that this is a runaway. Its weights were fitted on invented companies
(`benchmarks/detection`), never below zero, and rounded; docs/detection.md says which were then moved by hand. Money
alone says little: people's days differ by factors of ten. What tells a machine that nobody watches is that it does not
pause, works at any hour and spends evenly.
"""

from math import log
from typing import Final, NamedTuple

from bot.core.detection.records import SIZES, logs
from bot.core.detection.subject import Freshness, Look

ROWS: Final = ("quarter", "hour", "day", "machine", "tireless", "busy", "dear", "key", "young")
BIAS: Final = -3.2
WEIGHTS: Final = {
    "quarter": 0.2, "hour": 0.6, "day": 0.3, "machine": 0.8, "tireless": 0.2, "busy": 0.2,
    "dear": 1.5, "key": 1.0, "young": 1.0,
}  # fmt: skip
FAR: Final = 2.0
FAR_BUSY: Final = 1.5
YOUNG_DAYS: Final = 7.0
MOST: Final = 5.0


class Evidence(NamedTuple):
    """What speaks for a runaway at a slot: the rows, zero where nothing does, and all facts in spreads."""

    rows: dict[str, float]
    z: tuple[float, ...]


def evidence(look: Look, fresh: Freshness) -> Evidence:
    """The rows at a look."""
    baseline, facts = look.baseline, look.facts
    z = tuple(
        (value - mean) / spread for value, mean, spread in zip(logs(facts), baseline.mean, baseline.spread, strict=True)
    )
    day = max(facts[3], 0.01)
    large = min(1.0, cut(max(z[:SIZES])) / FAR)  # novelty alone is noise: people try models. Novelty that costs is not
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
    """Only what is above the usual counts, and not without end."""
    return 0.0 if z < 0 else min(z, MOST)


def points(found: Evidence) -> dict[str, float]:
    """What each row adds."""
    return {row: WEIGHTS[row] * found.rows[row] for row in ROWS}


def score(found: Evidence) -> float:
    """The sum of the rows; above 0 a notice, above `PAGE` a page, at normal sensitivity."""
    return BIAS + sum(WEIGHTS[row] * found.rows[row] for row in ROWS)
