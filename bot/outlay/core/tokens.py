"""Token counts by disjoint class: each token is in exactly one of five, and their sum is the ledger's own total.

Reasoning tokens are a part of output, shown separately but never added. Vendors disagree on whether "input" includes
cached tokens; a ledger plugin converts that, so that no other code has to know.
"""

from typing import NamedTuple

CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class Tokens(NamedTuple):
    """Counts of tokens by class. `reasoning` is the part of `output` that was reasoning."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Return the sum of all five classes; reasoning is inside output already."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output

    def plus(self, other: "Tokens") -> "Tokens":
        """Add two counts class by class."""
        return Tokens(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def problem(self) -> str | None:
        """Return what is wrong with the counts, in words, or None."""
        if min(self) < 0:
            name, count = next(pair for pair in zip(self._fields, self, strict=True) if pair[1] < 0)
            return f"{name} tokens are negative ({count})"
        if self.reasoning > self.output:
            return f"more reasoning tokens ({self.reasoning}) than output tokens ({self.output})"
        return None


NO_TOKENS = Tokens()
