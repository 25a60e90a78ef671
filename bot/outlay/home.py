"""Home tab: a person's own month and, for an admin, how the bot itself is doing.

Every figure is an `Answer` of the books, the same that `/spend` gives. No ledger is asked: what the books know of each
connection, plugin, audit and delivery is enough to say what to do next.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.books.closing import audit
from outlay.budgets import store as budget_store
from outlay.budgets.budget import BudgetStatus
from outlay.budgets.service import budget_ids_of_person, read_standings
from outlay.connections.service import ConnectionService
from outlay.connections.views import ConnectionView
from outlay.core.calendar_periods import month_of, part_gone
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Connection
from outlay.digests.service import DigestService
from outlay.incidents.alert_settings import read_alert_settings
from outlay.owners import KeyOwnerService
from outlay.plugin.loader import FoundPlugin
from outlay.spend.answer import Answer
from outlay.spend.forecast import HISTORY_DAYS, Forecast, forecast
from outlay.spend.parser import Query
from outlay.spend.report import answer, zone_of

TOP = 5
DEAD_MAX = 100


@dataclass(frozen=True, slots=True)
class MonthSummary:
    """Current month: the cost so far and the forecast. `answer` is by model, or by owner where it is everybody's."""

    answer: Answer
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class PersonalSummary:
    """Person's own view: the month, and the budgets of their own, of their teams and of everybody."""

    month: MonthSummary
    budgets: tuple[BudgetStatus, ...]


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """Result of the last audit. `first`: the first difference, in words."""

    at: datetime
    ok: bool
    checked: int
    first: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """Count of messages that could not be delivered. `more`: counting stopped there, and there may be more."""

    count: int
    more: bool
    last_for: str
    error: str


@dataclass(frozen=True, slots=True)
class UnownedKeys:
    """Keys without an owner, and their cost this month."""

    count: int
    cost_nano_usd: int


@dataclass(frozen=True, slots=True)
class AdminSummary:
    """Admin summary of how the bot is doing. `alerts` and `digests`: it is set where they go."""

    month: MonthSummary
    connections: tuple[ConnectionView, ...]
    unmapped: UnownedKeys
    plugins: tuple[FoundPlugin, ...]
    audited: AuditSummary | None
    given_up: DeadLetterSummary | None
    budgets: int
    alerts: bool
    digests: bool


class HomeService:
    """Service that gathers both views. `channel`: where alerts go by the settings, "" if not set."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        connections: ConnectionService,
        owning: KeyOwnerService,
        digests: DigestService,
        plugins: Sequence[FoundPlugin],
        *,
        channel: str = "",
    ) -> None:
        self._database = database
        self._clock = clock
        self._connections = connections
        self._owning = owning
        self._digests = digests
        self._plugins = tuple(plugins)
        self._channel = channel

    async def mine(self, workspace_id: str, user_id: str) -> PersonalSummary:
        """Return one person's own view."""
        now = self._clock.now()
        async with self._database.read() as session:
            month = await _month(session, workspace_id, now, person=user_id)
            among = await budget_ids_of_person(session, workspace_id, user_id, around=True)
            standings = await read_standings(session, workspace_id, now, among=among)
        return PersonalSummary(month, tuple(sorted(standings, key=lambda one: among.index(one.budget.id))))

    async def admin_summary(self, workspace_id: str) -> AdminSummary:
        """Return the summary for an admin."""
        now = self._clock.now()
        keys = [key for key in await self._owning.keys(workspace_id) if key.owner.kind == "unattributed"]
        plan = await self._digests.plan(workspace_id)
        views = await self._connections.views(workspace_id)
        async with self._database.read() as session:
            chosen = await read_alert_settings(session, workspace_id)
            return AdminSummary(
                month=await _month(session, workspace_id, now),
                connections=tuple(views),
                unmapped=UnownedKeys(len(keys), sum(key.spent_nano_usd for key in keys)),
                plugins=self._plugins,
                audited=await _audited(session, workspace_id),
                given_up=await _given_up(session, workspace_id),
                budgets=len(await budget_store.every(session, workspace_id)),
                alerts=bool(chosen.channel or self._channel),
                digests=bool(plan.places()),
            )


async def _month(session: AsyncSession, workspace_id: str, now: datetime, *, person: str = "") -> MonthSummary:
    zone = await zone_of(session, workspace_id)
    today = now.astimezone(zone).date()
    start, end = month_of(today)
    only = (("owner", person),) if person else ()
    by = "model" if person else "owner"
    found = await answer(session, workspace_id, Query(start, today, "mtd", (by,), only, TOP), now=now)
    begin = min(start, today - timedelta(days=HISTORY_DAYS + 1))
    lines = (await answer(session, workspace_id, Query(begin, today, "history", ("day",), only), now=now)).lines
    days: dict[date, int] = {}
    for line in lines:
        day = date.fromisoformat(line.day or "")
        days[day] = days.get(day, 0) + (line.cost_nano_usd or 0)
    return MonthSummary(found, forecast(days, start=start, end=end, today=today, gone=part_gone(now, today, zone)))


async def _audited(session: AsyncSession, workspace_id: str) -> AuditSummary | None:
    run = await audit.last(session, workspace_id)
    if run is None:
        return None
    first = next(iter(json.loads(run.differences)), "")
    return AuditSummary(datetime.fromtimestamp(run.at, UTC), run.ok, run.checked, str(first))


async def _given_up(session: AsyncSession, workspace_id: str) -> DeadLetterSummary | None:
    dead = await outbox.dead(session, workspace_id, most=DEAD_MAX)
    if not dead:
        return None
    rows = await session.exec(select(Connection).where(Connection.workspace_id == workspace_id))
    names = {row.id: row.name for row in rows} | {outbox.SLACK: "Slack"}
    return DeadLetterSummary(len(dead), len(dead) == DEAD_MAX, names.get(dead[0].lane, "a connection"), dead[0].error)
