"""A gateway's books laid over a provider's: whose each counted dollar is, and how much of the bill the gateway saw.

The provider's figures are the money. The gateway only says how a *slice* of them, one UTC day of one model, was shared
by its own keys: by dollars where both sides have them, else by tokens. What it does not account for stays where it was;
what it has beyond the provider's figure is scaled down. So a split moves money between keys and never makes any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from outlay.core.money import share

Figures = tuple[int | None, ...]
_RATE_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Amount:
    """What there is in a slice. `nano_usd` None: some of it has no price."""

    nano_usd: int | None
    tokens: int

    def plus(self, other: "Amount") -> "Amount":
        known = self.nano_usd is not None and other.nano_usd is not None
        return Amount((self.nano_usd or 0) + (other.nano_usd or 0) if known else None, self.tokens + other.tokens)


NOTHING = Amount(0, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """How one gateway shares a slice out: to each of its keys by weight. `stays`: the weight of the rest."""

    keys: tuple[int, ...]
    weights: tuple[int, ...]
    stays: int


def steps(counted: Amount, gateways: Sequence[Mapping[int | None, Amount]]) -> list[Step]:
    """What each gateway does to a slice, in order: the second shares out what the first has left.

    A gateway is what each of its keys used; None stands for what it can give to no key, which so stays.
    """
    found = []
    for used in gateways:
        measured = _measured(counted, used)
        if measured is None:
            continue
        whole, amounts = measured
        stays = max(0, whole - sum(amounts.values())) + amounts.pop(None, 0)
        step = Step(tuple(key for key in amounts if key is not None), tuple(amounts.values()), stays)
        if not any(step.weights):
            continue
        found.append(step)
        weights = [*step.weights, stays]
        usd = None if counted.nano_usd is None else share(counted.nano_usd, weights)[-1]
        counted = Amount(usd, share(counted.tokens, weights)[-1])
    return found


def split(figures: Figures, along: Sequence[Step]) -> list[tuple[int | None, Figures]]:
    """Figures shared out: (gateway's key, its part), and under None what stays. Parts add up exactly.

    A figure that is not known stays unknown in each part. Parts with nothing in them are left out.
    """
    found: list[tuple[int | None, Figures]] = []
    left = figures
    for step in along:
        *parts, left = _shared(left, [*step.weights, step.stays])
        found += zip(step.keys, parts, strict=True)
    return [one for one in (*found, (None, left)) if any(one[1])] or [(None, figures)]


@dataclass(frozen=True, slots=True)
class Capture:
    """A gateway's dollars beside the bill of what it is in front of; None where there are no dollars to compare."""

    gateway_nano_usd: int | None
    billed_nano_usd: int | None

    @property
    def rate(self) -> Decimal | None:
        """The gateway's dollars for each dollar billed, six places, rounded down. None where nothing was billed."""
        if self.gateway_nano_usd is None or not self.billed_nano_usd or self.billed_nano_usd < 0:
            return None
        return (Decimal(self.gateway_nano_usd) / self.billed_nano_usd).quantize(_RATE_STEP, ROUND_DOWN)

    @property
    def word(self) -> str:
        """What is odd about it; '' where nothing is."""
        if self.gateway_nano_usd is None or self.billed_nano_usd is None or self.rate is None:
            return ""
        if self.gateway_nano_usd * 10 < self.billed_nano_usd * 9:
            return "traffic goes round the gateway"
        if self.gateway_nano_usd * 10 > self.billed_nano_usd * 11:
            return "the gateway counts more than is billed"
        return ""


@dataclass(frozen=True, slots=True)
class Captures:
    """The capture of one gateway: each UTC day on which either side has anything, and all of them.

    `in_front_of` is CONNECTION or CONNECTION:KEY_ID; '' for a gateway that is in front of nothing yet.
    """

    connection: str
    in_front_of: str
    whole: Capture
    days: tuple[tuple[str, Capture], ...] = ()


def _measured(counted: Amount, used: Mapping[int | None, Amount]) -> tuple[int, dict[int | None, int]] | None:
    """The slice and its use in the same unit: dollars where everything has them, else tokens. None: not comparable."""
    dollars = {key: amount.nano_usd for key, amount in used.items() if amount.nano_usd is not None}
    if counted.nano_usd and len(dollars) == len(used) and any(dollars.values()):
        return counted.nano_usd, dollars
    tokens = {key: amount.tokens for key, amount in used.items()}
    return (counted.tokens, tokens) if counted.tokens and any(tokens.values()) else None


def _shared(figures: Figures, weights: list[int]) -> list[Figures]:
    nothing: dict[int | None, Sequence[int | None]] = {None: [None] * len(weights), 0: [0] * len(weights)}
    return list(zip(*(nothing.get(one) or share(one or 0, weights) for one in figures), strict=True))
