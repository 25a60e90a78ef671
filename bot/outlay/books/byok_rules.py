"""BYOK: money that a gateway or marketplace tells of, but that is paid to the model's maker with one's own key.

It is the upstream's money. While that upstream's own ledger is connected, it counts there; until then it counts where
it is told of, so that no dollar is missing from a total and none is in it twice.
"""

from collections.abc import Collection

from outlay.core.model_names import canonical


def maker_of(model: str) -> str:
    """Who is paid for a model, by the name that its own ledger plugin has; '' where that is not known."""
    maker, slash, _ = canonical(model).partition("/")
    return maker if slash else ""


def counts(model: str, connected: Collection[str]) -> bool:
    """Does money paid upstream for this model count where it is told of? `connected`: ledgers that keep the books."""
    return maker_of(model) not in connected
