"""The question, word for word: every period, filter and grouping of the grammar, in any order; nothing is guessed."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.query import DIMENSIONS, FILTERS, MAX_DAYS, MAX_QUERY_CHARACTERS, MAX_TOP, QueryError, month_of, parse

TODAY = date(2026, 11, 21)


def days(text: str, today: date = TODAY) -> tuple[str, str]:
    found = parse(text, today=today)
    return found.start.isoformat(), found.end.isoformat()


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("", "2026-11-01", "2026-11-21"),
        ("mtd", "2026-11-01", "2026-11-21"),
        ("MTD", "2026-11-01", "2026-11-21"),
        ("today", "2026-11-21", "2026-11-21"),
        ("yesterday", "2026-11-20", "2026-11-20"),
        ("1d", "2026-11-21", "2026-11-21"),
        ("7d", "2026-11-15", "2026-11-21"),
        ("400d", "2025-10-18", "2026-11-21"),
        ("last month", "2026-10-01", "2026-10-31"),
        ("this month", "2026-11-01", "2026-11-21"),
        ("2026-10", "2026-10-01", "2026-10-31"),
        ("2026-10-07", "2026-10-07", "2026-10-07"),
        ("from 2026-10-01 to 2026-10-15", "2026-10-01", "2026-10-15"),
        ("from 2026-10-01 to 2026-10-01", "2026-10-01", "2026-10-01"),
        ("from 2026-10-01 to today", "2026-10-01", "2026-11-21"),
        ("from 2026-10-01", "2026-10-01", "2026-11-21"),
    ],
)
def test_periods_are_days_inclusive(text: str, start: str, end: str) -> None:
    assert days(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "today", "start", "end"),
    [
        ("yesterday", date(2026, 1, 1), "2025-12-31", "2025-12-31"),
        ("yesterday", date(2028, 3, 1), "2028-02-29", "2028-02-29"),
        ("last month", date(2026, 1, 31), "2025-12-01", "2025-12-31"),
        ("last month", date(2028, 3, 31), "2028-02-01", "2028-02-29"),
        ("last month", date(2026, 3, 31), "2026-02-01", "2026-02-28"),
        ("mtd", date(2026, 12, 1), "2026-12-01", "2026-12-01"),
        ("2028-02", TODAY, "2028-02-01", "2028-02-29"),
        ("2026-12", TODAY, "2026-12-01", "2026-12-31"),
        ("7d", date(2028, 3, 2), "2028-02-25", "2028-03-02"),
        ("from 2028-02-29 to 2028-03-01", TODAY, "2028-02-29", "2028-03-01"),
    ],
)
def test_ends_of_months_and_years_and_leap_days(text: str, today: date, start: str, end: str) -> None:
    assert days(text, today) == (start, end)


@given(st.dates(date(2020, 1, 1), date(2099, 12, 31)))
def test_a_month_has_all_its_days_and_no_other(day: date) -> None:
    first, last = month_of(day)
    assert first.day == 1
    assert first <= day <= last
    assert (last + timedelta(days=1)).day == 1
    assert (last + timedelta(days=1)).month != day.month


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("owner:agent:ci", [("owner", "agent:ci")]),
        ("owner:team:core", [("owner", "team:core")]),
        ("owner:unattributed", [("owner", "unattributed")]),
        ("owner:dev@example.com", [("owner", "dev@example.com")]),
        ("<@U123|ann>", [("owner", "U123")]),
        ("<@U123>", [("owner", "U123")]),
        ("owner:<@W9|x>", [("owner", "W9")]),
        ("@ann", [("owner", "ann")]),
        ("me", [("owner", "U0ME")]),
        ("key:ci-*", [("key", "ci-*")]),
        ("KEY:Prod", [("key", "Prod")]),
        ("model:*claude*", [("model", "*claude*")]),
        ("model:deepseek/deepseek-r1:free", [("model", "deepseek/deepseek-r1:free")]),
        ("ledger:openrouter project:web", [("ledger", "openrouter"), ("project", "web")]),
        ("connection:main connection:m*", [("connection", "main"), ("connection", "m*")]),
    ],
)
def test_filters(text: str, filters: list[tuple[str, str]]) -> None:
    assert parse(text, today=TODAY, me="U0ME").filters == tuple(filters)


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("", ("owner",)),
        *((f"by {name}", (name,)) for name in DIMENSIONS),
        ("by key,day", ("key", "day")),
        ("by key, day", ("key", "day")),
        ("by key day", ("key", "day")),
        ("by key by day", ("key", "day")),
        ("by key and day", ("key", "day")),
        ("by Key|Day", ("key", "day")),
        ("by key by key", ("key",)),
        ("by owner model top 5", ("owner", "model")),
    ],
)
def test_groupings(text: str, by: tuple[str, ...]) -> None:
    assert parse(text, today=TODAY).by == by


@pytest.mark.parametrize(("text", "top"), [("", None), ("top 1", 1), ("top 100", MAX_TOP)])
def test_top(text: str, top: int | None) -> None:
    assert parse(text, today=TODAY).top == top


@given(st.permutations(["from 2026-10-01 to 2026-10-15", "by owner", "by model", "top 3", "key:a*", "me"]))
def test_words_come_in_any_order(words: list[str]) -> None:
    found = parse(" ".join(words), today=TODAY, me="U0ME")
    assert (found.start, found.end) == (date(2026, 10, 1), date(2026, 10, 15))
    assert found.by == tuple(word[3:] for word in words if word.startswith("by "))
    assert set(found.filters) == {("key", "a*"), ("owner", "U0ME")}
    assert found.top == 3


@pytest.mark.parametrize(
    ("text", "word", "hint"),
    [
        ("todya", "todya", "today"),
        ("by modle", "modle", "by model"),
        ("by", "by", "by owner"),
        ("by the", "the", "by "),
        ("by owner model day", "day", "by owner model"),
        ("by owner by model by key", "key", "by owner model"),
        ("model", "model", "by model"),
        ("modle:x", "modle:x", "model:x"),
        ("model:", "model:", "model:*"),
        ("me", "me", "owner:"),
        ("0d", "0d", "7d"),
        (f"{MAX_DAYS + 1}d", f"{MAX_DAYS + 1}d", "7d"),
        ("top", "top", "top 5"),
        ("top 0", "0", "top 5"),
        ("top 101", "101", "top 5"),
        ("top -1", "-1", "top 5"),
        ("top x", "x", "top 5"),
        ("2026-13", "2026-13", "2026-10-01"),
        ("2026-02-30", "2026-02-30", "2026-10-01"),
        ("2027-02-29", "2027-02-29", "2026-10-01"),
        ("1999-01", "1999-01", "2026-10-01"),
        ("2100-01-01", "2100-01-01", "2026-10-01"),
        ("last", "last", ""),
        ("last week", "last", ""),
        ("7d today", "today", "7d"),
        ("today 2026-10", "2026-10", "today"),
        ("from", "from", "from 2026-10-01"),
        ("from yesteryear", "yesteryear", "2026-10-01"),
        ("from 2026-10-02 to", "to", "from 2026-10-02 to"),
        ("from 2026-10-02 to 2026-10-01", "2026-10-01", "from 2026-10-01 to 2026-10-02"),
        ("from 2020-01-01 to 2099-12-31", "2020-01-01", "from "),
        ("help me", "help", ""),
        ("7d; drop table entry", "7d;", ""),
    ],
)
def test_what_is_not_understood_is_named_and_what_would_have_worked_is_shown(text: str, word: str, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, today=TODAY)
    assert caught.value.word == word
    assert caught.value.hint.startswith(hint)
    assert str(caught.value)


def test_a_text_beyond_all_measure_is_refused_before_it_is_read() -> None:
    with pytest.raises(QueryError, match="characters"):
        parse("a " * MAX_QUERY_CHARACTERS, today=TODAY)


def test_the_same_period_twice_is_one() -> None:
    assert days("7d 7d") == days("7d")


WORDS = st.sampled_from(
    [
        *(
            [
                "today",
                "7d",
                "mtd",
                "last",
                "month",
                "this",
                "2026-10",
                "2026-02-29",
                "from",
                "to",
                "by",
                "top",
                "5",
                "me",
                "and",
                ",",
                "@ann",
                "<@U1|a>",
                "<@",
                "owner:",
                ":",
                "x:*",
            ]
        ),
        *("9" * 30, "٧d", "²d", "99999d", "2026-1０", "\x00", "\ud800"),
        *DIMENSIONS,
        *(f"{name}:a" for name in FILTERS),
    ]
)


@given(
    st.one_of(st.text(max_size=60), st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=9).map(" ".join)),
    st.dates(date(2020, 2, 1), date(2099, 12, 31)),
)
@example("by " * 333, TODAY)
@example("x" * 1000, TODAY)
@example("from 9999-12-31 to 9999-12-31", TODAY)
def test_any_words_either_parse_or_are_refused_in_words(text: str, today: date) -> None:
    try:
        found = parse(text, today=today, me="U0ME")
    except QueryError as refusal:
        said = (str(refusal), refusal.word)
    else:
        said = ()
        assert found.start <= found.end
        assert 1 <= len(found.by) <= 2
        assert set(found.by) <= set(DIMENSIONS)
        assert all(name in FILTERS and pattern for name, pattern in found.filters)
    assert all(said)
