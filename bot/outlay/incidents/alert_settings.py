"""Alert settings of a workspace: sensitivity, smallest amount, channels, quiet hours and direct messages."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.detection import DetectorSettings
from outlay.spend.report import zone_of
from outlay.workspaces import preferences

PREFIX = "alerts."
SENSITIVITIES = ("calm", "normal", "sharp")
_TEAM, _DIRECT = "alerts.channel.", "alerts.direct."


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Alert settings of a workspace.

    `channel`: a Slack channel's id, "" for the one in the bot's settings. `quiet`: local hours (from, to); None: none.
    `team_channels`: owner id → channel id. `direct`: ids of Slack users who want a direct message about their own
    incidents.
    """

    sensitivity: str = DetectorSettings().sensitivity
    floor_nano_usd: int = DetectorSettings().floor_nano_usd
    channel: str = ""
    quiet: tuple[int, int] | None = None
    team_channels: dict[str, str] = field(default_factory=dict)
    direct: frozenset[str] = frozenset()
    zone: tzinfo = UTC

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that contain `now` end (UTC); None outside of quiet hours."""
        if self.quiet is None or self.quiet[0] == self.quiet[1]:
            return None
        begins, ends = self.quiet
        local = now.astimezone(self.zone)
        hour = local.hour
        inside = begins <= hour < ends if begins < ends else hour >= begins or hour < ends
        if not inside:
            return None
        day = local + timedelta(days=1) if hour >= ends else local
        return day.replace(hour=ends, minute=0, second=0, microsecond=0).astimezone(UTC)


async def read_alert_settings(session: AsyncSession, workspace_id: str) -> AlertSettings:
    """Read the workspace's alert settings, with the defaults for those never set."""
    said = await preferences.read(session, workspace_id, PREFIX)
    default, quiet = AlertSettings(), said.get("alerts.quiet", "")
    begins, _, ends = quiet.partition("-")
    return AlertSettings(
        sensitivity=said.get("alerts.sensitivity", default.sensitivity),
        floor_nano_usd=int(said.get("alerts.floor_nano_usd", default.floor_nano_usd)),
        channel=said.get("alerts.channel", ""),
        quiet=(int(begins), int(ends)) if quiet else None,
        team_channels={name[len(_TEAM) :]: value for name, value in said.items() if name.startswith(_TEAM)},
        direct=frozenset(name[len(_DIRECT) :] for name in said if name.startswith(_DIRECT)),
        zone=await zone_of(session, workspace_id),
    )


async def write_alert_settings(session: AsyncSession, workspace_id: str, chosen: AlertSettings) -> None:
    """Store the alert settings.

    Not stored here: the time zone, which is the workspace's, and direct messages (see `save_direct_alerts`).
    """
    before = await read_alert_settings(session, workspace_id)
    gone: dict[str, str | None] = {f"{_TEAM}{owner}": None for owner in before.team_channels}
    await preferences.write(
        session,
        workspace_id,
        {
            "alerts.sensitivity": chosen.sensitivity,
            "alerts.floor_nano_usd": str(chosen.floor_nano_usd),
            "alerts.channel": chosen.channel or None,
            "alerts.quiet": None if chosen.quiet is None else f"{chosen.quiet[0]}-{chosen.quiet[1]}",
            **gone,
            **{f"{_TEAM}{owner}": channel for owner, channel in chosen.team_channels.items()},
        },
    )


async def save_direct_alerts(session: AsyncSession, workspace_id: str, user_id: str, wanted: bool) -> None:
    """Store whether a Slack user wants direct messages about their own incidents."""
    await preferences.write(session, workspace_id, {f"{_DIRECT}{user_id}": "yes" if wanted else None})
