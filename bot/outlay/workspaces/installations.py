"""Installations of the app: the token of each workspace, and installations in progress.

Tokens come in sealed and go out sealed; `outlay.slack.installation` opens them.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database.engine import execute
from outlay.database.tables import Connection, Outbox, Secret, Workspace
from outlay.workspaces.tables import Installation, OauthState

OWNER, FIELD = "slack", "bot_token"  # what a token is sealed for, besides its workspace
STATE_LIFE = timedelta(minutes=10)
MAX_STATES = 10_000  # begun and not finished; one more deletes the oldest
SLACK_LANE = 0


async def keep(session: AsyncSession, installation: Installation) -> None:
    """Store an installation, replacing an earlier one of the same workspace."""
    known = await session.get(Installation, installation.workspace_id)
    if known is not None:
        await session.delete(known)
        await session.flush()
    session.add(installation)


async def get_installation(session: AsyncSession, workspace_id: str) -> Installation | None:
    """Return the installation of a workspace; None if it has not installed the app, or has removed it."""
    return await session.get(Installation, workspace_id)


async def every(session: AsyncSession) -> list[tuple[Workspace, Installation]]:
    """Return all workspaces with their installations, by workspace id."""
    statement = select(Workspace, Installation).join(Installation).order_by(col(Workspace.id))
    return [(workspace, installation) for workspace, installation in await session.exec(statement)]


async def uninstall_workspace(
    session: AsyncSession, workspace_id: str, now: datetime, *, credentials_too: bool
) -> bool:
    """Stop polling and messaging a workspace, and delete its token. The books stay.

    `credentials_too`: its ledgers and sinks are disconnected as well. Return False for an unknown workspace.
    """
    workspace = await session.get(Workspace, workspace_id)
    if workspace is None:
        return False
    at = int(now.timestamp())
    workspace.removed_at = workspace.removed_at or at
    session.add(workspace)
    await execute(session, delete(Installation).where(col(Installation.workspace_id) == workspace_id))
    waiting = select(Outbox).where(
        Outbox.workspace_id == workspace_id, Outbox.lane == SLACK_LANE, Outbox.status == "waiting"
    )
    for message in await session.exec(waiting):
        message.status, message.ended_at, message.error = "superseded", at, "the workspace has removed Outlay"
        session.add(message)
    if credentials_too:
        mine = select(Connection).where(
            Connection.workspace_id == workspace_id, col(Connection.disconnected_at).is_(None)
        )
        for connection in list(await session.exec(mine)):
            await execute(session, delete(Secret).where(col(Secret.connection_id) == connection.id))
            connection.disconnected_at, connection.fingerprint = at, ""
            session.add(connection)
    return True


async def begin(session: AsyncSession, now: datetime) -> str:
    """Create an OAuth state: 256 random bits, good once and for ten minutes."""
    state = secrets.token_urlsafe(32)
    at = int(now.timestamp())
    await execute(session, delete(OauthState).where(col(OauthState.expires_at) <= at))
    count = (await session.exec(select(func.count()).select_from(OauthState))).one()
    if count >= MAX_STATES:
        oldest = select(OauthState.digest).order_by(col(OauthState.expires_at)).limit(count - MAX_STATES + 1)
        digests = list(await session.exec(oldest))
        await execute(session, delete(OauthState).where(col(OauthState.digest).in_(digests)))
    session.add(OauthState(digest=_digest(state), expires_at=at + int(STATE_LIFE.total_seconds())))
    await session.flush()
    return state


async def finish(session: AsyncSession, state: str, now: datetime) -> bool:
    """Consume an OAuth state; return False unless it was begun (on any replica), is still good, and is unused."""
    gone = await execute(
        session,
        delete(OauthState).where(
            col(OauthState.digest) == _digest(state), col(OauthState.expires_at) > int(now.timestamp())
        ),
    )
    return bool(gone.rowcount)


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
