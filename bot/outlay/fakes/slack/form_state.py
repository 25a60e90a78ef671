"""State of the fields of a view or message (`state.values`), and what a person may put there. Pure.

`fields` finds the inputs, `initial_values` their initial values, `element_state` turns a plain value ("7d", a user id,
a list) into Slack's state for that kind of element, `submit_errors` returns Slack's own errors on Submit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Name = tuple[str, str]

REQUIRED = "Please complete this required field."
TEXT_INPUTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input")
# element type -> (field of its state, field of its initial value)
_SINGLE = {
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "users_select": ("selected_user", "initial_user"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    **dict.fromkeys(TEXT_INPUTS, ("value", "initial_value")),
}
_MANY = {
    "checkboxes": ("selected_options", "initial_options"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "file_input": ("files", "initial_files"),
}


class ImpossibleUserActionError(LookupError):
    """Action that a person could not do: there is no such field, or no such choice in it."""


@dataclass(frozen=True, slots=True)
class Field:
    """Input: its ids, its element, and its label."""

    block_id: str
    action_id: str
    element: Json
    label: str = ""
    optional: bool = True
    dispatches: bool = True

    @property
    def name(self) -> Name:
        """Return the key of the field's value: block_id and action_id."""
        return self.block_id, self.action_id


def fields(blocks: list[Json]) -> Iterator[Field]:
    """Yield every element that holds a value, in input, section and actions blocks."""
    for block in blocks:
        block_id = str(block.get("block_id", ""))
        if block.get("type") == "input":
            element = block["element"]
            dispatches = bool(block.get("dispatch_action"))
            label = str(block["label"]["text"])
            optional = bool(block.get("optional"))
            yield Field(block_id, str(element.get("action_id", "")), element, label, optional, dispatches)
            continue
        found = [*(block.get("elements") or []), block.get("accessory")]
        for element in found if block.get("type") in ("section", "actions") else []:
            if isinstance(element, dict) and element.get("type") in {**_SINGLE, **_MANY}:
                yield Field(block_id, str(element.get("action_id", "")), element)


def initial_values(blocks: list[Json]) -> dict[Name, Json]:
    """Return the values of the fields before any input."""
    values = {}
    for item in fields(blocks):
        kind = item.element["type"]
        holds, starts = _SINGLE.get(kind) or _MANY[kind]
        values[item.name] = {"type": kind, holds: item.element.get(starts, None if kind in _SINGLE else [])}
    return values


def as_state(values: dict[Name, Json]) -> Json:
    """Convert values of fields to the shape that payloads carry."""
    state: Json = {}
    for (block_id, action_id), value in values.items():
        state.setdefault(block_id, {})[action_id] = value
    return {"values": state}


def find_field(blocks: list[Json], name: str) -> Field:
    """Return the field that has this block_id, action_id or label.

    Raises ImpossibleUserActionError, naming all fields.
    """
    everything = list(fields(blocks))
    for matches in (
        [item for item in everything if item.block_id == name],
        [item for item in everything if item.action_id == name],
        [item for item in everything if item.label.casefold() == name.casefold()],
    ):
        if len(matches) == 1:
            return matches[0]
    known = ", ".join(f"{item.block_id}/{item.action_id} ({item.label})" for item in everything) or "none"
    raise ImpossibleUserActionError(f"no one field called {name!r}; there are: {known}")


def element_state(element: Json, value: Any) -> Json:
    """Return the state of this element once a person put `value` there; None empties it.

    Raises ImpossibleUserActionError.
    """
    kind = element["type"]
    if kind in _MANY:
        items = [] if value is None else [value] if isinstance(value, str) else list(value)
        if "options" in _MANY[kind][0]:
            items = [_option(element, item) for item in items]
        return {"type": kind, _MANY[kind][0]: items}
    if kind not in _SINGLE:
        raise ImpossibleUserActionError(f"a {kind} holds no value")
    if value is not None and _SINGLE[kind][0] == "selected_option":
        value = _option(element, value)
    elif value is not None and kind == "rich_text_input":
        leaf = {"type": "text", "text": str(value)}
        value = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [leaf]}]}
    elif value is not None and kind in TEXT_INPUTS:
        value = str(value) or None
    return {"type": kind, _SINGLE[kind][0]: value}


def options_of(element: Json) -> list[Json]:
    """Return all options of a select, radio, checkboxes or overflow, groups flattened."""
    groups = element.get("option_groups") or [element]
    return [option for group in groups for option in group.get("options") or []]


def submit_errors(blocks: list[Json], values: dict[Name, Json]) -> dict[str, str]:
    """Return the errors that Slack itself shows on Submit, by block_id. If there are any, the app is not called."""
    errors = {}
    for item in fields(blocks):
        state = values.get(item.name) or {}
        holds = (_SINGLE.get(item.element["type"]) or _MANY[item.element["type"]])[0]
        held = state.get(holds)
        if not held:
            if not item.optional:
                errors[item.block_id] = REQUIRED
        elif error := _out_of_bounds(item.element, held):
            errors[item.block_id] = error
    return errors


def _out_of_bounds(element: Json, held: Any) -> str:
    if element["type"] == "plain_text_input":
        if len(held) < int(element.get("min_length") or 0):
            return f"Please use at least {element['min_length']} characters."
        if len(held) > int(element.get("max_length") or len(held)):
            return f"Please use at most {element['max_length']} characters."
    if element["type"] == "number_input":
        try:
            number = float(held)
        except ValueError:
            return "Please enter a number."
        if number < float(element.get("min_value") or number) or number > float(element.get("max_value") or number):
            return f"Please enter a number from {element.get('min_value')} to {element.get('max_value')}."
    return ""


def _option(element: Json, wanted: Any) -> Json:
    if isinstance(wanted, dict):
        return wanted
    known = options_of(element)
    for option in known:
        if wanted in (option.get("value"), option["text"]["text"]):
            return option
    if element["type"] in ("external_select", "multi_external_select"):
        return {"text": {"type": "plain_text", "text": str(wanted)}, "value": str(wanted)}
    raise ImpossibleUserActionError(
        f"no choice {wanted!r}; there are: {', '.join(str(o.get('value')) for o in known) or 'none'}"
    )
