"""Error messages for a word that cannot stand where it does, with a suggestion that is never applied by itself."""

from difflib import get_close_matches

from lark import Token

from outlay.spend.grammar import DIMENSION_WORDS, FILTER_WORDS, VOCABULARY, UnexpectedWordError
from outlay.spend.query import QueryError

DIMENSIONS = ("owner", "key", "model", "ledger", "connection", "project", "day", "hour")
EXAMPLES = ("7d", "mtd", "2026-10", "by model", "by key day", "model:*claude*", "me", "top 5")
MAX_TOP = 100
_NEEDS = {  # what must follow a word, and an example
    "FROM": ("needs a day", "from 2026-10-01 to 2026-10-15"),
    "SINCE": ("needs a day", "since monday"),
    "TO": ("needs a day", "to 2026-10-15"),
    "TOP": (f"needs a number from 1 to {MAX_TOP}", "top 5"),
    "VS": ("needs a period to compare with", "vs last week"),
    "LAST": ("needs to know of what", "last week, last month, last 7 days"),
    "PREVIOUS": ("needs to know of what", "previous week, previous month"),
    "THIS": ("needs to know what", "this week, this month"),
}
_MEANT = {  # common words that are not part of the grammar, and what they mean
    **dict.fromkeys(("user", "users", "person", "people", "developer", "developers", "agent", "agents"), "by owner"),
    **dict.fromkeys(("team", "teams", "who", "whom"), "by owner"),
    **dict.fromkeys(("vendor", "vendors", "source", "gateway"), "by ledger"),
    **dict.fromkeys(("daily", "week", "weekly", "date"), "by day"),
    "hourly": "by hour",
    **dict.fromkeys(("history", "chart", "graph", "course"), "trend"),
    **dict.fromkeys(("compare", "compared", "than"), "vs last week"),
    **dict.fromkeys(("my", "mine", "i", "myself"), "me"),
    **dict.fromkeys(("now",), "today"),
}
_ALONE = {"UNIT": "this {0}", "WEEKDAY": "since {0}", "BEFORE": "vs before", "TO": "from 2026-10-01 to 2026-10-15"}


def unexpected_word_error(error: UnexpectedWordError, text: str) -> QueryError:
    """Build the error for the word at which the grammar stopped, or for what is missing at the end."""
    token, before = error.token, error.before
    after = before.type if before is not None else ""
    if token is None:
        word = str(before)
        if after == "BY":
            return QueryError(word, "`by` what?", "by " + "|".join(DIMENSIONS))
        needs, hint = _NEEDS.get(after, ("needs something after it", "last 7 days"))
        if before is not None and after == "TO":
            hint = f"{text[max(text.lower().rfind('from', 0, before.start_pos), 0) : before.end_pos]} today"
        return QueryError(word, f"`{word}` {needs}.", hint)
    if after == "BY":
        near = _dimension(token)
        hint = f"by {near}" if near else "by " + "|".join(DIMENSIONS)
        return QueryError(token, f"I cannot group by `{token}`.", hint, _instead(text, before, token, near and hint))
    if after in ("LAST", "PREVIOUS", "THIS"):
        needs, hint = _NEEDS[after]
        near = "".join(get_close_matches(token.lower(), ("week", "month", "year"), 1, 0.6))
        meant = _instead(text, token, token, near)
        return QueryError(str(before), f"`{before}` {needs}, and `{token}` is not that.", near or hint, meant)
    if after == "NUMBER":
        return QueryError(token, f"I do not understand `{token}` after `{before}`.", "last 7 days, last 2 weeks")
    if after in _NEEDS:
        needs, hint = _NEEDS[after]
        return QueryError(token, f"`{before}` {needs}, and `{token}` is not that.", hint)
    return _unknown(token, text)


def _unknown(token: Token, text: str) -> QueryError:
    low = token.lower()
    said = f"I do not understand `{token}`."
    if token.type in _ALONE:
        hint = _ALONE[token.type].format(low.removesuffix("s"))
        return QueryError(token, f"I do not understand `{token}` alone.", hint, _instead(text, token, token, hint))
    if token.type == "NUMBER":
        hint = f"{token}-10" if len(token) == 4 and token.startswith("20") else f"top {token}, last {token} days"
        return QueryError(token, f"I do not know what `{token}` counts.", hint)
    name, colon, pattern = token.partition(":")
    if colon:
        near = "".join(get_close_matches(name.lower(), FILTER_WORDS, 1, 0.5))
        if near:
            hint = f"{near}:{pattern or '*'}"
            return QueryError(token, f"I do not know the filter `{name}:`.", hint, _instead(text, token, token, hint))
    near = _MEANT.get(low) or "".join(get_close_matches(low, VOCABULARY, 1, 0.6))
    hint = f"by {DIMENSION_WORDS[near]}" if near in DIMENSION_WORDS else near
    return QueryError(token, said, hint or ", ".join(EXAMPLES), _instead(text, token, token, hint))


def _dimension(token: Token) -> str:
    low = token.lower()
    meant = _MEANT.get(low, "").removeprefix("by ")
    if meant in DIMENSIONS:
        return meant
    if low in ("month", "months", "year", "years", "week", "weeks"):
        return "day"
    near = get_close_matches(low, DIMENSION_WORDS, 1, 0.5)
    return DIMENSION_WORDS[near[0]] if near else ""


def _instead(text: str, first: Token | None, last: Token, hint: str) -> str:
    """Return the whole query with `hint` in place of the words from `first` to `last`; "" without a hint."""
    if not hint or first is None:
        return ""
    return " ".join(f"{text[: first.start_pos]}{hint}{text[last.end_pos :]}".split())
