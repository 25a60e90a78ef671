"""Role of a connection: `books`, its dollars count; `attribution`, they only split what another counts.

Two settings beside every ledger's own form choose it: `role`, and for role attribution
`in_front_of=CONNECTION[:KEY_ID]`. A setting that is not given stays as it was; for a new connection that is the
plugin's default.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core import months
from outlay.database.engine import execute
from outlay.database.tables import ClosedMonth, Connection, LedgerKey
from outlay.plugin.contract import Ledger, Plugin
from outlay.plugin.errors import BadConfig
from outlay.plugin.forms import fields_of

ROLES = ("books", "attribution")
FIELDS = ("role", "in_front_of")
_MAX_KEYS_NAMED = 5
_REACH = text("SELECT MIN(day), MAX(day) FROM spend_day WHERE connection_id = :connection")


def split_role_settings(plugin: type[Plugin[Any]], values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Separate the values of the plugin's own form from those about the role, which only a ledger has.

    A ledger with a setting of its own by one of these names gets the value too. Raises BadConfig for a ledger whose
    dollars are notional, if they are to count or to split.
    """
    if not issubclass(plugin, Ledger):
        return dict(values), {}
    said = {field: value.strip() for field, value in values.items() if field in FIELDS}
    if plugin.notional and (said.get("role") == "books" or said.get("in_front_of")):
        field = "role" if said.get("role") == "books" else "in_front_of"
        raise BadConfig(
            field, f"nobody ever paid the dollars of {plugin.meta.title}: they count nowhere, and split none"
        )
    own = {field.name for field in fields_of(plugin)}
    return {field: value for field, value in values.items() if field not in FIELDS or field in own}, said


async def apply_role(session: AsyncSession, row: Connection, said: Mapping[str, str]) -> None:
    """Set the role on the row. Raises BadConfig on the field that is wrong."""
    role = said.get("role") or row.role
    if role not in ROLES and "role" in said:
        raise BadConfig("role", f"«{role[:40]}» is not a role: {' or '.join(ROLES)}")
    if row.id is not None and role != row.role:
        await _refuse_to_turn(session, row, role)
    row.role = role
    if role != "attribution":
        if said.get("in_front_of"):
            raise BadConfig("in_front_of", "only a connection with role=attribution is in front of another")
        row.in_front_of = row.in_front_of_key = None
    elif "in_front_of" in said:
        row.in_front_of, row.in_front_of_key = await _place(session, row, said["in_front_of"])


async def _place(session: AsyncSession, row: Connection, where: str) -> tuple[int | None, int | None]:
    """Resolve CONNECTION[:KEY_ID] to ids; (None, None) for "". Raises BadConfig."""
    if not where:
        return None, None
    name, colon, key_id = where.partition(":")
    others = await session.exec(
        select(Connection)
        .where(
            Connection.workspace_id == row.workspace_id,
            Connection.role == "books",
            col(Connection.disconnected_at).is_(None),
        )
        .order_by(col(Connection.name))
    )
    books = {other.name: other for other in others if other.name != row.name}
    if name not in books:
        known = ", ".join(books) or "none yet"
        raise BadConfig("in_front_of", f"«{name[:40]}» is no connection whose dollars count; there is: {known}")
    if not colon:
        return books[name].id, None
    found = await session.exec(
        select(LedgerKey)
        .where(LedgerKey.connection_id == books[name].id, LedgerKey.ledger_id != "")
        .order_by(col(LedgerKey.ledger_id))
    )
    keys = {key.ledger_id: key.id for key in found}
    if key_id not in keys:
        shown = ", ".join([*list(keys)[:_MAX_KEYS_NAMED], *(["…"] if len(keys) > _MAX_KEYS_NAMED else [])])
        hint = f"it has: {shown}" if keys else f"none was read yet: outlay poll {name}"
        raise BadConfig("in_front_of", f"{name} has no key with the id «{key_id[:80]}»; {hint}")
    return books[name].id, keys[key_id]


async def _refuse_to_turn(session: AsyncSession, row: Connection, role: str) -> None:
    """Raise BadConfig if the role cannot change: a closed month would move, or a gateway splits its dollars."""
    first, last = (await execute(session, _REACH, {"connection": row.id})).one()
    for month in await session.exec(select(ClosedMonth.month).where(ClosedMonth.workspace_id == row.workspace_id)):
        if first is not None and first < months.end_of(month) and month <= last:
            raise BadConfig("role", f"{months.name(month)} is closed with «{row.name}» as {row.role}; it would change")
    if role == "attribution":
        front = (await session.exec(select(Connection).where(Connection.in_front_of == row.id))).first()
        if front is not None:
            raise BadConfig("role", f"«{front.name}» is in front of «{row.name}», whose dollars so have to count")
