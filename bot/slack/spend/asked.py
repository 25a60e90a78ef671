"""What a person typed after `/spend`, as typed: Slack wraps addresses in links and escapes three characters."""

import html
import re

COMMAND = "/spend"
_LINK = re.compile(r"<(?:mailto:|https?://)[^|>]*\|([^>]*)>|<((?:https?://)[^|>]*)>")


def as_typed(text: str) -> str:
    """The text with links undone; mentions of people (`<@U…>`) stay, the query knows them."""
    return html.unescape(_LINK.sub(lambda link: link[1] or link[2], text)).strip()


def first_word(text: str) -> str:
    """Which of the subcommands is meant, if any."""
    words = as_typed(text).split(maxsplit=1)
    return words[0].lower() if words else ""
