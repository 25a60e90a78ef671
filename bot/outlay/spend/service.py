"""Questions in words, answered from the books. Slack and the terminal both use this, so both show the same figures.

A comparison is the same question asked twice. A question about the current month also gets a forecast of its end.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.access.policy import NOT_YOURS, OPERATOR, NotAllowedError, Viewer
from outlay.access.service import read_rights
from outlay.core.calendar_periods import month_of, part_gone
from outlay.core.clock import Clock
from outlay.core.offload import offload
from outlay.database.engine import Database
from outlay.spend import capture_rate
from outlay.spend import report as spend_report
from outlay.spend.answer import Answer
from outlay.spend.comparison import with_comparison
from outlay.spend.forecast import HISTORY_DAYS, Forecast, forecast
from outlay.spend.gateway_allocation import GatewayCaptureReport
from outlay.spend.name_index import matches
from outlay.spend.parser import AUTO, Query, QueryError, parse
from outlay.spend.planner import KEYED
from outlay.spend.timeseries import biggest_members
from outlay.spend.unknown_filters import unknown_filters

TEAM = "team:"
_MONTH_UNDER_WAY = ("mtd", "this month")


class SpendService:
    """Read-only service that answers questions about spend."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def spend(self, workspace_id: str, text: str, *, me: str = "", viewer: Viewer = OPERATOR) -> Answer:
        """Answer a question, as far as the viewer may see it. `me`: the asker's owner id.

        Raises QueryError for a word that is not understood, NotAllowedError if it is narrowed to people
        the viewer may not see.
        """
        now = self._clock.now()
        async with self._database.read() as session:
            zone = await spend_report.zone_of(session, workspace_id)
            query = replace(parse(text, today=now.astimezone(zone).date(), me=me), sees=viewer.sees)
            wide = await _with_members(session, workspace_id, query, viewer)
            found = replace(await _answered(session, workspace_id, wide, now), query=query)
            if not found.lines and any(_is_others(viewer, me, *one) for one in query.filters):
                raise NotAllowedError(NOT_YOURS)  # "nothing was spent" would be untrue
            if not found.lines:
                return replace(found, unknown=await unknown_filters(session, workspace_id, query.filters))
            if query.period in _MONTH_UNDER_WAY and AUTO not in query.filters:
                found = replace(found, forecast=await _foreseen(session, workspace_id, wide, now, zone))
            return found

    async def captures(self, workspace_id: str, text: str) -> tuple[Query, list[GatewayCaptureReport]]:
        """Return each gateway's capture over a period of UTC days. Raises QueryError for anything but a period."""
        async with self._database.read() as session:
            zone = await spend_report.zone_of(session, workspace_id)
            query = parse(text, today=self._clock.now().astimezone(zone).date())
            if query.filters or query.top or query.versus or query.by != ("owner",):
                raise QueryError(text, f"A capture rate is asked for by a period alone, not `{text}`.", query.period)
            return query, await capture_rate.captures(session, workspace_id, query.start, query.end)


def _is_others(viewer: Viewer, me: str, dimension: str, pattern: str) -> bool:
    """Report whether a filter without matches may mean an owner whom the viewer may not see."""
    return viewer.sees is not None and dimension in KEYED and pattern not in {me, *viewer.sees}


async def _with_members(session: AsyncSession, workspace_id: str, query: Query, viewer: Viewer) -> Query:
    """Extend a filter by team to the team's members, as far as the workspace has set them. Raises NotAllowedError."""
    if not query.teams:
        return query
    teams = (await read_rights(session, workspace_id)).teams or {}
    filters = []
    for name, pattern in query.filters:
        named = [team for team in teams if pattern in query.teams and matches(TEAM + team, pattern)]
        members = [one for team in named for one in teams[team].members]
        if viewer.sees is not None and not viewer.sees.issuperset(members):
            raise NotAllowedError(NOT_YOURS)  # a part of a team would be taken for the whole
        filters.append((name, "\n".join([pattern, *members])))
    return replace(query, filters=tuple(filters))


async def _answered(session: AsyncSession, workspace_id: str, query: Query, now: datetime) -> Answer:
    """Answer the query, beside the answer for its comparison period if it has one."""
    if query.trend and query.top and len(query.by) > 1 and query.versus is None:  # the biggest, not the earliest
        found = await spend_report.answer(session, workspace_id, replace(query, top=None), now=now)
        top = query.top
        return replace(await offload(lambda: biggest_members(found, top), len(found.lines)), query=query)
    if query.versus is None:
        return await spend_report.answer(session, workspace_id, query, now=now)
    days = query.versus
    every = replace(query, top=None, versus=None)
    found = await spend_report.answer(session, workspace_id, every, now=now)
    earlier = replace(every, start=days.start, end=days.end, period=days.period)
    before = await spend_report.answer(session, workspace_id, earlier, now=now)
    count = len(found.lines) + len(before.lines)
    return replace(await offload(lambda: with_comparison(found, before, days, query.top), count), query=query)


async def _foreseen(session: AsyncSession, workspace_id: str, query: Query, now: datetime, zone: ZoneInfo) -> Forecast:
    """Forecast the spend of the current month, for the query's filters."""
    start, end = month_of(query.end)
    first = min(start, query.end - timedelta(days=HISTORY_DAYS + 1))
    asked = Query(first, query.end, "", ("day",), query.filters, sees=query.sees)
    days: dict[date, int] = {}
    for line in (await spend_report.answer(session, workspace_id, asked, now=now)).lines:
        day = date.fromisoformat(line.day or "")
        days[day] = days.get(day, 0) + (line.cost_nano_usd or 0)
    return forecast(days, start=start, end=end, today=query.end, gone=part_gone(now, query.end, zone))
