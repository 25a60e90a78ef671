"""Calibration of computed dollars: the last bill's ratio to list prices scales the days that are not billed yet.

A ratio is a whole number of millionths, so that all arithmetic is of integers and an audit gets the same result.
"""

from collections.abc import Collection, Mapping

ONE = 1_000_000  # millionths
LEAST, MOST = 200_000, 5_000_000  # outside of these, bill and usage do not cover the same money: no ratio
LEAST_NANO_USD = 100_000_000  # ten cents: below, a bill rounded to the cent says nothing about prices
DAYS = 7  # for how many days after its own a bill calibrates
ANY_TIER = "*"

Slice = tuple[str, str]  # a model's canonical name, and a tier: "" is the ordinary one
Sums = Mapping[Slice, int]


def ratio(billed_nano_usd: int, computed_nano_usd: int) -> int | None:
    """Return billed per computed dollar, in millionths; None if one is below ten cents or the ratio implausible."""
    if min(billed_nano_usd, computed_nano_usd) < LEAST_NANO_USD:
        return None
    found = (billed_nano_usd * ONE + computed_nano_usd // 2) // computed_nano_usd
    return found if LEAST <= found <= MOST else None


def ratios(billed: Sums, computed: Sums, unpriced: Sums) -> dict[Slice, int]:
    """Return the ratio of each model and tier of a day, where it is not one to one.

    Where the bill does not split a model by tier, its tiers share one ratio under the name ANY_TIER. `unpriced`: tokens
    without a price; a model with such tokens gets no ratio, since the bill covers them too.
    """
    found = {}
    for model in sorted({model for model, _ in computed}):
        if any(billed[slice_] for slice_ in billed if slice_[0] == model and slice_[1]):
            tiers: dict[str, tuple[str, ...]] = {tier: (tier,) for one, tier in computed if one == model}
        else:
            tiers = {
                ANY_TIER: tuple({tier for sums in (billed, computed, unpriced) for one, tier in sums if one == model})
            }
        for name, of in tiers.items():
            said = None if _of(unpriced, model, of) else ratio(_of(billed, model, of), _of(computed, model, of))
            if said is not None and said != ONE:
                found[model, name] = said
    return found


def ratio_of(found: Mapping[Slice, int], model: str, tier: str) -> int:
    """Return the millionths by which computed dollars of a model in a tier are scaled; ONE without a ratio."""
    return found.get((model, tier)) or found.get((model, ANY_TIER), ONE)


def tier_of(detail: Mapping[str, str]) -> str:
    """Return the service tier of a row, under any of the names that ledgers use; "" is the ordinary one."""
    told = detail.get("service_tier") or detail.get("tier") or ("batch" if detail.get("batch") == "true" else "")
    return "" if told == "standard" else told


def _of(sums: Sums, model: str, tiers: Collection[str]) -> int:
    return sum(sums.get((model, tier), 0) for tier in tiers)
