"""Budget service: how each budget stands and, once a minute, whether it is time to notify. See `outlay.budgets.budget`.

Spend is what `/spend` gives for the same days. Shares are checked every minute; the forecast reads two months and is
made once an hour. A notification is recorded in the transaction that writes its message.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay import outbox
from outlay.access.policy import OPERATOR, TeamAccess, Viewer
from outlay.access.service import read_rights
from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.books import ownership
from outlay.budgets import store as budget_store
from outlay.budgets.budget import LIMIT_MAX_NANO_USD, PERCENT_MAX, SHARES_MAX, Budget, BudgetStatus, Scope, mark_changes
from outlay.core.calendar_periods import part_gone, span_of
from outlay.core.clock import Clock
from outlay.core.errors import OutlayError
from outlay.core.owner import UNATTRIBUTED, Owner
from outlay.database.engine import Database
from outlay.database.tables import Connection, Person
from outlay.incidents.alert_settings import read_alert_settings
from outlay.scheduler import claim_slot, is_slot_claimed
from outlay.spend.answer import AnswerLine
from outlay.spend.forecast import HISTORY_DAYS, Forecast, forecast
from outlay.spend.name_index import passes
from outlay.spend.parser import Query
from outlay.spend.report import answer, zone_of

CHECK_SECONDS, FORECAST_SECONDS = 60, 3600
BUDGETS_MAX = 200  # of a workspace
OWNERS_APART_MAX = 8  # up to so many owners get a query each, which reads less; more share one
KIND = "budget"
_BY: dict[Scope, tuple[str, ...]] = {
    "workspace": ("day",),
    "owner": ("owner", "day"),
    "model": ("model", "day"),
    "ledger": ("ledger", "day"),
}
Days = Mapping[date, int]


class BudgetError(OutlayError, ValueError):
    """Invalid budget. `field`: the part of it that is wrong; the message is for people."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class BudgetSubjects:
    """Owners known to the books and connected ledgers, for which a budget can be set."""

    owners: tuple[Owner, ...]
    ledgers: tuple[str, ...]


