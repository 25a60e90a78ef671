"""Recognize lines that come twice: by the page that repeats them, never by what they look like.

Pages may overlap, so a line of one page that a later page also has is one line. Lines that are alike within one page
are as many as they are, and are added: two requests in the same millisecond look the same and were both charged.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

V = TypeVar("V")
Place = tuple[Hashable, int]  # a line's whole identity as the vendor tells it, and which of its kind in the page


class CountedLines(Generic[V]):
    """Lines of all pages of one query, each once."""

    def __init__(self) -> None:
        self._find_own_message: dict[Place, V] = {}

    def add_page(self, lines: Iterable[tuple[Hashable, V]]) -> None:
        """Add a page; of a line that an earlier page had, the newer figures count."""
        alike: Counter[Hashable] = Counter()
        for identity, value in lines:
            self._find_own_message[identity, alike[identity]] = value
            alike[identity] += 1

    def __len__(self) -> int:
        return len(self._find_own_message)

    def all(self) -> list[V]:
        """Return the lines in the order in which they first came."""
        return list(self._find_own_message.values())
