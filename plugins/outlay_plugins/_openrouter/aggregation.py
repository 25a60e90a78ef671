"""Aggregation of OpenRouter's figures: tables by slot, the remainder when known parts are subtracted, and rows.

A *slot* is all that a figure is told apart by, but the key. The account's own answer is a table, and so is each key's.
What the account has beyond its keys is the *remainder*: it becomes rows without a key, so that no dollar is lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

from outlay.plugin import Row, Tokens

NOISE_USD = Decimal("0.000001")  # a float difference below this, without requests and tokens, is not money
ZERO = Decimal(0)


class OpenRouterBucketKey(NamedTuple):
    """Bucket of a figure, but for the key.

    `model` is what ran (resolved), `requested` the router that chose it. `priced` keeps what has dollars from what has
    none.
    """

    start: datetime
    model: str
    requested: str = ""
    endpoint: str = ""
    provider: str = ""
    priced: bool = True


@dataclass(frozen=True, slots=True)
class OpenRouterFigures:
    """Figures as OpenRouter counts: `prompt` includes `cached`, `completion` `reasoning`. None is unknown."""

    cost_usd: Decimal | None
    byok_usd: Decimal = ZERO
    requests: int | None = None
    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    cached: int = 0

    @property
    def tokens(self) -> Tokens:
        """Return disjoint token counts.

        Replayed answers may count more cached tokens than the prompt has; here they do not.
        """
        cached = min(self.cached, self.prompt)
        reasoning = min(self.reasoning, self.completion)
        return Tokens(input=self.prompt - cached, cache_read=cached, output=self.completion, reasoning=reasoning)

    @property
    def is_noise(self) -> bool:
        """Return whether it is empty: no request, no token, and no dollars beyond float noise."""
        counted = self.prompt or self.completion or self.requests
        return not counted and (self.cost_usd or ZERO) < NOISE_USD and self.byok_usd < NOISE_USD

    def plus(self, other: "OpenRouterFigures") -> "OpenRouterFigures":
        """Return the sum; a figure that only one side knows is taken from that side."""
        return OpenRouterFigures(
            cost_usd=_sum(self.cost_usd, other.cost_usd),
            byok_usd=self.byok_usd + other.byok_usd,
            requests=_sum(self.requests, other.requests),
            prompt=self.prompt + other.prompt,
            completion=self.completion + other.completion,
            reasoning=self.reasoning + other.reasoning,
            cached=self.cached + other.cached,
        )

    def less(self, part: "OpenRouterFigures") -> "OpenRouterFigures":
        """Return what is left when a part is subtracted: never below zero, and unknown where this is."""
        return OpenRouterFigures(
            cost_usd=None if self.cost_usd is None else max(self.cost_usd - (part.cost_usd or ZERO), ZERO),
            byok_usd=max(self.byok_usd - part.byok_usd, ZERO),
            requests=None if self.requests is None else max(self.requests - (part.requests or 0), 0),
            prompt=max(self.prompt - part.prompt, 0),
            completion=max(self.completion - part.completion, 0),
            reasoning=max(self.reasoning - part.reasoning, 0),
            cached=max(self.cached - part.cached, 0),
        )


N = TypeVar("N", int, Decimal)


def _sum(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


Table = dict[OpenRouterBucketKey, OpenRouterFigures]


def tally(lines: Iterable[tuple[OpenRouterBucketKey, OpenRouterFigures]]) -> Table:
    """Sum lines to a table by slot."""
    table: Table = {}
    for slot, figures in lines:
        table[slot] = table[slot].plus(figures) if slot in table else figures
    return table


class Remainder(NamedTuple):
    """Figures that are left over, and by how many dollars (BYOK included) the parts exceed the whole."""

    left: Table
    surplus_usd: Decimal


def remainder(whole: Table, parts: Iterable[Table]) -> Remainder:
    """Subtract the parts from the whole, slot by slot; priced and unpriced figures share a slot here."""
    everything = tally((slot._replace(priced=True), figures) for slot, figures in whole.items())
    known = tally((slot._replace(priced=True), figures) for part in parts for slot, figures in part.items())
    left: Table = {}
    for slot, figures in everything.items():
        rest = figures.less(known[slot]) if slot in known else figures
        if not rest.is_noise:
            left[slot._replace(priced=rest.cost_usd is not None)] = rest
    nothing = OpenRouterFigures(ZERO)
    surplus_usd = sum((_surplus(figures, everything.get(slot, nothing)) for slot, figures in known.items()), ZERO)
    return Remainder(left, surplus_usd)


def _surplus(part: OpenRouterFigures, whole: OpenRouterFigures) -> Decimal:
    dollars = part.cost_usd is not None and whole.cost_usd is not None
    cost_usd = (part.cost_usd or ZERO) - (whole.cost_usd or ZERO) if dollars else ZERO
    return max(cost_usd, ZERO) + max(part.byok_usd - whole.byok_usd, ZERO)


def overcounted(tables: Iterable[Table]) -> int:
    """Count the slots with more reasoning than output tokens; rows hold no more than the output."""
    return sum(figures.reasoning > figures.completion for table in tables for figures in table.values())


def overcounted_words(report: str, count: int) -> str:
    """Return the note that the ledger counts more reasoning than output."""
    return f"OpenRouter's {report} counts more reasoning than output in {count} of its rows; the surplus is left out."


def rows(
    table: Table, *, key: str = "", project: str = "", reason: str = "", detail: tuple[tuple[str, str], ...] = ()
) -> list[Row]:
    """Convert a table to rows of one key, or of none for a reason."""
    return [
        Row(
            start=slot.start,
            key=key,
            model=slot.model,
            cost_usd=figures.cost_usd,
            tokens=figures.tokens,
            requests=figures.requests,
            byok_usd=figures.byok_usd,
            requested=slot.requested,
            project=project,
            reason=reason,
            detail=detail + _detail(slot, table),
        )
        for slot, figures in table.items()
    ]


def _detail(slot: OpenRouterBucketKey, table: Table) -> tuple[tuple[str, str], ...]:
    """Return the dimensions that tell two rows of one model apart."""
    told = (("endpoint", slot.endpoint), ("provider", slot.provider))
    twin = not slot.priced and slot._replace(priced=True) in table
    return tuple(pair for pair in told if pair[1]) + ((("price", "unknown"),) if twin else ())
