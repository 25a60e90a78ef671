"""Workspaces, the tenants: Slack teams, or `local` before Slack is installed, which the first install adopts."""

from datetime import datetime

from sqlalchemy import text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.core.errors import OutlayError
from outlay.database.engine import execute
from outlay.database.tables import Connection, Secret, Workspace
from outlay.vault.vault import Vault

LOCAL = "local"


class WorkspaceError(OutlayError, ValueError):
    """Unknown or ambiguous workspace; the message says how to name it."""


async def chosen(session: AsyncSession, wanted: str | None) -> str:
    """Return the workspace that a command acts on: the one named, else the only one, else `local`."""
    ids = list((await session.exec(select(Workspace.id))).all())
    if wanted:
        if wanted not in ids and wanted != LOCAL:
            raise WorkspaceError(f"no workspace «{wanted}» in the books; there is: {', '.join(ids) or 'none yet'}")
        return wanted
    if len(ids) > 1:
        raise WorkspaceError(f"several workspaces: say --workspace with one of {', '.join(sorted(ids))}")
    return ids[0] if ids else LOCAL


async def others(session: AsyncSession, workspace_id: str) -> list[str]:
    """Return the other workspaces that have not removed the app, sorted by id, without `local`."""
    statement = select(Workspace.id).where(
        col(Workspace.id).not_in([LOCAL, workspace_id]), col(Workspace.removed_at).is_(None)
    )
    return sorted(await session.exec(statement))


async def ensure(session: AsyncSession, workspace_id: str, *, now: datetime, name: str = "") -> Workspace:
    """Return the workspace's row, inserting it if it is missing."""
    row = await session.get(Workspace, workspace_id)
    if row is None:
        row = Workspace(id=workspace_id, name=name, created_at=int(now.timestamp()))
        session.add(row)
        await session.flush()
    return row


async def adopt(
    session: AsyncSession,
    vault: Vault,
    workspace_id: str,
    *,
    now: datetime,
    name: str = "",
    url: str = "",
    take_local: bool = True,
) -> None:
    """Create a Slack team's workspace, or restore one that had removed the app.

    The first one takes over what `local` has, with secrets sealed again for it, unless `take_local` is False.
    """
    known = await session.get(Workspace, workspace_id)
    row = known or await ensure(session, workspace_id, now=now, name=name)
    row.url, row.removed_at = url or row.url, None
    if known or not take_local:
        return
    local = await session.get(Workspace, LOCAL)
    if local is None or workspace_id == LOCAL:
        return
    for name in ("time_zone", "created_at", "close_day", "hours_kept_days", "folded_until"):
        setattr(row, name, getattr(local, name))
    connections = (await session.exec(select(Connection).where(Connection.workspace_id == LOCAL))).all()
    for connection in connections:
        secrets = (await session.exec(select(Secret).where(Secret.connection_id == connection.id))).all()
        for secret in secrets:
            secret.blob = await vault.move(
                secret.blob, str(connection.id), secret.field, from_workspace_id=LOCAL, to_workspace_id=workspace_id
            )
        connection.workspace_id = workspace_id
    await session.flush()
    for table in Workspace.metadata.sorted_tables:
        if "workspace_id" in table.c and table.name != Connection.__tablename__:
            await execute(session, update(table).where(table.c.workspace_id == LOCAL).values(workspace_id=workspace_id))
    await execute(session, text("DELETE FROM workspace WHERE id = :local"), {"local": LOCAL})
    await audit_log.append(
        session, workspace_id, AuditedAction.ADOPT, f"workspace:{workspace_id}", now=now, before=LOCAL
    )
