"""Text of an incident: what happened, how bad it is, what was done about it, and how to check the figures.

Pure. Text from outside (owners, keys, models, reasons) has passed through `words.safe` or `words.name`.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from outlay import wording
from outlay.incidents.service import IncidentView
from outlay.incidents.state_machine import ALIVE
from outlay.incidents.tables import IncidentChange

SENTENCE_CHARACTERS_MAX = 1_000
REASON_CHARACTERS_MAX = 200
SEVERITIES = {"page": "Look now", "notice": "Worth a look"}
STATES = {
    "open": "Open",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "expected": "Expected",
    "false": "Nothing",
    "resolved": "Over",
}
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{5,20}")
_DONE = {
    "opened": "Noticed",
    "acknowledge": "Acknowledged",
    "snooze": "Snoozed",
    "expect": "Marked as expected",
    "dismiss": "Marked as nothing",
    "undo": "Undone",
    "file": "Filing asked for",
    "filed": "Filed",
    "resolve": "Over",
    "reopen": "Came back",
    "wake": "Snooze ended",
    "raise": "Became urgent",
    "doubled": "Doubled",
}
_BY_PEOPLE = frozenset({"acknowledge", "snooze", "expect", "dismiss", "undo", "file"})
HISTORY_CHANGES_MAX = 6


def title(view: IncidentView) -> str:
    """Return the header: severity, owner and burn rate as one line of plain text."""
    who = subject_name(view)
    if view.state in ALIVE:
        rate = rate_nano_usd(view)
        doing = f"spends {wording.money(rate)} an hour" if rate else f"has spent {wording.money(view.spent_nano_usd)}"
        return f"{SEVERITIES[view.severity]}: {who} {doing}"
    return f"{STATES[view.state]}: {who} spent {wording.money(view.spent_nano_usd)}"


def headline(view: IncidentView, now: datetime) -> str:
    """Return the finding for notifications and screen readers, with its most important figure, as mrkdwn."""
    begun = wording.utc_clock(view.since, now)
    who = "everybody" if view.kind == "everybody" else wording.safe(view.name)
    spent = f"{who} has spent {wording.money(view.spent_nano_usd)} since {begun}"
    if view.state not in ALIVE:
        return f"{STATES[view.state]}: {spent}."
    rate = rate_nano_usd(view)
    if not rate:
        return f"{SEVERITIES[view.severity]}: {spent}."
    foreseen = wording.money(projected_by_midnight_nano_usd(view, now))
    pace = f"{wording.money(rate)} an hour, at this pace {foreseen} by midnight"
    return f"{SEVERITIES[view.severity]}: {spent}, {pace}."


def rate_nano_usd(view: IncidentView) -> int:
    """Return the burn rate in nano-dollars an hour, as of the last check.

    Before the first check it is the detector's figure for the last hour.
    """
    return int(view.numbers.get("rate_nano_usd", view.numbers.get("hour_nano_usd")) or 0)


def projected_by_midnight_nano_usd(view: IncidentView, now: datetime) -> int:
    """Return what the day will have cost, in nano-dollars, if the burn rate lasts until the workspace's midnight."""
    ends = local_midnight(now, view.zone)
    own = view.spent_nano_usd if view.since > ends - timedelta(days=1) else 0
    left_seconds = int((ends - now).total_seconds())
    return max(int(view.numbers.get("today_nano_usd") or 0), own) + rate_nano_usd(view) * left_seconds // 3600


def subject_name(view: IncidentView) -> str:
    """Return the name of the incident's subject as plain text."""
    return "everybody" if view.kind == "everybody" else wording.name(view.name)


def owner_text(view: IncidentView, direct: Collection[str] = ()) -> str:
    """Return the owner as mrkdwn. Only users who asked for direct messages are mentioned."""
    if view.subject in direct and _SLACK_USER.fullmatch(view.subject):
        return f"<@{view.subject}>"
    if view.kind == "everybody":
        return "everybody at once"
    if view.kind == "key":
        return f"nobody yet; the key is {wording.safe(view.name)}"
    return wording.safe(view.name) if view.kind == "person" else f"{view.kind} {wording.safe(view.name)}"


def detection_reason(view: IncidentView) -> str:
    """Return the detector's explanation at the time of detection, as a whole sentence."""
    said = wording.safe(str(view.numbers.get("sentence") or "it spends as never before"), SENTENCE_CHARACTERS_MAX)
    return f"When it was noticed: {said[:1].lower()}{said[1:]}{'' if said.endswith('.') else '.'}"


def facts(view: IncidentView, now: datetime) -> list[str]:
    """Return the figures as mrkdwn, each with its label."""
    numbers = view.numbers
    usual = numbers.get("usual_by_now_nano_usd")
    found = [
        f"*Spent since {wording.clock(view.since, now)}*\n{wording.money(view.spent_nano_usd)}",
        f"*Usual by then*\n{'not known yet' if usual is None else wording.money(int(usual))}",
    ]
    if view.state in ALIVE and (rate := rate_nano_usd(view)):
        found.append(f"*An hour, right now*\n{wording.money(rate)}")
        found.append(f"*By midnight, at this pace*\n{wording.money(projected_by_midnight_nano_usd(view, now))}")
    if numbers.get("model"):
        found.append(f"*Mostly*\n{wording.safe(str(numbers['model']))} on {_key(numbers)}")
    return found


