"""`/spend alerts`: what is open, what is expected, and whether somebody wants to be told directly. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from bot.books.incident_tables import Expectation
from bot.core.answer import Owner
from bot.core.incidents import ALIVE
from bot.slack import kit, words
from bot.slack.alerts import phrases, undelivered
from bot.slack.alerts.fields import Filled, Wrong, day, one_of, start_of, text
from bot.slack.alerts.ids import Action, Input, View
from bot.work.desk import IncidentView
from bot.work.undelivered import GivenUp

SHOWN = 10
OWNERS_MAX = 100  # options of a select
EVERYBODY = "*"
_YES = "yes"


@dataclass(frozen=True, slots=True)
class Planned:
    """What somebody declared beforehand. `until` None: without end."""

    subject: str
    reason: str
    start: datetime
    until: datetime | None


def modal(
    recent: Sequence[IncidentView],
    expected: Sequence[Expectation],
    names: Mapping[str, str],
    now: datetime,
    *,
    zone: tzinfo,
    wants_direct: bool,
    is_admin: bool,
    given_up: Sequence[GivenUp] = (),
) -> kit.View:
    """The overview. `names`: what owners are called, by id. `given_up`: for admins."""
    alive = [view for view in recent if view.state in ALIVE]
    buttons = [kit.button("Plan Work Ahead", Action.PLAN)]
    if is_admin:
        buttons.append(kit.button("Alert Settings", Action.SETTINGS))
        buttons.append(kit.button("Channel of a Team", Action.CHANNEL))
    direct = kit.option("Tell me directly about spending of my own", _YES)
    ticked: kit.Block = {"type": "checkboxes", "options": [direct]}
    return {
        "type": "modal",
        "callback_id": View.OVERVIEW,
        "title": kit.plain("Alerts"),
        "submit": kit.plain("Save"),
        "close": kit.plain("Close"),
        "blocks": [
            *incidents(alive, now),
            {"type": "divider"},
            *undelivered.blocks(given_up, now),
            *_expected(expected, names, now, zone),
            kit.actions(*buttons),
            {"type": "divider"},
            kit.input_field(
                Input.DIRECT,
                "Direct messages",
                ticked | ({"initial_options": [direct]} if wants_direct else {}),
                optional=True,
                hint="Outlay writes to you when keys that you answer for spend as never before, and mentions you.",
            ),
        ],
    }


def incidents(alive: Sequence[IncidentView], now: datetime) -> list[kit.Block]:
    """The open incidents, each with a button that opens it; also for the Home tab."""
    if not alive:
        return [kit.section("*No incident is open.* Outlay looks at every poll of a ledger.")]
    lines: list[kit.Block] = [kit.section(f"*{words.counted(len(alive), 'incident')} open*")]
    for view in alive[:SHOWN]:
        standing = phrases.STATES[view.state].lower()
        line = f"*{words.safe(view.name)}*: {words.money(view.spent_nano_usd)} since {words.clock(view.since, now)}"
        shown = kit.button("Show", Action.SHOW, str(view.number), label=f"Show {words.name(view.name)}")
        lines.append(
            kit.section(f"{line} · {phrases.SEVERITIES[view.severity].lower()} · {standing}") | {"accessory": shown}
        )
    if more := len(alive) - SHOWN:
        lines += [kit.context(f"and {more} more")] if more > 0 else []
    return lines


def wants_direct(values: dict[str, Any]) -> bool:
    """Whether the box was ticked."""
    return _YES in Filled(values).choices(Input.DIRECT)


def plan_form(owners: Sequence[Owner], today: date, shown_in: str, *, is_admin: bool) -> kit.View:
    """The form that declares planned work. Only an admin may leave out the end."""
    options = [kit.option(_called(owner), owner.id) for owner in owners[: OWNERS_MAX - 1] if len(owner.id) <= 150]
    options.append(kit.option("Everybody", EVERYBODY))
    hint = "Empty: without end, for an agent with a budget of its own." if is_admin else ""
    return {
        "type": "modal",
        "callback_id": View.PLAN,
        "title": kit.plain("Plan Work Ahead"),
        "submit": kit.plain("Save"),
        "close": kit.plain("Cancel"),
        "private_metadata": json.dumps({"shown_in": shown_in}),
        "blocks": [
            kit.section("Declared beforehand, it does not ring. It counts in every figure all the same."),
            kit.input_field(Input.OWNER, "Whose work?", one_of("static_select", options)),
            kit.input_field(Input.FROM, "From which day?", day(today)),
            kit.input_field(
                Input.UNTIL, "Until which day, that day included?", day(today), optional=is_admin, hint=hint
            ),
            kit.input_field(Input.REASON, "Why?", text()),
        ],
    }


def planned(values: dict[str, Any], now: datetime, zone: tzinfo, *, is_admin: bool) -> Planned:
    """What was submitted. Raises Wrong."""
    filled = Filled(values)
    subject, reason = filled.choice(Input.OWNER), filled.text(Input.REASON)
    if not reason:
        raise Wrong(Input.REASON, "Say why in a few words.")
    until = filled.end_of(Input.UNTIL, now, zone)
    if until is None and not is_admin:
        raise Wrong(Input.UNTIL, "Until which day? Only an admin may expect something without end.")
    if until is None and subject == EVERYBODY:
        raise Wrong(Input.UNTIL, "Until which day? Without end nobody would be told of a jump of everybody any more.")
    start = start_of(filled.day(Input.FROM) or now.astimezone(zone).date(), zone)
    if until is not None and until <= start:
        raise Wrong(Input.UNTIL, "That is before the first day.")
    return Planned(subject, reason, start, until)


def _expected(
    expected: Sequence[Expectation], names: Mapping[str, str], now: datetime, zone: tzinfo
) -> list[kit.Block]:
    if not expected:
        return [kit.section("*Nothing is expected.* Planned work that is declared beforehand does not ring.")]
    lines: list[kit.Block] = [kit.section("*Expected, so it does not ring*")]
    for row in list(expected)[:SHOWN]:
        who = names.get(row.subject, row.subject)
        button = kit.button("Take Back", Action.TAKE_BACK, str(row.id), label=f"Take back: {words.name(who)}")
        lines.append(kit.section(_expectation(row, who, now, zone)) | {"accessory": button})
    if len(expected) > SHOWN:
        lines.append(kit.context(f"and {len(expected) - SHOWN} more"))
    return lines


def _expectation(row: Expectation, who: str, now: datetime, zone: tzinfo) -> str:
    span = f"until {_day(row.until - 1, now, zone)}" if row.until else "without end"
    if row.start > now.timestamp():
        span = f"from {_day(row.start, now, zone)} {span}"
    what = "one key" if row.key_id else "all of it"
    much = f", up to {words.money(row.below_nano_usd)} a day" if row.below_nano_usd else ""
    by = f", says {phrases.person(row.who)}" if row.who else ""
    named = "everybody" if row.subject == EVERYBODY else words.safe(who)
    return f"*{named}* ({what}{much}) {span}{by}: {words.safe(row.reason, phrases.REASON_CHARACTERS_MAX)}"


def _day(seconds: int, now: datetime, zone: tzinfo) -> str:
    return words.day(datetime.fromtimestamp(seconds, zone).date(), now.date())


def _called(owner: Owner) -> str:
    named = words.name(owner.name or owner.id)
    return named if owner.kind == "person" else f"{owner.kind} {named}"
