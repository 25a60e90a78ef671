"""Block Kit as plain dicts: the few elements from which every feature is built.

Dicts, because the SDK's own models silently drop blocks that are newer than they are. `verbatim` is always on, so that
Slack turns nothing in a text into a link or mention that was not written as one.
"""

from collections.abc import Sequence
from typing import Any

Block = dict[str, Any]
View = dict[str, Any]

MESSAGE_BLOCKS_MAX = 50
MESSAGE_CHARACTERS_MAX = 10_000  # Slack refuses from about 12,000 on, by a rule that it does not publish
SECTION_CHARACTERS_MAX = 3_000
FIELDS_MAX = 10
BUTTON_CHARACTERS_MAX = 75


def mrkdwn(text: str, limit: int = SECTION_CHARACTERS_MAX) -> Block:
    """Build a formatted text object; names from outside have to be escaped before (`words.safe`)."""
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def plain(text: str, limit: int = SECTION_CHARACTERS_MAX) -> Block:
    """Build a text object in which nothing is formatted and no `:word:` becomes an emoji."""
    return {"type": "plain_text", "text": cut(text, limit), "emoji": False}


def section(text: str) -> Block:
    """Build a paragraph."""
    return {"type": "section", "text": mrkdwn(text)}


def fields(texts: Sequence[str]) -> Block:
    """Build a section of up to ten short texts in two columns."""
    return {"type": "section", "fields": [mrkdwn(text, 2_000) for text in texts[:FIELDS_MAX]]}


def context(text: str) -> Block:
    """Build a block of small print."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def header(text: str) -> Block:
    """Build a title block."""
    return {"type": "header", "text": plain(text, 150)}


def actions(*elements: Block) -> Block:
    """Build a row of buttons."""
    return {"type": "actions", "elements": list(elements)}


def button(text: str, action_id: str, value: str = "", *, primary: bool = False, label: str = "") -> Block:
    """Build a button. `value` is an id and nothing else, because it comes back from anyone who presses."""
    made: Block = {"type": "button", "text": plain(text, BUTTON_CHARACTERS_MAX), "action_id": action_id}
    if value:
        made["value"] = value
    if primary:
        made["style"] = "primary"
    if label:
        made["accessibility_label"] = cut(label, BUTTON_CHARACTERS_MAX)
    return made


def option(text: str, value: str) -> Block:
    """Build one choice of a select menu."""
    return {"text": plain(text, 75), "value": value}


def input_field(name: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    """Build a form field as a block of its own, so that a validation error is shown at it."""
    block: Block = {
        "type": "input",
        "block_id": name,
        "label": plain(label, 2_000),
        "optional": optional,
        "element": element | {"action_id": name},
    }
    return block | ({"hint": plain(hint, 2_000)} if hint else {})


def size(blocks: Sequence[Block]) -> int:
    """Count the characters that people read in these blocks."""
    return sum(_texts(block) for block in blocks)


def cut(text: str, limit: int) -> str:
    """Cut the text to at most `limit` characters; an ellipsis marks the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _texts(node: Any) -> int:
    if isinstance(node, dict):
        return sum(len(part) if key in _READ and isinstance(part, str) else _texts(part) for key, part in node.items())
    return sum(_texts(part) for part in node) if isinstance(node, list) else 0


_READ = ("text", "caption", "fallback")
