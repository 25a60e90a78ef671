"""Wording of figures in English: money, counts, times, and the sentences that say what a figure is.

Everything here is pure. Names from outside (of keys, models, people) pass through `name` (any text) or `safe` (mrkdwn),
so that no name can mention, link, or break a line.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from outlay.core.money import to_usd
from outlay.core.owner import Owner
from outlay.logs import redact_shapes
from outlay.spend.answer import AnswerBasis, Status
from outlay.spend.query import DateRange, Query, QueryError

NAME_CHARACTERS_MAX = 60
MESSAGE_CHARACTERS_MAX = 400
HINT_CHARACTERS_MAX = 120
CONNECTIONS_MAX = 4  # listed in the freshness sentence, before "3 more"
MANY_TIMES = 10  # above this ratio "12 times" says more than a percentage
DAY = timedelta(days=1)
NOT_PRICED = "not priced"
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{5,20}")
_MENTION = re.compile(r"<[@#!][^|<>]*\|[@#]?([^<>]*)>")
_FORMATTING = re.compile(r"[*~`]|(?<![^\W_])_|_(?![^\W_])")
_WORD_JOINER = "\u2060"  # invisible, zero wide; a mark after it no longer opens or closes bold, italic, strike or code
_JOINERS = ("\u200c", "\u200d")  # parts of words and emoji in several scripts
_SO_FAR = {"mtd": "month", "wtd": "week", "ytd": "year", **{f"this {unit}": unit for unit in ("week", "month", "year")}}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONG_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def money(nano_usd: int | None) -> str:
    """Format dollars: $0.004, $12.40, $1,240, $1.2M. An unknown amount (None) is "not priced", never $0."""
    if nano_usd is None:
        return NOT_PRICED
    if nano_usd == 0:
        return "$0"
    sign = "−" if nano_usd < 0 else ""
    usd = abs(to_usd(nano_usd))
    if usd < Decimal("0.00005"):
        return f"less than $0.0001{' in credit' if sign else ''}"
    if usd < Decimal("0.0095"):
        return f"{sign}${_trim(_round(usd, '0.0001' if usd < Decimal('0.00095') else '0.001'))}"
    if usd < Decimal("999.995"):
        return f"{sign}${_round(usd, '0.01')}"
    return f"{sign}${_large(usd)}"


def tokens(count: int) -> str:
    """Format a number of tokens: `1 token`, `950 tokens`, `12.3k tokens`, `1.2M tokens`."""
    return f"{_short(count)} {'token' if count == 1 else 'tokens'}"


def short_count(count: int) -> str:
    """Format a number without its unit: `950`, `12.3k`, `1.2M`; for a table cell."""
    return _short(count)


def count_with_noun(count: int, one: str, many: str = "") -> str:
    """Format a number with its noun: `1 key`, `12 keys`, `1,240 keys`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Format a share in whole percent; "" if it makes no sense.

    Nothing above zero is shown as 0, and nothing below the whole as 100.
    """
    if whole <= 0 or part < 0:
        return ""
    if part == 0:
        return "0 %"
    share = Decimal(part) * 100 / Decimal(whole)
    if share < 1:
        return "under 1 %"
    rounded = int(share.to_integral_value(rounding=ROUND_HALF_UP))
    return f"{min(rounded, 99) if part < whole else rounded} %"


def growth(now: int, before: int) -> str:
    """Format a relative change without its sign: `35 %`, `13 times as much`; "" if there is nothing to divide by."""
    if before <= 0 or now < 0:
        return ""
    if now > MANY_TIMES * before:
        return f"{(now + before // 2) // before:,} times as much"
    return percent(abs(now - before), before)


def change(now_nano_usd: int | None, before_nano_usd: int | None) -> str:
    """Format a change: `+$12.40 (35 %)`, `−$4.00 (gone)`, `+$3.00 (new)`, `no change`.

    If either amount is None: `not known`.
    """
    if now_nano_usd is None or before_nano_usd is None:
        return "not known"
    moved = now_nano_usd - before_nano_usd
    if moved == 0:
        return "no change"
    sign = "+" if moved > 0 else "−"
    share = "new" if before_nano_usd == 0 else "gone" if now_nano_usd == 0 else growth(now_nano_usd, before_nano_usd)
    return f"{sign}{money(abs(moved))}{f' ({share})' if share else ''}"


def name(text: str, limit: int = NAME_CHARACTERS_MAX) -> str:
    """Clean a name from outside to one plain line of at most `limit` characters, without control characters.

    Direction marks are removed too.
    """
    kept = "".join(_printable(character) for character in text[: limit * 8])
    line = " ".join(kept.split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return line or "(no name)"


def escape(text: str) -> str:
    """Escape text for mrkdwn, so that nothing in it is a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def safe(text: str, limit: int = NAME_CHARACTERS_MAX) -> str:
    """Clean and escape a name from outside for mrkdwn: one line in which nothing mentions, links or formats."""
    return _FORMATTING.sub(lambda mark: _WORD_JOINER + mark[0] + _WORD_JOINER, escape(name(text, limit)))


