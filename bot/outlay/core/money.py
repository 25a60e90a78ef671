"""Money as an integer of nano-dollars (1e-9 USD); `Decimal` only at the edges, and never a float.

A signed 64-bit integer of nano-dollars holds 9.2 billion dollars, adds exactly in any order, and is what the
database stores. `None` is money that is not known, which is not the same as no money.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow

from outlay.core.errors import OutlayError

NANO_PER_USD = 1_000_000_000
MAX_NANO_USD = 2**63 - 1
_NANO = Decimal(NANO_PER_USD)
_MAX_USD = Decimal(MAX_NANO_USD) / _NANO
_MIN_USD = -_MAX_USD
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)  # independent of the thread's own decimal context
_QUICK = Context(prec=40, Emax=17, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Inexact, Overflow])


class MoneyError(OutlayError, ValueError):
    """An amount that is not a finite number, or is beyond what the books can hold."""


def to_nano(usd: Decimal | int) -> int:
    """Convert dollars to nano-dollars, rounded once, half to even. Raises MoneyError beyond ±9.2 billion dollars."""
    try:  # fast path for nearly all money: less than a billion dollars, with at most 40 digits
        return int(_QUICK.to_integral_value(_QUICK.multiply(usd, _NANO)))
    except (ArithmeticError, TypeError, ValueError):  # too large, too long, no number, or no Decimal
        return _carefully(usd)


def _carefully(usd: Decimal | int) -> int:
    """Convert any input, with all checks."""
    if not isinstance(usd, (Decimal, int)):
        raise MoneyError(f"money comes as Decimal, not {type(usd).__name__}")
    amount = usd if type(usd) is Decimal else Decimal(usd)
    if not amount.is_finite():
        raise MoneyError(f"{usd} is not an amount of money")
    if not _MIN_USD <= amount <= _MAX_USD:  # checked before any arithmetic: 1e999999 has a million digits
        raise MoneyError(f"{amount:.3e} dollars are more than the books can hold")
    return int(_EXACT.to_integral_value(_EXACT.multiply(amount, _NANO)))


def to_usd(nano_usd: int) -> Decimal:
    """Convert nano-dollars to dollars, exactly."""
    return Decimal(nano_usd) / _NANO


def exact(nano_usd: int) -> str:
    """Format dollars as a decimal string for programs, exact to the nano-dollar: `12.345678901`."""
    sign = "-" if nano_usd < 0 else ""
    whole, part = divmod(abs(nano_usd), NANO_PER_USD)
    return f"{sign}{whole}.{part:09d}"


def split_by_weights(total: int, weights: list[int]) -> list[int]:
    """Split an integer by weights so that the parts add up to it exactly (largest remainder; ties by position).

    Weights must not be negative; if all are zero, split evenly. Raises ValueError without any weights.
    """
    if not weights:
        raise ValueError("nothing to share among")
    if not total:
        return [0] * len(weights)
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    size = abs(total)
    split = [divmod(size * weight, whole) for weight in weights]
    parts = [part for part, _ in split]
    if left := size - sum(parts):
        for position in sorted(range(len(split)), key=lambda place: -split[place][1])[:left]:
            parts[position] += 1
    return [-part for part in parts] if total < 0 else parts
