"""Actions on incidents with all their consequences, the same from a button in Slack and from a ticket.

Everything here happens in the caller's transaction.
"""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.database.engine import execute
from outlay.incidents import lifecycle
from outlay.incidents import store as incident_store
from outlay.incidents.state_machine import IncidentAction
from outlay.incidents.tables import Expectation, Incident

NOTED: dict[IncidentAction, AuditedAction] = {  # what people do is audited; the other changes are the detector's own
    "acknowledge": AuditedAction.ACKNOWLEDGE,
    "snooze": AuditedAction.SNOOZE,
    "dismiss": AuditedAction.DISMISS,
    "expect": AuditedAction.EXPECT,
    "undo": AuditedAction.UNDO,
}
CALM_SECONDS = 86_400  # after a dismissal, no new alert for so long unless the spend grows fourfold
GROWN = 4


async def apply_action(
    session: AsyncSession, row: Incident, deed: IncidentAction, *, who: str, now: datetime,
    until: datetime | None = None, reason: str = "", heard_from: int = 0,
) -> None:  # fmt: skip
    """Acknowledge, snooze, dismiss or undo. Raises InvalidTransitionError, for people to read, if that is not possible.

    `heard_from`: id of the connection whose ticket caused it, 0 for none.
    """
    end, was_over = int(until.timestamp()) if until else None, row.state in ("expected", "false")
    changed = await incident_store.apply_change(session, row, deed, now=now, who=who, detail=reason, until=end)
    if deed == "undo":
        await _forget(session, row, now)
        if was_over:  # its tickets were resolved, and have to be reopened
            await lifecycle.enqueue_incident_event(
                session, row, "opened", key=f"undone {changed.id}", now=now, but_not=heard_from, again=True
            )
    if deed == "dismiss":
        day = max(int(incident_store.verdict_of(row).get("day_nano_usd") or 0), row.spent_nano_usd)
        until = now + timedelta(seconds=CALM_SECONDS)
        await add_expectation(session, row, who, reason, now, until=until, below_nano_usd=GROWN * day or None)
        await lifecycle.enqueue_incident_event(
            session, row, "resolved", key=f"dismissed {int(now.timestamp())}", now=now
        )
    if deed in NOTED:
        await audit_log.append(
            session, row.workspace_id, NOTED[deed], f"incident:{row.id}",
            now=now, subject=row.subject, until=end,
        )  # fmt: skip


async def add_expectation(
    session: AsyncSession,
    row: Incident,
    who: str,
    reason: str,
    now: datetime,
    *,
    until: datetime | None,
    key_id: int | None = None,
    below_nano_usd: int | None = None,
) -> None:
    """Mark the incident's spend as expected, so that the detector does not alert on it from now on.

    `until` None: for good. `key_id`: of this key alone. `below_nano_usd`: only while a day stays below it.
    """
    session.add(
        Expectation(
            workspace_id=row.workspace_id,
            subject=row.subject,
            key_id=key_id,
            start=row.since,
            until=int(until.timestamp()) if until else None,
            below_nano_usd=below_nano_usd,
            reason=reason,
            who=who,
            created_at=int(now.timestamp()),
            incident_id=row.id,
        )
    )


async def _forget(session: AsyncSession, row: Incident, now: datetime) -> None:
    """Withdraw the expectations that were created because of this incident."""
    await execute(
        session,
        text("UPDATE expectation SET taken_back_at = :now WHERE incident_id = :id AND taken_back_at IS NULL"),
        {"id": row.id, "now": int(now.timestamp())},
    )
