"""A parsed query, and the error for a word that is not understood. `outlay.spend.parser` makes them."""

from dataclasses import dataclass, field
from datetime import date

from outlay.core.errors import OutlayError

REQUESTED = "requested"  # filter by the requested model, only made by `auto`; "model" filters by the resolved one


class QueryError(OutlayError, ValueError):
    """A word that is not understood. `word` is that word; `hint` shows what would have worked.

    `meant`: the whole query as it was probably meant, where one word of it was misspelled; else "".
    """

    def __init__(self, word: str, message: str, hint: str = "", meant: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.hint = hint
        self.meant = meant


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days from `start` to `end`, inclusive, and the words for them (`7d`, `last month`, `from … to …`)."""

    start: date
    end: date
    period: str


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `start` and `end`: days in the workspace's zone, inclusive.

    `filters`: (dimension, pattern), `*` is a wildcard. `versus`: the comparison period. `trend`: show spend over time.
    `teams`: the filters (`team:core`) that stand for a team's members too; `owner:team:core` is the team's own keys.
    `sees`: the owners whose figures the asker may see, besides totals; None: all of them (see `policy`).
    """

    start: date
    end: date
    period: str
    by: tuple[str, ...] = ("owner",)
    filters: tuple[tuple[str, str], ...] = ()
    top: int | None = None
    words: str = field(default="", compare=False)
    versus: DateRange | None = None
    trend: bool = False
    teams: tuple[str, ...] = ()
    sees: frozenset[str] | None = None
