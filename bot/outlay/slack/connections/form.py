"""The form as data: what was chosen and typed, read out of a view.

A credential is in `Filled.values` and nowhere else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outlay.connections.views import Choices
from outlay.plugin.forms import FormField
from outlay.slack import block_kit
from outlay.slack.connections import ids
from outlay.slack.protocols import Existing, LedgerForm


@dataclass(frozen=True, slots=True)
class Draft:
    """A form to be shown. `typed` has no secrets: those are never shown again.

    `replace` is a connection whose credential is being renewed: its ledger and name are settled then.
    """

    ledger: LedgerForm
    name: str
    advanced: bool = False
    replace: Existing | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    choices: Choices = field(default_factory=dict)  # the second step: what the other side has to choose from


@dataclass(frozen=True, slots=True)
class Filled:
    """What a person has put into the form, secrets included: not for any log."""

    slug: str
    name: str
    advanced: bool
    replace_id: str | None
    values: Mapping[str, str] = field(repr=False)


def metadata(draft: Draft) -> str:
    """What the view must remember between two clicks. Never a value that was typed."""
    return json.dumps(
        {
            "ledger": draft.ledger.slug,
            "advanced": draft.advanced,
            "replace": draft.replace.id if draft.replace else None,
        }
    )


def read(view: Mapping[str, Any]) -> Filled:
    """The form out of a view that Slack sent: blank fields are left out, so that defaults hold."""
    known = json.loads(view["private_metadata"])
    slug = str(known["ledger"])
    state: Mapping[str, Mapping[str, Any]] = view["state"]["values"]
    values: dict[str, str] = {}
    for block_id, elements in state.items():
        for secret in (True, False):
            prefix = ids.field_block(slug, "", secret=secret)
            if block_id.startswith(prefix) and (value := _value(elements.get(ids.Input.VALUE, {}))):
                values[block_id.removeprefix(prefix)] = value
    name = _value(state.get(ids.name_block(slug), {}).get(ids.Input.NAME, {}))
    return Filled(slug, name, bool(known["advanced"]), known.get("replace"), values)


def without_secrets(filled: Filled, fields: Sequence[FormField]) -> dict[str, str]:
    """What may be shown again."""
    secret = {field.name for field in fields if field.kind == "secret"}
    return {name: value for name, value in filled.values.items() if name not in secret}


def secrets(filled: Filled, fields: Sequence[FormField]) -> frozenset[str]:
    """What must show nowhere: the values of the secret fields."""
    names = {field.name for field in fields if field.kind == "secret"}
    return frozenset(value for name, value in filled.values.items() if name in names)


def free_name(slug: str, taken: Sequence[str]) -> str:
    """The ledger's own name; with a number where that is in use."""
    number = 1
    while (name := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return name


def _value(element: Mapping[str, Any]) -> str:
    """What one element holds, as text."""
    if element.get("type") == "checkboxes":
        return "true" if element.get("selected_options") else "false"
    chosen = element.get("selected_option")
    return str(chosen["value"] if chosen else element.get("value") or "").strip()


def chosen_ledger(view: Mapping[str, Any]) -> str:
    """The slug in the select at the top, or "" if there is none."""
    elements = view["state"]["values"].get(ids.Action.LEDGER, {})
    return _value(elements.get(ids.Action.LEDGER, {}))


def default_of(form_field: FormField, typed: Mapping[str, str]) -> str:
    """What a field shows at first. A secret shows nothing, ever."""
    return "" if form_field.kind == "secret" else block_kit.cut(typed.get(form_field.name, form_field.default), 3_000)
