"""Incident lifecycle, from the detector's verdict to recovery.

One episode of one subject is one incident, one message, one ticket. Everything here happens in the caller's
transaction.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime, tzinfo

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.books import ownership
from outlay.core.money import NANO_PER_USD
from outlay.core.owner import Owner
from outlay.database.tables import Workspace
from outlay.detection import EVERYBODY, DetectorSettings, ExpectedSpend, Verdict, explain
from outlay.detection.burn_rate import WINDOW_SECONDS
from outlay.incidents import state_machine as states
from outlay.incidents import store as incident_store
from outlay.incidents.alert_settings import read_alert_settings
from outlay.incidents.finding import finding_of
from outlay.incidents.sink_events import enqueue_sink_events
from outlay.incidents.store import enqueue_update, record_change, reply, standing
from outlay.incidents.tables import Incident
from outlay.plugin.events import EventKind
from outlay.spend.report import zone_of

GROUP_FROM = 6  # from so many new incidents at once on, they share a message
JOIN_SECONDS = 1800  # and those that follow within so long join it
QUIET_SHARE = 4  # recovering: below a quarter of the worst hour, or 1.5 times the usual
BACK_SHARE = 2  # reopened from half of its worst hour on
LEAST_HOUR_NANO_USD = NANO_PER_USD // 4
SHOWN_AGAIN_SHARE = 20  # the message is edited when the cost has moved by a twentieth


async def detector_settings(session: AsyncSession, workspace_id: str) -> DetectorSettings:
    """Return the detector settings that the workspace has chosen."""
    chosen = await read_alert_settings(session, workspace_id)
    zone = await zone_of(session, workspace_id)
    return DetectorSettings(sensitivity=chosen.sensitivity, floor_nano_usd=chosen.floor_nano_usd, zone=zone)


async def detector_expectations(session: AsyncSession, workspace_id: str, now: int) -> list[ExpectedSpend]:
    """Return the workspace's expectations in the detector's form."""
    return [
        ExpectedSpend(
            f"e{row.id}", row.subject, row.start, row.until, str(row.key_id) if row.key_id else "", row.below_nano_usd
        )
        for row in await incident_store.expected(session, workspace_id, now)
    ]


async def upsert_from_verdict(
    session: AsyncSession, workspace_id: str, verdict: Verdict, owner: Owner, key_name: str, *, zone: tzinfo,
    rate_nano_usd: int, usual_hour_nano_usd: int, now: datetime,
) -> tuple[Incident, bool]:  # fmt: skip
    """Create or update the subject's incident from a verdict; return it, and whether it is new.

    An ongoing incident may be raised to a page. A resolved one is not reopened by a verdict on the same money, only if
    the subject spends at a high rate again.
    """
    at = int(now.timestamp())
    told = replace(verdict, key=key_name or verdict.key)
    numbers = json.dumps(asdict(told) | {"sentence": explain(told, zone), "key_id": verdict.key}, sort_keys=True)
    incident = await incident_store.to_continue(session, workspace_id, verdict.subject, at)
    if incident is None:
        incident = Incident(
            workspace_id=workspace_id,
            subject=verdict.subject,
            name=owner.name,
            kind="everybody" if verdict.subject == EVERYBODY else "key" if owner.kind == "unattributed" else owner.kind,
            severity=str(verdict.severity),
            since=verdict.since,
            opened_at=at,
            seen_at=at,
            peak_hour_nano_usd=verdict.hour_nano_usd,
            verdict=numbers,
        )
        session.add(incident)
        await session.flush()
        return incident, True
    if incident.state == "resolved" and rate_nano_usd <= max(usual_hour_nano_usd * 3 // 2, LEAST_HOUR_NANO_USD):
        return incident, False
    incident.verdict, incident.seen_at = numbers, at
    incident.peak_hour_nano_usd = max(incident.peak_hour_nano_usd, verdict.hour_nano_usd)
    incident.quiet_since = None
    session.add(incident)
    if incident.state == "resolved":
        await _reopen(session, incident, now)
    if verdict.severity == "page" and incident.severity == "notice":
        raised = await incident_store.apply_change(session, incident, "raise", now=now)
        await enqueue_incident_event(session, incident, "updated", key=str(raised.id), now=now)
        await outbox.expedite(session, incident_store.stream_of(incident), now)
        await reply(session, incident, now=now, what="raised", aloud=True)
    return incident, False


async def reopen_if_recurring(
    session: AsyncSession, incident: Incident, *, spent_nano_usd: int, rate_nano_usd: int, usual_hour_nano_usd: int,
    floor_nano_usd: int, now: datetime,
) -> None:  # fmt: skip
    """Reopen a resolved incident if its subject spends as it did then.

    The detector suppresses repeat alerts about a subject unless its spend grows, so reopening is decided here.
    """
    burns = rate_nano_usd * BACK_SHARE >= incident.peak_hour_nano_usd and rate_nano_usd > usual_hour_nano_usd * 3 // 2
    if burns and spent_nano_usd - incident.spent_nano_usd >= floor_nano_usd:
        await _reopen(session, incident, now)


async def _reopen(session: AsyncSession, incident: Incident, now: datetime) -> None:
    reopened = await incident_store.apply_change(session, incident, "reopen", now=now)
    await enqueue_incident_event(session, incident, "opened", key=str(reopened.id), now=now, again=True)
    await reply(session, incident, now=now, what="reopened", aloud=True)


async def update_progress(
    session: AsyncSession, incident: Incident, *, spent_nano_usd: int, rate_nano_usd: int, usual_hour_nano_usd: int,
    as_of: int, recovery_seconds: int, now: datetime, hours: Sequence[int] = (),
) -> None:  # fmt: skip
    """Update an incident's cost, notify if it has doubled, wake it from a snooze, and resolve it if it is over.

    `hours`: nano-dollars of each of the last hours, the current one last. `as_of`: up to when the ledgers have been
    read.
    """
    shown = incident.spent_nano_usd
    incident.spent_nano_usd = max(spent_nano_usd, 0)
    incident.peak_hour_nano_usd = max(incident.peak_hour_nano_usd, rate_nano_usd)
    now_told = incident_store.verdict_of(incident) | {
        "rate_nano_usd": rate_nano_usd,
        "hours": list(hours),
    }  # the message shows the current figures
    incident.verdict = json.dumps(now_told, sort_keys=True)
    session.add(incident)
    if incident.told_nano_usd == 0:
        incident.told_nano_usd = incident.spent_nano_usd
    elif states.has_doubled(standing(incident), incident.spent_nano_usd):
        incident.told_nano_usd = incident.spent_nano_usd
        doubled = await record_change(session, incident, "doubled", now=now, detail=str(incident.spent_nano_usd))
        await enqueue_incident_event(session, incident, "updated", key=str(doubled.id), now=now)
        if incident.state == "open":
            await reply(session, incident, now=now, what="doubled", nano_usd=incident.spent_nano_usd)
    elif incident.ts and abs(incident.spent_nano_usd - shown) * SHOWN_AGAIN_SHARE > shown:
        await enqueue_update(session, incident, now=now, why=f"at {int(now.timestamp())}")
    if incident.state == "snoozed" and (incident.snoozed_until or 0) <= now.timestamp():
        await incident_store.apply_change(session, incident, "wake", now=now)
        await reply(session, incident, now=now, what="woke")
    quiet_below = max(incident.peak_hour_nano_usd // QUIET_SHARE, usual_hour_nano_usd * 3 // 2, LEAST_HOUR_NANO_USD)
    after, recovered = states.check_recovery(
        standing(incident), rate_nano_usd=rate_nano_usd, quiet_below_nano_usd=quiet_below, as_of=as_of,
        window_seconds=WINDOW_SECONDS, recovery_seconds=recovery_seconds,
    )  # fmt: skip
    incident.quiet_since = after.quiet_since
    if recovered:
        over = await incident_store.apply_change(session, incident, "resolve", now=now)
        await enqueue_incident_event(session, incident, "resolved", key=str(over.id), now=now)
        await reply(session, incident, now=now, what="resolved", nano_usd=incident.spent_nano_usd)


async def post_new_incidents(session: AsyncSession, opened: Sequence[Incident], *, now: datetime) -> None:
    """Post new incidents: each by itself, or in one message where many fire at once or soon after such a group."""
    at = int(now.timestamp())
    together = await incident_store.group_since(session, opened[0].workspace_id, at - JOIN_SECONDS) if opened else None
    if together is not None:
        for incident in opened:
            await _join(session, incident, together, now=now)
    elif len(opened) >= GROUP_FROM:
        for incident in opened:
            incident.group_id = opened[0].id
            session.add(incident)
        await session.flush()
    for incident in opened:
        chosen = await read_alert_settings(session, incident.workspace_id)
        silent = incident.severity == "notice" and not incident.ts  # pages never wait, and an edit notifies nobody
        morning = chosen.quiet_until(now) if silent else None
        new = await record_change(session, incident, "opened", now=now, show_at=morning)
        await enqueue_incident_event(session, incident, "opened", key=str(new.id), now=now)
        if together is not None:
            await reply(session, incident, now=morning or now, what="joined", aloud=incident.severity == "page")


async def _join(session: AsyncSession, incident: Incident, group: Incident, *, now: datetime) -> None:
    """Add an incident to the message that a group shares already."""
    incident.group_id, incident.channel, incident.ts = group.group_id, group.channel, group.ts
    session.add(incident)
    await session.flush()
    if incident.severity == "page":  # the message may still be held back until the morning
        await outbox.expedite(session, incident_store.stream_of(incident), now)


async def enqueue_incident_event(
    session: AsyncSession, incident: Incident, what: EventKind, *, key: str, now: datetime, asked_by: str = "",
    connections: Collection[int] | None = None, but_not: int = 0, again: bool = False,
) -> int:  # fmt: skip
    """Queue an event for the sinks, or for some of them; return how many.

    `but_not`: the connection that reported the change itself. `again`: the incident was over, and has come back.
    """
    workspace = await session.get(Workspace, incident.workspace_id)
    return await enqueue_sink_events(
        session,
        workspace_id=incident.workspace_id,
        incident=f"incident-{incident.id}",
        what=what,
        key=key,
        finding=finding_of(
            incident,
            now=now,
            email=await ownership.email_of(session, incident.workspace_id, incident.subject),
            zone=await zone_of(session, incident.workspace_id),
            slack_url=workspace.url if workspace else "",
            reason=await _reason(session, incident),
        ),
        now=now,
        asked_by=asked_by,
        connections=connections,
        but_not=but_not,
        again=again,
    )


async def _reason(session: AsyncSession, incident: Incident) -> str:
    """Return the reason people gave for calling it expected or false, or "" for none."""
    deed = {"expected": "expect", "false": "dismiss"}.get(incident.state)
    if deed is None:
        return ""
    said = [change.detail for change in await incident_store.history(session, incident) if change.what == deed]
    return said[-1] if said else ""
