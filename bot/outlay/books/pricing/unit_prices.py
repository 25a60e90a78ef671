"""List prices of tokens: integer nano-dollars per million tokens of each class, valid for one day of use.

A price for one token can be a fraction of a nano-dollar, so prices are kept for a million and rounded once a bucket. A
class whose price is unknown makes the bucket's price unknown if it has such tokens, never zero.
"""

from dataclasses import dataclass

from outlay.core.tokens import CLASSES, Tokens

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """Nano-dollars per million tokens, by class; None where unknown. `version` names the price list and its source."""

    input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None
    version: str

    def cost_nano_usd(self, tokens: Tokens) -> int | None:
        """Return the cost of the tokens; None if the price of some of them is unknown."""
        total = 0
        for name in CLASSES:
            count, price = getattr(tokens, name), getattr(self, name)
            if count and price is None:
                return None
            total += count * (price or 0)
        return _rounded(total)

    def saved_by_cache_nano_usd(self, tokens: Tokens) -> int | None:
        """Return what cache reads saved against plain input, less the extra cost of cache writes; None if unknown."""
        if self.input is None:
            return None
        total = 0
        for name in ("cache_read", "cache_write_5m", "cache_write_1h"):
            count, price = getattr(tokens, name), getattr(self, name)
            if count and price is None:
                return None
            total += count * (self.input - (price or 0))
        return _rounded(total)


def _rounded(nano_usd_millions: int) -> int:
    """Divide by a million, half to even."""
    whole, rest = divmod(nano_usd_millions, MILLION)
    return whole + (rest * 2 > MILLION or (rest * 2 == MILLION and whole % 2))
