"""Unknown parts of a sum: what a gateway wrote at zero because it could not price it stays without its price.

A gateway's daily sum adds requests that it priced to requests that it did not, and then looks priced as a whole. Where
its finer rows tell the two apart, the unknown part is taken out of the sum again, up to what the sum has: its tokens
and requests, and with them what the finer rows are worth at list price, if that is known. The gateway's own dollars
stay with the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from outlay.core.tokens import CLASSES
from outlay.database.tables import FIGURES

Figures = list[int | None]  # in the order of FIGURES

_COST, _REQUESTS = FIGURES.index("cost_nano_usd"), FIGURES.index("requests")
_OUTPUT = FIGURES.index("output")
_CLASSES = [FIGURES.index(name) for name in CLASSES]
_PROMPT = [place for place in _CLASSES if place != _OUTPUT]
_REASONING, _SAVED = FIGURES.index("reasoning"), FIGURES.index("saved_nano_usd")


@dataclass(frozen=True, slots=True)
class UnknownPart:
    """Requests that the gateway did not price, in an hour. `basis`: of what they are worth here."""

    hour: int
    basis: int
    figures: Sequence[int | None]


def tokens_of(figures: Sequence[int | None]) -> int:
    """Return all tokens of some figures."""
    return sum(figures[place] or 0 for place in _CLASSES)


def taken_out(whole: Figures, unknown: Sequence[UnknownPart]) -> tuple[Figures, list[UnknownPart]]:
    """Take the unknown parts out of a sum; return what is left of it, and the parts.

    A sum that would keep dollars without a token is left whole: it says of those tokens what they cost. Prompt tokens
    of a class that the sum has not are taken from its other classes, since finer rows may not tell cached tokens apart.
    """
    if sum(tokens_of(one.figures) for one in unknown) >= tokens_of(whole):
        return whole, []
    left, parts = list(whole), []
    for one in sorted(unknown, key=lambda one: (one.hour, one.basis)):
        part: Figures = [None if figure is None else 0 for figure in one.figures]
        short = 0
        for place in _CLASSES:
            wanted = one.figures[place] or 0
            part[place] = _take(left, place, wanted)
            if place in _PROMPT:
                short += wanted - (part[place] or 0)
        for place in _PROMPT:
            more = _take(left, place, short)
            part[place] = (part[place] or 0) + more
            short -= more
        if one.figures[_REQUESTS] is not None:
            part[_REQUESTS] = _take(left, _REQUESTS, one.figures[_REQUESTS] or 0)
        left[_REASONING] = min(left[_REASONING] or 0, left[_OUTPUT] or 0)
        wanted, got = tokens_of(one.figures), tokens_of(part)
        if one.figures[_COST] is not None:
            part[_COST] = (one.figures[_COST] or 0) * got // wanted if wanted else 0
        part[_SAVED] = None
        parts.append(UnknownPart(one.hour, one.basis, part))
    return left, parts


def _take(left: Figures, place: int, wanted: int) -> int:
    taken = min(wanted, left[place] or 0)
    if taken:
        left[place] = (left[place] or 0) - taken
    return taken
