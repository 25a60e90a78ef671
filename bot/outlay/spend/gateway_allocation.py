"""Split of a provider's counted dollars among a gateway's keys, and the share of the bill that the gateway saw.

The provider's figures are the money. The gateway only says how a *slice* of them, one UTC day of one model, was shared
by its own keys: by dollars where both sides have them, else by tokens. What the gateway does not account for keeps its
key; what it reports beyond the provider's figure is scaled down. A split moves money between keys and never makes any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from outlay.core.money import split_by_weights

Figures = tuple[int | None, ...]
_RATE_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class SliceAmount:
    """Dollars and tokens of a slice. `nano_usd` None: some of it has no price."""

    nano_usd: int | None
    tokens: int

    def plus(self, other: "SliceAmount") -> "SliceAmount":
        known = self.nano_usd is not None and other.nano_usd is not None
        return SliceAmount((self.nano_usd or 0) + (other.nano_usd or 0) if known else None, self.tokens + other.tokens)


NOTHING = SliceAmount(0, 0)


@dataclass(frozen=True, slots=True)
class AllocationStep:
    """How one gateway splits a slice: to each of its keys by weight. `stays`: the weight of the rest."""

    keys: tuple[int, ...]
    weights: tuple[int, ...]
    stays: int


def allocation_steps(
    counted: SliceAmount, gateways: Sequence[Mapping[int | None, SliceAmount]]
) -> list[AllocationStep]:
    """Build the splits of a slice, one per gateway in order: the second splits what the first has left.

    Each gateway is a mapping of its keys to their use; None stands for use without a key, which is not split.
    """
    found = []
    for used in gateways:
        measured = _measured(counted, used)
        if measured is None:
            continue
        whole, amounts = measured
        stays = max(0, whole - sum(amounts.values())) + amounts.pop(None, 0)
        step = AllocationStep(tuple(key for key in amounts if key is not None), tuple(amounts.values()), stays)
        if not any(step.weights):
            continue
        found.append(step)
        weights = [*step.weights, stays]
        usd = None if counted.nano_usd is None else split_by_weights(counted.nano_usd, weights)[-1]
        counted = SliceAmount(usd, split_by_weights(counted.tokens, weights)[-1])
    return found


def allocate(figures: Figures, along: Sequence[AllocationStep]) -> list[tuple[int | None, Figures]]:
    """Split figures by the steps: (gateway's key, its part), and under None the rest. Parts add up exactly.

    A figure that is unknown stays unknown in each part. Empty parts are left out.
    """
    found: list[tuple[int | None, Figures]] = []
    left = figures
    for step in along:
        *parts, left = _shared(left, [*step.weights, step.stays])
        found += zip(step.keys, parts, strict=True)
    return [one for one in (*found, (None, left)) if any(one[1])] or [(None, figures)]


@dataclass(frozen=True, slots=True)
class GatewayCapture:
    """A gateway's dollars beside the bill of the ledger behind it; None where there are no dollars to compare."""

    gateway_nano_usd: int | None
    billed_nano_usd: int | None

    @property
    def rate(self) -> Decimal | None:
        """Return the gateway's dollars per billed dollar, six places, rounded down. None where nothing was billed."""
        if self.gateway_nano_usd is None or not self.billed_nano_usd or self.billed_nano_usd < 0:
            return None
        return (Decimal(self.gateway_nano_usd) / self.billed_nano_usd).quantize(_RATE_STEP, ROUND_DOWN)

    @property
    def word(self) -> str:
        """Return a warning if the two differ by more than a tenth; '' otherwise."""
        if self.gateway_nano_usd is None or self.billed_nano_usd is None or self.rate is None:
            return ""
        if self.gateway_nano_usd * 10 < self.billed_nano_usd * 9:
            return "traffic goes round the gateway"
        if self.gateway_nano_usd * 10 > self.billed_nano_usd * 11:
            return "the gateway counts more than is billed"
        return ""


@dataclass(frozen=True, slots=True)
class GatewayCaptureReport:
    """Captures of one gateway: the total, and each UTC day on which either side has anything.

    `in_front_of` is CONNECTION or CONNECTION:KEY_ID; '' for a gateway that is not in front of a connection yet.
    """

    connection: str
    in_front_of: str
    whole: GatewayCapture
    days: tuple[tuple[str, GatewayCapture], ...] = ()


def _measured(counted: SliceAmount, used: Mapping[int | None, SliceAmount]) -> tuple[int, dict[int | None, int]] | None:
    """Return the slice and its use in one unit: dollars where all have them, else tokens. None: not comparable."""
    dollars = {key: amount.nano_usd for key, amount in used.items() if amount.nano_usd is not None}
    if counted.nano_usd and len(dollars) == len(used) and any(dollars.values()):
        return counted.nano_usd, dollars
    tokens = {key: amount.tokens for key, amount in used.items()}
    return (counted.tokens, tokens) if counted.tokens and any(tokens.values()) else None


def _shared(figures: Figures, weights: list[int]) -> list[Figures]:
    nothing: dict[int | None, Sequence[int | None]] = {None: [None] * len(weights), 0: [0] * len(weights)}
    return list(zip(*(nothing.get(one) or split_by_weights(one or 0, weights) for one in figures), strict=True))
