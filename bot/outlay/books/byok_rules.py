"""Rules for BYOK (own keys): money that a gateway or marketplace reports, but that is paid to the model's maker.

It is the upstream's money. While that upstream's own ledger is connected, it counts there; until then it counts
where it is reported, so that no dollar is missing from a total and none is in it twice.
"""

from collections.abc import Collection

from outlay.core.model_names import canonical


def upstream_ledger(model: str) -> str:
    """Return who is paid for a model, as the slug of its own ledger plugin; '' if unknown."""
    maker, slash, _ = canonical(model).partition("/")
    return maker if slash else ""


def byok_counts(model: str, connected: Collection[str]) -> bool:
    """Report whether money paid upstream for this model counts where it is reported.

    `connected`: slugs of the connected ledgers with the role `books`.
    """
    return upstream_ledger(model) not in connected
