"""Parser of Slack's mrkdwn into spans (text and style), which the terminal and HTML each draw in their way.

Pure. Names of people and channels come from a map by id; a date `<!date^…>` is shown in UTC.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Stretch of text in one style. `mention`: it is a person, a channel, a group, or a date without a link."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    link: str = ""
    mention: bool = False


_CODE_BLOCK = re.compile(r"```\n?(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`|<([^<>\n]+)>")
_STYLES: tuple[tuple[re.Pattern[str], TextSpan], ...] = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), TextSpan("", bold=True)),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])"), TextSpan("", italic=True)),
    (re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])"), TextSpan("", strike=True)),
)
_DATE = re.compile(r"!date\^(\d+)\^([^^|]+)(?:\^([^|]+))?(?:\|(.*))?", re.DOTALL)
_DATE_FORMATS = {
    "date_num": "%Y-%m-%d",
    "date": "%B %-d, %Y",
    "date_short": "%b %-d, %Y",
    "date_long": "%A, %B %-d, %Y",
    "date_pretty": "%B %-d, %Y",
    "date_short_pretty": "%b %-d, %Y",
    "date_long_pretty": "%A, %B %-d, %Y",
    "time": "%H:%M UTC",
    "time_secs": "%H:%M:%S UTC",
}


def spans(text: str, names: Names | None = None) -> list[TextSpan]:
    """Parse mrkdwn into spans, in order."""
    found: list[TextSpan] = []
    position = 0
    for match in _CODE_BLOCK.finditer(text):
        found += _inline(text[position : match.start()], names or {})
        found.append(TextSpan(_unescape(match[1]), code=True))
        position = match.end()
    return found + list(_inline(text[position:], names or {}))


def plain(text: str, names: Names | None = None) -> str:
    """Return mrkdwn as text without markup."""
    return "".join(span.text for span in spans(text, names))


def text_spans(value: Json, names: Names | None = None) -> list[TextSpan]:
    """Convert a text object (plain_text or mrkdwn) to spans."""
    text = str(value.get("text", ""))
    return spans(text, names) if value.get("type") == "mrkdwn" else [TextSpan(text)]


def rich_spans(elements: list[Json], names: Names | None = None) -> list[TextSpan]:
    """Convert the leaves of a rich_text section to spans."""
    return [_leaf(leaf, names or {}) for leaf in elements]


def date_words(timestamp: int, pattern: str) -> str:
    """Format a time by a date pattern of Slack, e.g. `{date_short} at {time}`, in UTC."""
    moment = datetime.fromtimestamp(timestamp, UTC)

    def token(match: re.Match[str]) -> str:
        wanted = _DATE_FORMATS.get(match[1])
        return moment.strftime(wanted) if wanted else match[0]

    return re.sub(r"\{(\w+)\}", token, pattern)


def _inline(text: str, names: Names) -> Iterator[TextSpan]:
    position = 0
    buffer: list[TextSpan] = []
    for match in _INLINE.finditer(text):
        buffer.append(TextSpan(text[position : match.start()]))
        buffer.append(TextSpan(_unescape(match[1]), code=True) if match[1] else _angle(match[2], names))
        position = match.end()
    buffer.append(TextSpan(text[position:]))
    # styles may span links and mentions, so they are searched for in a text where those are single placeholders
    holders = {chr(0xE000 + index): span for index, span in enumerate(buffer) if span.code or span.link or span.mention}
    flat = "".join(
        chr(0xE000 + index) if chr(0xE000 + index) in holders else span.text for index, span in enumerate(buffer)
    )
    yield from _styled(flat, TextSpan(""), holders)


def _styled(text: str, style: TextSpan, holders: Mapping[str, TextSpan]) -> Iterator[TextSpan]:
    first: tuple[re.Match[str], TextSpan] | None = None
    for pattern, added in _STYLES:
        match = pattern.search(text)
        if match and (first is None or match.start() < first[0].start()):
            first = (match, added)
    if first is None:
        yield from _leaves(text, style, holders)
        return
    match, added = first
    yield from _leaves(text[: match.start()], style, holders)
    yield from _styled(match[1], _also(style, added), holders)
    yield from _styled(text[match.end() :], style, holders)


def _also(span: TextSpan, other: TextSpan) -> TextSpan:
    return replace(
        span, bold=span.bold or other.bold, italic=span.italic or other.italic, strike=span.strike or other.strike
    )


def _leaves(text: str, style: TextSpan, holders: Mapping[str, TextSpan]) -> Iterator[TextSpan]:
    for part in re.split("([\ue000-\uf8ff])", text):
        if part in holders:
            yield _also(holders[part], style)
        elif part:
            yield replace(style, text=_unescape(part))


def _angle(inside: str, names: Names) -> TextSpan:
    address, _, label = inside.partition("|")
    if date := _DATE.fullmatch(inside):
        return TextSpan(date_words(int(date[1]), date[2]), link=date[3] or "", mention=not date[3])
    if address.startswith("@"):
        return TextSpan(f"@{names.get(address[1:]) or label or address[1:]}", mention=True)
    if address.startswith("#"):
        return TextSpan(f"#{names.get(address[1:]) or label or address[1:]}", mention=True)
    if address.startswith("!"):
        return TextSpan(label or f"@{address[1:].split('^')[0]}", mention=True)
    return TextSpan(_unescape(label or address), link=_unescape(address))


def _leaf(leaf: Json, names: Names) -> TextSpan:
    style = leaf.get("style") or {}
    kind = leaf.get("type")
    look = TextSpan(
        "",
        bold=bool(style.get("bold")),
        italic=bool(style.get("italic")),
        strike=bool(style.get("strike")),
        code=bool(style.get("code")),
    )
    if kind == "link":
        return replace(look, text=str(leaf.get("text") or leaf["url"]), link=str(leaf["url"]))
    if kind == "user":
        return replace(look, text=f"@{names.get(leaf['user_id'], leaf['user_id'])}", mention=True)
    if kind == "channel":
        return replace(look, text=f"#{names.get(leaf['channel_id'], leaf['channel_id'])}", mention=True)
    if kind == "date":
        return replace(look, text=date_words(int(leaf["timestamp"]), str(leaf["format"])))
    if kind == "broadcast":
        return replace(look, text=f"@{leaf.get('range', 'here')}", mention=True)
    if kind == "emoji":
        return replace(look, text=f":{leaf.get('name', '')}:")
    return replace(look, text=str(leaf.get("text") or leaf.get("value") or f"[{kind}]"))


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
