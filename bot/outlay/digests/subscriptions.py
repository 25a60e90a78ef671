"""Digest subscriptions of a workspace and its people: where to, how often, at what local time.

Until they are chosen, the channel of the settings, if there is one, gets one a day. `since` records when a destination
began to get a kind of digest, so that one set up in the afternoon does not get the digest that was due that morning.
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
class DigestSubscriptions:
    """Digest subscriptions of a workspace. `people`: Slack users who want their own figures by direct message.

    `since`: (destination, period) → seconds since 1970. `by`: who chose the channels; `chosen`: they have been chosen.
    `picture`: channels also get the chart of the weekly digest as a picture, whatever blocks the workspace supports.
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
        """List every destination with each period it gets."""
        channels = [(channel, period) for channel in self.channels for period in self.periods]
        return channels + [(person, period) for person, periods in self.people.items() for period in periods]


async def read_digest_subscriptions(
    session: AsyncSession, workspace_id: str, default_channel: str | None = None
) -> DigestSubscriptions:
    """Read the workspace's subscriptions; by default the channel of the settings, daily."""
    said = await preferences.read(session, workspace_id, PREFIX)
    zone = await zone_of(session, workspace_id)
    chosen = "digest.channels" in said
    channels = said.get("digest.channels", "") if chosen else default_channel or ""
    return DigestSubscriptions(
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


async def save_channel_subscriptions(
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
    """Store which channels get the workspace's digests, how often and when."""
    values = {"digest.channels": ",".join(channels[:CHANNELS_MAX]), "digest.periods": ",".join(periods)}
    values |= {"digest.time": at.isoformat("minutes"), "digest.by": by}
    await preferences.write(session, workspace_id, {**values, "digest.picture": "yes" if picture else None})
    await note_since(session, workspace_id, await read_digest_subscriptions(session, workspace_id), now)


async def save_person_subscription(
    session: AsyncSession, workspace_id: str, user_id: str, periods: Periods, now: int
) -> None:
    """Store how often a person wants their own figures; no period: not any more."""
    await preferences.write(session, workspace_id, {f"{_PERSON}{user_id}": ",".join(periods) or None})
    await note_since(session, workspace_id, await read_digest_subscriptions(session, workspace_id), now)


async def note_since(session: AsyncSession, workspace_id: str, plan: DigestSubscriptions, now: int) -> None:
    """Record since when each destination gets each kind; delete the record of those that no longer do."""
    wanted = set(plan.places())
    if not plan.chosen:  # the channel of the settings is not in this plan, and keeps its record
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
