"""The question: a period, filters, groupings, how many rows. Words in any order, the same in Slack and terminal.

`parse` turns words into a `Query`, or says which word it did not understand and what would have worked. It never
guesses.
"""

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import get_close_matches

DIMENSIONS = ("owner", "key", "model", "ledger", "connection", "project", "day", "hour")
FILTERS = ("owner", "key", "model", "ledger", "connection", "project")
EXAMPLES = ("7d", "mtd", "2026-10", "by model", "by key day", "model:*claude*", "me", "top 5")
MAX_QUERY_CHARACTERS = 1_000
MAX_DAYS = 400
MAX_TOP = 100
_FIRST_DAY, _LAST_DAY = date(2020, 1, 1), date(2099, 12, 31)
_USER = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>|@([^\s@]+)")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class QueryError(ValueError):
    """A word that is not understood. `word` is that word; `hint` shows what would have worked."""

    def __init__(self, word: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Query:
    """`start` and `end`: days in the workspace's zone, both in it. Filters: (dimension, pattern), `*` is a wildcard."""

    start: date
    end: date
    period: str
    by: tuple[str, ...] = ("owner",)
    filters: tuple[tuple[str, str], ...] = ()
    top: int | None = None
    words: str = field(default="", compare=False)


def month_of(day: date) -> tuple[date, date]:
    """First and last day of the month that `day` is in."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def parse(text: str, *, today: date, me: str = "") -> Query:
    """Words to a Query. `today` is the day in the workspace's zone; `me` the asker's owner id. Raises QueryError."""
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QueryError(
            text[:20] + "…", f"That is {len(text):,} characters; a question has at most {MAX_QUERY_CHARACTERS:,}."
        )
    return _Parser(text.split(), today, me).query(text)


class _Parser:
    def __init__(self, words: list[str], today: date, me: str) -> None:
        self.words = words
        self.today = today
        self.me = me
        self.period: tuple[date, date, str] | None = None
        self.by: list[str] = []
        self.filters: list[tuple[str, str]] = []
        self.top: int | None = None

    def query(self, text: str) -> Query:
        while self.words:
            word = self.words.pop(0)
            low = word.lower()
            if not (
                self._period(word, low)
                or self._grouping(low)
                or self._top(low)
                or self._filter(word, low)
                or low in (",", "and")
            ):
                raise self._unknown(word)
        start, end, period = self.period or (self.today.replace(day=1), self.today, "mtd")
        return Query(start, end, period, tuple(self.by) or ("owner",), tuple(self.filters), self.top, text.strip())

    def _period(self, word: str, low: str) -> bool:
        today = self.today
        if low == "today":
            found = (today, today, low)
        elif low == "yesterday":
            found = (today - timedelta(days=1), today - timedelta(days=1), low)
        elif low == "mtd":
            found = (today.replace(day=1), today, low)
        elif low in ("last", "this") and self._next("month"):
            first, last = month_of(today if low == "this" else today.replace(day=1) - timedelta(days=1))
            found = (first, min(last, today), f"{low} month")
        elif match := re.fullmatch(r"(\d{1,5})d", low):
            days = int(match[1])
            if not 1 <= days <= MAX_DAYS:
                raise QueryError(word, f"`{word}` is out of reach: 1d to {MAX_DAYS}d work.", "7d")
            found = (today - timedelta(days=days - 1), today, low)
        elif match := _MONTH.fullmatch(low):
            first, last = month_of(_day(f"{low}-01", word))
            found = (first, last, low)
        elif _DAY.fullmatch(low):
            found = (_day(low, word), _day(low, word), low)
        elif low == "from":
            found = self._from_to()
        else:
            return False
        if self.period and self.period != found:
            raise QueryError(
                word, f"Two periods, `{self.period[2]}` and `{found[2]}`: ask for one of them.", self.period[2]
            )
        self.period = found
        return True

    def _from_to(self) -> tuple[date, date, str]:
        start_word = self.words.pop(0) if self.words else ""
        if not start_word:
            raise QueryError("from", "`from` needs a day.", "from 2026-10-01 to 2026-10-15")
        start = _day(start_word, start_word)
        end, end_word = self.today, ""
        if self._next("to"):
            end_word = self.words.pop(0) if self.words else ""
            if not end_word:
                raise QueryError("to", "`to` needs a day.", f"from {start_word} to {self.today}")
            end = self.today if end_word.lower() == "today" else _day(end_word, end_word)
        if end < start:
            raise QueryError(end_word or start_word, f"{end} is before {start}.", f"from {end} to {start}")
        if (end - start).days >= MAX_DAYS * 5:
            raise QueryError(
                start_word, f"That is more than {MAX_DAYS * 5} days.", f"from {end - timedelta(days=MAX_DAYS)} to {end}"
            )
        return start, end, f"from {start} to {end}"

    def _grouping(self, low: str) -> bool:
        if low != "by":
            return False
        found = False
        while self.words:
            names = [name for name in re.split(r"[,|]", self.words[0].lower()) if name]
            if names == ["and"] and found:
                self.words.pop(0)
                continue
            if not names or any(name not in DIMENSIONS for name in names):
                break
            self.words.pop(0)
            found = True
            self.by += [name for name in names if name not in self.by]
        if not found:
            word = self.words[0] if self.words else "by"
            near = get_close_matches(word.lower(), DIMENSIONS, 1, 0.5)
            raise QueryError(
                word,
                f"I cannot group by `{word}`." if self.words else "`by` what?",
                f"by {near[0]}" if near else "by " + "|".join(DIMENSIONS),
            )
        if len(self.by) > 2:
            raise QueryError(self.by[2], "At most two groupings at once.", f"by {self.by[0]} {self.by[1]}")
        return True

    def _top(self, low: str) -> bool:
        if low != "top":
            return False
        word = self.words.pop(0) if self.words else ""
        if not re.fullmatch(r"\d{1,6}", word) or not 1 <= int(word) <= MAX_TOP:
            raise QueryError(word or "top", f"`top` needs a number from 1 to {MAX_TOP}.", "top 5")
        self.top = int(word)
        return True

    def _filter(self, word: str, low: str) -> bool:
        if low == "me":
            if not self.me:
                raise QueryError(word, "`me` works in Slack; here, say who.", "owner:dev@example.com")
            self.filters.append(("owner", self.me))
            return True
        if match := _USER.fullmatch(word):
            self.filters.append(("owner", match[1] or match[2]))
            return True
        name, colon, pattern = word.partition(":")
        if not colon or name.lower() not in FILTERS:
            return False
        if not pattern:
            raise QueryError(word, f"`{word}` needs a name after the colon.", f"{name.lower()}:*")
        if user := _USER.fullmatch(pattern):
            pattern = user[1] or user[2]
        self.filters.append((name.lower(), pattern))
        return True

    def _next(self, word: str) -> bool:
        if self.words and self.words[0].lower() == word:
            self.words.pop(0)
            return True
        return False

    def _unknown(self, word: str) -> QueryError:
        low = word.lower()
        if low in DIMENSIONS:
            return QueryError(word, f"I do not understand `{word}` alone.", f"by {low}")
        name = low.partition(":")[0]
        if ":" in low and (near := get_close_matches(name, FILTERS, 1, 0.5)):
            return QueryError(
                word, f"I do not know the filter `{name}:`.", f"{near[0]}:{word.partition(':')[2] or '*'}"
            )
        known = ("today", "yesterday", "mtd", "by", "top", "from", "last month", "me", *DIMENSIONS)
        near = get_close_matches(low, known, 1, 0.6)
        hint = (f"by {near[0]}" if near[0] in DIMENSIONS else near[0]) if near else ", ".join(EXAMPLES)
        return QueryError(word, f"I do not understand `{word}`.", hint)


def _day(text: str, word: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise QueryError(word, f"`{word}` is not a day or month of the calendar.", "2026-10-01") from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise QueryError(word, f"`{word}` is outside {_FIRST_DAY.year} to {_LAST_DAY.year}.", "2026-10-01")
    return day
