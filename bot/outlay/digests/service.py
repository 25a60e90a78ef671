"""Digest service: composes digests from the books and queues each in the outbox once, when it is due.

A slot is claimed and the message written in one transaction, whatever the replicas and restarts. The message says only
which digest goes where; its figures are read when it is delivered, and so equal those of `/spend` at that moment. A
digest waits for its ledgers while a poll is due that would tell more of its days, for a bounded time.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.access.policy import CHANNEL, EVERYBODY, OPERATOR, Viewer
from outlay.access.service import read_rights
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.budgets.service import budget_ids_of_person, filter_standings_for_viewer, read_standings
from outlay.core.calendar_periods import Period, compared_with, last_span, midnight, month_of, part_gone
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection
from outlay.digests import subscriptions
from outlay.digests.digest import (
    DRAWN_DAYS,
    NEW_MODELS_DAYS,
    TOP,
    Digest,
    DigestIncident,
    DueDigest,
    moves,
    new_models,
    newest_due,
)
from outlay.digests.subscriptions import DigestSubscriptions, Periods
from outlay.incidents.state_machine import ALIVE
from outlay.incidents.tables import Incident
from outlay.scheduler import claim_slot, is_slot_claimed
from outlay.spend.answer import Answer
from outlay.spend.forecast import HISTORY_DAYS, forecast
from outlay.spend.parser import Query
from outlay.spend.report import answer, freshness, zone_of
from outlay.workspaces import store as workspace_store
from outlay.workspaces.store import LOCAL

KIND = "digest"
WAIT_FOR_BOOKS = timedelta(minutes=30)
EPISODES_MAX = 50
DAY_SECONDS = 86_400


class DigestService:
    """Service that composes digests and queues those that are due. `channel`: that of the settings."""

    def __init__(self, database: Database, clock: Clock, *, channel: str | None = None) -> None:
        self._database = database
        self._clock = clock
        self._channel = channel
        self._began = clock.now()

    async def plan(self, workspace_id: str) -> DigestSubscriptions:
        """Return the workspace's digest subscriptions."""
        async with self._database.read() as session:
            return await self._plan(session, workspace_id)

    async def choose(self, workspace_id: str, plan: DigestSubscriptions, *, by: str) -> None:
        """Store where digests go, how often and when."""
        async with self._database.write() as session:
            await subscriptions.save_channel_subscriptions(
                session, workspace_id,
                channels=plan.channels, periods=plan.periods, at=plan.at, picture=plan.picture, by=by,
                now=self._seconds(),
            )  # fmt: skip
            await audit_log.append(
                session, workspace_id, AuditedAction.DIGEST_SET, f"workspace:{workspace_id}", now=self._clock.now(),
                channels=plan.channels, periods=plan.periods, at_local=plan.at.isoformat("minutes"),
            )  # fmt: skip

    async def want(self, workspace_id: str, user_id: str, periods: Periods) -> None:
        """Store how often a person wants their own figures."""
        async with self._database.write() as session:
            await subscriptions.save_person_subscription(session, workspace_id, user_id, periods, self._seconds())
            await audit_log.append(
                session, workspace_id, AuditedAction.DIGEST_WANT, f"person:{user_id}",
                now=self._clock.now(), periods=periods,
            )  # fmt: skip

    async def last(
        self, workspace_id: str, period: Period, *, person: str = "", viewer: Viewer | None = None
    ) -> Digest:
        """Compose the digest of the newest period that is over, of one person's own money or of everybody's."""
        async with self._database.read() as session:
            zone = await zone_of(session, workspace_id)
        start, end = last_span(period, self._clock.now().astimezone(zone).date())
        return await self.compose(workspace_id, period, start, end, person=person, viewer=viewer)

    async def compose(
        self, workspace_id: str, period: Period, start: date, end: date, *, person: str = "", late: bool = False,
        viewer: Viewer | None = None,
    ) -> Digest:  # fmt: skip
        """Compose a digest of the days [start, end], from one consistent view of the books.

        `viewer` None: for a channel, which sees nobody's name where people see only themselves. Raises
        NotAllowedError for another person's own digest.
        """
        now = self._clock.now()
        only = (("owner", person),) if person else ()
        async with self._database.read() as session:
            if viewer is None:
                is_open = bool(person) or (await read_rights(session, workspace_id)).open
                viewer = OPERATOR if is_open else CHANNEL
            if person:
                viewer.require_visible(person)
            by_model = bool(person) or viewer.sees is not None
            by: tuple[str, ...] = ("model",) if by_model else ("owner",)
            sees = viewer.sees

            async def ask(first: date, last: date, *by: str, top: int | None = None) -> Answer:
                query = Query(first, last, f"from {first} to {last}", by, only, top, sees=sees)
                return await answer(session, workspace_id, query, now=now)

            zone = await zone_of(session, workspace_id)
            today = now.astimezone(zone).date()
            compared, month = compared_with(period, start), month_of(today)
            found, before = await ask(start, end, "owner", "model"), await ask(*compared, "owner", "model")
            earlier = await ask(start - timedelta(days=NEW_MODELS_DAYS), start - timedelta(days=1), "model")
            reach = await ask(compared[0] - timedelta(days=NEW_MODELS_DAYS), compared[0], "day")
            comparable = bool(before.lines and reach.lines)  # half a month says nothing about a whole one
            days: dict[date, int] = {}
            history = today - timedelta(days=HISTORY_DAYS + 1)
            first = min(month[0], history, compared[0], end - timedelta(days=DRAWN_DAYS - 1))
            for line in (await ask(first, today, "day")).lines:
                day = date.fromisoformat(line.day or "")
                days[day] = days.get(day, 0) + (line.cost_nano_usd or 0)
            among = await budget_ids_of_person(session, workspace_id, person) if person else None
            standings = await read_standings(session, workspace_id, now, among=among)
            standings = await filter_standings_for_viewer(session, workspace_id, standings, viewer)
            return Digest(
                period=period,
                start=start,
                end=end,
                answer=await ask(start, end, *by, top=TOP),
                before_nano_usd=before.total_nano_usd if comparable else None,
                compared=compared,
                moves=moves(found.lines, before.lines, by_model=by_model) if comparable else (),
                new_models=new_models(found.lines, (line.model.id for line in earlier.lines if line.model)),
                month=month,
                forecast=forecast(days, start=month[0], end=month[1], today=today, gone=part_gone(now, today, zone)),
                budgets=tuple(standings),
                episodes=await _episodes(
                    session,
                    workspace_id,
                    midnight(start, zone),
                    midnight(end + timedelta(days=1), zone),
                    person,
                    viewer,
                ),
                person=person,
                late=late,
                days=days,
            )

    async def run(self) -> None:
        """Queue every digest that is due."""
        async with self._database.read() as session:
            wanted = await workspace_store.others(session, LOCAL)
        for workspace_id in wanted:
            await self._look(workspace_id)

    async def post(self, workspace_id: str, channel: str, period: Period, *, once: str, by: str = "") -> str:
        """Queue the newest digest for a channel now; return its message's key. `once` deduplicates the request."""
        async with self._database.write() as session:
            return await self._say_now(session, workspace_id, channel, period, once=once, by=by)

    async def post_leased(self, workspace_id: str, channel: str, period: Period, *, once: str) -> outbox.OutboxMessage:
        """Queue the newest digest and lease it in the same transaction, for a caller that delivers it itself.

        Raises ValueError if a message with this `once` was written before.
        """
        now = self._clock.now()
        async with self._database.write() as session:
            await workspace_store.ensure(session, workspace_id, now=now)
            key = await self._say_now(session, workspace_id, channel, period, once=once)
            message = await outbox.lease_one(session, key, now)
        if message is None:
            raise ValueError(f"{key} was written before")
        return message

    async def _say_now(
        self, session: AsyncSession, workspace_id: str, channel: str, period: Period, *, once: str, by: str = ""
    ) -> str:
        now = self._clock.now()
        zone = await zone_of(session, workspace_id)
        start, end = last_span(period, now.astimezone(zone).date())
        key = f"digest:now:{workspace_id}:{channel}:{period}:{end}:{once}"
        await _say(session, workspace_id, channel, DueDigest(period, start, end, now), now, key=key, by=by)
        await audit_log.append(
            session, workspace_id, AuditedAction.DIGEST_POST, f"channel:{channel}", now=now, period=period, end=str(end)
        )
        return key

    async def _look(self, workspace_id: str) -> None:
        now = self._clock.now()
        async with self._database.read() as session:
            plan = await self._plan(session, workspace_id)
            new = [place for place in plan.places() if place not in plan.since]
            due = [
                (place, one)
                for place, period in plan.places()
                if (one := newest_due(period, now, plan.at, plan.zone)).at
                > _moment(plan.since.get((place, period)), now)
                and not one.too_late(now)
                and not await _claimed(session, workspace_id, place, one)
            ]
            ready = bool(due) and await self._ready(session, workspace_id, [one for _, one in due], now)
        if new:
            async with self._database.write() as session:
                await subscriptions.note_since(session, workspace_id, plan, self._seconds())
        if not ready:
            return
        async with self._database.write() as session:
            for place, one in due:
                if await claim_slot(session, _job(workspace_id, place, one), _slot(one), DAY_SECONDS):
                    key = f"digest:{workspace_id}:{place}:{one.period}:{one.end}"
                    await _say(session, workspace_id, place, one, now, key=key, by=plan.by)

    async def _ready(self, session: AsyncSession, workspace_id: str, due: Sequence[DueDigest], now: datetime) -> bool:
        """Report whether the ledgers have told of all the days, or no poll is left to wait for."""
        rows = await session.exec(
            select(Connection).where(
                Connection.workspace_id == workspace_id,
                Connection.role == "books",
                col(Connection.disconnected_at).is_(None),
            )
        )
        live = list(rows)
        if not live:
            return False  # nothing is connected, so there is nothing to report
        if now - max(self._began, *(one.at for one in due)) > WAIT_FOR_BOOKS:
            return True
        zone = await zone_of(session, workspace_id)
        until = _moment(midnight(max(one.end for one in due) + timedelta(days=1), zone), now)
        fresh = await freshness(session, live)
        return not any(
            row.state not in ("needs_reauth", "paused")
            and (row.next_poll_at is None or row.next_poll_at <= now.timestamp())
            and ((read := fresh[row.name]) is None or read < until)
            for row in live
        )

    async def _plan(self, session: AsyncSession, workspace_id: str) -> DigestSubscriptions:
        """Read the subscriptions; the channel of the settings is the default of an only workspace.

        With several, nobody knows whose channel it is, and no workspace's figures may land in another's channel.
        """
        channel = None if await workspace_store.others(session, workspace_id) else self._channel
        return await subscriptions.read_digest_subscriptions(session, workspace_id, channel)

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())