class BudgetService:
    """Service that sets budgets, reports how they stand and notifies of changes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def standings(self, workspace_id: str, *, viewer: Viewer = OPERATOR) -> Sequence[BudgetStatus]:
        """Return how each budget that the viewer may see stands now, with its forecast."""
        async with self._database.read() as session:
            found = await read_standings(session, workspace_id, self._clock.now())
            return await filter_standings_for_viewer(session, workspace_id, found, viewer)

    async def subjects(self, workspace_id: str) -> BudgetSubjects:
        """Return the owners and ledgers for which a budget can be set."""
        async with self._database.read() as session:
            found = await ownership.owners_now(session, workspace_id, int(self._clock.now().timestamp()))
            rows = await session.exec(
                select(Connection.ledger).where(Connection.workspace_id == workspace_id, Connection.role == "books")
            )
            known = {owner.id: owner for owner, _ in found}
            for team in (await read_rights(session, workspace_id)).teams or {}:
                known.setdefault(f"team:{team}", Owner(f"team:{team}", team, "team"))  # it may have members and no keys
            return BudgetSubjects(tuple(known.values()), tuple(sorted(set(rows))))

    async def keep(self, workspace_id: str, budget: Budget, *, by: str) -> Budget:
        """Add a budget (its id is 0) or change one; return it as stored. Raises BudgetError."""
        _check(budget)
        async with self._database.write() as session:
            await budget_store.lock_budgets(
                session, workspace_id
            )  # a form that is submitted twice at once is kept once
            standing = await budget_store.every(session, workspace_id)
            if not budget.id and len(standing) >= BUDGETS_MAX:
                raise BudgetError("scope", f"There are {BUDGETS_MAX} budgets already, which is as many as can be.")
            same = [(one.scope, one.subject.lower(), one.period) for one in standing if one.id != budget.id]
            if (budget.scope, budget.subject.lower(), budget.period) in same:
                raise BudgetError("scope", "There is a budget for that and that period already; change it instead.")
            kept = await budget_store.keep(session, workspace_id, budget, by=by, at=int(self._clock.now().timestamp()))
            if kept is None:
                raise BudgetError("scope", "That budget is gone; somebody has removed it.")
            await audit_log.append(
                session, workspace_id, AuditedAction.BUDGET_SET, f"budget:{kept.id}", now=self._clock.now(),
                scope=kept.scope, subject=kept.subject, period=kept.period, limit_nano_usd=kept.limit_nano_usd,
                shares=kept.shares, on_forecast=kept.on_forecast, channel=kept.channel,
            )  # fmt: skip
            return kept

    async def remove(self, workspace_id: str, number: int) -> bool:
        """Remove a budget; return False if it is gone already."""
        async with self._database.write() as session:
            gone = await budget_store.remove(session, workspace_id, number)
            if gone:
                await audit_log.append(
                    session, workspace_id, AuditedAction.BUDGET_REMOVE, f"budget:{number}", now=self._clock.now()
                )
            return gone

    async def run(self) -> None:
        """Check every budget of every workspace and queue notifications; one replica at a time."""
        async with self._database.read() as session:
            wanted = await budget_store.workspaces(session)
        for workspace_id in wanted:
            await self._look(workspace_id)

    async def _look(self, workspace_id: str) -> None:
        now = self._clock.now()
        minute, hour = f"budgets:{workspace_id}", f"forecasts:{workspace_id}"
        async with self._database.read() as session:
            if await is_slot_claimed(session, minute, now, CHECK_SECONDS):
                return
            whole = not await is_slot_claimed(session, hour, now, FORECAST_SECONDS)
            found = await read_standings(session, workspace_id, now, foresee=whole)
            channel = (await read_alert_settings(session, workspace_id)).channel
        async with self._database.write() as session:
            if not await claim_slot(session, minute, now, CHECK_SECONDS):
                return
            if whole:
                await claim_slot(session, hour, now, FORECAST_SECONDS)
            current = {one.id: one for one in await budget_store.every(session, workspace_id)}
            for standing in found:
                if current.get(standing.budget.id) == standing.budget:  # else it was changed: due in a minute
                    await _tell(session, workspace_id, standing, now, standing.budget.channel or channel)


async def read_standings(
    session: AsyncSession,
    workspace_id: str,
    now: datetime,
    *,
    foresee: bool = True,
    among: Collection[int] | None = None,
) -> list[BudgetStatus]:
    """Compute how each budget stands, or those whose ids are in `among`; with a forecast if `foresee`."""
    every = [one for one in await budget_store.every(session, workspace_id) if among is None or one.id in among]
    if not every:
        return []
    zone = await zone_of(session, workspace_id)
    today = now.astimezone(zone).date()
    gone = part_gone(now, today, zone)
    ids = await _slack_ids(session, workspace_id)
    teams = await _teams(session, workspace_id)
    owners_of = {one.id: _owners(one, ids, teams) for one in every}
    apart = len({owners_of[one.id] for one in every if one.scope == "owner"}) <= OWNERS_APART_MAX
    lines: dict[tuple[Scope, str], Sequence[AnswerLine]] = {}
    found = []
    for budget in every:
        start, end = span_of(budget.period, today)
        place = (budget.scope, "\n".join(sorted(owners_of[budget.id])) if budget.scope == "owner" and apart else "")
        if place not in lines:
            starts = [span_of(one.period, today)[0] for one in every if one.scope == budget.scope]
            begin = min(today - timedelta(days=HISTORY_DAYS + 1) if foresee else today, *starts)
            only = (("owner", place[1]),) if place[1] else ()
            query = Query(begin, today, "budgets", by=_BY[budget.scope], filters=only)
            lines[place] = (await answer(session, workspace_id, query, now=now)).lines
        days = _days(budget, lines[place], owners_of[budget.id])
        if foresee and budget.period != "day":
            said = forecast(days, start=start, end=end, today=today, gone=gone)
        else:
            said = Forecast(sum(nano for day, nano in days.items() if start <= day <= end))
        found.append(BudgetStatus(budget, start, end, today, said))
    return found


async def budget_ids_of_person(
    session: AsyncSession, workspace_id: str, user_id: str, *, around: bool = False
) -> list[int]:
    """Return the ids of a person's own budgets, set for the Slack user or for the e-mail.

    `around`: then also those of teams that they manage, or belong to where everybody sees everybody; and the
    workspace's.
    """
    every = await budget_store.every(session, workspace_id)
    ids = await _slack_ids(session, workspace_id)
    owned = [one for one in every if one.scope == "owner"]
    found = [one.id for one in owned if user_id in (one.subject, ids.get(one.subject.lower()))]
    if not around:
        return found
    is_open = (await read_rights(session, workspace_id)).open
    theirs = {
        name
        for name, team in (await _teams(session, workspace_id)).items()
        if user_id in team.managers or (is_open and user_id in team.members)
    }
    found += [one.id for one in owned if one.subject.lower() in theirs]
    return found + [one.id for one in every if one.scope == "workspace"]


async def filter_standings_for_viewer(
    session: AsyncSession, workspace_id: str, standings: Sequence[BudgetStatus], viewer: Viewer
) -> list[BudgetStatus]:
    """Filter standings to those a viewer may see: totals, and budgets of owners whom they see."""
    if viewer.sees is None:
        return list(standings)
    ids = await _slack_ids(session, workspace_id)
    return [
        one
        for one in standings
        if one.budget.scope != "owner" or {one.budget.subject, ids.get(one.budget.subject.lower())} & viewer.sees
    ]


async def _teams(session: AsyncSession, workspace_id: str) -> dict[str, TeamAccess]:
    """Return the teams whose people the workspace has set, by the team's owner id in lower case."""
    teams = (await read_rights(session, workspace_id)).teams or {}
    return {f"team:{name}".lower(): team for name, team in teams.items()}


