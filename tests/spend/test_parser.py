"""The question, word for word: every period, filter and grouping of the grammar, in any order; nothing is guessed."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outlay.core.calendar_periods import month_of
from outlay.spend.parser import DIMENSIONS, FILTERS, MAX_DAYS, MAX_QUERY_CHARACTERS, MAX_TOP, QueryError, parse

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
        ("from 2026-10-01 until yesterday", "2026-10-01", "2026-11-20"),
        ("from october to 2026-10", "2026-10-01", "2026-10-31"),
        ("from monday to friday", "2026-11-16", "2026-11-20"),
        ("since monday", "2026-11-16", "2026-11-21"),
        ("since Sat", "2026-11-21", "2026-11-21"),
        ("since sunday", "2026-11-15", "2026-11-21"),
        ("since 2026-10", "2026-10-01", "2026-11-21"),
        ("since 2026-10-07", "2026-10-07", "2026-11-21"),
        ("since yesterday", "2026-11-20", "2026-11-21"),
        ("2026-10-01..15", "2026-10-01", "2026-10-15"),
        ("2026-10-28..11-03", "2026-10-28", "2026-11-03"),
        ("2026-10-01..2026-10-02", "2026-10-01", "2026-10-02"),
        ("2026-10-01…02", "2026-10-01", "2026-10-02"),
        ("2026-09..10", "2026-09-01", "2026-10-31"),
        ("this week", "2026-11-16", "2026-11-21"),
        ("wtd", "2026-11-16", "2026-11-21"),
        ("last week", "2026-11-09", "2026-11-15"),
        ("previous week", "2026-11-09", "2026-11-15"),
        ("last 7 days", "2026-11-15", "2026-11-21"),
        ("past 2 weeks", "2026-11-08", "2026-11-21"),
        ("2w", "2026-11-08", "2026-11-21"),
        ("ytd", "2026-01-01", "2026-11-21"),
        ("this year", "2026-01-01", "2026-11-21"),
        ("last year", "2025-01-01", "2025-12-31"),
        ("october", "2026-10-01", "2026-10-31"),
        ("Nov", "2026-11-01", "2026-11-30"),
        ("december", "2025-12-01", "2025-12-31"),
        ("december 2024", "2024-12-01", "2024-12-31"),
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
        ("provider:openai", [("ledger", "openai")]),
        ("agent:ci", [("owner", "agent:ci")]),
        ("team:core", [("owner", "team:core")]),
        ("team:#core", [("owner", "team:core")]),
        ("#core", [("owner", "team:core")]),
        ("<#C01ABC|core>", [("owner", "team:core")]),
        ("<!subteam^S01ABC|@core>", [("owner", "team:core")]),
        ("owner:<#C01ABC|core>", [("owner", "team:core")]),
        ("auto", [("requested", "openrouter/auto")]),
        ("openrouter/auto", [("requested", "openrouter/auto")]),
        ('key:"ci bot, main" model:a', [("key", "ci bot, main"), ("model", "a")]),
        ("key:“ci bot”", [("key", "ci bot")]),
        ("model:claude-*, me", [("model", "claude-*"), ("owner", "U0ME")]),
    ],
)
def test_filters(text: str, filters: list[tuple[str, str]]) -> None:
    assert parse(text, today=TODAY, me="U0ME").filters == tuple(filters)


def test_a_team_stands_for_its_members_and_the_owner_of_that_name_for_its_own_keys() -> None:
    assert parse("#core team:web <#C01|ops>", today=TODAY).teams == ("team:core", "team:web", "team:ops")
    assert parse("owner:team:core agent:ci me", today=TODAY, me="U0ME").teams == ()


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("", ("owner",)),
        *((f"by {name}", (name,)) for name in DIMENSIONS),
        *((name, (name,)) for name in DIMENSIONS),
        *((f"{name}s", (name,)) for name in DIMENSIONS),
        ("by provider", ("ledger",)),
        ("per model", ("model",)),
        ("model day", ("model", "day")),
        ("last 7 days day", ("day",)),
        ("trend", ("day",)),
        ("trend by model", ("model", "day")),
        ("by model trend", ("model", "day")),
        ("today trend", ("hour",)),
        ("trend by hour", ("hour",)),
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


@pytest.mark.parametrize(
    ("text", "asked", "versus"),
    [
        ("this week vs last week", ("2026-11-16", "2026-11-21"), ("2026-11-09", "2026-11-14")),
        ("vs last week", ("2026-11-16", "2026-11-21"), ("2026-11-09", "2026-11-14")),
        ("mtd vs last month", ("2026-11-01", "2026-11-21"), ("2026-10-01", "2026-10-21")),
        ("vs last month", ("2026-11-01", "2026-11-21"), ("2026-10-01", "2026-10-21")),
        ("vs previous month", ("2026-11-01", "2026-11-21"), ("2026-10-01", "2026-10-21")),
        ("vs yesterday", ("2026-11-21", "2026-11-21"), ("2026-11-20", "2026-11-20")),
        ("vs 2026-10", ("2026-11-01", "2026-11-21"), ("2026-10-01", "2026-10-31")),
        ("last month vs 2026-09", ("2026-10-01", "2026-10-31"), ("2026-09-01", "2026-09-30")),
        ("7d vs last week", ("2026-11-15", "2026-11-21"), ("2026-11-09", "2026-11-15")),
        ("7d vs before", ("2026-11-15", "2026-11-21"), ("2026-11-08", "2026-11-14")),
        ("7d versus previous", ("2026-11-15", "2026-11-21"), ("2026-11-08", "2026-11-14")),
        ("vs previous", ("2026-11-01", "2026-11-21"), ("2026-10-01", "2026-10-21")),
        ("ytd against last year", ("2026-01-01", "2026-11-21"), ("2025-01-01", "2025-11-21")),
    ],
)
def test_a_comparison_is_with_the_days_it_names_and_with_as_many_of_what_is_under_way(
    text: str, asked: tuple[str, str], versus: tuple[str, str]
) -> None:
    found = parse(text, today=TODAY)
    assert found.versus
    assert days(text) == asked
    assert (found.versus.start.isoformat(), found.versus.end.isoformat()) == versus


def test_a_month_under_way_is_never_compared_with_more_days_than_the_month_before_had() -> None:
    found = parse("mtd vs last month", today=date(2026, 3, 31))
    assert found.versus
    assert (found.versus.start, found.versus.end) == (date(2026, 2, 1), date(2026, 2, 28))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d by modle top 5", "7d by model top 5"),
        ("todya  by key", "today by key"),
        ("me modle:x*", "me model:x*"),
        ("last wek by model", "last week by model"),
        ("7d per user", "7d by owner"),
        ("monday by model", "since monday by model"),
        ("7d weekly", "7d by day"),
        ("blurb", ""),
    ],
)
def test_where_one_word_is_misspelled_the_whole_question_is_offered_and_works(text: str, meant: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, today=TODAY, me="U0ME")
    assert caught.value.meant == meant
    if meant:
        parse(meant, today=TODAY, me="U0ME")


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
        ("last wek", "last", "week"),
        ("this 3 days", "this", "last 3 days"),
        ("last 3 months", "last", "last 90 days"),
        ("last 5 models", "models", "last 7 days"),
        ("since", "since", "since monday"),
        ("since ever", "ever", "since monday"),
        ("week", "week", "this week"),
        ("monday", "monday", "since monday"),
        ("before", "before", "vs before"),
        ("2026", "2026", "2026-10"),
        ("7", "7", "top 7"),
        ("by week", "week", "by day"),
        ("by user", "user", "by owner"),
        ("by vendor", "vendor", "by ledger"),
        ("trnd", "trnd", "trend"),
        ("daily", "daily", "by day"),
        ("vs", "vs", "vs last week"),
        ("vs me", "me", "vs last week"),
        ("7d vs 7d", "vs", "vs last month"),
        ("vs last week vs yesterday", "yesterday", "vs last week"),
        ("vs before vs yesterday", "yesterday", "vs previous"),
        ("vs yesterday vs before", "before", "vs yesterday"),
        ("by owner model trend", "trend", "by owner trend"),
        ("2026-10-15..01", "2026-10-15..01", "from 2026-10-01 to 2026-10-15"),
        ("2026-10-01..99", "2026-10-01..99", "2026-10-01"),
        ("<#C01ABC>", "<#C01ABC>", "team:core"),
        ('key:""', 'key:""', "key:*"),
        ("7d today", "today", "7d"),
        ("today 2026-10", "2026-10", "today"),
        ("from", "from", "from 2026-10-01"),
        ("from yesteryear", "yesteryear", "from 2026-10-01"),
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
        *(
            "vs",
            "trend",
            "since",
            "monday",
            "week",
            "7",
            "october",
            "..",
            "2026-10-01..",
            "2026-10-01..15",
            "#c",
            "<#C1>",
        ),
        *("auto", "before", "previous", "until", "agent:", "<!subteam^S1|@c>", 'key:"', 'key:"a b"', "per", "days"),
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
        assert all(name in (*FILTERS, "requested") and pattern for name, pattern in found.filters)
        assert found.versus is None or found.versus.start <= found.versus.end
    assert all(said)
