"""Receipts of sinks for incidents: read when a message is leased, written in the transaction that closes it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.database import tables
from outlay.database.engine import execute
from outlay.plugin.events import Receipt


async def get_receipt(session: AsyncSession, connection_id: int, incident: str) -> Receipt | None:
    """Return what a sink created for an incident; None if nothing."""
    row = await session.get(tables.DeliveryReceipt, (connection_id, incident))
    return _receipt(row) if row else None


async def receipts_and_previous(
    session: AsyncSession, connection_id: int, wanted: Mapping[str, str]
) -> tuple[dict[str, Receipt], dict[str, Receipt]]:
    """Return what a sink created for incidents, and for the newest other incident of each one's subject.

    `wanted`: subjects by incident. Both results are keyed by the wanted incident.
    """
    if not wanted:
        return {}, {}
    found = await execute(session, _KNOWN, {"connection": connection_id, "subjects": sorted(set(wanted.values()))})
    by_subject: dict[str, list[tuple[str, Receipt]]] = {}
    for row in found:
        receipt = Receipt(row.url, row.external_id, json.loads(row.state))
        by_subject.setdefault(row.subject, []).append((row.incident, receipt))
    made: dict[str, Receipt] = {}
    before: dict[str, Receipt] = {}
    for incident, subject in wanted.items():
        for known_incident, receipt in by_subject.get(subject, ()):
            (made if known_incident == incident else before)[incident] = receipt
    return made, before


_KNOWN = text(
    "SELECT subject, incident, url, external_id, state FROM receipt "
    "WHERE connection_id = :connection AND subject IN :subjects ORDER BY created_at, updated_at"
).bindparams(bindparam("subjects", expanding=True))


async def of_incident(session: AsyncSession, incident: str) -> dict[int, Receipt]:
    """Return what each sink created for an incident, by connection."""
    found = await session.exec(select(tables.DeliveryReceipt).where(tables.DeliveryReceipt.incident == incident))
    return {row.connection_id: _receipt(row) for row in found}


async def recent(
    session: AsyncSession, connection_id: int, since: datetime, most: int
) -> Sequence[tuple[str, Receipt]]:
    """Return what a sink created and updated since then, newest first, each with its incident: for a sweep."""
    found = await session.exec(
        select(tables.DeliveryReceipt)
        .where(
            tables.DeliveryReceipt.connection_id == connection_id,
            tables.DeliveryReceipt.updated_at >= int(since.timestamp()),
        )
        .order_by(col(tables.DeliveryReceipt.updated_at).desc())
        .limit(most)
    )
    return [(row.incident, _receipt(row)) for row in found]


async def incidents_of(session: AsyncSession, connection_id: int, external_id: str) -> Sequence[str]:
    """Return the incidents for which a sink created this object, newest first."""
    found = await session.exec(
        select(tables.DeliveryReceipt.incident)
        .where(tables.DeliveryReceipt.connection_id == connection_id, tables.DeliveryReceipt.external_id == external_id)
        .order_by(col(tables.DeliveryReceipt.created_at).desc())
    )
    return list(found)


async def record_ticket_state(session: AsyncSession, connection_id: int, incident: str, standing: str) -> bool:
    """Record a ticket's state; return False if that is no news, for this incident or for an older one."""
    row = await session.get(
        tables.DeliveryReceipt, (connection_id, incident), with_for_update=True, populate_existing=True
    )
    if row is None:
        return False
    before = row.standing or await _heard_of_older(session, row)
    row.standing = standing
    session.add(row)
    return before != standing


async def _heard_of_older(session: AsyncSession, row: tables.DeliveryReceipt) -> str:
    """Return the last known state from an older incident of the same ticket: if canceled then, that is no news now."""
    found = await session.exec(
        select(tables.DeliveryReceipt.standing)
        .where(
            tables.DeliveryReceipt.connection_id == row.connection_id,
            tables.DeliveryReceipt.external_id == row.external_id,
            tables.DeliveryReceipt.incident != row.incident,
        )
        .order_by(col(tables.DeliveryReceipt.created_at).desc())
        .limit(1)
    )
    return found.first() or "open"


async def keep(session: AsyncSession, given: Sequence[tuple[int, str, str, Receipt]], now: datetime) -> None:
    """Store receipts from sinks, each as (connection, incident, subject, receipt)."""
    if not given:
        return
    rows = [
        {
            "connection": connection_id,
            "incident": incident,
            "subject": subject,
            "url": receipt.url,
            "external_id": receipt.external_id,
            "state": json.dumps(dict(receipt.state), sort_keys=True),
            "at": int(now.timestamp()),
        }
        for connection_id, incident, subject, receipt in given
    ]
    await (await session.connection()).execute(_KEEP, rows)


_KEEP = text(
    "INSERT INTO receipt (connection_id, incident, subject, url, external_id, state, created_at, updated_at) "
    "VALUES (:connection, :incident, :subject, :url, :external_id, :state, :at, :at) "
    "ON CONFLICT (connection_id, incident) DO UPDATE SET subject = excluded.subject, url = excluded.url, "
    "external_id = excluded.external_id, state = excluded.state, updated_at = excluded.updated_at"
)


def _receipt(row: tables.DeliveryReceipt) -> Receipt:
    return Receipt(row.url, row.external_id, json.loads(row.state))
