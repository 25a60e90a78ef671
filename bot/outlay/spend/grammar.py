"""Grammar of a query: words of known kinds, combined by an LALR grammar (`grammar.lark`). No meaning yet.

Each word is of one kind, whatever stands around it, so that a mistake is always one word that can be named.
`parse_parts` returns the parts of a query, or raises `UnexpectedWordError` at the first word that is out of place.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.lexer import Lexer, LexerState

from outlay.core.errors import OutlayError

DIMENSION_WORDS = {
    **{name: name for name in ("owner", "key", "model", "ledger", "connection", "project", "hour", "day")},
    **{f"{name}s": name for name in ("owner", "key", "model", "ledger", "connection", "project", "hour", "day")},
    "provider": "ledger",
    "providers": "ledger",
}
FILTER_WORDS = ("owner", "key", "model", "ledger", "provider", "connection", "project", "agent", "team")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_KEYWORDS = {
    "today": "TODAY",
    "yesterday": "YESTERDAY",
    **dict.fromkeys(("mtd", "wtd", "ytd"), "TO_DATE"),
    **dict.fromkeys(("week", "weeks", "month", "months", "year", "years"), "UNIT"),
    **dict.fromkeys(("last", "past"), "LAST"),
    "previous": "PREVIOUS",
    "this": "THIS",
    "from": "FROM",
    **dict.fromkeys(("to", "until"), "TO"),
    "since": "SINCE",
    **dict.fromkeys(("by", "per"), "BY"),
    **dict.fromkeys(DIMENSION_WORDS, "DIMENSION"),
    **dict.fromkeys(("day", "days"), "DAY"),
    "top": "TOP",
    **dict.fromkeys(("vs", "vs.", "versus", "against"), "VS"),
    "before": "BEFORE",
    "me": "ME",
    **dict.fromkeys(("auto", "openrouter/auto"), "AUTO"),
    **dict.fromkeys(("trend", "trends"), "TREND"),
    **dict.fromkeys(("and", "&", "+"), "_AND"),
    **dict.fromkeys(WEEKDAYS, "WEEKDAY"),
    **dict.fromkeys((name[:3] for name in WEEKDAYS), "WEEKDAY"),
    **dict.fromkeys(MONTHS, "NAMED"),
    **dict.fromkeys((name[:3] for name in MONTHS), "NAMED"),
}
VOCABULARY = tuple(word for word in _KEYWORDS if len(word) > 3 or word in ("mtd", "top", "key"))
_SHAPES = (  # the first that matches a whole word is its kind
    ("PERSON", re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?>|@[^\s@]+")),
    ("CHANNEL", re.compile(r"<#[CG][A-Z0-9]+(?:\|[^>]*)?>|<!subteam\^\w+(?:\|[^>]*)?>|#[^\s#]+")),
    ("COUNTED", re.compile(r"[0-9]{1,5}[dw]", re.IGNORECASE)),
    ("DATE", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")),
    ("MONTH", re.compile(r"[0-9]{4}-[0-9]{2}")),
    ("RANGE", re.compile(r"[0-9][0-9-]{3,9}(?:\.{2,3}|…)[0-9-]{1,10}")),
    ("NUMBER", re.compile(r"[0-9]{1,6}")),
    ("FILTER", re.compile(rf"(?:{'|'.join(FILTER_WORDS)}):.*", re.IGNORECASE | re.DOTALL)),
)
_QUOTED = r"\"[^\"]*\"|“[^”]*”"
_CHUNK = re.compile(rf"<[@#!][^<>]*>|[A-Za-z]+:(?:{_QUOTED}|<[@#!][^<>]*>)|\S+")
_PIECE = re.compile(r"[^,|]+")


class UnexpectedWordError(OutlayError):
    """A word that cannot stand where it does. `token` None: one is missing at the end. `before`: the word before it."""

    def __init__(self, token: Token | None, before: Token | None) -> None:
        super().__init__(str(token))
        self.token = token
        self.before = before


def parse_parts(text: str) -> list[Tree[Token]]:
    """Parse a query into its parts, in the order of its words. Raises Unexpected."""
    try:
        return [part for part in _parser().parse(text).children if isinstance(part, Tree)]
    except UnexpectedToken as error:
        words = list(tokens(text))
        if error.token.type == "$END":
            raise UnexpectedWordError(None, words[-1] if words else None) from None
        place = next(place for place, word in enumerate(words) if word.start_pos == error.token.start_pos)
        raise UnexpectedWordError(words[place], words[place - 1] if place else None) from None
    except UnexpectedInput as error:  # cannot happen: the lexer accepts every text
        raise AssertionError("a lexer of words lets every text through") from error


def ready() -> None:
    """Build the parser ahead of the first query, since that takes a moment."""
    _parser()


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of a text with their kinds. Commas and bars separate words; a quoted name is one word."""
    for chunk in _CHUNK.finditer(text):
        word = chunk[0]
        kind = _shape(word)
        if kind in ("FILTER", "PERSON", "CHANNEL"):
            yield _token(kind, word.rstrip(",") or word, chunk.start())
            continue
        for piece in _PIECE.finditer(word):
            yield _token(_kind(piece[0]), piece[0], chunk.start() + piece.start())


def _token(kind: str, word: str, start: int) -> Token:
    return Token(kind, word, start_pos=start, end_pos=start + len(word))


def _kind(word: str) -> str:
    return _KEYWORDS.get(word.lower()) or _shape(word) or "WORD"


def _shape(word: str) -> str:
    return next((kind for kind, shape in _SHAPES if shape.fullmatch(word)), "")


class _Words(Lexer):
    """Lexer for lark whose kinds of words do not depend on what the parser expects."""

    __future_interface__ = 2  # makes lark pass its state to `lex`, not the bare text

    def __init__(self, conf: Any) -> None:
        pass

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:
        return tokens(lexer_state.text.text)


@cache
def _parser() -> Lark:
    source = files("outlay.spend").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(source, parser="lalr", lexer=_Words)
