"""Reconciliation of a bill with the usage behind it: the bill says how much, the usage says whose.

The bill is the control total. Its dollars for a model go to the users of that model: a row of the bill that names a key
goes to that key's use, a row that names none to all who used it in its project, except those whose use the bill has
already named. Where the bill tells the terms of a model's price (the service tier), a row goes to use on its terms
alone. Each is split exactly, by the computed dollars of the usage, so that the day adds up to the bill to
the nano-dollar. What no usage explains stays with the bill, and what the bill does not name is not billed at nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outlay.books.rollups.price_terms import Terms
from outlay.core.money import split_by_weights

Key = tuple[str, ...]  # the ledger's own ids of a key, or the reason for none; never a number of our database
Amounts = tuple[int, ...]  # nano-dollars, one for each kind of money


@dataclass(frozen=True, slots=True)
class BillRow:
    """A row of a bill. `keyed`: `key` is a key, not a reason for none. `model` is canonical, '' where it names none."""

    key: Key
    keyed: bool
    model: str
    project: str
    amounts: Amounts
    terms: Terms = ()


@dataclass(frozen=True, slots=True)
class BilledUsage:
    """Use of a model by a key in a project. `spelled`: the ledger's name of the model. Dollars None: unknown.

    `unpriced`: the tokens without dollars, where others of the same use have some.
    """

    key: Key
    keyed: bool
    model: str
    project: str
    spelled: str
    nano_usd: int | None
    tokens: int = 0
    requests: int = 0
    unpriced: int = 0
    terms: Terms = ()

    @property
    def tokens_unpriced(self) -> int:
        return self.tokens if self.nano_usd is None else self.unpriced


def weights(used: Iterable[BilledUsage]) -> list[int]:
    """Return the weight of each use: its dollars, plus its unpriced tokens at the average cost of a priced one.

    Where no token has dollars: tokens, else requests. All zero means equal weights.
    """
    these = list(used)
    dollars, unpriced = [one.nano_usd or 0 for one in these], [one.tokens_unpriced for one in these]
    tokens = [one.tokens for one in these]
    known, priced_tokens = sum(dollars), sum(tokens) - sum(unpriced)
    if known and not any(unpriced):
        return dollars
    if known and priced_tokens > 0:  # all multiplied by the priced tokens, to stay in whole numbers
        return [usd * priced_tokens + rest * known for usd, rest in zip(dollars, unpriced, strict=True)]
    return tokens if any(tokens) else [one.requests for one in these]


def reconcile(
    bill: Sequence[BillRow], usage: Sequence[BilledUsage], *, kinds: int = 1
) -> tuple[list[Amounts | None], list[bool]]:
    """Split the bill over the usage: dollars of each use, and for each row of the bill whether usage explains it.

    The dollars are in the order of `usage`; None for a use that no row of the bill names, which is not a use that was
    billed at nothing. Together with those of the unexplained rows they add up to the bill. `kinds`: how many kinds of
    money a row has.
    """
    sums: list[list[int] | None] = [None] * len(usage)
    explained = [False] * len(bill)
    by_model: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(usage)), key=lambda place: _order(usage[place])):
        by_model[usage[place].model].append(place)
    told = _told(bill, usage)
    groups: dict[tuple[Key, str, str, tuple[str, ...]], list[int]] = defaultdict(list)
    for place, row in enumerate(bill):
        if row.model:
            terms = _values(row.terms, told[row.model])
            groups[row.key if row.keyed else (), row.model, row.project, terms].append(place)
    projects_told = any(row.project for row in bill) and any(one.project for one in usage)
    named: set[int] = set()
    for (key, model, project, terms), rows in sorted(groups.items(), reverse=True):  # rows with a key first
        same = [(place, usage[place]) for place in by_model[model]]
        same = [(place, one) for place, one in same if _values(one.terms, told[model]) == terms]
        if key:
            same = [(place, one) for place, one in same if one.keyed and one.key == key]
        here = [place for place, one in same if one.project == project]
        if not here and (key or not projects_told):
            here = [place for place, _ in same]
        if not key:
            here = [place for place in here if place not in named] or here
        if not here:
            continue
        by = weights(usage[place] for place in here)
        for kind in range(kinds):
            parts = split_by_weights(sum(bill[place].amounts[kind] for place in rows), by)
            for place, part in zip(here, parts, strict=True):
                sums[place] = held = sums[place] or [0] * kinds
                held[kind] += part
        for place in rows:
            explained[place] = True
        if key:
            named.update(here)
    return [None if one is None else tuple(one) for one in sums], explained


def _told(bill: Sequence[BillRow], usage: Sequence[BilledUsage]) -> dict[str, list[str]]:
    """Return for each model the names of the price terms that its bill tells and in which its usage differs."""
    by_bill: dict[str, set[str]] = defaultdict(set)
    by_use: dict[str, set[str]] = defaultdict(set)
    for row in bill:
        by_bill[row.model].update(name for name, _ in row.terms)
    for one in usage:
        by_use[one.model].update(name for name, value in one.terms if value)
    return {model: sorted(names & by_use[model]) for model, names in by_bill.items()}


def _values(terms: Terms, names: Sequence[str]) -> tuple[str, ...]:
    """Return the values of some price terms; "" is the ordinary one, which few reports tell."""
    return tuple(dict(terms).get(name, "") for name in names)


def _order(used: BilledUsage) -> tuple[Key, str, str, Terms]:
    """Return the sort key: ties between equal shares go by name, so that the order of the usage does not matter."""
    return used.key, used.spelled, used.project, used.terms
