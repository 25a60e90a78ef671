"""Choices that a workspace, or one of its people, made in Slack: small values by name."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.workspaces.tables import Preference


async def read(session: AsyncSession, workspace_id: str, prefix: str = "") -> dict[str, str]:
    """Return all values whose names begin with `prefix`, by name."""
    statement = select(Preference).where(
        Preference.workspace_id == workspace_id, col(Preference.name).startswith(prefix, autoescape=True)
    )
    return {row.name: row.value for row in await session.exec(statement)}


async def write(session: AsyncSession, workspace_id: str, values: dict[str, str | None]) -> None:
    """Set values; None deletes one."""
    for name, value in values.items():
        row = await session.get(Preference, (workspace_id, name))
        if value is None:
            if row is not None:
                await session.delete(row)
            continue
        if row is None:
            session.add(Preference(workspace_id=workspace_id, name=name, value=value))
        else:
            row.value = value
            session.add(row)
    await session.flush()
