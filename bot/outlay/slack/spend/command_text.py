"""What a person typed after `/spend`, as typed: Slack wraps addresses in links and escapes three characters."""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

COMMAND = "/spend"
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
_LINK = re.compile(r"<(?:mailto:|https?://)[^<|>]*\|([^<>]*)>|<((?:https?://)[^<|>]*)>")


def as_typed(text: str) -> str:
    """The text with links undone; mentions of people (`<@U…>`) stay, the query knows them."""
    return html.unescape(_LINK.sub(lambda link: link[1] or link[2], text)).strip()


def first_word(text: str) -> str:
    """Which of the subcommands is meant, if any."""
    words = as_typed(text).split(maxsplit=1)
    return words[0].lower() if words else ""


def subcommand(*names: str) -> Callable[[dict[str, Any]], Awaitable[bool]]:
    """A matcher of Bolt's for the command with one of these words first."""

    async def is_meant(command: dict[str, Any]) -> bool:
        return first_word(str(command.get("text") or "")) in names

    return is_meant


def without_the_app(text: str, body: Mapping[str, Any]) -> str:
    """The words of a mention without the app's own name. `body`: the event's envelope, which says whose app this is."""
    own = [str(one.get("user_id")) for one in body.get("authorizations") or () if one.get("is_bot")]
    if not own:  # then it is the first who is mentioned
        return _MENTION.sub(" ", text, count=1)
    return _MENTION.sub(lambda mention: " " if mention[1] in own else mention[0], text)
