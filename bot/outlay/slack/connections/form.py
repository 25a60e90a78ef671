"""Data of the connect form: what was chosen and typed, parsed from a view.

A credential is in `SubmittedConnectForm.values` and nowhere else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outlay.connections.views import Choices
from outlay.plugin.forms import FormField
from outlay.slack import block_kit
from outlay.slack.connections import ids
from outlay.slack.protocols import ConnectionSummary, LedgerForm


@dataclass(frozen=True, slots=True)
class ConnectFormDraft:
    """Form to be shown. `typed` has no secrets, since those are never shown again.

    `replace`: the connection whose credential is being renewed; its ledger and name cannot be changed then.
    """

    ledger: LedgerForm
    name: str
    advanced: bool = False
    replace: ConnectionSummary | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    choices: Choices = field(default_factory=dict)  # in the second step: the options that the service offers


@dataclass(frozen=True, slots=True)
class SubmittedConnectForm:
    """Submitted form, including its secrets; must not be logged."""

    slug: str
    name: str
    advanced: bool
    replace_id: str | None
    values: Mapping[str, str] = field(repr=False)


def metadata(draft: ConnectFormDraft) -> str:
    """Return what the view must remember between two clicks, as JSON; never a typed value."""
    return json.dumps(
        {
            "ledger": draft.ledger.slug,
            "advanced": draft.advanced,
            "replace": draft.replace.id if draft.replace else None,
        }
    )


def parse_form(view: Mapping[str, Any]) -> SubmittedConnectForm:
    """Parse a view that Slack sent. Blank fields are left out, so that defaults apply."""
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
    return SubmittedConnectForm(slug, name, bool(known["advanced"]), known.get("replace"), values)


def without_secrets(filled: SubmittedConnectForm, fields: Sequence[FormField]) -> dict[str, str]:
    """Return the submitted values that may be shown again."""
    secret = {field.name for field in fields if field.kind == "secret"}
    return {name: value for name, value in filled.values.items() if name not in secret}


def secrets(filled: SubmittedConnectForm, fields: Sequence[FormField]) -> frozenset[str]:
    """Return the values of the secret fields, which must not appear in any text."""
    names = {field.name for field in fields if field.kind == "secret"}
    return frozenset(value for name, value in filled.values.items() if name in names)


def free_name(slug: str, taken: Sequence[str]) -> str:
    """Suggest a name: the ledger's slug, with a number if it is taken."""
    number = 1
    while (name := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return name


def _value(element: Mapping[str, Any]) -> str:
    """Return the value of one element as text; "" for none."""
    if element.get("type") == "checkboxes":
        return "true" if element.get("selected_options") else "false"
    chosen = element.get("selected_option")
    return str(chosen["value"] if chosen else element.get("value") or "").strip()


def chosen_ledger(view: Mapping[str, Any]) -> str:
    """Return the slug chosen in the select at the top; "" if the form has none."""
    elements = view["state"]["values"].get(ids.Action.LEDGER, {})
    return _value(elements.get(ids.Action.LEDGER, {}))


def default_of(form_field: FormField, typed: Mapping[str, str]) -> str:
    """Return the initial value of a field; always "" for a secret."""
    return "" if form_field.kind == "secret" else block_kit.cut(typed.get(form_field.name, form_field.default), 3_000)
