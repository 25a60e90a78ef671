"""How strange is it? A sum of rows, each of which is a fact with a number on both sides.

The score is near the logarithm of the odds that this is a runaway. Its weights were fitted on invented companies
(`benchmarks/detection`), never below zero, and rounded to one decimal. Money alone says little: people's days differ by
factors of ten. What tells a machine that nobody watches is that it does not pause, works at any hour and spends evenly.
"""

from math import log
from typing import NamedTuple

from bot.core.detection.records import SIZES, logs
from bot.core.detection.subject import Look


class Evidence(NamedTuple):
    """What speaks for a runaway at a slot; each is zero where nothing does."""

    size: float
    hour: float
    run: float
    busy: float
    tireless: float
    machine: float
    model: float
    dear: float
    key: float
    young: float
    z: tuple[float, ...]


ROWS = ("size", "hour", "run", "busy", "tireless", "machine", "model", "dear", "key", "young")
BIAS = -5.5
WEIGHTS = {
    "size": 0.8, "hour": 0.3, "run": 0.5, "busy": 0.8, "tireless": 0.7, "machine": 1.2,
    "model": 1.0, "dear": 1.5, "key": 1.0, "young": 0.5,
}  # fmt: skip


def evidence(look: Look, freshness: tuple[float, float, float, float]) -> Evidence:
    """The rows at a look."""
    baseline, facts = look.baseline, look.facts
    z = tuple(
        (value - mean) / spread for value, mean, spread in zip(logs(facts), baseline.mean, baseline.spread, strict=True)
    )
    day = max(facts[3], 0.01)
    model_usd, dear, key_usd, _ = freshness
    share = min(1.0, model_usd / day)
    return Evidence(
        size=cut(max(z[:SIZES])),
        hour=cut(z[1]),
        run=cut(z[4]),
        busy=cut(z[5]),
        tireless=cut(z[6]),
        machine=cut(z[7]),
        model=share,
        dear=share * min(3.0, max(0.0, log(max(dear, 1e-9) / 2.0))),
        key=min(1.0, key_usd / day),
        young=max(0.0, 1.0 - baseline.days / 7.0),
        z=z,
    )


def cut(z: float) -> float:
    """Only what is above the usual counts, and not without end."""
    return 0.0 if z < 0 else min(z, 5.0)


def points(found: Evidence) -> dict[str, float]:
    """What each row adds."""
    return {row: weight * getattr(found, row) for row, weight in WEIGHTS.items()}


def score(found: Evidence) -> float:
    """The sum of the rows."""
    return BIAS + sum(points(found).values())
