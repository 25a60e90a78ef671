"""Text in an input: what was typed or chosen, else the placeholder. Secrets become dots. Pure."""

import re
from typing import Any

from outlay.fakes.slack.rendering.mrkdwn import Names

Json = dict[str, Any]

DOTS = "••••••••"
_SECRET_NAME = re.compile(r"secret|token|password|api.?key|(^|[_\s-])key$", re.IGNORECASE)
_REFERENCE = re.compile(r"(env|file):\S*")
_INITIAL = (
    *("initial_value", "initial_option", "initial_options", "initial_date", "initial_time", "initial_date_time"),
    *("initial_user", "initial_users", "initial_conversation", "initial_conversations"),
    *("initial_channel", "initial_channels"),
)
_PICKERS = {
    **dict.fromkeys(("datepicker",), "pick a date"),
    **dict.fromkeys(("timepicker",), "pick a time"),
    **dict.fromkeys(("datetimepicker",), "pick a moment"),
    **dict.fromkeys(("users_select", "multi_users_select"), "choose a person"),
    **dict.fromkeys(("channels_select", "multi_channels_select"), "choose a channel"),
    **dict.fromkeys(("conversations_select", "multi_conversations_select"), "choose a conversation"),
    **dict.fromkeys(("file_input",), "choose a file"),
}


def is_secret(block: Json) -> bool:
    """Report whether an input takes a credential, by its ids or its label; Slack itself has no password field."""
    element = block.get("element") or {}
    label = (block.get("label") or {}).get("text", "")
    named = (str(block.get("block_id", "")), str(element.get("action_id", "")), str(label))
    return element.get("type") == "plain_text_input" and any(_SECRET_NAME.search(name) for name in named)


def input_text(block: Json, state: Any, names: Names | None = None) -> tuple[str, bool]:
    """Return the text that a field shows, and whether it is a value (else it is the placeholder).

    `state`: a value, or Slack's state of an element.
    """
    element = block.get("element") or {}
    held = _held(state)
    if held in (None, "", []):
        held = next((element[name] for name in _INITIAL if element.get(name)), None)
    if held in (None, "", []):
        placeholder = (element.get("placeholder") or {}).get("text")
        return str(placeholder or _PICKERS.get(str(element.get("type")), "")), False
    words = _words(held, names or {})
    if is_secret(block) and not _REFERENCE.fullmatch(words):
        words = DOTS
    return words, True


def choices(element: Json, state: Any) -> list[tuple[str, bool]]:
    """Return the options of radio buttons or checkboxes, each with whether it is chosen."""
    held = _held(state) or element.get("initial_options") or element.get("initial_option") or []
    held = held if isinstance(held, list) else [held]
    chosen = {option.get("value") if isinstance(option, dict) else option for option in held}
    return [(str(o["text"]["text"]), o.get("value") in chosen) for o in element.get("options") or []]


def _held(state: Any) -> Any:
    if isinstance(state, dict) and "type" in state and "elements" not in state and "text" not in state:
        return next((value for name, value in state.items() if name != "type"), None)
    return state


def _words(held: Any, names: Names) -> str:
    if isinstance(held, list):
        return ", ".join(_words(item, names) for item in held)
    if isinstance(held, dict):
        if isinstance(held.get("text"), dict):
            return str(held["text"]["text"])
        return "".join(
            leaf.get("text", "") for part in held.get("elements") or [] for leaf in part.get("elements") or []
        )
    return names.get(str(held), str(held))
