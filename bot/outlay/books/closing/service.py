"""Month close, audit and upkeep of the books, on command and by themselves when they are due."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.books.closing import audit as auditing
from outlay.books.closing import close_month
from outlay.books.closing.close_month import Closed, NotClosableError
from outlay.books.rollups import period_sums, retention
from outlay.core import months
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import ClosedMonth, Connection, Workspace
from outlay.plugin.contract import Ledger, Report
from outlay.plugin.errors import BadConfig
from outlay.scheduler import claim_slot, is_slot_claimed
from outlay.workspaces.store import ensure

LAST_CLOSE_DAY = 28
LEAST_HOURS_KEPT_DAYS = 40  # covers a month that is still open and every re-read
AUDIT_PERIOD_SECONDS = 86_400
AUDIT_ATTEMPT_SECONDS = 3_600
CLOSE_PERIOD_SECONDS = 3_600
FOLD_PERIOD_SECONDS = 3_600
SUM_UP_PERIOD_SECONDS = 3_600
AUDIT_HOUR = timedelta(hours=3)  # UTC: a quiet hour for most, and after the bills of the day before
log = logging.getLogger("outlay.books")


class ClosingService:
    """Service that closes and audits the books of workspaces."""

    def __init__(
        self,
        database: Database,
        ledgers: Mapping[str, type[Ledger[Any]]],
        clock: Clock,
        *,
        admins: Collection[str] = (),
    ) -> None:
        self._admins = sorted(admins)
        self._database = database
        self._reports: Mapping[str, Sequence[Report]] = {slug: ledger.reports for slug, ledger in ledgers.items()}
        self._clock = clock

    async def close(self, workspace_id: str, month: int, *, force: bool = False) -> Closed:
        """Close (freeze) a month. Raises NotClosableError with a message for people."""
        async with self._database.write() as session:
            closed = await close_month.close(
                session, workspace_id, month, now=self._clock.now(), reports=self._reports, force=force
            )
            if closed.new:
                await audit_log.append(
                    session, workspace_id, AuditedAction.CLOSE, f"month:{months.name(month)}",
                    now=self._clock.now(), hash=closed.hash, forced=force,
                )  # fmt: skip
            return closed

    async def audit(self, workspace_id: str) -> auditing.AuditResult:
        """Audit everything and store the result; differences are reported to the admins, at most once a day."""
        now = self._clock.now()
        found = await self._audited(workspace_id, now)
        async with self._database.write() as session:
            await self._note(session, workspace_id, found, now)
        return found

    async def _audited(self, workspace_id: str, now: datetime) -> auditing.AuditResult:
        """Audit the figures and verify the hash chain of the audit trail.

        The chain's head goes to the log, where nobody can change it afterwards.
        """
        found = await auditing.audit(self._database, workspace_id, self._reports, now=now)
        async with self._database.read() as session:
            chain = await audit_log.verify(session, workspace_id)
        if not chain.ok:
            found.differ(f"the audit trail is broken: {chain.why}")
        elif chain.seq:
            log.info("audit trail", extra={"workspace": workspace_id, "head": f"{chain.seq}:{chain.hash}"})
        return found

    async def _note(self, session: AsyncSession, workspace_id: str, found: auditing.AuditResult, now: datetime) -> None:
        await auditing.note(session, workspace_id, found, now=now)
        if found.ok:
            return
        log.error("the audit found differences", extra={"workspace": workspace_id, "count": len(found.differences)})
        for person in self._admins or [""]:  # '' stands for those who are admins in Slack
            await outbox.enqueue(
                session,
                workspace_id=workspace_id,
                key=f"audit:{workspace_id}:{now:%Y-%m-%d}:{person}",
                stream=f"audit:{workspace_id}:{person}",
                kind="audit_failed",
                payload={"differences": found.differences[:5], "count": len(found.differences), "to": person},
                now=now,
            )

    async def set_up(
        self, workspace_id: str, *, time_zone: str | None, close_day: int | None, hours_kept_days: int | None = None
    ) -> Workspace:
        """Change a workspace's time zone, close day and retention of hours; return its row. Raises BadConfig.

        None leaves a value as it is.
        """
        if time_zone is not None:
            try:
                ZoneInfo(time_zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise BadConfig(
                    "time-zone", f"«{time_zone}» is not a time zone: such as Europe/Berlin, or UTC"
                ) from None
        if close_day is not None and not 0 <= close_day <= LAST_CLOSE_DAY:
            raise BadConfig("close-day", f"a day from 1 to {LAST_CLOSE_DAY}, or 0 for never by itself")
        if hours_kept_days is not None and hours_kept_days != 0 and hours_kept_days < LEAST_HOURS_KEPT_DAYS:
            raise BadConfig("hours-kept", f"at least {LEAST_HOURS_KEPT_DAYS} days, or 0 for ever")
        async with self._database.write() as session:
            row = await ensure(session, workspace_id, now=self._clock.now())
            row.time_zone = time_zone or row.time_zone
            row.close_day = row.close_day if close_day is None else close_day
            row.hours_kept_days = row.hours_kept_days if hours_kept_days is None else hours_kept_days
            session.add(row)
            if (time_zone, close_day, hours_kept_days) != (None, None, None):
                await session.flush()
                await audit_log.append(
                    session, workspace_id, AuditedAction.WORKSPACE, f"workspace:{workspace_id}", now=self._clock.now(),
                    time_zone=time_zone, close_day=close_day, hours_kept_days=hours_kept_days,
                )  # fmt: skip
        return row

    async def close_due(self) -> None:
        """Close last month where its closing day has come; try again later while it is not settled."""
        now = self._clock.now()
        month = months.before(months.start_of(int(now.timestamp())))
        async with self._database.write() as session:
            if not await claim_slot(session, "close", now, CLOSE_PERIOD_SECONDS):
                return
            due = [row.id for row in await session.exec(select(Workspace)) if 0 < row.close_day <= now.day]
            done = set(await session.exec(select(ClosedMonth.workspace_id).where(ClosedMonth.month == month)))
        for workspace_id in due:
            if workspace_id in done:
                continue
            try:
                closed = await self.close(workspace_id, month)
            except NotClosableError as error:
                log.warning("not closed yet", extra={"workspace": workspace_id, "why": str(error)})
            else:
                log.info("closed", extra={"workspace": workspace_id, "month": months.name(month), "hash": closed.hash})

    async def fold_due(self) -> None:
        """Fold the hours that are past a workspace's retention; a part of them each hour until none is left."""
        now = self._clock.now()
        async with self._database.write() as session:
            if not await claim_slot(session, "fold", now, FOLD_PERIOD_SECONDS):
                return
            for workspace in list(await session.exec(select(Workspace))):
                if days := await retention.fold(session, workspace, self._reports, now=now):
                    log.info("hours folded", extra={"workspace": workspace.id, "days": days})

    async def sum_up_due(self) -> None:
        """Sum up quarters, months and parts of them that no longer change, of disconnected connections too."""
        now = self._clock.now()
        async with self._database.write() as session:
            if not await claim_slot(session, "sum-up", now, SUM_UP_PERIOD_SECONDS):
                return
            connections = list(await session.exec(select(Connection.id)))
        for connection_id in connections:
            await period_sums.sum_up(self._database, connection_id or 0, now=now)

    async def audit_nightly(self) -> None:
        """Audit every workspace once a night, whatever the number of replicas.

        The night is claimed with the result, so that an audit which died on the way is done again; the hour is claimed
        before, so that replicas do not all do the same work.
        """
        now = self._clock.now()
        night = now - AUDIT_HOUR
        async with self._database.write() as session:
            if not await claim_slot(session, "audit-attempt", now, AUDIT_ATTEMPT_SECONDS):
                return
            workspaces = [
                workspace_id
                for workspace_id in await session.exec(select(Workspace.id))
                if not await is_slot_claimed(session, f"audit:{workspace_id}", night, AUDIT_PERIOD_SECONDS)
            ]
        for workspace_id in workspaces:
            found = await self._audited(workspace_id, now)
            async with self._database.write() as session:
                if await claim_slot(session, f"audit:{workspace_id}", night, AUDIT_PERIOD_SECONDS):
                    await self._note(session, workspace_id, found, now)
