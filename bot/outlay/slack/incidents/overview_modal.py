"""Modal of `/spend alerts`: open incidents, expected spend, and the user's choice of direct messages. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from outlay import wording
from outlay.core.owner import Owner
from outlay.delivery.dead_letters import DeadLetter
from outlay.incidents.service import IncidentView
from outlay.incidents.state_machine import ALIVE
from outlay.incidents.tables import Expectation
from outlay.slack import block_kit
from outlay.slack.form_fields import (
    FormValues,
    InvalidInputError,
    choice_element,
    date_element,
    start_of_day,
    text_element,
)
from outlay.slack.incidents import dead_letters
from outlay.slack.incidents import wording as incident_wording
from outlay.slack.incidents.ids import Action, Input, View

SHOWN = 10
OWNERS_MAX = 100  # the most options that Slack allows in a select
EVERYBODY = "*"
_YES = "yes"


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """Planned work, declared before it starts. `until` is None if it has no end."""

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
    given_up: Sequence[DeadLetter] = (),
) -> block_kit.View:
    """Build the overview. `names`: owners' names by id. `given_up`: undelivered messages, for admins."""
    alive = [view for view in recent if view.state in ALIVE]
    buttons = [block_kit.button("Plan Work Ahead", Action.PLAN)]
    if is_admin:
        buttons.append(block_kit.button("Alert Settings", Action.SETTINGS))
        buttons.append(block_kit.button("Channel of a Team", Action.CHANNEL))
    direct = block_kit.option("Tell me directly about spending of my own", _YES)
    ticked: block_kit.Block = {"type": "checkboxes", "options": [direct]}
    return {
        "type": "modal",
        "callback_id": View.OVERVIEW,
        "title": block_kit.plain("Alerts"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Close"),
        "blocks": [
            *incident_list_blocks(alive, now),
            {"type": "divider"},
            *dead_letters.undelivered_blocks(given_up, now),
            *_expected(expected, names, now, zone),
            block_kit.actions(*buttons),
            {"type": "divider"},
            block_kit.input_field(
                Input.DIRECT,
                "Direct messages",
                ticked | ({"initial_options": [direct]} if wants_direct else {}),
                optional=True,
                hint="Outlay writes to you when keys that you answer for spend as never before, and mentions you.",
            ),
        ],
    }


def incident_list_blocks(alive: Sequence[IncidentView], now: datetime) -> list[block_kit.Block]:
    """Build a list of the open incidents, each with a button that opens it; the Home tab shows it too."""
    if not alive:
        return [block_kit.section("*No incident is open.* Outlay looks at every poll of a ledger.")]
    lines: list[block_kit.Block] = [block_kit.section(f"*{wording.count_with_noun(len(alive), 'incident')} open*")]
    for view in alive[:SHOWN]:
        standing = incident_wording.STATES[view.state].lower()
        line = (
            f"*{wording.safe(view.name)}*: {wording.money(view.spent_nano_usd)} since {wording.clock(view.since, now)}"
        )
        shown = block_kit.button("Show", Action.SHOW, str(view.number), label=f"Show {wording.name(view.name)}")
        lines.append(
            block_kit.section(f"{line} · {incident_wording.SEVERITIES[view.severity].lower()} · {standing}")
            | {"accessory": shown}
        )
    if more := len(alive) - SHOWN:
        lines += [block_kit.context(f"and {more} more")] if more > 0 else []
    return lines


def wants_direct(values: dict[str, Any]) -> bool:
    """Report whether the box for direct messages was checked."""
    return _YES in FormValues(values).choices(Input.DIRECT)


def plan_form(owners: Sequence[Owner], today: date, shown_in: str, *, is_admin: bool) -> block_kit.View:
    """Build the form that declares planned work. Only an admin may omit the end."""
    options = [block_kit.option(_called(owner), owner.id) for owner in owners[: OWNERS_MAX - 1] if len(owner.id) <= 150]
    options.append(block_kit.option("Everybody", EVERYBODY))
    hint = "Empty: without end, for an agent with a budget of its own." if is_admin else ""
    return {
        "type": "modal",
        "callback_id": View.PLAN,
        "title": block_kit.plain("Plan Work Ahead"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"shown_in": shown_in}),
        "blocks": [
            block_kit.section("Declared beforehand, it does not ring. It counts in every figure all the same."),
            block_kit.input_field(Input.OWNER, "Whose work?", choice_element("static_select", options)),
            block_kit.input_field(Input.FROM, "From which day?", date_element(today)),
            block_kit.input_field(
                Input.UNTIL, "Until which day, that day included?", date_element(today), optional=is_admin, hint=hint
            ),
            block_kit.input_field(Input.REASON, "Why?", text_element()),
        ],
    }


def parse_plan_form(values: dict[str, Any], now: datetime, zone: tzinfo, *, is_admin: bool) -> PlannedWork:
    """Parse the submitted planned work. Raises Wrong, which names the field."""
    filled = FormValues(values)
    subject, reason = filled.choice(Input.OWNER), filled.text(Input.REASON)
    if not reason:
        raise InvalidInputError(Input.REASON, "Say why in a few words.")
    until = filled.end_of(Input.UNTIL, now, zone)
    if until is None and not is_admin:
        raise InvalidInputError(Input.UNTIL, "Until which day? Only an admin may expect something without end.")
    if until is None and subject == EVERYBODY:
        raise InvalidInputError(
            Input.UNTIL, "Until which day? Without end nobody would be told of a jump of everybody any more."
        )
    start = start_of_day(filled.day(Input.FROM) or now.astimezone(zone).date(), zone)
    if until is not None and until <= start:
        raise InvalidInputError(Input.UNTIL, "That is before the first day.")
    return PlannedWork(subject, reason, start, until)


def _expected(
    expected: Sequence[Expectation], names: Mapping[str, str], now: datetime, zone: tzinfo
) -> list[block_kit.Block]:
    if not expected:
        return [block_kit.section("*Nothing is expected.* Planned work that is declared beforehand does not ring.")]
    lines: list[block_kit.Block] = [block_kit.section("*Expected, so it does not ring*")]
    for row in list(expected)[:SHOWN]:
        who = names.get(row.subject, row.subject)
        button = block_kit.button("Take Back", Action.TAKE_BACK, str(row.id), label=f"Take back: {wording.name(who)}")
        lines.append(block_kit.section(_expectation(row, who, now, zone)) | {"accessory": button})
    if len(expected) > SHOWN:
        lines.append(block_kit.context(f"and {len(expected) - SHOWN} more"))
    return lines


def _expectation(row: Expectation, who: str, now: datetime, zone: tzinfo) -> str:
    span = f"until {_day(row.until - 1, now, zone)}" if row.until else "without end"
    if row.start > now.timestamp():
        span = f"from {_day(row.start, now, zone)} {span}"
    what = "one key" if row.key_id else "all of it"
    much = f", up to {wording.money(row.below_nano_usd)} a day" if row.below_nano_usd else ""
    by = f", says {incident_wording.person_mention(row.who)}" if row.who else ""
    named = "everybody" if row.subject == EVERYBODY else wording.safe(who)
    return f"*{named}* ({what}{much}) {span}{by}: {wording.safe(row.reason, incident_wording.REASON_CHARACTERS_MAX)}"


def _day(seconds: int, now: datetime, zone: tzinfo) -> str:
    return wording.day(datetime.fromtimestamp(seconds, zone).date(), now.date())


def _called(owner: Owner) -> str:
    named = wording.name(owner.name or owner.id)
    return named if owner.kind == "person" else f"{owner.kind} {named}"
