"""Counting of money paid upstream (BYOK): `byok_rules` has the rule; this adds who kept the books, and when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outlay.books.byok_rules import byok_counts, upstream_ledger
from outlay.core import months
from outlay.database.tables import FIGURES, ClosedMonth, Connection

_COST, _BYOK = FIGURES.index("cost_nano_usd"), FIGURES.index("byok_nano_usd")


def keeping_books(connections: Iterable[Connection]) -> frozenset[str]:
    """Return the ledgers that are connected and whose dollars count."""
    return frozenset(row.ledger for row in connections if row.role == "books" and row.disconnected_at is None)


@dataclass(frozen=True, slots=True)
class ByokPolicy:
    """Ledgers that keep a workspace's books, now and when each of its months was closed."""

    ledgers: frozenset[str]
    closed: Mapping[int, frozenset[str]]

    @classmethod
    def of(cls, connections: Iterable[Connection], closed: Iterable[ClosedMonth]) -> "ByokPolicy":
        """Build it from a workspace's connections and closed months."""
        return cls(keeping_books(connections), {row.month: frozenset(row.ledgers.split()) for row in closed})

    def depends_on_the_model(self, models: Iterable[str]) -> bool:
        """Report whether the ledger of any model's maker keeps, or once kept, the books."""
        every = self.ledgers.union(*self.closed.values())
        return any(upstream_ledger(model) in every for model in models if model)

    def edges(self, start: int, end: int) -> set[int]:
        """Return when, between two moments, the ledgers that keep the books change: closed months keep theirs."""
        differing = [month for month, ledgers in self.closed.items() if ledgers != self.ledgers]
        return {edge for month in differing for edge in (month, months.end_of(month)) if start < edge < end}

    def with_byok(self, figures: tuple[Any, ...], model: str, moment: int) -> tuple[tuple[Any, ...], int]:
        """Add the money paid upstream to a row's dollars where it counts; return the figures and that money."""
        byok = int(figures[_BYOK] or 0)
        if not byok or not byok_counts(model, self.closed.get(months.start_of(moment), self.ledgers)):
            return figures, 0
        return (*figures[:_COST], int(figures[_COST] or 0) + byok, *figures[_COST + 1 :]), byok
