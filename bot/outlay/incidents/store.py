"""Store of incidents: opened, grown, changed by people and ended, each change recorded once, with who and when.

What is to be shown of a change is written in the same transaction, as an outbox row that names the incident: its
delivery shows the incident as it is by then.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.access.policy import EVERYBODY, NOBODYS
from outlay.incidents import state_machine
from outlay.incidents.state_machine import ALIVE, IncidentAction, IncidentStatus
from outlay.incidents.tables import Expectation, Incident, IncidentChange

REOPEN_SECONDS = 86_400  # within this time after its end, a new sign of the same subject reopens it
LISTED_MAX = 50
SHOW, THREAD = "incident", "incident_thread"  # kinds of the outbox: the updating message; a reply in its thread
DIRECT = "incident_direct"  # a direct message to its owner


async def alive(session: AsyncSession, workspace_id: str) -> Sequence[Incident]:
    """Return the incidents that are not over, newest last."""
    statement = select(Incident).where(Incident.workspace_id == workspace_id, col(Incident.state).in_(ALIVE))
    return (await session.exec(statement.order_by(col(Incident.id)))).all()


async def get_incident(session: AsyncSession, workspace_id: str, number: int, *, lock: bool = False) -> Incident | None:
    """Return an incident of this workspace; None if there is none with that number. `lock`: FOR UPDATE."""
    statement = select(Incident).where(Incident.id == number, Incident.workspace_id == workspace_id)
    return (await session.exec(statement.with_for_update() if lock else statement)).first()


async def recent(
    session: AsyncSession, workspace_id: str, *, subject: str = "", of: Collection[str] | None = None
) -> Sequence[Incident]:
    """Return the newest incidents, over or not. `of`: only these owners', unowned keys' and everyone's together."""
    statement = select(Incident).where(Incident.workspace_id == workspace_id)
    if subject:
        statement = statement.where(Incident.subject == subject)
    if of is not None:
        nobodys = col(Incident.subject).startswith(NOBODYS, autoescape=True)
        statement = statement.where(or_(col(Incident.subject).in_([*of, EVERYBODY]), nobodys))
    return (await session.exec(statement.order_by(col(Incident.id).desc()).limit(LISTED_MAX))).all()


async def to_continue(session: AsyncSession, workspace_id: str, subject: str, now: int) -> Incident | None:
    """Return the subject's incident that a new sign belongs to: one that is not over, else one that resolved recently.

    None: the sign opens a new incident.
    """
    statement = (
        select(Incident)
        .where(Incident.workspace_id == workspace_id, Incident.subject == subject)
        .order_by(col(Incident.id).desc())
        .limit(1)
        .with_for_update()
    )
    found = (await session.exec(statement)).first()
    if found is None or found.state in ALIVE:
        return found
    over = found.state == "resolved" and found.ended_at is not None and now - found.ended_at < REOPEN_SECONDS
    return found if over else None


async def recently_resolved(session: AsyncSession, workspace_id: str, now: int) -> Sequence[Incident]:
    """Return incidents that resolved so recently that they may reopen: each the newest of its subject."""
    newest = select(func.max(Incident.id)).where(Incident.workspace_id == workspace_id).group_by(col(Incident.subject))
    statement = select(Incident).where(
        col(Incident.id).in_(newest), Incident.state == "resolved", col(Incident.ended_at) > now - REOPEN_SECONDS
    )
    return (await session.exec(statement.order_by(col(Incident.id)))).all()


async def members(session: AsyncSession, incident: Incident) -> Sequence[Incident]:
    """Return all that share the incident's message, itself included; largest spend first."""
    if incident.group_id is None:
        return [incident]
    statement = select(Incident).where(
        Incident.workspace_id == incident.workspace_id, Incident.group_id == incident.group_id
    )
    found = (await session.exec(statement)).all()
    return sorted(found, key=lambda member: (-member.spent_nano_usd, member.id or 0))


async def group_since(session: AsyncSession, workspace_id: str, since: int) -> Incident | None:
    """Return the leader of the newest shared message, if that began no earlier than `since`; else None."""
    statement = select(Incident).where(
        Incident.workspace_id == workspace_id, Incident.group_id == Incident.id, Incident.opened_at >= since
    )
    return (await session.exec(statement.order_by(col(Incident.id).desc()).limit(1))).first()


