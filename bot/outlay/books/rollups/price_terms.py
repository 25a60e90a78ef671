"""Price terms: what a price depends on beside the model, such as the service tier, as usage and bills tell it.

A bill that tells them splits a model by them; then its dollars go to use on the same terms, and to no other. What is
ordinary has no value here, so that "standard" of one report is the silence of another.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from outlay.books.pricing.calibration_ratios import tier_of

Terms = tuple[tuple[str, str], ...]  # names and values, sorted; "" is the ordinary one

TIER = "tier"
_TIER_NAMES = ("service_tier", "tier", "batch")  # by which ledgers tell it
_OTHERS = ("context_window", "inference_geo", "region", "speed")
_ORDINARY = frozenset({"standard", "default", "auto", "0-200k", "global", "not_available"})


@lru_cache(maxsize=4096)
def terms_of(detail: str) -> Terms:
    """Return the price terms among the other dimensions of a series (JSON, or '')."""
    return terms(json.loads(detail)) if detail else ()


def terms(told: Mapping[str, str]) -> Terms:
    """Return the price terms among the dimensions of a row."""
    found = {name: told[name] for name in _OTHERS if name in told}
    if any(name in told for name in _TIER_NAMES):
        found[TIER] = tier_of(told)
    return tuple(sorted((name, "" if value in _ORDINARY else value) for name, value in found.items()))
