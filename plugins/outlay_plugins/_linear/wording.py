"""Linear issue text: a finding as Markdown in which no untrusted text can become markup.

Everything in a finding is plain text, so all of it is escaped, and what Linear would turn into a link or a mention by
itself (an address, an @name) is broken by a zero-width space.
"""

import re
from decimal import Decimal
from typing import Final

from outlay.plugin import Event, Finding, Link

MAX_TITLE_CHARACTERS = 250
MAX_BODY_CHARACTERS = 20_000
MAX_COMMENT_CHARACTERS = 5_000
MAX_LINE_CHARACTERS = 1_000  # before escaping
MAX_SUBTITLE_CHARACTERS = 200
CUT: Final = "_There is more than fits here._"
_UNSEEN = "\u200b"
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#|~!^=+\-])")
_LINKS = re.compile(r"(?i):(?=//)|www(?=\.)|@|mailto(?=:)|(?<=\w)\.(?=[a-z]{2})")
_NUMBERED = re.compile(r"^(\s*\d+)([.)])")


def escape(text: str, most: int = MAX_LINE_CHARACTERS) -> str:
    """Escape plain text to one line of Markdown that reads the same, without a link, a mention or markup."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    line = line if len(line) <= most else line[: most - 1] + "…"
    line = _LINKS.sub(lambda found: found[0] + _UNSEEN, line)
    return _NUMBERED.sub(r"\1\\\2", _MARKS.sub(r"\\\1", line))


def title(event: Event) -> str:
    """Return the issue's title, one line; Linear takes no Markdown in it."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in event.finding.title).split())
    return line if len(line) <= MAX_TITLE_CHARACTERS else line[: MAX_TITLE_CHARACTERS - 1] + "…"


def body(event: Event, earlier: str = "") -> str:
    """Render an issue's body: what happened, figures, what to do, why it was noticed, and links.

    `earlier` is the URL of the issue before this one, or "".
    """
    found = event.finding
    blocks = [[escape(sentence)] for sentence in found.sentences]
    blocks.append([f"- **{escape(fact.label)}:** {escape(fact.value)}" for fact in found.facts])
    if found.what_to_do:
        blocks.append(["**What to do**"])
        blocks.append([f"- {escape(line)}" for line in found.what_to_do])
    if found.why:
        blocks.append(["+++ Why this was noticed", "", *(f"- {escape(line)}" for line in found.why), "", "+++"])
    links = [found.page, found.chart, *found.links, Link("The issue before this one", earlier) if earlier else None]
    blocks.append([" · ".join(text for link in links if link and (text := _link(link)))])
    asked = f"Filed by Outlay for {escape(event.asked_by, 100)}." if event.asked_by else "Filed by Outlay."
    return _fitting([*blocks, [f"_{asked}_"]], MAX_BODY_CHARACTERS)


def doubling_comment(event: Event) -> str:
    """Render the comment for a doubling of the cost."""
    found = event.finding
    lines = [f"**{money(found.spent_usd)} by now**, and it goes on.", *(escape(line) for line in found.sentences[:1])]
    return _fitting([[line] for line in lines], MAX_COMMENT_CHARACTERS)


def recovery_comment(event: Event) -> str:
    """Render the comment for a recovery."""
    found = event.finding
    usual = f", where {money(found.usual_usd)} would have been usual" if found.usual_usd is not None else ""
    lines = [f"**It is over.** {money(found.spent_usd)} in all{usual}."]
    return _fitting([[line] for line in (*lines, *map(escape, found.sentences[:1]))], MAX_COMMENT_CHARACTERS)


def recurrence_comment(event: Event) -> str:
    """Render the comment for an incident that was over and recurs."""
    lines = ["**It is back.**", *(escape(line) for line in event.finding.sentences[:1])]
    return _fitting([[line] for line in lines], MAX_COMMENT_CHARACTERS)


def subtitle(event: Event) -> str:
    """Return the attachment's subtitle: the incident's current state."""
    found = event.finding
    usual = f", usual {money(found.usual_usd)}" if found.usual_usd is not None else ""
    if event.what == "resolved":
        return f"Over: {money(found.spent_usd)} in all{usual}"[:MAX_SUBTITLE_CHARACTERS]
    return f"{money(found.spent_usd)} since {found.since:%Y-%m-%d %H:%M} UTC{usual}"[:MAX_SUBTITLE_CHARACTERS]


def money(usd: Decimal | None) -> str:
    """Format dollars for people; None is an unknown amount, not zero."""
    return "an unknown amount" if usd is None else f"${usd:,.2f}"


def address(link: Link) -> str:
    """Return the link's URL if it is safe for a person to open, else ""."""
    url = link.url.strip()
    safe = re.fullmatch(r"https?://[^\s<>()\[\]\\\"'`]+", url)
    return url if safe and len(url) <= MAX_LINE_CHARACTERS else ""


def doublings(spent: Decimal | None, base: Decimal) -> int:
    """Count how often the cost has doubled since the issue was filed; a base below a dollar counts as one."""
    times, bound = 0, max(base, Decimal(1)) * 2
    while spent is not None and spent >= bound and times < 64:
        times, bound = times + 1, bound * 2
    return times


def priority(found: Finding, urgent_usd: Decimal, high_usd: Decimal, medium_usd: Decimal) -> int:
    """Return Linear's priority by dollars beyond the usual: 1 urgent, 2 high, 3 medium, 4 low.

    Unknown dollars are medium.
    """
    excess = found.excess_usd
    if excess is None:
        return 3
    return next((n for n, bound in ((1, urgent_usd), (2, high_usd), (3, medium_usd)) if excess >= bound), 4)


def _link(link: Link) -> str:
    url = address(link)
    return f"[{escape(link.title, 200)}](<{url}>)" if url else ""


def _fitting(blocks: list[list[str]], most: int) -> str:
    """Join as many whole blocks as fit: cutting inside one could break an escape sequence."""
    kept: list[str] = []
    left = most - len(CUT) - 2
    for block in blocks:
        text = "\n".join(block).strip()
        if not text:
            continue
        if len(text) + 2 > left:
            kept.append(CUT)
            break
        kept.append(text)
        left -= len(text) + 2
    return "\n\n".join(kept)
