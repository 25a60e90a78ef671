"""What a line of an answer adds up, and what the sum may call itself: billed or computed, provisional or closed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.books.tables import BILLED, COMPUTED
from bot.core import months
from bot.core.answer import AnswerBasis, Status
from bot.core.tokens import NO_TOKENS, Tokens

_BASIS: dict[int, AnswerBasis] = {BILLED: "billed", COMPUTED: "computed"}


@dataclass(frozen=True, slots=True)
class Extent:
    """What a row of a roll-up spans: the least and the greatest of its bases, settling times and moments."""

    bases: tuple[int, int]
    settles: tuple[int, int]
    times: tuple[int, int]
    adjusts: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a roll-up: where it belongs, and its sums."""

    connection_id: int
    time: int  # the moment by which it is placed in a day, an hour, or an owner's time
    key_id: int | None
    model_id: int | None
    figures: tuple[Any, ...]
    extent: Extent


@dataclass(slots=True)
class Sums:
    """What is added up for one line. `cost` None while nothing with dollars was added."""

    cost: int | None = None
    byok: int = 0
    requests: int | None = None
    tokens: Tokens = NO_TOKENS
    saved: int | None = None
    unpriced: int = 0
    extents: list[Extent] = field(default_factory=list)

    def add(self, figures: Sequence[Any], extent: Extent) -> None:
        """Adds a row of a roll-up: its figures in the order of FIGURES, and then its unpriced tokens."""
        cost, byok, requests, *tokens, saved, unpriced = (None if one is None else int(one) for one in figures)
        self.cost = _plus(self.cost, cost)
        self.byok += byok or 0
        self.requests = _plus(self.requests, requests)
        self.tokens = self.tokens.plus(Tokens(*(count or 0 for count in tokens)))
        self.saved = _plus(self.saved, saved)
        self.unpriced += unpriced or 0
        self.extents.append(extent)

    def status(self, now: int, closed: Collection[int]) -> Status:
        """Closed where its months are; settled once nothing in it may be restated any more; mixed where both are."""
        found = {status for extent in self.extents for status in _statuses(extent, now, closed)}
        return found.pop() if len(found) == 1 else "mixed" if found else "settled"

    def basis(self) -> AnswerBasis:
        """What the dollars are."""
        bases = {basis for extent in self.extents for basis in extent.bases}
        return "mixed" if len(bases) > 1 else _BASIS.get(next(iter(bases), BILLED), "unpriced")

    @property
    def settles_at(self) -> int:
        """When the last of it settles."""
        return max((extent.settles[1] for extent in self.extents), default=0)


def _statuses(extent: Extent, now: int, closed: Collection[int]) -> set[Status]:
    if extent.adjusts:
        return {"adjustment"}
    first, last = months.start_of(extent.times[0]), months.start_of(extent.times[1])
    if first in closed and last in closed:
        return {"closed"}
    found: set[Status] = {"closed"} if first in closed or last in closed else set()
    if extent.settles[0] <= now:
        found.add("settled")
    if extent.settles[1] > now:
        found.add("provisional")
    return found


def _plus(sum_: int | None, more: int | None) -> int | None:
    return sum_ if more is None else (sum_ or 0) + more