def _owners(budget: Budget, ids: Mapping[str, str], teams: Mapping[str, TeamAccess]) -> frozenset[str]:
    """Return the owner ids whose money an owner's budget counts: of a team its members too, as in a question."""
    subject = budget.subject.lower()
    team = teams.get(subject)
    return frozenset({ids.get(subject, budget.subject), *(team.members if team else ())})


async def _slack_ids(session: AsyncSession, workspace_id: str) -> dict[str, str]:
    people = await session.exec(select(Person).where(Person.workspace_id == workspace_id))
    return {person.email.lower(): person.slack_user_id for person in people if person.slack_user_id}


def _days(budget: Budget, lines: Sequence[AnswerLine], owners: Collection[str]) -> Days:
    days: dict[date, int] = defaultdict(int)
    for line in lines:
        if line.day and line.cost_nano_usd and _about(budget, line, owners):
            days[date.fromisoformat(line.day)] += line.cost_nano_usd
    return days


def _about(budget: Budget, line: AnswerLine, owners: Collection[str]) -> bool:
    match budget.scope:
        case "owner":
            return (line.owner or UNATTRIBUTED).id in owners
        case "model":
            names = line.model.names if line.model else ()
            return any(passes("model", budget.subject, None, UNATTRIBUTED, name) for name in names)
        case "ledger":
            return line.ledger == budget.subject
    return True


async def _tell(session: AsyncSession, workspace_id: str, standing: BudgetStatus, now: datetime, channel: str) -> None:
    budget = standing.budget
    found = mark_changes(standing, await budget_store.already_notified(session, budget, standing.start))
    if not (found.note or found.forget):
        return
    await budget_store.record_notified(session, budget, standing.start, found, int(now.timestamp()))
    if found.tell is None:
        return
    said = standing.forecast
    await outbox.enqueue(
        session,
        workspace_id=workspace_id,
        key=f"budget:{budget.id}:{standing.start}:{budget.period}:{found.tell}:{budget.limit_nano_usd}",
        stream=f"budget:{budget.id}",
        kind=KIND,
        payload={
            "to": channel,
            "mark": found.tell,
            "budget": {
                "scope": budget.scope,
                "subject": budget.subject,
                "name": budget.name,
                "period": budget.period,
                "limit_nano_usd": budget.limit_nano_usd,
            },
            "start": standing.start.isoformat(),
            "end": standing.end.isoformat(),
            "today": standing.today.isoformat(),
            "nano_usd": [said.spent_nano_usd, said.likely_nano_usd, said.low_nano_usd, said.high_nano_usd],
        },
        now=now,
    )


def standing_from_payload(payload: Mapping[str, object]) -> BudgetStatus:
    """Rebuild the standing that a budget message is about. Raises ValueError for another kind of payload."""
    about, figures = payload["budget"], payload["nano_usd"]
    if not isinstance(about, dict) or not isinstance(figures, list):
        raise ValueError("not the payload of a budget's message")
    start, end, today = (date.fromisoformat(str(payload[name])) for name in ("start", "end", "today"))
    return BudgetStatus(Budget(id=0, **about), start, end, today, Forecast(*figures))


def _check(budget: Budget) -> None:
    if not 0 < budget.limit_nano_usd <= LIMIT_MAX_NANO_USD:
        raise BudgetError("limit", "A limit is more than $0, and at most a billion dollars.")
    if budget.scope != "workspace" and not budget.subject.strip():
        raise BudgetError("subject", "Say for whom or what it is.")
    if len(budget.shares) > SHARES_MAX or any(not 0 < share <= PERCENT_MAX for share in budget.shares):
        raise BudgetError("shares", f"At most {SHARES_MAX} shares, each from 1 to {PERCENT_MAX} per cent.")


def with_name(budget: Budget, known: BudgetSubjects) -> Budget:
    """Return the budget with its subject's name as the books have it."""
    names = {owner.id: owner.name for owner in known.owners}
    return replace(budget, name=names.get(budget.subject, budget.subject))
