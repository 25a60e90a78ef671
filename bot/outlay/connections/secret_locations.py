"""Locations of all sealed secrets: fields of connections, and the bot's tokens of workspaces that installed it.

Everything that visits all secrets (rotation, the doctor) asks here, so that no kind of them is missed.
"""

from dataclasses import dataclass
from dataclasses import field as hidden

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.engine import execute
from outlay.database.tables import Connection, Secret, Workspace
from outlay.workspaces import installations
from outlay.workspaces.tables import Installation


@dataclass(frozen=True, slots=True)
class SecretLocation:
    """Location of a sealed secret, and its blob as read. `title` names it to people, `thing` in the audit log."""

    workspace_id: str
    owner: str
    field: str
    title: str
    thing: str
    blob: bytes = hidden(repr=False)
    connection_id: int | None = None


async def places(session: AsyncSession) -> list[SecretLocation]:
    """Return the locations of all secrets, connections first, always in the same order."""
    rows = await session.exec(
        select(Secret, Connection)
        .join(Connection, col(Connection.id) == col(Secret.connection_id))
        .order_by(col(Secret.connection_id), col(Secret.field))
    )
    found = [
        SecretLocation(
            one.workspace_id, str(one.id), secret.field, one.name, f"connection:con_{one.id}", secret.blob, one.id
        )
        for secret, one in rows
    ]
    tokens = await session.exec(select(Installation, Workspace).join(Workspace).order_by(col(Workspace.id)))
    return found + [
        SecretLocation(
            one.id,
            installations.OWNER,
            installations.FIELD,
            f"Slack {one.name or one.id}",
            f"workspace:{one.id}",
            row.blob,
        )
        for row, one in tokens
    ]


async def replace(session: AsyncSession, place: SecretLocation, blob: bytes) -> bool:
    """Replace the blob that was read; return False if it has changed meanwhile, or is gone."""
    if place.connection_id is None:
        change = update(Installation).where(
            col(Installation.workspace_id) == place.workspace_id, col(Installation.blob) == place.blob
        )
    else:
        change = update(Secret).where(
            col(Secret.connection_id) == place.connection_id,
            col(Secret.field) == place.field,
            col(Secret.blob) == place.blob,
        )
    return bool((await execute(session, change.values(blob=blob))).rowcount)
