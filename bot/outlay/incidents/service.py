"""Incident service for people: view, acknowledge, expect, undo, file tickets, and choose alert settings.

Each action is checked by the state machine, recorded with who and when, and shown in the message by the outbox.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.access.policy import OPERATOR, Viewer
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.core.clock import Clock
from outlay.core.errors import OutlayError
from outlay.database.engine import Database
from outlay.database.tables import Connection
from outlay.delivery import receipts
from outlay.incidents import actions as incident_actions
from outlay.incidents import lifecycle
from outlay.incidents import store as incident_store
from outlay.incidents.alert_settings import AlertSettings, read_alert_settings, save_direct_alerts, write_alert_settings
from outlay.incidents.state_machine import ALIVE, IncidentAction
from outlay.incidents.store import verdict_of
from outlay.incidents.tables import Expectation, Incident, IncidentChange
from outlay.spend.report import freshness, zone_of


class IncidentNotFoundError(OutlayError, ValueError):
    """Unknown incident or expectation in this workspace."""


@dataclass(frozen=True, slots=True)
class IncidentView:
    """Incident as people see it.

    `members`: all that share its message, the biggest first; empty if it is alone. `numbers`: of the newest verdict.
    `tickets`: what sinks made of it, title and URL. `sinks`: how many there are; `unfiled`: those that have made
    nothing of it, by connection id and name. `fresh_until`: up to when each ledger has been read, by the connection's
    name; empty in a list.
    """

    number: int
    subject: str
    name: str
    kind: str
    severity: str
    state: str
    since: datetime
    opened_at: datetime
    ended_at: datetime | None
    snoozed_until: datetime | None
    spent_nano_usd: int
    numbers: Mapping[str, Any]
    changes: tuple[IncidentChange, ...]
    members: tuple["IncidentView", ...]
    tickets: tuple[tuple[str, str], ...]
    sinks: int
    channel: str
    ts: str
    zone: tzinfo
    fresh_until: Mapping[str, datetime | None] = field(default_factory=dict)
    unfiled: tuple[tuple[int, str], ...] = ()


class IncidentService:
    """Service for what people can see of incidents and do about them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def incident(self, workspace_id: str, number: int, *, viewer: Viewer = OPERATOR) -> IncidentView:
        """Return one incident in full.

        Raises IncidentNotFoundError, and NotAllowedError if the viewer may not see it.
        """
        async with self._database.read() as session:
            return await self._view(session, await _existing(session, workspace_id, number, viewer), viewer)

    async def recent(
        self, workspace_id: str, *, subject: str = "", viewer: Viewer = OPERATOR
    ) -> Sequence[IncidentView]:
        """List the newest incidents that the viewer may see, of all or of one subject; ongoing ones first."""
        async with self._database.read() as session:
            rows = await incident_store.recent(session, workspace_id, subject=subject, of=viewer.sees)
            views = [await self._view(session, row, viewer, whole=False) for row in rows]
        return sorted(views, key=lambda view: view.ended_at is not None)

    async def do(
        self, workspace_id: str, number: int, deed: IncidentAction, *, who: str, until: datetime | None = None,
        reason: str = "", viewer: Viewer = OPERATOR,
    ) -> IncidentView:  # fmt: skip
        """Acknowledge, snooze, dismiss or undo.

        Raises IncidentNotFoundError, NotAllowedError, and InvalidTransitionError with a message.
        """
        now = self._clock.now()
        async with self._database.write() as session:
            row = await _existing(session, workspace_id, number, viewer, lock=True)
            await incident_actions.apply_action(session, row, deed, who=who, now=now, until=until, reason=reason)
            return await self._view(session, row, viewer)

    async def expect(
        self,
        workspace_id: str,
        number: int,
        *,
        who: str,
        reason: str,
        until: datetime | None,
        only_key: bool = False,
        below_nano_usd: int | None = None,
        viewer: Viewer = OPERATOR,
    ) -> IncidentView:
        """Mark an incident as planned.

        Raises IncidentNotFoundError, NotAllowedError, and InvalidTransitionError with a message for people.
        `until` None: from now on. `only_key`: its biggest key alone, else the whole subject. `below_nano_usd`: only
        while a day stays below it; None: any amount.
        """
        now = self._clock.now()
        async with self._database.write() as session:
            row = await _existing(session, workspace_id, number, viewer, lock=True)
            await incident_store.apply_change(session, row, "expect", now=now, who=who, detail=reason)
            key = str(verdict_of(row).get("key_id") or "")
            await incident_actions.add_expectation(
                session, row, who, reason, now,
                until=until, key_id=int(key) if only_key and key.isdigit() else None, below_nano_usd=below_nano_usd,
            )  # fmt: skip
            await lifecycle.enqueue_incident_event(
                session, row, "resolved", key=f"expected {int(now.timestamp())}", now=now
            )
            await audit_log.append(
                session, workspace_id, AuditedAction.EXPECT, f"incident:{number}", now=now, subject=row.subject,
                until=until and int(until.timestamp()), only_key=only_key, below_nano_usd=below_nano_usd,
            )  # fmt: skip
            return await self._view(session, row, viewer)

    async def plan(
        self, workspace_id: str, subject: str, *, who: str, reason: str, start: datetime, until: datetime | None,
        viewer: Viewer = OPERATOR,
    ) -> None:  # fmt: skip
        """Declare planned work in advance; `until` None: for good. Raises NotAllowedError."""
        viewer.require_visible(subject)
        now = self._clock.now()
        async with self._database.write() as session:
            made = Expectation(
                workspace_id=workspace_id,
                subject=subject,
                start=int(start.timestamp()),
                until=int(until.timestamp()) if until else None,
                reason=reason,
                who=who,
                created_at=int(now.timestamp()),
            )
            session.add(made)
            await session.flush()
            await audit_log.append(
                session, workspace_id, AuditedAction.PLAN, f"expectation:{made.id}",
                now=now, subject=subject, start=made.start, until=made.until,
            )  # fmt: skip

    async def expected(self, workspace_id: str, *, viewer: Viewer = OPERATOR) -> Sequence[Expectation]:
        """List what is expected, now or later, of subjects that the viewer may see."""
        async with self._database.read() as session:
            found = await incident_store.expected(session, workspace_id, int(self._clock.now().timestamp()))
        return [row for row in found if viewer.may_see(row.subject)]

    async def take_back(self, workspace_id: str, number: int, *, viewer: Viewer = OPERATOR) -> None:
        """Withdraw an expectation. Raises IncidentNotFoundError, NotAllowedError."""
        async with self._database.write() as session:
            row = await session.get(Expectation, number)
            if row is None or row.workspace_id != workspace_id:
                raise IncidentNotFoundError("That is not expected any more.")
            viewer.require_visible(row.subject)
            row.taken_back_at = int(self._clock.now().timestamp())
            session.add(row)
            await audit_log.append(
                session, workspace_id, AuditedAction.TAKE_BACK, f"expectation:{number}",
                now=self._clock.now(), subject=row.subject,
            )  # fmt: skip

    async def file(
        self, workspace_id: str, number: int, *, who: str, who_name: str, connections: Collection[int] | None = None,
        viewer: Viewer = OPERATOR,
    ) -> int:  # fmt: skip
        """Request a ticket from every sink, or some, whatever its threshold; return how many.

        Raises IncidentNotFoundError.
        """
        now = self._clock.now()
        async with self._database.write() as session:
            row = await _existing(session, workspace_id, number, viewer, lock=True)
            told = await lifecycle.enqueue_incident_event(
                session, row, "opened", key="by hand", now=now, asked_by=who_name, connections=connections
            )
            if told:
                await incident_store.record_change(session, row, "file", now=now, who=who)
                await audit_log.append(
                    session, workspace_id, AuditedAction.FILE, f"incident:{number}", now=now, subject=row.subject
                )
            return told

    async def place(self, workspace_id: str, number: int, channel: str, ts: str) -> None:
        """Store where the incident's message is, for all that share it; the newest message is the one kept up to date.

        Their owners who asked for direct messages get one, now that there is something to link to.
        """
        now = self._clock.now()
        async with self._database.write() as session:
            chosen = await read_alert_settings(session, workspace_id)
            for row in await incident_store.members(session, await _existing(session, workspace_id, number)):
                moved, (row.channel, row.ts) = (row.channel, row.ts) != (channel, ts), (channel, ts)
                session.add(row)
                if row.subject in chosen.direct:
                    await incident_store.enqueue_direct_message(session, row, now=now)
                if moved and row.state in ALIVE:  # tickets that were made before it was posted get their link to it
                    await lifecycle.enqueue_incident_event(
                        session, row, "updated", key=f"placed {channel} {ts}", now=now
                    )

    async def alerting(self, workspace_id: str) -> AlertSettings:
        """Return the workspace's alert settings."""
        async with self._database.read() as session:
            return await read_alert_settings(session, workspace_id)

    async def choose(self, workspace_id: str, chosen: AlertSettings) -> None:
        """Store the workspace's alert settings."""
        async with self._database.write() as session:
            await write_alert_settings(session, workspace_id, chosen)
            await audit_log.append(
                session, workspace_id, AuditedAction.ALERTS_SET, f"workspace:{workspace_id}", now=self._clock.now(),
                sensitivity=chosen.sensitivity, floor_nano_usd=chosen.floor_nano_usd, channel=chosen.channel,
                quiet=chosen.quiet, channels=[f"{owner} {where}" for owner, where in chosen.team_channels.items()],
            )  # fmt: skip

    async def want_direct(self, workspace_id: str, user_id: str, wanted: bool) -> None:
        """Store whether a Slack user wants direct messages about their own incidents."""
        async with self._database.write() as session:
            await save_direct_alerts(session, workspace_id, user_id, wanted)
            await audit_log.append(
                session,
                workspace_id,
                AuditedAction.ALERTS_WANT,
                f"person:{user_id}",
                now=self._clock.now(),
                wanted=wanted,
            )

    async def _view(
        self, session: AsyncSession, row: Incident, viewer: Viewer = OPERATOR, *, whole: bool = True
    ) -> IncidentView:
        shared = await incident_store.members(session, row) if whole and row.group_id is not None else [row]
        shared = [one for one in shared if viewer.may_see(one.subject)]
        sinks = await session.exec(
            select(Connection.id, Connection.name).where(
                Connection.workspace_id == row.workspace_id,
                Connection.role == "sink",
                col(Connection.disconnected_at).is_(None),
            )
        )
        named = dict(list(sinks))
        made = await receipts.of_incident(session, f"incident-{row.id}") if whole else {}
        tickets = [(named.get(place, "a ticket"), receipt.url) for place, receipt in made.items() if receipt.url]
        return IncidentView(
            number=row.id or 0,
            subject=row.subject,
            name=row.name,
            kind=row.kind,
            severity=row.severity,
            state=row.state,
            since=_moment(row.since),
            opened_at=_moment(row.opened_at),
            ended_at=None if row.ended_at is None else _moment(row.ended_at),
            snoozed_until=None if row.snoozed_until is None else _moment(row.snoozed_until),
            spent_nano_usd=row.spent_nano_usd,
            numbers=verdict_of(row),
            changes=tuple(await incident_store.history(session, row)) if whole else (),
            members=tuple([await self._view(session, one, whole=False) for one in shared]) if len(shared) > 1 else (),
            tickets=tuple(tickets),
            sinks=len(named),
            unfiled=tuple((place or 0, name) for place, name in named.items() if place not in made) if whole else (),
            channel=row.channel,
            ts=row.ts,
            zone=await zone_of(session, row.workspace_id),
            fresh_until=await _fresh_until(session, row.workspace_id) if whole else {},
        )


async def _existing(
    session: AsyncSession, workspace_id: str, number: int, viewer: Viewer = OPERATOR, *, lock: bool = False
) -> Incident:
    row = await incident_store.get_incident(session, workspace_id, number, lock=lock)
    if row is None:
        raise IncidentNotFoundError("That incident is not in the books.")
    viewer.require_visible(row.subject)
    return row


async def _fresh_until(session: AsyncSession, workspace_id: str) -> dict[str, datetime | None]:
    reading = select(Connection).where(
        Connection.workspace_id == workspace_id,
        Connection.role == "books",
        col(Connection.disconnected_at).is_(None),
    )
    return await freshness(session, (await session.exec(reading)).all())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
