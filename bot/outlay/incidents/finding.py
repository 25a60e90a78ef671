"""Incident as a neutral finding: plain text and figures, which every sink renders in its own way."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

from outlay.core.money import to_usd
from outlay.incidents.state_machine import ALIVE
from outlay.incidents.store import verdict_of
from outlay.incidents.tables import Incident
from outlay.plugin.events import Fact, Finding, Link, Subject

BARS = "▁▂▃▄▅▆▇█"


def finding_of(
    incident: Incident, *, now: datetime, email: str = "", zone: tzinfo = UTC, slack_url: str = "", reason: str = ""
) -> Finding:
    """Build the finding of an incident as it stands. `slack_url`: the workspace's Slack, "" if unknown.

    `reason`: people's own words for why it is expected or no incident.
    """
    numbers = verdict_of(incident)
    usual = numbers.get("usual_by_now_nano_usd")
    today = int(numbers.get("today_nano_usd") or 0)
    return Finding(
        title=title(incident, numbers),
        sentences=(standing_sentence(incident, numbers, reason, zone), sentence(numbers)),
        severity="critical" if incident.severity == "page" else "warning",
        subject=Subject(incident.subject, incident.name, incident.kind, email),
        since=datetime.fromtimestamp(incident.since, UTC),
        spent_usd=to_usd(incident.spent_nano_usd),
        usual_usd=None if usual is None else to_usd(int(usual)),
        facts=tuple(_facts(incident, numbers, today, zone, now)),
        why=tuple(detection_reasons(numbers)),
        what_to_do=(
            f"Ask {_whom(incident)} whether this is planned; in Slack, Expected says so and keeps it quiet.",
            "If it is not, switch the key off where it was made, or lower its limit there.",
            f"Check the figures: /spend today {spend_filter(incident)} by hour",
        ),
        page=page(incident, slack_url),
    )


def page(incident: Incident, slack_url: str) -> Link | None:
    """Return the link to its message, in Slack's own form for messages. None before it was posted."""
    if not incident.ts or not slack_url.startswith("https://"):
        return None
    place = f"{incident.channel}/p{incident.ts.replace('.', '')}"
    return Link("The alert in Slack", f"{slack_url.rstrip('/')}/archives/{place}")


def title(incident: Incident, numbers: Mapping[str, Any]) -> str:
    """Return one line that stands alone."""
    who = "Spending of everybody" if incident.kind == "everybody" else incident.name
    return f"{who}: {format_usd(incident.spent_nano_usd)} since {since(incident)}, {format_usd(_hour(numbers))} an hour"


def standing_sentence(incident: Incident, numbers: Mapping[str, Any], reason: str = "", zone: tzinfo = UTC) -> str:
    """Describe how it stands now: what was spent, how fast while it goes on, and what people said of it."""
    who = "Everybody together" if incident.kind == "everybody" else incident.name
    spent = f"{who} has spent {format_usd(incident.spent_nano_usd)} since {since(incident, zone)}"
    if incident.state in ALIVE:
        return f"{spent}, and spends {format_usd(_hour(numbers))} an hour right now."
    said = {"expected": "it was expected", "false": "it is no incident"}.get(incident.state)
    if said is None:
        return f"{spent}."
    return (
        f"{spent}. Somebody has said that {said}{f': {reason}' if reason else ''}{'' if reason.endswith('.') else '.'}"
    )


def sentence(numbers: Mapping[str, Any]) -> str:
    """Return the detector's explanation, as of the moment of the alert, as a whole sentence."""
    said = str(numbers.get("sentence") or "it spends as never before")
    return f"When it was noticed: {said[:1].lower()}{said[1:]}{'' if said.endswith('.') else '.'}"


def detection_reasons(numbers: Mapping[str, Any]) -> list[str]:
    """Describe how it was noticed, in whole sentences."""
    known = int(numbers.get("days_known") or 0)
    compared = f"its own last {known} active days" if known >= 2 else "everybody else's days"
    return [f"Compared with {compared}.", "Outlay looks at each poll of the ledger, not at the end of the day."]


def spend_filter(incident: Incident) -> str:
    """Return the filter of `/spend` that shows the same money."""
    if incident.kind == "everybody":
        return ""
    return f"owner:{incident.subject}" if not incident.subject.startswith("key:") else f'key:"{incident.name}"'


def since(incident: Incident, zone: tzinfo = UTC) -> str:
    """Format when its spend began; with the day, since it may be read tomorrow."""
    return datetime.fromtimestamp(incident.since, zone).strftime("%d %b %H:%M").lstrip("0") + (
        " UTC" if zone is UTC else ""
    )


def format_usd(nano_usd: int) -> str:
    """Format dollars for a line of text: cents below ten dollars."""
    dollars = to_usd(nano_usd)
    return f"${dollars:,.2f}" if abs(dollars) < 10 else f"${dollars:,.0f}"


def _facts(incident: Incident, numbers: Mapping[str, Any], today: int, zone: tzinfo, now: datetime) -> list[Fact]:
    usual = numbers.get("usual_by_now_nano_usd")
    found = [Fact(f"Spent since {since(incident, zone)}", format_usd(incident.spent_nano_usd))]
    found.append(
        Fact("Today", format_usd(today) + ("" if usual is None else f" (usually {format_usd(int(usual))} by now)"))
    )
    found.append(Fact("An hour", format_usd(_hour(numbers))))
    found.append(Fact("By midnight, at this pace", format_usd(_by_midnight(incident, numbers, today, zone, now))))
    if numbers.get("model"):
        found.append(Fact("Mostly", f"{numbers['model']} on {numbers.get('key') or 'one key'}"))
    if drawn := hourly_chart([int(cost) for cost in numbers.get("hours") or ()]):
        found.append(Fact("Hour by hour, the last 24", drawn))
    return found


def hourly_chart(hours: Sequence[int]) -> str:
    """Draw a chart in text: a character an hour, as high as its money, and the value of the highest.

    Returns "" if nothing was spent.
    """
    most = max(hours, default=0)
    if most <= 0:
        return ""
    steps = [-(-max(cost, 0) * len(BARS) // most) for cost in hours]  # rounded up, so that any spend shows
    return f"{''.join(BARS[step - 1] if step else '·' for step in steps)} (the highest is {format_usd(most)})"


def _by_midnight(incident: Incident, numbers: Mapping[str, Any], today: int, zone: tzinfo, now: datetime) -> int:
    """Project what the day will cost at this rate, in nano-dollars; the figure of the message in Slack."""
    begun = datetime.combine(now.astimezone(zone).date(), time(), zone)
    left_seconds = int((begun + timedelta(days=1) - now).total_seconds())
    so_far = max(today, incident.spent_nano_usd if incident.since >= begun.timestamp() else 0)
    return so_far + _hour(numbers) * left_seconds // 3600


def _hour(numbers: Mapping[str, Any]) -> int:
    """Return nano-dollars an hour right now; those of the alert until anything newer is known."""
    now = numbers.get("rate_nano_usd")
    return int(numbers.get("hour_nano_usd") or 0) if now is None else int(now)


def _whom(incident: Incident) -> str:
    if incident.kind == "everybody":
        return "around"
    return incident.name if incident.kind == "person" else f"whoever answers for {incident.name}"
