"""Query parser: period, filters, groupings, number of rows. Words in any order, the same in Slack and terminal.

`parse` turns words into a `Query`, or raises an error that names the word it did not understand and a working example.
It never guesses. `outlay.spend.grammar` has the syntax, `outlay.spend.grammar_periods` resolves days.
"""

import re
from datetime import date

from lark import Token, Tree

from outlay.spend import grammar_periods
from outlay.spend.grammar import DIMENSION_WORDS, UnexpectedWordError, parse_parts
from outlay.spend.grammar_periods import MAX_DAYS as MAX_DAYS
from outlay.spend.query import REQUESTED, DateRange, Query, QueryError
from outlay.spend.suggestions import DIMENSIONS, MAX_TOP, unexpected_word_error

__all__ = [
    "AUTO",
    "DIMENSIONS",
    "FILTERS",
    "MAX_DAYS",
    "MAX_TOP",
    "DateRange",
    "Query",
    "QueryError",
    "parse",
]

FILTERS = ("owner", "key", "model", "ledger", "connection", "project")
MAX_QUERY_CHARACTERS = 1_000
BY_MAX = 2
AUTO = (REQUESTED, "openrouter/auto")
_USER = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>|@([^\s@]+)")
_TEAM = re.compile(r"<[#!][^|>]*(?:\|@?([^>]*))?>|#(.+)")
_TIMES = ("day", "hour")


def parse(text: str, *, today: date, me: str = "") -> Query:
    """Parse words into a Query. Raises QueryError.

    `today` is the day in the workspace's zone; `me` the asker's owner id.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QueryError(
            text[:20] + "…", f"That is {len(text):,} characters; a question has at most {MAX_QUERY_CHARACTERS:,}."
        )
    try:
        parts = parse_parts(text)
    except UnexpectedWordError as error:
        raise unexpected_word_error(error, text) from None
    meaning = _Meaning(today, me)
    for part in parts:
        meaning.take(part)
    return meaning.query(text)


class _Meaning:
    """Collects the parts of a query and builds it."""

    def __init__(self, today: date, me: str) -> None:
        self.today = today
        self.me = me
        self.period: DateRange | None = None
        self.versus: DateRange | None = None
        self.before = False
        self.by: list[str] = []
        self.filters: list[tuple[str, str]] = []
        self.top: int | None = None
        self.trend = False
        self.teams: list[str] = []

    def take(self, part: Tree[Token]) -> None:
        """Add one part. Raises QueryError where it contradicts an earlier one or is not valid."""
        words = [child for child in part.children if isinstance(child, Token)]
        if part.data == "period":
            self.period = _one_of(self.period, grammar_periods.resolve_period(part, self.today), _first_word(part))
        elif part.data == "grouping":
            self._group(words[-1])
        elif part.data == "count":
            self._count(words[-1])
        elif part.data == "filter":
            self.filters.append(_filter(words[0], self.me))
            if words[0].type == "CHANNEL" or words[0].lower().startswith("team:"):
                self.teams.append(self.filters[-1][1])
        elif part.data == "comparison":
            self._compare(part, words)
        else:
            self.trend = True

    def query(self, text: str) -> Query:
        """Build the query from all parts. Raises QueryError."""
        so_far = DateRange(self.today.replace(day=1), self.today, "mtd")
        asked = self.period or (self.versus and grammar_periods.implied_period(self.versus, self.today)) or so_far
        versus = self.versus and grammar_periods.comparison_range(asked, self.versus, self.today)
        if self.before:
            versus = grammar_periods.preceding_range(asked, self.today)
        if versus and (versus.start, versus.end) == (asked.start, asked.end):
            raise QueryError("vs", f"`{asked.period}` and `{versus.period}` are the same days.", "vs last month")
        by = tuple(self.by) or (() if self.trend else ("owner",))
        if self.trend and not set(_TIMES) & set(by):
            if len(by) == BY_MAX:
                raise QueryError("trend", "`trend` goes with one grouping.", f"by {by[0]} trend")
            by = (*by, "hour" if asked.start == asked.end else "day")
        return Query(
            asked.start, asked.end, asked.period, by, tuple(self.filters), self.top, text.strip(), versus, self.trend,
            tuple(self.teams),
        )  # fmt: skip

    def _group(self, word: Token) -> None:
        name = DIMENSION_WORDS[word.lower()]
        if name not in self.by:
            if len(self.by) == BY_MAX:
                raise QueryError(word, "At most two groupings at once.", f"by {self.by[0]} {self.by[1]}")
            self.by.append(name)

    def _count(self, word: Token) -> None:
        if not 1 <= int(word) <= MAX_TOP:
            raise QueryError(word, f"`top` needs a number from 1 to {MAX_TOP}.", "top 5")
        self.top = int(word)

    def _compare(self, part: Tree[Token], words: list[Token]) -> None:
        period = next((child for child in part.children if isinstance(child, Tree)), None)
        if period is None:
            if self.versus:
                raise QueryError(words[-1], "Two comparisons: ask for one of them.", f"vs {self.versus.period}")
            self.before = True
            return
        found = grammar_periods.resolve_period(period, self.today)
        if self.before or (self.versus and self.versus != found):
            raise QueryError(
                _first_word(period), "Two comparisons: ask for one of them.",
                f"vs {self.versus.period if self.versus else 'previous'}",
            )  # fmt: skip
        self.versus = found


def _one_of(before: DateRange | None, found: DateRange, word: Token) -> DateRange:
    if before and before != found:
        raise QueryError(
            word, f"Two periods, `{before.period}` and `{found.period}`: ask for one of them.", before.period
        )
    return found


def _filter(word: Token, me: str) -> tuple[str, str]:
    if word.type == "ME":
        if not me:
            raise QueryError(word, "`me` works in Slack; here, say who.", "owner:dev@example.com")
        return "owner", me
    if word.type == "AUTO":
        return AUTO
    if word.type == "PERSON":
        return "owner", _person(word)
    if word.type == "CHANNEL":
        return "owner", _team(word, word)
    name, _, pattern = word.partition(":")
    name = name.lower()
    pattern = pattern[1:-1].strip() if pattern[:1] in ('"', "“") and pattern[-1:] in ('"', "”") else pattern
    if not pattern:
        raise QueryError(word, f"`{word}` needs a name after the colon.", f"{name}:*")
    if name in ("agent", "team"):
        return "owner", f"{name}:{pattern.removeprefix('#')}"
    if name == "owner" and _TEAM.fullmatch(pattern):
        return "owner", _team(pattern, word)
    return "ledger" if name == "provider" else name, _person(pattern)


def _person(pattern: str) -> str:
    user = _USER.fullmatch(pattern)
    return (user[1] or user[2]) if user else pattern


def _team(pattern: str, word: str) -> str:
    """Return `team:NAME` for a mention of a channel or user group. Raises QueryError if Slack sent no name."""
    match = _TEAM.fullmatch(pattern)
    name = (match[1] or match[2] or "").strip() if match else ""
    if not name:
        raise QueryError(word, "Slack does not tell the name of that channel.", "team:core")
    return f"team:{name}"


def _first_word(part: Tree[Token]) -> Token:
    return next(part.scan_values(lambda _: True))
