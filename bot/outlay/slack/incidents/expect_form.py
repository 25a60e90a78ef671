"""Form behind "Expected…": why spend was expected, and for how long or up to what amount. Pure.

The answer changes which later spend raises an alert.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from outlay import wording
from outlay.incidents.service import IncidentView
from outlay.slack import block_kit
from outlay.slack.form_fields import (
    FormValues,
    InvalidInputError,
    choice_element,
    date_element,
    dollars_element,
    text_element,
)
from outlay.slack.incidents import wording as incident_wording
from outlay.slack.incidents.ids import Input, View

ONCE, KEY, OWNER, RAISE, NOTHING = "once", "key", "owner", "raise", "nothing"
PROPOSED = timedelta(days=30)
_ROUND_USD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ExpectationInput:
    """Answer in the "Expected…" form.

    `dismissed`: a false alarm. Otherwise the spend is expected `until` a time, or while a day costs less than
    `below_nano_usd`; with `only_key` for the incident's key alone.
    """

    reason: str
    dismissed: bool = False
    until: datetime | None = None
    only_key: bool = False
    below_nano_usd: int | None = None


def expect_form_view(view: IncidentView, now: datetime, shown_in: str) -> block_kit.View:
    """Build the modal for an incident. `shown_in`: the id of the modal that it was opened from, "" for a message."""
    who = incident_wording.subject_name(view)
    options = [block_kit.option("Only this time, until the day ends", ONCE)]
    if view.numbers.get("key_id"):
        options.append(
            block_kit.option(f"This key, {wording.name(str(view.numbers.get('key')), 40)}, until a date", KEY)
        )
    options.append(block_kit.option(f"All of {wording.name(who, 50)} until a date", OWNER))
    options.append(block_kit.option("From now on, up to so many dollars a day", RAISE))
    options.append(block_kit.option("It is nothing: do not ring for it for a day", NOTHING))
    proposed = (now + PROPOSED).astimezone(view.zone).date()
    midnight = incident_wording.projected_by_midnight_nano_usd(view, now)
    return {
        "type": "modal",
        "callback_id": View.EXPECT,
        "title": block_kit.plain("Was This Expected?"),
        "submit": block_kit.plain("Save"),
        "close": block_kit.plain("Cancel"),
        "private_metadata": json.dumps({"incident": view.number, "shown_in": shown_in}),
        "blocks": [
            block_kit.section(
                f"{incident_wording.owner_text(view)}: {wording.money(view.spent_nano_usd)} so far. "
                f"{incident_wording.detection_reason(view)}"
            ),
            block_kit.input_field(
                Input.REASON, "Why?", text_element(), hint="Everybody who sees the incident reads this."
            ),
            block_kit.input_field(Input.HOW, "What is expected?", choice_element("radio_buttons", options, ONCE)),
            block_kit.input_field(
                Input.UNTIL,
                "Until which day?",
                date_element(proposed),
                optional=True,
                hint="Where a date is meant above.",
            ),
            block_kit.input_field(
                Input.DAY_USD,
                "Up to how many dollars a day?",
                dollars_element(_rounded_up(midnight)),
                optional=True,
                hint="Where dollars are meant above. Beyond them it rings again.",
            ),
        ],
    }


def parse_expect_form(values: dict[str, Any], now: datetime, view: IncidentView) -> ExpectationInput:
    """Parse the submitted form. Raises Wrong, which names the field."""
    filled = FormValues(values)
    reason, how = filled.text(Input.REASON), filled.choice(Input.HOW)
    if not reason:
        raise InvalidInputError(Input.REASON, "Say why in a few words.")
    if how == ONCE:
        return ExpectationInput(reason, until=incident_wording.local_midnight(now, view.zone))
    if how == NOTHING:
        return ExpectationInput(reason, dismissed=True)
    if how == RAISE:
        below = filled.nano_usd(Input.DAY_USD)
        if below is None:
            raise InvalidInputError(Input.DAY_USD, "Up to how many dollars a day?")
        return ExpectationInput(reason, below_nano_usd=below)
    until = filled.end_of(Input.UNTIL, now, view.zone)
    if until is None:
        raise InvalidInputError(Input.UNTIL, "Until which day?")
    return ExpectationInput(reason, until=until, only_key=how == KEY)


def _rounded_up(nano_usd: int) -> int:
    """Add a tenth to an amount and round it up to whole dollars."""
    return -(-nano_usd * 11 // (10 * _ROUND_USD)) * _ROUND_USD
