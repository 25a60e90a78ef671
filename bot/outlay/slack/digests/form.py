"""Form for digests: admins choose channels, frequency and time; everyone their own; with a preview."""

from datetime import time
from typing import Any

from outlay import wording as words
from outlay.core.calendar_periods import PERIODS, Period
from outlay.digests.digest import Digest
from outlay.digests.subscriptions import AT, CHANNELS_MAX, DigestSubscriptions
from outlay.slack import block_kit
from outlay.slack.digests import blocks
from outlay.slack.digests.ids import Input, View
from outlay.slack.digests.wording import FREQUENCY_NAMES

PREVIEW_CHARACTERS = 2_400
_PICTURE = block_kit.option("Also draw the weekly chart as a picture", "yes")
_CHOICES: dict[Period, str] = {
    "day": "Daily, about the day before",
    "week": "On Mondays, about the week before",
    "month": "On the 1st, about the month before",
}


def view(plan: DigestSubscriptions, preview: Digest | None, user_id: str, *, is_admin: bool) -> block_kit.View:
    """Build the form, filled in with the current choices. `preview` None: it is loaded later."""
    own = plan.people.get(user_id, ())
    parts: list[block_kit.Block] = _for_admins(plan) if is_admin else [block_kit.section(_where(plan))]
    parts.append(
        block_kit.input_field(Input.OWN, "Your own figures, by direct message", _checkboxes(own), optional=True)
    )
    return {
        "type": "modal",
        "callback_id": View.FORM,
        "title": block_kit.plain("Digests"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "blocks": [*parts, *_preview(preview)],
    }


def saved(plan: DigestSubscriptions, user_id: str) -> block_kit.View:
    """Build the modal that confirms what was saved."""
    own = plan.people.get(user_id, ())
    mine = f"Your own figures come {_often(own)} by direct message." if own else "You get none by direct message."
    note = "Invite Outlay to each private channel, or nothing arrives there: `/invite`."
    return {
        "type": "modal",
        "title": block_kit.plain("Digests"),
        "close": block_kit.plain("Close"),
        "blocks": [
            block_kit.section(_where(plan)),
            block_kit.section(mine),
            *([block_kit.context(note)] if plan.channels else []),
        ],
    }


def parse_form(
    values: dict[str, Any], before: DigestSubscriptions
) -> tuple[DigestSubscriptions | None, tuple[Period, ...], dict[str, str]]:
    """Parse the submitted form: the workspace's plan, the user's own periods, and errors by field.

    The plan is None if the form has no fields for admins.
    """
    own = _periods(values[Input.OWN][Input.OWN])
    if Input.CHANNELS not in values:
        return None, own, {}
    channels = tuple(values[Input.CHANNELS][Input.CHANNELS].get("selected_conversations") or ())
    periods = _periods(values[Input.PERIODS][Input.PERIODS])
    at = values[Input.AT][Input.AT].get("selected_time") or AT.isoformat("minutes")
    errors: dict[str, str] = {}
    if channels and not periods:
        errors[Input.PERIODS] = "Choose how often, or take the channels away."
    if any(not channel.startswith(("C", "G")) for channel in channels):
        errors[Input.CHANNELS] = "Choose channels. Direct messages are chosen by everybody for themselves, below."
    picture = Input.PICTURE in values and bool(values[Input.PICTURE][Input.PICTURE].get("selected_options"))
    plan = DigestSubscriptions(
        channels=channels, periods=periods or before.periods, at=time.fromisoformat(str(at)), picture=picture
    )
    return plan, own, errors


def _for_admins(plan: DigestSubscriptions) -> list[block_kit.Block]:
    channels: block_kit.Block = {
        "type": "multi_conversations_select",
        "max_selected_items": CHANNELS_MAX,
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }
    if plan.channels:
        channels["initial_conversations"] = list(plan.channels)
    return [
        block_kit.input_field(
            Input.CHANNELS, "Where to", channels, optional=True, hint="None: no digest for the workspace."
        ),
        block_kit.input_field(Input.PERIODS, "How often", _checkboxes(plan.periods), optional=True),
        block_kit.input_field(
            Input.AT,
            "At what time",
            {"type": "timepicker", "initial_time": plan.at.isoformat("minutes")},
            hint=f"In the time zone of the reports, {plan.zone}.",
        ),
        block_kit.input_field(
            Input.PICTURE,
            "Picture",
            {"type": "checkboxes", "options": [_PICTURE], **({"initial_options": [_PICTURE]} if plan.picture else {})},
            optional=True,
            hint="In the thread of the weekly one. Where Slack's own chart is not known yet, it comes by itself.",
        ),
    ]


def _where(plan: DigestSubscriptions) -> str:
    if not plan.channels:
        return "No channel gets a digest of the workspace."
    where = ", ".join(f"<#{channel}>" for channel in plan.channels)
    verb = "gets" if len(plan.channels) == 1 else "get"
    picture = " The weekly chart comes as a picture too." if plan.picture and "week" in plan.periods else ""
    return f"{where} {verb} one {_often(plan.periods)}, at {plan.at:%H:%M} ({words.safe(str(plan.zone))}).{picture}"


def _often(periods: tuple[Period, ...]) -> str:
    names = [FREQUENCY_NAMES[period].lower() for period in periods]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _preview(preview: Digest | None) -> list[block_kit.Block]:
    if preview is None:
        return [{"type": "divider"}, block_kit.context("A preview of the newest one is on its way.")]
    lines, room = [], PREVIEW_CHARACTERS
    for line in blocks.text(preview):
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return [{"type": "divider"}, block_kit.context("The newest one would say:"), block_kit.section("\n".join(lines))]


def _checkboxes(periods: tuple[Period, ...]) -> block_kit.Block:
    options = {period: block_kit.option(text, period) for period, text in _CHOICES.items()}
    element: block_kit.Block = {"type": "checkboxes", "options": list(options.values())}
    if periods:
        element["initial_options"] = [options[period] for period in periods]
    return element


def _periods(state: dict[str, Any]) -> tuple[Period, ...]:
    chosen = {option["value"] for option in state.get("selected_options") or ()}
    return tuple(period for period in PERIODS if period in chosen)
