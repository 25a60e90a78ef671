"""Sums of a line of an answer, and what they may be called: billed or computed, provisional or closed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from outlay.core import months
from outlay.core.tokens import Tokens
from outlay.database.tables import BILLED, COMPUTED, RESIDUAL, UNBILLED, UNPRICED
from outlay.spend.answer import AnswerBasis, Status

_BASIS: dict[int, AnswerBasis] = {
    RESIDUAL: "billed",
    BILLED: "billed",
    COMPUTED: "computed",
    UNPRICED: "unpriced",
    UNBILLED: "computed",
}


class Extent(NamedTuple):
    """Extent of a roll-up row: the least and the greatest of its bases and of its settling times.

    `at`: a moment in its month; if it spans several months, all of them are closed, or none is.
    """

    bases: tuple[int, int]
    settles: tuple[int, int]
    at: int
    adjusts: int = 0


class RollupRow(NamedTuple):
    """Roll-up row: its ids, and its sums in the order of FIGURES, followed by its unpriced tokens."""

    connection_id: int
    time: int  # decides its day, its hour and its owner
    key_id: int | None
    model_id: int | None
    figures: tuple[Any, ...]
    extent: Extent
    residual_nano_usd: int = 0  # the part of its dollars that no usage explains
    never_billed_nano_usd: int = 0  # the part that a bill which has settled does not name


@dataclass(slots=True)
class LineSums:
    """Sums of one line. `cost` is None while no row with dollars was added."""

    parts: list[Sequence[Any]] = field(default_factory=list)
    extents: set[Extent] = field(default_factory=set)
    _figures: list[int | None] | None = None

    def add(self, figures: Sequence[Any], extent: Extent) -> None:
        """Add a roll-up row: its figures in the order of FIGURES, and then its unpriced tokens."""
        self.parts.append(figures)
        self.extents.add(extent)
        self._figures = None

    def include(self, other: "LineSums") -> None:
        """Add everything in another."""
        self.parts.append(other.figures)
        self.extents |= other.extents
        self._figures = None

    @property
    def figures(self) -> list[int | None]:
        """Return the sums; None where all parts are unknown."""
        if self._figures is None:
            if len(self.parts) == 1:  # most lines of a long answer: nothing to add up
                self._figures = [None if one is None else int(one) for one in self.parts[0]]
            else:
                self._figures = [_sum(column) for column in zip(*self.parts or [_NOTHING], strict=True)]
            self.parts = [self._figures]
        return self._figures

    @property
    def cost(self) -> int | None:
        return self.figures[0]

    @property
    def byok(self) -> int:
        return self.figures[1] or 0

    @property
    def requests(self) -> int | None:
        return self.figures[2]

    @property
    def tokens(self) -> Tokens:
        return Tokens(*(count or 0 for count in self.figures[3:9]))

    @property
    def saved(self) -> int | None:
        return self.figures[9]

    @property
    def unpriced(self) -> int:
        return self.figures[10] or 0

    def status(self, now: int, closed: Collection[int]) -> Status:
        """Return "closed" if its months are, "settled" once nothing may be restated, "mixed" if statuses differ."""
        found = {status for extent in self.extents for status in _statuses(extent, now, closed)}
        return found.pop() if len(found) == 1 else "mixed" if found else "settled"

    def basis(self) -> AnswerBasis:
        """Return what the dollars are: billed, computed, unpriced or mixed."""
        bases: set[AnswerBasis] = {_BASIS[basis] for extent in self.extents for basis in extent.bases}
        if self.unpriced:  # which an extent from one basis to another may have in between
            bases.add("unpriced")
        return "mixed" if len(bases) > 1 else next(iter(bases), "billed")

    @property
    def settles_at(self) -> int:
        """Return when the last of it settles (seconds); 0 if it has no rows."""
        return max((extent.settles[1] for extent in self.extents), default=0)


_NOTHING = (None,) * 11


def _sum(column: Sequence[int | None]) -> int | None:
    known = [int(one) for one in column if one is not None]  # PostgreSQL sums to numeric
    return sum(known) if known else None


def _statuses(extent: Extent, now: int, closed: Collection[int]) -> set[Status]:
    if extent.adjusts:
        return {"adjustment"}
    if closed and months.start_of(extent.at) in closed:
        return {"closed"}
    found: set[Status] = set()
    if extent.settles[0] <= now:
        found.add("settled")
    if extent.settles[1] > now:
        found.add("provisional")
    return found
