"""Helpers that sinks share: filing thresholds, counting of doublings, and escaping of untrusted text.

Nothing here does I/O. `plain` is for places that know no markup and yet make links of addresses; `markdown` for those
that do; each reads the same to a person. What only one sink needs stays with it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from outlay.plugin import SEVERITIES, Event, Finding, Link, Permanent, Receipt, Severity
from outlay_plugins._linear.wording import MAX_LINE_CHARACTERS, address, doublings, escape, money

__all__ = [
    "ADVANCED",
    "address",
    "links",
    "markdown",
    "money",
    "new_doublings",
    "plain",
    "receipt_to_reopen",
    "recovery_sentence",
    "tidy",
]

ADVANCED: Final[dict[str, Any]] = {"advanced": True}
REOPENED_WITHIN = timedelta(hours=72)
MAX_LINKS = 5
_UNSEEN = "\u200b"
_LINKS = re.compile(r"(?i):(?=//)|www(?=\.)|@|mailto(?=:)|(?<=\w)\.(?=[a-z]{2})|<(?=!)")
_REFERENCES = re.compile(r"(?i)#(?=\w)|\bGH(?=\\?-\d)")


def tidy(text: str, most: int) -> str:
    """Return one line of printable text, at most `most` characters long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def plain(text: str, most: int = MAX_LINE_CHARACTERS) -> str:
    """Return one line in which no program finds an address or a mention: zero-width spaces break them."""
    return _LINKS.sub(lambda found: found[0] + _UNSEEN, tidy(text, most))


def markdown(text: str, most: int = MAX_LINE_CHARACTERS) -> str:
    """Escape text to one line of Markdown that reads the same, without a link, a mention or an issue's number."""
    return _REFERENCES.sub(lambda found: found[0] + _UNSEEN, escape(text, most))


def links(found: Finding) -> list[tuple[str, str]]:
    """Return the pages worth opening, as (title, URL), without those that are not safe to open."""
    wanted: list[Link | None] = [found.page, found.chart, *found.links]
    return [(link.title, address(link)) for link in wanted if link and address(link)][:MAX_LINKS]


def should_file(event: Event, from_usd: Decimal, from_severity: Severity) -> bool:
    """Return whether excess cost and severity reach their thresholds; unknown cost is left to severity."""
    excess = event.finding.excess_usd
    severe = SEVERITIES.index(event.finding.severity) >= SEVERITIES.index(from_severity)
    return severe and (excess is None or excess >= from_usd)


def initial_doubling_state(event: Event) -> dict[str, Any]:
    """Build the first state of a receipt, for counting doublings; the same incident goes on counting."""
    if event.receipt is not None and "base_usd" in event.receipt.state:
        return {name: event.receipt.state[name] for name in ("base_usd", "doublings") if name in event.receipt.state}
    return {"base_usd": str(event.finding.spent_usd or 0), "doublings": 0}


def new_doublings(event: Event, state: Mapping[str, Any]) -> int:
    """Return how often the cost has doubled since filing, if more often than reported before; else 0."""
    times = doublings(event.finding.spent_usd, _decimal(state.get("base_usd")))
    told = state.get("doublings")
    return times if times > (told if isinstance(told, int) else 0) else 0


def recovery_sentence(event: Event) -> str:
    """Return one sentence: the incident is over, with its total."""
    found = event.finding
    usual = f", where {money(found.usual_usd)} would have been usual" if found.usual_usd is not None else ""
    return f"It is over: {money(found.spent_usd)} in all{usual}."


def doubling_sentence(event: Event) -> str:
    """Return one sentence: the cost has doubled."""
    return f"{money(event.finding.spent_usd)} by now, and it goes on."


def filed_receipt(event: Event) -> Receipt:
    """Return the receipt of what was filed for this incident. Raises Permanent if nothing was."""
    if event.receipt is None or not event.receipt.external_id:
        raise Permanent("Nothing was filed of this incident, so nothing of it can be told.")
    return event.receipt


def with_state(receipt: Receipt, state: Mapping[str, Any], notes: Sequence[str] = ()) -> Receipt:
    """Return the receipt with another state."""
    return Receipt(receipt.url, receipt.external_id, state, tuple(notes))


def receipt_to_reopen(event: Event) -> Receipt | None:
    """Return what to reopen: this incident's own receipt if it recurs, else the subject's last one.

    The last one only if it was over less than three days ago and nobody asks for a new one by hand. None: file anew.
    """
    if event.receipt is not None and event.receipt.external_id:
        return event.receipt
    earlier = event.before
    if earlier is None or not earlier.external_id or event.asked_by:
        return None
    try:
        over_at = datetime.fromisoformat(str(earlier.state.get("resolved_at")))
        return earlier if event.at - over_at <= REOPENED_WITHIN else None
    except (ValueError, TypeError):
        return None


def _decimal(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)