async def _say(
    session: AsyncSession, workspace_id: str, place: str, due: DueDigest, now: datetime, *, key: str, by: str
) -> None:
    await outbox.enqueue(
        session,
        workspace_id=workspace_id,
        key=key,
        stream=f"digest:{workspace_id}:{place}",
        kind=KIND,
        payload={
            "to": place,
            "by": by,
            "period": due.period,
            "start": due.start.isoformat(),
            "end": due.end.isoformat(),
            "late": due.late(now),
        },
        now=now,
    )


async def _episodes(
    session: AsyncSession, workspace_id: str, start: int, until: int, person: str, viewer: Viewer
) -> tuple[DigestIncident, ...]:
    """List the incidents that began in the period, or before it and were not over; not the false and expected ones."""
    wanted = select(Incident).where(
        Incident.workspace_id == workspace_id,
        Incident.since < until,
        col(Incident.state).not_in(["expected", "false"]),
        or_(col(Incident.since) >= start, col(Incident.ended_at).is_(None), col(Incident.ended_at) >= start),
    )
    if person:
        wanted = wanted.where(Incident.subject == person)
    if viewer.sees is not None:
        wanted = wanted.where(col(Incident.subject).in_([*viewer.sees, EVERYBODY]))
    rows = await session.exec(wanted.order_by(col(Incident.spent_nano_usd).desc()).limit(EPISODES_MAX))
    return tuple(
        DigestIncident(row.id or 0, row.name, row.state, row.spent_nano_usd, row.state in ALIVE) for row in rows
    )


def _job(workspace_id: str, place: str, due: DueDigest) -> str:
    return f"digest:{workspace_id}:{place}:{due.period}"


def _slot(due: DueDigest) -> datetime:
    """Return the slot: the period's last day, whatever the time zone and the hour of posting."""
    return datetime(due.end.year, due.end.month, due.end.day, tzinfo=UTC)


async def _claimed(session: AsyncSession, workspace_id: str, place: str, due: DueDigest) -> bool:
    return await is_slot_claimed(session, _job(workspace_id, place, due), _slot(due), DAY_SECONDS)


def _moment(seconds: int | None, now: datetime) -> datetime:
    return now if seconds is None else datetime.fromtimestamp(seconds, UTC)
