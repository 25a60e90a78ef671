"""Notice that a credential no longer works: once each time, to who connected it and to OUTLAY_ADMINS."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.database.tables import Connection


def users_to_notify(row: Connection, admins: Iterable[str]) -> list[str]:
    """Return the users to notify: who connected it, and OUTLAY_ADMINS; '' stands for those who are admins in Slack."""
    return sorted({row.connected_by, *admins} - {""}) or [""]


async def enqueue_reauth_notice(session: AsyncSession, row: Connection, now: datetime, admins: Iterable[str]) -> None:
    """Queue a notice to the responsible users that a ledger refuses the credential."""
    for person in users_to_notify(row, admins):
        await outbox.enqueue(
            session,
            workspace_id=row.workspace_id,
            key=f"reauth:{row.id}:{int(now.timestamp())}:{person}",
            stream=f"connection:{row.id}:{person}",
            kind="needs_reauth",
            payload={
                "connection_id": row.id,
                "name": row.name,
                "ledger": row.ledger,
                "to": person,
                "at": int(now.timestamp()),
            },
            now=now,
        )