def standing(incident: Incident) -> IncidentStatus:
    """Return an incident's state, for the state machine."""
    return IncidentStatus(
        state=incident.state,  # type: ignore[arg-type]
        severity=incident.severity,  # type: ignore[arg-type]
        snoozed_until=incident.snoozed_until,
        quiet_since=incident.quiet_since,
        told_nano_usd=incident.told_nano_usd,
    )


async def apply_change(
    session: AsyncSession,
    incident: Incident,
    deed: IncidentAction,
    *,
    now: datetime,
    who: str = "",
    detail: str = "",
    until: int | None = None,
) -> IncidentChange:
    """Apply an action to an incident and update its message.

    Raise InvalidTransitionError if it is no longer possible.
    """
    at = int(now.timestamp())
    after = state_machine.next_status(standing(incident), deed, until=until)
    incident.state, incident.severity = after.state, after.severity
    incident.snoozed_until, incident.quiet_since = after.snoozed_until, after.quiet_since
    incident.ended_at = None if after.alive else at
    session.add(incident)
    return await record_change(session, incident, deed, now=now, who=who, detail=detail)


async def record_change(
    session: AsyncSession,
    incident: Incident,
    what: str,
    *,
    now: datetime,
    who: str = "",
    detail: str = "",
    show_at: datetime | None = None,
) -> IncidentChange:
    """Record what happened to an incident, and update its message, not before `show_at`."""
    await session.flush()
    made = IncidentChange(incident_id=incident.id or 0, at=int(now.timestamp()), who=who, what=what, detail=detail)
    session.add(made)
    await session.flush()
    await enqueue_update(session, incident, now=show_at or now, why=str(made.id))
    return made


def stream_of(incident: Incident) -> str:
    """Return the outbox stream of an incident's messages, which are delivered in order."""
    return f"incident:{incident.group_id or incident.id}"


async def enqueue_update(session: AsyncSession, incident: Incident, *, now: datetime, why: str) -> None:
    """Enqueue an update of the incident's message, not before `now`. `why`: only one update is enqueued for each.

    A message that still waits to be posted, for the morning perhaps, will show all of it anyway.
    """
    if not incident.ts and await outbox.has_unattempted(session, stream_of(incident), SHOW):
        return
    number = incident.group_id or incident.id
    await outbox.enqueue(
        session,
        workspace_id=incident.workspace_id,
        key=f"incident:{number}:{incident.id}:{why}",
        stream=stream_of(incident),
        topic=SHOW,
        kind=SHOW,
        payload={"incident": number},
        now=now,
    )


async def reply(
    session: AsyncSession, incident: Incident, *, now: datetime, what: str, aloud: bool = False, **numbers: Any
) -> None:
    """Enqueue a reply in the incident's thread; `aloud`: in the channel too."""
    number = incident.group_id or incident.id
    await outbox.enqueue(
        session,
        workspace_id=incident.workspace_id,
        key=f"incident:{number}:{incident.id}:{what}:{int(now.timestamp())}",
        stream=stream_of(incident),
        kind=THREAD,
        payload={"incident": incident.id, "what": what, "aloud": aloud, **numbers},
        now=now,
    )


async def enqueue_direct_message(session: AsyncSession, incident: Incident, *, now: datetime) -> None:
    """Enqueue a direct message to the owner, once an incident, in a stream of its own as it goes elsewhere."""
    await outbox.enqueue(
        session,
        workspace_id=incident.workspace_id,
        key=f"incident:{incident.id}:direct",
        stream=f"incident:{incident.id}:direct",
        kind=DIRECT,
        payload={"incident": incident.id, "to": incident.subject},
        now=now,
    )


async def history(session: AsyncSession, incident: Incident) -> Sequence[IncidentChange]:
    """Return every change of an incident, in order."""
    statement = select(IncidentChange).where(IncidentChange.incident_id == incident.id)
    return (await session.exec(statement.order_by(col(IncidentChange.id)))).all()


async def expected(session: AsyncSession, workspace_id: str, now: int) -> Sequence[Expectation]:
    """Return the expectations that hold now or later and were not taken back."""
    statement = select(Expectation).where(
        Expectation.workspace_id == workspace_id, col(Expectation.taken_back_at).is_(None)
    )
    found = (await session.exec(statement.order_by(col(Expectation.id)))).all()
    return [row for row in found if row.until is None or row.until > now]


def verdict_of(incident: Incident) -> dict[str, Any]:
    """Return the detector's newest numbers for an incident."""
    found = json.loads(incident.verdict)
    return found if isinstance(found, dict) else {}
