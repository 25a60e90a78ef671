"""Sink events: news of incidents, queued in the outbox in the transaction that changes the incident.

One row for each connected sink. Rows about one subject are one stream, so that an episode is over before the next one
begins; an update that still waits is replaced by the newer one. Whether a sink files it by itself is decided on
delivery, since only then the sink knows its settings.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.database.tables import Connection
from outlay.delivery.sinks import FINDINGS
from outlay.plugin.events import EventKind, Finding

KIND = "sink"


async def enqueue_sink_events(
    session: AsyncSession,
    *,
    workspace_id: str,
    incident: str,
    what: EventKind,
    key: str,
    finding: Finding,
    now: datetime,
    asked_by: str = "",
    connections: Collection[int] | None = None,
    but_not: int = 0,
    again: bool = False,
) -> int:
    """Queue an event for every connected sink of a workspace, or some, or all but one; return how many.

    `incident` names the episode and is never used for another. `key` is different for each event of it, and the same
    when an event is repeated. `asked_by`: a person wants it filed, whatever the sink's thresholds. `again`: it was
    over, and has come back.
    """
    found = await session.exec(
        select(Connection)
        .where(
            Connection.workspace_id == workspace_id,
            Connection.role == "sink",
            col(Connection.disconnected_at).is_(None),
        )
        .order_by(col(Connection.id))
    )
    told = 0
    for row in found:
        if row.id == but_not or (connections is not None and row.id not in connections):
            continue
        payload: dict[str, Any] = {
            "what": what,
            "incident": incident,
            "at": now.isoformat(),
            "asked_by": asked_by,
            "again": again,
            "finding": FINDINGS.dump_python(finding, mode="json"),
        }
        await outbox.enqueue(
            session,
            workspace_id=workspace_id,
            key=f"sink:{row.id}:{incident}:{what}:{key}",
            stream=f"sink:{row.id}:{finding.subject.id}",
            kind=f"{KIND}.{what}",
            payload=payload,
            now=now,
            lane=row.id or 0,
            topic=f"update:{incident}" if what == "updated" and not asked_by else "",
        )
        told += 1
    return told
