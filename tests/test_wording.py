"""Figures in English."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay import wording
from outlay.core.owner import Owner
from outlay.spend.parser import QueryError, parse
from tests.workspace import ROOT

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nano_usd", "said"),
    [
        (None, "not priced"),
        (0, "$0"),
        (1, "less than $0.0001"),
        (50_000, "$0.0001"),
        (400_000, "$0.0004"),
        (4_000_000, "$0.004"),
        (9_600_000, "$0.01"),
        (12_400_000_000, "$12.40"),
        (999_994_000_000, "$999.99"),
        (999_995_000_000, "$1,000"),
        (1_240_000_000_000, "$1,240"),
        (999_999_500_000_000, "$1M"),
        (1_200_000_000_000_000, "$1.2M"),
        (9_200_000_000_000_000_000, "$9.2B"),
        (-12_400_000_000, "−$12.40"),
        (-1, "less than $0.0001 in credit"),
    ],
)
def test_money_reads_as_people_write_it(nano_usd: int | None, said: str) -> None:
    assert wording.money(nano_usd) == said


@given(st.integers(-(2**63), 2**63 - 1))
def test_money_that_is_there_is_never_called_nothing(nano_usd: int) -> None:
    said = wording.money(nano_usd)

    assert (said == "$0") == (nano_usd == 0)
    assert "E" not in said
    assert len(said) <= 28


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 tokens"),
        (1, "1 token"),
        (9_999, "9,999 tokens"),
        (10_000, "10k tokens"),
        (12_345, "12.3k tokens"),
        (999_960, "1M tokens"),
        (1_200_000, "1.2M tokens"),
        (3_000_000_000, "3B tokens"),
    ],
)
def test_tokens_are_counted_shortly(count: int, said: str) -> None:
    assert wording.tokens(count) == said


def test_a_share_is_neither_nothing_nor_all_unless_it_is() -> None:
    assert [wording.percent(part, 1_000) for part in (0, 1, 15, 320, 999, 1_000)] == [
        "0 %",
        "under 1 %",
        "2 %",
        "32 %",
        "99 %",
        "100 %",
    ]
    assert wording.percent(5, 0) == ""
    assert wording.percent(-5, 10) == ""


def test_coverage_is_rounded_down() -> None:
    assert wording.coverage(0.998, 10) == "99.8 % of tokens priced"
    assert wording.coverage(0.99999, 1) == "99.9 % of tokens priced"
    assert wording.coverage(1.0, 1) == "99.9 % of tokens priced"
    assert wording.coverage(1.0, 0) == "all tokens priced"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this month so far"),
        ("today", "today"),
        ("7d", "in the last 7 days"),
        ("last month", "last month (October 2026)"),
        ("2026-10", "in October 2026"),
        ("2026-10-03", "on 3 Oct 2026"),
        ("from 2026-10-01 to 2026-10-15", "from 1 Oct to 15 Oct 2026"),
        ("wtd", "this week so far"),
        ("this year", "this year so far"),
        ("last week", "last week (9 Nov to 15 Nov 2026)"),
        ("last year", "last year (2025)"),
        ("october", "in October 2026"),
        ("2w", "in the last 14 days"),
        ("since 2025-12-30", "from 30 Dec 2025 to 21 Nov 2026"),
    ],
)
def test_a_period_is_said_in_words(text: str, said: str) -> None:
    assert wording.period(parse(text, today=date(2026, 11, 21))) == said


def test_a_moment_is_in_the_readers_zone_with_utc_where_slack_cannot_say() -> None:
    assert wording.clock(NOW, NOW) == f"<!date^{int(NOW.timestamp())}^{{time}}|14:05 UTC>"
    two_days_ago = NOW - timedelta(days=2)
    stamp = int(two_days_ago.timestamp())
    assert wording.clock(two_days_ago, NOW) == f"<!date^{stamp}^{{date_short_pretty}} {{time}}|19 Nov 14:05 UTC>"


def test_what_can_still_move_says_until_when() -> None:
    until = datetime(2026, 11, 24, tzinfo=UTC)
    stamp = int(until.timestamp())

    assert wording.status("provisional", until, NOW) == f"provisional until <!date^{stamp}^{{date_short}}|24 Nov>"
    assert wording.status("provisional", None, NOW) == "provisional"
    assert wording.status("settled", None, NOW) == "settled"


def test_freshness_names_who_lags_most_first_and_says_who_was_never_read() -> None:
    said = wording.freshness({"b": NOW, "a": NOW - timedelta(minutes=9), "c": None}, NOW)

    assert [part.split(" read")[0].split(" not")[0] for part in said.split(" · ")] == ["c", "a", "b"]
    assert said.startswith("c not read yet")
    assert wording.freshness({str(n): NOW for n in range(9)}, NOW).endswith("5 more read since")


def test_a_name_is_one_plain_line() -> None:
    assert wording.name("a\nb\t\x00c") == "a b c"
    assert wording.name("\u202eevil\u2066") == "evil"
    assert wording.name("\ud800") == "(no name)"
    assert wording.name("x" * 200) == "x" * 59 + "…"
    assert wording.name("claude_sonnet-4") == "claude_sonnet-4"


@given(st.text())
def test_no_name_mentions_links_or_formats(text: str) -> None:
    safe = wording.safe(text)

    assert "<" not in safe
    assert ">" not in safe
    assert "\n" not in safe
    for mark in "*~`":
        assert safe.count(mark) == safe.count(f"\u2060{mark}\u2060")
    safe.encode()


def test_only_a_person_without_a_name_is_left_to_slack_to_name() -> None:
    assert wording.slack_user(Owner("U02BEN34", "U02BEN34", "person")) == "U02BEN34"
    assert wording.slack_user(Owner("U02BEN34", "Ben", "person")) is None
    assert wording.slack_user(Owner("U02BEN34", "", "team")) is None
    assert wording.slack_user(Owner("!channel", "!channel", "person")) is None


def test_a_misunderstood_word_comes_with_what_would_have_worked() -> None:
    several = wording.query_error_text(QueryError("x", "I do not understand `x`.", "7d, mtd, me"))

    assert several.startswith("I do not understand `x`. Try `/spend 7d`, `/spend mtd` or `/spend me`.")
    assert wording.query_error_text(QueryError("x", "`<!here>`", "")).startswith("`&lt;!here&gt;` `/spend help`")


def test_one_and_many() -> None:
    assert wording.count_with_noun(1, "key") == "1 key"
    assert wording.count_with_noun(1_240, "key") == "1,240 keys"
    assert wording.either(["a", "b", "c"]) == "a, b or c"
    assert wording.either(["a"]) == "a"


def test_a_key_pasted_as_a_question_is_not_said_back() -> None:
    pasted = "sk-or-v1-" + "ab12" * 16
    with pytest.raises(QueryError) as caught:
        parse(pasted, today=date(2026, 11, 21))
    said = wording.query_error_text(caught.value)
    assert pasted not in said
    assert "I do not understand" in said


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (5, 5, "no change"),
        (3_000_000_000, 2_000_000_000, "+$1.00 (50 %)"),
        (2_000_000_000, 3_000_000_000, "−$1.00 (33 %)"),
        (2_000_000_000, 0, "+$2.00 (new)"),
        (0, 2_000_000_000, "−$2.00 (gone)"),
        (40_000_000_000, 2_000_000_000, "+$38.00 (20 times as much)"),
        (None, 2, "not known"),
        (2, None, "not known"),
        (1_000_000_000, -1_000_000_000, "+$2.00"),
    ],
)
def test_a_change_says_how_much_and_how_much_of_it(now: int | None, before: int | None, said: str) -> None:
    assert wording.change(now, before) == said


SOURCES = sorted((ROOT / "bot" / "outlay" / "slack").rglob("*.py"))
SMALL = {"a", "as", "of", "this", "in", "to", "the", "for"}


def buttons() -> Iterator[tuple[str, str]]:
    """What stands on every button, with where it is written."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "button":
                for part in ast.walk(node.args[0]) if node.args else ():
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value, path.name


def test_buttons_are_plain_words_in_title_case_without_pictures() -> None:
    found = list(buttons())

    assert len(found) > 20
    for text, where in found:
        assert re.fullmatch(r"[A-Za-z/… ]+", text), (text, where)
        for word in text.rstrip("…").split():
            assert word in SMALL or word[0].isupper() or word.startswith("/"), (text, where)


def test_nobody_writes_to_everybody_at_once() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"<!(here|channel|everyone)|@(here|channel|everyone)", node.value), path


@given(st.integers(-(10**18), 10**18))
def test_any_money_is_short_and_never_in_powers_of_ten(nano_usd: int) -> None:
    said = wording.money(nano_usd)

    some = r"0\.\d{2,4}|\d{1,3}\.\d{2}|\d{1,3},\d{3}|[\d,]+(\.\d)?[MB]"
    assert re.fullmatch(rf"\$0|less than \$0\.0001( in credit)?|−?\$({some})", said), said