def spend_query(view: IncidentView, now: datetime) -> str:
    """Return the arguments of `/spend` that show the same spend hour by hour."""
    first, last = view.since.astimezone(view.zone).date(), now.astimezone(view.zone).date()
    if view.ended_at is not None:
        last = max(first, view.ended_at.astimezone(view.zone).date())
    today = now.astimezone(view.zone).date()
    period = "today" if first == last == today else f"from {first} to {last}"
    return " ".join(part for part in (period, _filter(view), "by hour") if part)


def state_text(view: IncidentView, now: datetime) -> str:
    """Describe the incident's state and who set it, as mrkdwn."""
    last = next((change for change in reversed(view.changes) if _STATE_OF.get(change.what) == view.state), None)
    if view.state == "open" or last is None:
        return "Open: nobody has taken it yet." if view.state == "open" else f"{STATES[view.state]}."
    until = f" until {wording.clock(view.snoozed_until, now)}" if view.snoozed_until else ""
    why = f": {wording.safe(last.detail, REASON_CHARACTERS_MAX)}" if last.detail and last.what in _BY_PEOPLE else "."
    return f"*{_done(last, now, until)}*{why}"


def history(view: IncidentView, now: datetime) -> str:
    """Return the latest changes of the incident as one line of mrkdwn, the newest last."""
    told = [_done(change, now) for change in view.changes[-HISTORY_CHANGES_MAX:]]
    return " · ".join(told)


def thread_reply_text(
    view: IncidentView, what: str, nano_usd: int | None, now: datetime, direct: Collection[str] = ()
) -> str:
    """Return the text of a thread reply as mrkdwn. `nano_usd`: the spend to state, None for the current one."""
    spent = wording.money(view.spent_nano_usd if nano_usd is None else nano_usd)
    who = owner_text(view, direct) if view.kind != "key" else wording.safe(view.name)
    rate = wording.money(rate_nano_usd(view))
    match what:
        case "doubled":
            return f"It has doubled: *{spent}* by now, {rate} an hour ({who})."
        case "reopened":
            return f"It is back: {who} spends {rate} an hour again, {spent} so far."
        case "raised":
            return f"This has become urgent: {who} has spent {spent}, {rate} an hour."
        case "resolved":
            lasted = duration((view.ended_at or now) - view.since)
            return f"Over: {who} is back to usual. It cost *{spent}* in {lasted}."
        case "joined":
            return f"One more: {who} has spent {spent}, {rate} an hour."
        case "woke":
            return f"The snooze is over and it still goes on: {who} has spent {spent}, {rate} an hour."
    return f"{who}: {spent}."


def duration(span: timedelta) -> str:
    """Format a duration as `25 min`, `2 h 10 min` or `3 days`."""
    minutes = max(1, int(span.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return wording.count_with_noun(minutes // (24 * 60), "day")


def person_mention(who: str) -> str:
    """Return a person as mrkdwn: a mention for a Slack user, otherwise the name."""
    return f"<@{who}>" if _SLACK_USER.fullmatch(who) else wording.safe(who)


def local_midnight(now: datetime, zone: tzinfo) -> datetime:
    """Return the end of the day that contains `now` in the given zone, as UTC."""
    day = now.astimezone(zone) + timedelta(days=1)
    return day.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


_STATE_OF = {
    "acknowledge": "acknowledged",
    "snooze": "snoozed",
    "expect": "expected",
    "dismiss": "false",
    "resolve": "resolved",
}


def _done(change: IncidentChange, now: datetime, more: str = "") -> str:
    by = f" by {person_mention(change.who)}" if change.who else ""
    done = _DONE.get(change.what, wording.safe(change.what))
    if change.what == "doubled" and change.detail.isdigit():
        done = f"Doubled to {wording.money(int(change.detail))}"
    if change.what == "filed":
        done = f"Filed in {wording.safe(change.detail)}"
    return f"{done}{by}{more} · {wording.clock(datetime.fromtimestamp(change.at, UTC), now)}"


def _key(numbers: Any) -> str:
    return f"key {wording.safe(str(numbers['key']))}" if numbers.get("key") else "several keys"


def _filter(view: IncidentView) -> str:
    """Return the `/spend` filter for the subject. Spaces become `*`, since a question is split at spaces."""
    if view.kind == "everybody":
        return ""
    if view.kind == "key":
        label, _, rest = view.name.rpartition(" (")
        return f"key:{_pattern(label)} connection:{_pattern(rest[:-1])}" if label else f"key:{_pattern(view.name)}"
    return f"owner:{_pattern(view.subject)}"


def _pattern(text: str) -> str:
    return "*".join(wording.name(text, 200).replace("`", "*").split())
