"""Names behind a workspace's ids: its connections, models and, where a question is about them, its keys.

Keys and their owners are plain rows: an account has thousands, and an answer shows ten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.books.byok import ByokPolicy
from outlay.books.ownership import KeyRow, Owners, key_rows, owners_of
from outlay.core.model_names import canonical
from outlay.core.owner import UNATTRIBUTED, Owner
from outlay.database.engine import execute
from outlay.database.tables import ClosedMonth, Connection, Workspace
from outlay.spend.parser import Query


@dataclass(frozen=True, slots=True)
class Names:
    """Names and settings of a workspace. `keys` and `owners` are empty unless the question is about them."""

    zone: ZoneInfo
    connections: Mapping[int, Connection]
    keys: Mapping[int, KeyRow]
    owners: Owners
    models: Mapping[int, str]  # id → the ledger's name for it; '' for money not split by model
    upstream: ByokPolicy
    folded_until: int


async def zone_of(session: AsyncSession, workspace_id: str) -> ZoneInfo:
    """Return the workspace's reporting zone; UTC until set."""
    workspace = await session.get(Workspace, workspace_id)
    return ZoneInfo(workspace.time_zone if workspace else "UTC")


async def names_of(session: AsyncSession, workspace_id: str, *, with_keys: bool) -> Names:
    """Read the names of a workspace. `with_keys`: also its keys and their owners."""
    workspace = await session.get(Workspace, workspace_id)
    connections = (await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))).all()
    closed = (await session.exec(select(ClosedMonth).where(ClosedMonth.workspace_id == workspace_id))).all()
    models = (await execute(session, text("SELECT id, name FROM model"))).all()
    keys = await key_rows(session, workspace_id) if with_keys else []
    return Names(
        zone=ZoneInfo(workspace.time_zone if workspace else "UTC"),
        connections={row.id or 0: row for row in connections},
        keys={key.id: key for key in keys},
        owners=await owners_of(session, workspace_id, keys) if with_keys else Owners(),
        models={row[0]: row[1] for row in models},
        upstream=ByokPolicy.of(connections, closed),
        folded_until=workspace.folded_until if workspace else 0,
    )


def passes(dimension: str, pattern: str, key: KeyRow | None, owner: Owner, model: str) -> bool:
    """Report whether a filter lets a key, owner and model through. Ledgers and connections are chosen before reading.

    A pattern of several lines, such as a team and its members, lets through what any of them does.
    """
    if dimension == "owner":
        return any(matches(value, one) for one in pattern.split("\n") for value in (owner.id, owner.name))
    if dimension == "key":
        values = [key.ledger_id, key.name or key.label] if key and key.ledger_id else []
    elif dimension == "project":
        values = [key.project_id, key.project_name] if key else []
    elif dimension == "model":
        known = canonical(model) if model else ""
        values = [known, model, known.rpartition("/")[2]]
        if known and "*" not in pattern and canonical(pattern).rpartition("/")[2] == known.rpartition("/")[2]:
            return pattern.count("/") == 0 or canonical(pattern) == known  # another spelling of it
    else:
        return True
    return any(matches(value, pattern) for value in values)


def matches(value: str, pattern: str) -> bool:
    """Report whether a value matches a pattern. `*` is the only wildcard: [, ] and ? in a key's name are literal."""
    return fnmatchcase(value.lower(), pattern.lower().replace("[", "[[]").replace("?", "[?]"))


def possible(names: Names, query: Query) -> tuple[set[int] | None, set[int] | None]:
    """Return the keys and the models that a question's filters can let through at any time; None if unfiltered."""
    about_keys = [one for one in query.filters if one[0] in ("owner", "key", "project")]
    about_models = [one for one in query.filters if one[0] == "model"]
    keys = {
        key.id
        for key in names.keys.values()
        if all(any(passes(*one, key, owner, "") for owner in names.owners.ever(key.id)) for one in about_keys)
    }
    models = {
        id_ for id_, name in names.models.items() if all(passes(*one, None, UNATTRIBUTED, name) for one in about_models)
    }
    return keys if about_keys else None, models if about_models else None