def slack_user(owner: Owner) -> str | None:
    """Return the Slack user id to let Slack show the name, for a person of whom only the id is known; else None."""
    nameless = not owner.name or owner.name == owner.id
    return owner.id if owner.kind == "person" and nameless and _SLACK_USER.fullmatch(owner.id) else None


def day(value: date, today: date | None = None) -> str:
    """Format a date: `24 Nov`, with the year if it is not today's."""
    year = "" if today and today.year == value.year else f" {value.year}"
    return f"{value.day} {_MONTHS[value.month - 1]}{year}"


def month(value: date) -> str:
    """Format a month: `October 2026`."""
    return f"{_LONG_MONTHS[value.month - 1]} {value.year}"


def clock(at: datetime, now: datetime) -> str:
    """Format a time in the reader's own zone: `14:05` if near, else with its day; UTC where Slack cannot convert."""
    if abs(now - at) < timedelta(hours=16):
        return f"<!date^{int(at.timestamp())}^{{time}}|{at:%H:%M} UTC>"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{day(at.date(), now.date())} {at:%H:%M} UTC>"


def utc_clock(at: datetime, now: datetime) -> str:
    """Format a time in UTC, for places without Slack's date tokens: under a field, in a title."""
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{day(at.date(), now.date())} {at:%H:%M} UTC"


def period(query: Query | DateRange) -> str:
    """Format a period: `this month so far`, `in the last 7 days`, `in October 2026`, `from 1 Oct to 15 Oct 2026`."""
    said = query.period
    if said in ("today", "yesterday"):
        return said
    if unit := _SO_FAR.get(said):
        return f"this {unit} so far"
    if said == "last month":
        return f"last month ({_LONG_MONTHS[query.start.month - 1]} {query.start.year})"
    if said in ("last week", "last year"):
        return f"{said} ({_from_to(query.start, query.end) if said == 'last week' else query.start.year})"
    if re.fullmatch(r"\d{1,5}d", said):
        days = (query.end - query.start).days + 1
        return "today" if days == 1 else f"in the last {days} days"
    if re.fullmatch(r"\d{4}-\d{2}", said):
        return f"in {_LONG_MONTHS[query.start.month - 1]} {query.start.year}"
    if query.start == query.end:
        return f"on {day(query.start)}"
    return f"from {_from_to(query.start, query.end)}"


def _from_to(start: date, end: date) -> str:
    return f"{day(start, end)} to {day(end)}"


def basis(value: AnswerBasis, calibrated_by: date | None = None, today: date | None = None) -> str:
    """Say where the dollars come from. `calibrated_by`: the day of the bill that scaled computed figures."""
    bill = f", calibrated by the bill of {day(calibrated_by, today)}" if calibrated_by else ""
    said = {
        "billed": "billed by the ledger",
        "computed": "computed from tokens at list price",
        "mixed": "partly billed by the ledger, partly computed from tokens",
        "unpriced": "no price known",
    }[value]
    return said + (bill if value in ("computed", "mixed") else "")


def residual(nano_usd: int) -> str:
    """Say how much of a total no usage explains, as a sentence; "" if that is zero."""
    return f"{money(nano_usd)} of it is on the bill, and no usage explains it." if nano_usd else ""


def never_billed(nano_usd: int) -> str:
    """Say how much of a total was used and is on no bill that has settled, as a sentence; "" if that is zero."""
    return f"{money(nano_usd)} of it was used, and never billed." if nano_usd else ""


