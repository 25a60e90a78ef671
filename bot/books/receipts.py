"""What sinks made of incidents: read when a message is taken, written in the transaction that closes it."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books import tables
from bot.books.database import execute
from bot.plugin.finding import Receipt


async def of(session: AsyncSession, connection_id: int, incident: str) -> Receipt | None:
    """What a sink made of an incident."""
    row = await session.get(tables.Receipt, (connection_id, incident))
    return _receipt(row) if row else None


async def before(session: AsyncSession, connection_id: int, subject: str, incident: str) -> Receipt | None:
    """What it made of the subject's newest other incident."""
    found = await session.exec(
        select(tables.Receipt)
        .where(
            tables.Receipt.connection_id == connection_id,
            tables.Receipt.subject == subject,
            tables.Receipt.incident != incident,
        )
        .order_by(col(tables.Receipt.created_at).desc(), col(tables.Receipt.updated_at).desc())
        .limit(1)
    )
    row = found.first()
    return _receipt(row) if row else None


async def of_incident(session: AsyncSession, incident: str) -> dict[int, Receipt]:
    """What each sink made of an incident, by connection."""
    found = await session.exec(select(tables.Receipt).where(tables.Receipt.incident == incident))
    return {row.connection_id: _receipt(row) for row in found}


async def recent(
    session: AsyncSession, connection_id: int, since: datetime, most: int
) -> Sequence[tuple[str, Receipt]]:
    """What a sink made and touched since then, newest first, each with its incident: what a sweep asks after."""
    found = await session.exec(
        select(tables.Receipt)
        .where(tables.Receipt.connection_id == connection_id, tables.Receipt.updated_at >= int(since.timestamp()))
        .order_by(col(tables.Receipt.updated_at).desc())
        .limit(most)
    )
    return [(row.incident, _receipt(row)) for row in found]


async def incidents_of(session: AsyncSession, connection_id: int, external_id: str) -> Sequence[str]:
    """The incidents of which a sink made this, newest first."""
    found = await session.exec(
        select(tables.Receipt.incident)
        .where(tables.Receipt.connection_id == connection_id, tables.Receipt.external_id == external_id)
        .order_by(col(tables.Receipt.created_at).desc())
    )
    return list(found)


async def keep(
    session: AsyncSession, connection_id: int, incident: str, subject: str, receipt: Receipt, now: datetime
) -> None:
    """Keeps what a sink gave back for an incident."""
    await execute(
        session,
        text(
            "INSERT INTO receipt (connection_id, incident, subject, url, external_id, state, created_at, updated_at) "
            "VALUES (:connection, :incident, :subject, :url, :external_id, :state, :at, :at) "
            "ON CONFLICT (connection_id, incident) DO UPDATE SET subject = excluded.subject, url = excluded.url, "
            "external_id = excluded.external_id, state = excluded.state, updated_at = excluded.updated_at"
        ),
        {
            "connection": connection_id,
            "incident": incident,
            "subject": subject,
            "url": receipt.url,
            "external_id": receipt.external_id,
            "state": json.dumps(dict(receipt.state), sort_keys=True),
            "at": int(now.timestamp()),
        },
    )


def _receipt(row: tables.Receipt) -> Receipt:
    return Receipt(row.url, row.external_id, json.loads(row.state))
