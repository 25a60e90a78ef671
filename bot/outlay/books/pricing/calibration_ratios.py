"""What list prices say of a day, held to what the last bill said: their ratio scales the days that no bill has reached.

A ratio is a whole number of millionths, so that all of this is arithmetic of integers and an audit finds the same.
"""

from collections.abc import Collection, Mapping

ONE = 1_000_000  # millionths
LEAST, MOST = 200_000, 5_000_000  # beyond these the two are not about the same, and no ratio is believed
LEAST_NANO_USD = 100_000_000  # ten cents: of less, a bill that is rounded to the cent says nothing about prices
DAYS = 7  # for so long after its day a bill says something about prices
ANY_TIER = "*"

Slice = tuple[str, str]  # a model's canonical name, and a tier: "" is the ordinary one
Sums = Mapping[Slice, int]


def ratio(billed_nano_usd: int, computed_nano_usd: int) -> int | None:
    """The bill for each computed dollar, in millionths; None where one is too little or it is beyond belief."""
    if min(billed_nano_usd, computed_nano_usd) < LEAST_NANO_USD:
        return None
    found = (billed_nano_usd * ONE + computed_nano_usd // 2) // computed_nano_usd
    return found if LEAST <= found <= MOST else None


def ratios(billed: Sums, computed: Sums, unpriced: Sums) -> dict[Slice, int]:
    """The ratio of each model and tier of a day, where it is not one for one.

    Where the bill does not tell a model's tiers, they share one, by the name of ANY_TIER. `unpriced`: tokens without a
    price, beside which the bill says nothing about those that have one.
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
    """By what computed dollars of a model in a tier are scaled."""
    return found.get((model, tier)) or found.get((model, ANY_TIER), ONE)


def tier_of(detail: Mapping[str, str]) -> str:
    """The tier of a row, by the names that ledgers give it among its dimensions."""
    return detail.get("service_tier") or detail.get("tier") or ("batch" if detail.get("batch") == "true" else "")


def _of(sums: Sums, model: str, tiers: Collection[str]) -> int:
    return sum(sums.get((model, tier), 0) for tier in tiers)