def status(value: Status, until: datetime | None, now: datetime) -> str:
    """Say whether a figure can still change."""
    settles = f" until <!date^{int(until.timestamp())}^{{date_short}}|{day(until.date(), now.date())}>" if until else ""
    return {
        "provisional": f"provisional{settles}",
        "settled": "settled",
        "closed": "closed, moves no more",
        "adjustment": "adjustments to a closed month",
        "mixed": f"partly provisional{settles}",
    }[value]


def coverage(share: float, unpriced_tokens: int) -> str:
    """Say which share of the tokens has a price; rounded down, because 99.97 % is not all."""
    if unpriced_tokens == 0 and share >= 1:
        return "all tokens priced"
    per_cent = (Decimal(str(share)) * 100).quantize(Decimal("0.1"), rounding=ROUND_DOWN)
    return f"{_trim(min(per_cent, Decimal('99.9')))} % of tokens priced"


def byok(paid_nano_usd: int, counted_nano_usd: int) -> str:
    """Say what was paid upstream with own keys (BYOK), and whether it is in the total."""
    if counted_nano_usd == paid_nano_usd:
        return f"{money(paid_nano_usd)} of it went to upstream providers on your own keys (BYOK)."
    if not counted_nano_usd:
        return (
            f"{money(paid_nano_usd)} more went upstream on your own keys (BYOK); the upstream's own ledger counts it."
        )
    upstream = f"{money(counted_nano_usd)} of it is counted here, the rest by the upstream's own ledger"
    return f"{money(paid_nano_usd)} went to upstream providers on your own keys (BYOK); {upstream}."


def freshness(fresh_until: Mapping[str, datetime | None], now: datetime) -> str:
    """Say up to when each connection has been read, the furthest behind first."""
    if not fresh_until:
        return "nothing connected"
    never = sorted(connection for connection, until in fresh_until.items() if until is None)
    read = sorted((until, connection) for connection, until in fresh_until.items() if until is not None)
    said = [f"{safe(connection)} not read yet" for connection in never]
    said += [f"{safe(connection)} read up to {clock(until, now)}" for until, connection in read]
    if len(said) > CONNECTIONS_MAX:
        said = [*said[:CONNECTIONS_MAX], f"{len(said) - CONNECTIONS_MAX} more read since"]
    return " · ".join(said)


def query_error_text(error: QueryError) -> str:
    """Explain a question that was not understood: which word, and what would work instead. As mrkdwn."""
    said = escape(name(redact_shapes(str(error)), MESSAGE_CHARACTERS_MAX))  # a key may have been pasted here by mistake
    if error.meant:
        tried = f" Did you mean {command(error.meant)}?"
    else:
        tried = f" Try {either([command(hint) for hint in error.hint.split(', ')])}." if error.hint else ""
    return f"{said}{tried} `/spend help` shows all that can be asked."


def command(question: str) -> str:
    """Format a question as a Slack command in code style, without mentions and with credentials redacted."""
    readable = _MENTION.sub(lambda found: f"@{found[1]}", redact_shapes(question))
    shown = name(readable.replace("`", ""), HINT_CHARACTERS_MAX)
    return f"`/spend {escape(shown)}`" if question.strip() else "`/spend`"


def either(options: Sequence[str]) -> str:
    """Join options in a sentence: `a`, `a or b`, `a, b or c`."""
    return " or ".join([", ".join(options[:-1]), options[-1]]) if len(options) > 1 else "".join(options)


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Cs", "Cn", "Co"):
        return " "
    return "" if category == "Cf" and character not in _JOINERS else character


def _short(count: int) -> str:
    if abs(count) < 10_000:
        return f"{count:,}"
    for unit, letter in ((1_000, "k"), (1_000_000, "M"), (1_000_000_000, "B"), (1_000_000_000_000, "T")):
        shown = _round(Decimal(count) / unit, "0.1")
        if abs(shown) < 1000 or letter == "T":
            return f"{_trim(shown):,}{letter}"
    raise AssertionError("the last unit takes all")


def _large(usd: Decimal) -> str:
    whole = _round(usd, "1")
    if whole < 1_000_000:
        return f"{whole:,}"
    millions = _round(usd / 1_000_000, "0.1")
    if millions < 1000:
        return f"{_trim(millions)}M"
    return f"{_trim(_round(usd / 1_000_000_000, '0.1')):,}B"


def _round(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), rounding=ROUND_HALF_UP)


def _trim(value: Decimal) -> Decimal:
    """Remove trailing zeros, without an exponent."""
    return value.to_integral_value() if value == value.to_integral_value() else value.normalize()
