"""Parsing of the text after `/spend`: Slack wraps addresses in links and escapes three characters."""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

COMMAND = "/spend"
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
_LINK = re.compile(r"<(?:mailto:|https?://)[^<|>]*\|([^<>]*)>|<((?:https?://)[^<|>]*)>")


def unescape_text(text: str) -> str:
    """Undo links and escapes; mentions of people (`<@U…>`) stay, because the query knows them."""
    return html.unescape(_LINK.sub(lambda link: link[1] or link[2], text)).strip()


def first_word(text: str) -> str:
    """Return the first word in lower case, which may be a subcommand; "" if there is none."""
    words = unescape_text(text).split(maxsplit=1)
    return words[0].lower() if words else ""


def subcommand_matcher(*names: str) -> Callable[[dict[str, Any]], Awaitable[bool]]:
    """Build a Bolt matcher for the command with one of these words first."""

    async def is_meant(command: dict[str, Any]) -> bool:
        return first_word(str(command.get("text") or "")) in names

    return is_meant


def strip_app_mention(text: str, body: Mapping[str, Any]) -> str:
    """Remove the app's own mention from the text.

    `body`: the event's envelope, whose authorizations say which user the app is.
    """
    own = [str(one.get("user_id")) for one in body.get("authorizations") or () if one.get("is_bot")]
    if not own:  # then the app is the first who is mentioned
        return _MENTION.sub(" ", text, count=1)
    return _MENTION.sub(lambda mention: " " if mention[1] in own else mention[0], text)
