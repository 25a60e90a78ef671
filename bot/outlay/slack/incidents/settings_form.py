"""Forms for admins: alert sensitivity, minimum spend, channels and quiet hours. Pure."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from outlay import wording
from outlay.core.owner import Owner
from outlay.incidents.alert_settings import SENSITIVITIES, AlertSettings
from outlay.slack import block_kit
from outlay.slack.form_fields import FormValues, InvalidInputError, choice_element, dollars_element
from outlay.slack.incidents.ids import Input, View
from outlay.slack.incidents.overview_modal import OWNERS_MAX

# Measured on unseen companies, see docs/detection.md: false alerts in 100 developer-days, per cent of runaways found.
MEASURED = {"calm": ("0.54", 86), "normal": ("1.36", 91), "sharp": ("3.5", 94)}
_NONE = "none"


def settings_form(chosen: AlertSettings, shown_in: str) -> block_kit.View:
    """Build the modal with the alert settings of the workspace.

    `shown_in`: the id of the modal that it was opened from.
    """
    options = [
        block_kit.option(name.title(), name) | {"description": block_kit.plain(_means(name), 75)}
        for name in SENSITIVITIES
    ]
    hours = [block_kit.option("None", _NONE), *(block_kit.option(f"{hour:02}:00", str(hour)) for hour in range(24))]
    begins, ends = (str(hour) for hour in chosen.quiet) if chosen.quiet else (_NONE, _NONE)
    zone = wording.name(str(chosen.zone))
    return {
        "type": "modal",
        "callback_id": View.SETTINGS,
        "title": block_kit.plain("Alert Settings"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"shown_in": shown_in}),
        "blocks": [
            block_kit.input_field(
                Input.SENSITIVITY,
                "How sharp?",
                choice_element("radio_buttons", options, chosen.sensitivity),
                hint="One false alarm in 100 developer-days is one a week in a team of twenty.",
            ),
            block_kit.input_field(
                Input.FLOOR_USD,
                "From how many dollars on?",
                dollars_element(chosen.floor_nano_usd),
                hint="Nothing rings before the strange stretch itself, or the last hour, has cost so much.",
            ),
            block_kit.input_field(Input.PLACE, "Which channel?", _channels(chosen.channel), optional=True, hint=_WHERE),
            block_kit.input_field(
                Input.QUIET_FROM,
                "Quiet from",
                choice_element("static_select", hours, begins),
                hint=f"What is urgent is told at any hour; the rest waits for the end of the quiet hours. In {zone}.",
            ),
            block_kit.input_field(Input.QUIET_TO, "Quiet until", choice_element("static_select", hours, ends)),
        ],
    }


def parse_settings_form(values: dict[str, Any], before: AlertSettings) -> AlertSettings:
    """Parse the submitted alert settings. Raises Wrong, which names the field."""
    filled = FormValues(values)
    begins, ends = filled.choice(Input.QUIET_FROM), filled.choice(Input.QUIET_TO)
    if (begins == _NONE) != (ends == _NONE):
        field_name = Input.QUIET_TO if ends == _NONE else Input.QUIET_FROM
        raise InvalidInputError(field_name, "Quiet hours need both a beginning and an end, or neither.")
    if begins == ends != _NONE:
        raise InvalidInputError(Input.QUIET_TO, "That is no time at all. For no quiet hours choose None twice.")
    floor = filled.nano_usd(Input.FLOOR_USD)
    if floor is None:
        raise InvalidInputError(Input.FLOOR_USD, "From how many dollars on?")
    return replace(
        before,
        sensitivity=filled.choice(Input.SENSITIVITY) or before.sensitivity,
        floor_nano_usd=floor,
        channel=filled.channel(Input.PLACE),
        quiet=None if begins == _NONE else (int(begins), int(ends)),
    )


def channel_form(chosen: AlertSettings, owners: Sequence[Owner], shown_in: str) -> block_kit.View:
    """Build the modal that routes the incidents of one owner (a team, an agent or a person) to a channel."""
    ordered = sorted(owners, key=lambda owner: owner.kind != "team")
    options = [
        block_kit.option(wording.name(owner.name or owner.id), owner.id) for owner in ordered if len(owner.id) <= 150
    ]
    names = {owner.id: owner.name for owner in owners}
    told = [
        f"• {wording.safe(names.get(owner, owner))}: <#{channel}>"
        for owner, channel in list(chosen.team_channels.items())[:20]
    ]
    listed = "\n".join(told) if told else "No team has a channel of its own yet."
    inputs = [
        block_kit.input_field(Input.OWNER, "Whose incidents?", choice_element("static_select", options[:OWNERS_MAX])),
        block_kit.input_field(
            Input.PLACE, "Which channel?", _channels(), optional=True, hint="Empty: where all the others go."
        ),
    ]
    made: block_kit.View = {
        "type": "modal",
        "callback_id": View.CHANNEL,
        "title": block_kit.plain("Channel of a Team"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"shown_in": shown_in}),
        "blocks": [block_kit.section(listed)],
    }
    if not options:
        made["blocks"].append(block_kit.section("Nobody answers for any key yet: `/spend owners` says who."))
        return made
    return made | {"submit": block_kit.plain("Save"), "blocks": [*made["blocks"], *inputs]}


def parse_channel_form(values: dict[str, Any], before: AlertSettings) -> AlertSettings:
    """Parse the submitted channel of an owner; an empty channel removes the owner's own route."""
    filled = FormValues(values)
    owner, channel = filled.choice(Input.OWNER), filled.channel(Input.PLACE)
    others = {name: place for name, place in before.team_channels.items() if name != owner}
    return replace(before, team_channels=others | ({owner: channel} if channel else {}))


def _means(sensitivity: str) -> str:
    """Describe a sensitivity by its measured false-alarm rate and the share of runaways that it reports."""
    false, told = MEASURED[sensitivity]
    return f"{false} false alarms in 100 developer-days; tells of {told} % of runaways"


_WHERE = "Invite Outlay there first. Empty: OUTLAY_ALERT_CHANNEL, else an admin."


def _channels(initial: str = "") -> block_kit.Block:
    element: block_kit.Block = {
        "type": "conversations_select",
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }
    return element | ({"initial_conversation": initial} if initial else {})
