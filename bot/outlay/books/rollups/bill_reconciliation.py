"""A bill and the usage that it bills, reconciled: the bill says how much, the usage says whose.

The bill is the control total. Its dollars for a model go to whoever used that model: a row of the bill that names a key
to that key's use, a row that names none to all who used it in its project, except those whose use the bill has already
named. Each is shared out exactly, by the dollars that the usage was computed at, so that the day adds up to the bill to
the nano-dollar. What no usage explains stays with the bill.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outlay.core.money import share

Key = tuple[str, ...]  # the ledger's own names for a key, or for why there is none: never a number that the books gave
Amounts = tuple[int, ...]  # of one kind of money each, in nano-dollars


@dataclass(frozen=True, slots=True)
class Billed:
    """A row of a bill. `keyed`: its key is one, and not just a reason. `model` is canonical, '' where it names none."""

    key: Key
    keyed: bool
    model: str
    project: str
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Used:
    """What a key used of a model in a project. `spelled`: the ledger's name of the model. Dollars None: not known.

    `unpriced`: those of its tokens that are in no dollars, where its others are.
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

    @property
    def tokens_unpriced(self) -> int:
        return self.tokens if self.nano_usd is None else self.unpriced


def weights(used: Iterable[Used]) -> list[int]:
    """What each use weighs: its dollars, and its tokens without any at what a token with dollars costs on average.

    Where no token has dollars: tokens, else requests. All zero: all alike.
    """
    these = list(used)
    dollars, unpriced = [one.nano_usd or 0 for one in these], [one.tokens_unpriced for one in these]
    tokens = [one.tokens for one in these]
    known, priced_tokens = sum(dollars), sum(tokens) - sum(unpriced)
    if known and not any(unpriced):
        return dollars
    if known and priced_tokens > 0:  # times the tokens with dollars, so that it is a whole number
        return [usd * priced_tokens + rest * known for usd, rest in zip(dollars, unpriced, strict=True)]
    return tokens if any(tokens) else [one.requests for one in these]


def reconcile(bill: Sequence[Billed], usage: Sequence[Used], *, kinds: int = 1) -> tuple[list[Amounts], list[bool]]:
    """The dollars of each use, in the order of `usage`; and of each row of the bill whether any usage explains it.

    The dollars of the uses and those of the rows that nothing explains add up to the bill. `kinds`: how many kinds of
    money a row has.
    """
    sums = [[0] * kinds for _ in usage]
    explained = [False] * len(bill)
    by_model: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(usage)), key=lambda place: _order(usage[place])):
        by_model[usage[place].model].append(place)
    groups: dict[tuple[Key, str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(bill):
        if row.model:
            groups[row.key if row.keyed else (), row.model, row.project].append(place)
    projects_told = any(row.project for row in bill) and any(one.project for one in usage)
    named: set[int] = set()
    for (key, model, project), rows in sorted(groups.items(), reverse=True):  # rows with a key first
        same = [(place, usage[place]) for place in by_model[model]]
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
            parts = share(sum(bill[place].amounts[kind] for place in rows), by)
            for place, part in zip(here, parts, strict=True):
                sums[place][kind] += part
        for place in rows:
            explained[place] = True
        if key:
            named.update(here)
    return [tuple(one) for one in sums], explained


def _order(used: Used) -> tuple[Key, str, str]:
    """Ties between equal shares go by name, so that it does not matter in what order the usage was told."""
    return used.key, used.spelled, used.project
