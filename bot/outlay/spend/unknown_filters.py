"""Filters that match nothing in the books, reported so that a misspelled name is not answered with $0.

Checked only where nothing was found. Names are those of the workspace's own keys, models and connections.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core.model_names import canonical
from outlay.core.owner import UNATTRIBUTED
from outlay.database.engine import execute
from outlay.spend.answer import UnmatchedFilter
from outlay.spend.name_index import Names, matches, names_of, passes
from outlay.spend.planner import KEYED
from outlay.spend.query import REQUESTED

NEAR = 0.6
NAMES_MAX = 20_000  # at most so many are compared with a misspelled one


async def unknown_filters(
    session: AsyncSession, workspace_id: str, filters: Sequence[tuple[str, str]]
) -> tuple[UnmatchedFilter, ...]:
    """Return the filters that nothing in the books can pass, each with the nearest existing name, or ""."""
    if not filters:
        return ()
    names = await names_of(session, workspace_id, with_keys=any(name in KEYED for name, _ in filters))
    found = []
    for dimension, pattern in filters:
        there = await _there(session, names, dimension, pattern)
        if there is not None:
            found.append(UnmatchedFilter(dimension, pattern, _nearest(pattern, there)))
    return tuple(found)


async def _there(session: AsyncSession, names: Names, dimension: str, pattern: str) -> list[str] | None:
    """Return the existing names; None if one of them passes."""
    if dimension == "model":
        models = await _models(session, names)
        passing = any(passes(dimension, pattern, None, UNATTRIBUTED, name) for name in models)
        return None if passing else [canonical(name) for name in models]
    values = await _routers(session, names) if dimension == REQUESTED else _values(names, dimension)
    return None if any(matches(value, pattern) for value in values) else values


def _values(names: Names, dimension: str) -> list[str]:
    if dimension in ("ledger", "connection"):
        connections = names.connections.values()
        return [row.ledger if dimension == "ledger" else row.name for row in connections]
    if dimension == "owner":
        owners = {owner for key in names.keys for owner in names.owners.ever(key)}
        return [UNATTRIBUTED.id, *(value for owner in owners for value in (owner.id, owner.name))]
    keys = names.keys.values()
    if dimension == "key":
        return [value for key in keys if key.ledger_id for value in (key.ledger_id, key.name or key.label)]
    return [value for key in keys for value in (key.project_id, key.project_name)]


async def _models(session: AsyncSession, names: Names) -> list[str]:
    """Return the ledgers' names of this workspace's models; the table of models is shared by all workspaces."""
    return await _distinct(session, names, "SELECT DISTINCT m.name FROM series s JOIN model m ON m.id = s.model_id")


async def _routers(session: AsyncSession, names: Names) -> list[str]:
    return await _distinct(session, names, "SELECT DISTINCT s.requested FROM series s")


async def _distinct(session: AsyncSession, names: Names, select: str) -> list[str]:
    ids = ", ".join(map(str, names.connections)) or "NULL"
    rows = await execute(session, text(f"{select} WHERE s.connection_id IN ({ids}) LIMIT {NAMES_MAX}"))
    return [str(row[0]) for row in rows if row[0]]


def _nearest(pattern: str, names: Iterable[str]) -> str:
    """Return the name most like a pattern, as it is spelled, or ""; models also match without their maker."""
    wanted = pattern.lower().replace("*", "")
    spelled: dict[str, str] = {}
    for name in list(names)[:NAMES_MAX]:
        spelled.setdefault(name.lower(), name)
        spelled.setdefault(name.lower().rpartition("/")[2], name)
    near = get_close_matches(wanted, [name for name in spelled if name], 1, NEAR) if wanted else []
    return spelled[near[0]] if near else ""
