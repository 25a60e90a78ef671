"""Which digests a workspace, and each of its people, has chosen: where to, how often, at what local time.

Nobody has chosen yet: the channel of the settings, if there is one, gets one a day. `since` keeps when a place began to
get a kind of digest, so that whoever sets it up in the afternoon is not told of a digest that "was due" this morning.
"""

from dataclasses import dataclass, field
from datetime import time, tzinfo
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core.calendar_periods import PERIODS, Period
from outlay.spend.report import zone_of
from outlay.workspaces import preferences

PREFIX = "digest."
AT = time(9, 0)
CHANNELS_MAX = 20
_PERSON, _SINCE = "digest.person.", "digest.since."
Periods = tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was chosen. `people`: Slack users who want their own figures by direct message.

    `since`: (place, period) → seconds since 1970. `by`: who chose the channels; `chosen`: somebody has.
    `picture`: channels get the chart of the weekly one as a picture too, whatever blocks the workspace knows.
    """

    channels: tuple[str, ...] = ()
    periods: Periods = ("day",)
    at: time = AT
    people: dict[str, Periods] = field(default_factory=dict)
    zone: tzinfo = ZoneInfo("UTC")  # noqa: RUF009  immutable
    by: str = ""
    chosen: bool = False
    picture: bool = False
    since: dict[tuple[str, Period], int] = field(default_factory=dict)

    def places(self) -> list[tuple[str, Period]]:
        """Every place and what it gets."""
        channels = [(channel, period) for channel in self.channels for period in self.periods]
        return channels + [(person, period) for person, periods in self.people.items() for period in periods]


async def read_plan(session: AsyncSession, workspace_id: str, default_channel: str | None = None) -> Plan:
    """What the workspace has chosen, else the channel of the settings, daily."""
    said = await preferences.read(session, workspace_id, PREFIX)
    zone = await zone_of(session, workspace_id)
    chosen = "digest.channels" in said
    channels = said.get("digest.channels", "") if chosen else default_channel or ""
    return Plan(
        channels=tuple(one for one in channels.split(",") if one),
        periods=_periods(said.get("digest.periods", "day")),
        at=time.fromisoformat(said.get("digest.time", AT.isoformat("minutes"))),
        people={name[len(_PERSON) :]: _periods(value) for name, value in said.items() if name.startswith(_PERSON)},
        zone=zone,
        by=said.get("digest.by", ""),
        chosen=chosen,
        picture=bool(said.get("digest.picture")),
        since={_place(name): int(value) for name, value in said.items() if name.startswith(_SINCE)},
    )


async def choose(
    session: AsyncSession,
    workspace_id: str,
    *,
    channels: tuple[str, ...],
    periods: Periods,
    at: time,
    picture: bool,
    by: str,
    now: int,
) -> None:
    """Keeps where digests of the workspace go."""
    values = {"digest.channels": ",".join(channels[:CHANNELS_MAX]), "digest.periods": ",".join(periods)}
    values |= {"digest.time": at.isoformat("minutes"), "digest.by": by}
    await preferences.write(session, workspace_id, {**values, "digest.picture": "yes" if picture else None})
    await note_since(session, workspace_id, await read_plan(session, workspace_id), now)


async def want(session: AsyncSession, workspace_id: str, user_id: str, periods: Periods, now: int) -> None:
    """How often somebody wants their own figures; no period: not any more."""
    await preferences.write(session, workspace_id, {f"{_PERSON}{user_id}": ",".join(periods) or None})
    await note_since(session, workspace_id, await read_plan(session, workspace_id), now)


async def note_since(session: AsyncSession, workspace_id: str, plan: Plan, now: int) -> None:
    """Notes since when each place gets each kind; what a place does not get any more is forgotten."""
    wanted = set(plan.places())
    if not plan.chosen:  # a channel of the settings, which is not in this plan, keeps its own
        wanted |= {place for place in plan.since if place[0] not in plan.people}
    values: dict[str, str | None] = {_since(place): None for place in plan.since if place not in wanted}
    values |= {_since(place): str(now) for place in wanted if place not in plan.since}
    await preferences.write(session, workspace_id, values)


def _periods(text: str) -> Periods:
    return tuple(period for period in PERIODS if period in text.split(","))


def _since(place: tuple[str, Period]) -> str:
    return f"{_SINCE}{place[0]}.{place[1]}"


def _place(name: str) -> tuple[str, Period]:
    where, _, period = name[len(_SINCE) :].rpartition(".")
    return where, period  # type: ignore[return-value]
