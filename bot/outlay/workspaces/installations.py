"""Workspaces that come and go: the token of each, and installations that are under way.

Tokens come in sealed and go out sealed; who opens them is `outlay.slack.installation`.
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

OWNER, FIELD = "slack", "bot_token"  # the place that a token is sealed for, with its workspace
STATE_LIFE = timedelta(minutes=10)
MAX_STATES = 10_000  # begun and not finished; whoever begins one more pushes the oldest out
SLACK_LANE = 0


async def keep(session: AsyncSession, installation: Installation) -> None:
    """Keeps what an installation gave, instead of what an earlier one had given."""
    known = await session.get(Installation, installation.workspace_id)
    if known is not None:
        await session.delete(known)
        await session.flush()
    session.add(installation)


async def found(session: AsyncSession, workspace_id: str) -> Installation | None:
    """The installation of a workspace that has not removed the app."""
    return await session.get(Installation, workspace_id)


async def every(session: AsyncSession) -> list[tuple[Workspace, Installation]]:
    """All of them with their workspaces, by id."""
    statement = select(Workspace, Installation).join(Installation).order_by(col(Workspace.id))
    return [(workspace, installation) for workspace, installation in await session.exec(statement)]


async def leave(session: AsyncSession, workspace_id: str, now: datetime, *, credentials_too: bool) -> bool:
    """The workspace is polled no more, told nothing more, and its token is gone. The books stay.

    `credentials_too`: its ledgers and sinks are disconnected as well. False for a workspace that nobody knows.
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
    """A fresh state: 256 bits that nobody can guess, good once and for ten minutes."""
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
    """Whether this state was begun, here or on another replica, is still good, and was not used before."""
    gone = await execute(
        session,
        delete(OauthState).where(
            col(OauthState.digest) == _digest(state), col(OauthState.expires_at) > int(now.timestamp())
        ),
    )
    return bool(gone.rowcount)


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
