"""Answers as messages: what they say, that Slack takes them, that no name does anything."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlay import wording
from outlay.core.owner import UNATTRIBUTED, KeyRef, Owner
from outlay.core.tokens import Tokens
from outlay.slack.message_poster import RenderedMessage
from outlay.slack.spend import blocks, chart, help_blocks
from outlay.slack.spend import rows as spend_rows
from outlay.slack.spend.sharing import buttons, shared_by_line
from outlay.spend.answer import Answer, AnswerLine, ComparisonTotals, ModelRef, UnmatchedFilter
from outlay.spend.forecast import Forecast
from tests.slack.fakes import DOLLAR, NOW, answer_of, key_line, model_line, owner_line
from tests.slack.snapshots import same_message
from tests.slack.validity import assert_message, mrkdwn_texts


def table(message: RenderedMessage) -> list[list[str]]:
    """The data table as people read it."""
    block = next(block for block in dict(message.forms)["data_table"] if block["type"] == "data_table")
    return [[cell.get("text", cell["type"]) for cell in row] for row in block["rows"]]


def small_print(message: RenderedMessage) -> str:
    """The context line."""
    return str(message.forms[0][1][-1]["elements"][0]["text"])


def said(message: RenderedMessage) -> str:
    """All formatted text of the richest form."""
    return "\n".join(mrkdwn_texts(message.forms[0][1]))


def test_an_answer_is_one_line_a_table_and_what_the_figures_are_worth() -> None:
    message = blocks.answer(answer_of(owner_line("dev@example.com", 400), owner_line("agent-ci", 12.4)))

    assert message.text == "$412.40 this month so far · biggest: dev@example.com, $400.00 (97 %)"
    assert table(message) == [
        ["Owner", "Spend (USD)", "Share", "Tokens"],
        ["dev@example.com", "$400.00", "97 %", "1,200"],
        ["agent-ci", "$12.40", "3 %", "1,200"],
    ]
    stamp = int(NOW.timestamp())
    assert small_print(message) == (
        "billed by the ledger · provisional · all tokens priced · "
        f"main read up to <!date^{stamp}^{{time}}|14:05 UTC> · days in UTC"
    )
    assert_message(message)


def test_the_table_says_how_it_is_sorted_and_money_sorts_as_a_number() -> None:
    found = dict(blocks.answer(answer_of(owner_line("a", 2), owner_line("b", 0.004))).forms)["data_table"][1]

    assert found["caption"] == "Spend by owner, this month so far, biggest first"
    assert (found["page_size"], found["row_header_column_index"]) == (10, 0)
    assert [row[1] for row in found["rows"][1:]] == [
        {"type": "raw_number", "value": 2.0, "text": "$2.00"},
        {"type": "raw_number", "value": 0.004, "text": "$0.004"},
    ]


def test_all_three_forms_hold_the_same_figures() -> None:
    message = blocks.answer(answer_of(owner_line("a", 2), owner_line("b", 1)))

    assert [form for form, _ in message.forms] == ["data_table", "table", "fields"]
    for _, found in message.forms:
        for shown in ("$3.00", "$2.00", "$1.00"):
            assert shown in str(found)


def test_unpriced_is_never_zero() -> None:
    lines = owner_line("a", 2), owner_line("b", None, unpriced_tokens=1_200)
    message = blocks.answer(answer_of(*lines, unpriced_tokens=1_200, coverage=0.5, basis="mixed"))

    assert table(message)[2] == ["b", "not priced", "–", "1,200"]
    assert "1,200 tokens have no known price and are not in the total." in said(message)
    assert "50 % of tokens priced" in small_print(message)


def test_an_answer_without_any_price_says_so_first() -> None:
    found = answer_of(owner_line("b", None), basis="unpriced", unpriced_tokens=1_200, coverage=0.0)

    assert blocks.answer(found).text == "Not priced: 1,200 tokens this month so far"


def test_money_of_nobody_says_why() -> None:
    nobody = AnswerLine(3 * DOLLAR, "settled", "billed", owner=UNATTRIBUTED, reason="console use")
    message = blocks.answer(answer_of(owner_line("a", 5), nobody))

    assert table(message)[0][-1] == "Note"
    assert table(message)[2] == ["unattributed", "$3.00", "38 %", "–", "console use"]


def test_ten_are_shown_and_the_rest_is_folded_into_one_row_that_keeps_the_sum() -> None:
    lines = [owner_line(f"dev{n}", 20 - n) for n in range(15)]
    shown = table(blocks.answer(answer_of(*lines)))

    assert len(shown) == 12
    assert dict(blocks.answer(answer_of(*lines)).forms)["data_table"][1]["page_size"] == 11
    assert shown[-1][:2] == ["5 more", "$40.00"]


def test_what_the_books_left_out_is_added_to_what_is_folded_here() -> None:
    lines = [owner_line(f"dev{n}", 1) for n in range(11)]
    lines.append(owner_line("dev", None))
    message = blocks.answer(answer_of(*lines, rest_count=3, rest_nano_usd=DOLLAR, total_nano_usd=12 * DOLLAR))

    assert table(message)[-1] == ["5 more", "$2.00", "17 %", "–", "1 of them not priced"]


def test_days_are_all_shown_in_order_and_too_many_keep_the_latest() -> None:
    days = [AnswerLine(DOLLAR, "settled", "billed", day=f"2026-{1 + n // 28:02d}-{1 + n % 28:02d}") for n in range(120)]
    found = table(blocks.answer(answer_of(*days, words="from 2026-01-01 by day")))

    assert found[1][0] == "23 earlier"
    assert found[-1][0] == days[-1].day
    assert len(found) == 99


def test_two_groupings_leave_out_the_share_so_that_five_columns_are_enough() -> None:
    line = owner_line("a", 2, model=ModelRef("anthropic/claude", ()), reason="why")
    shown = table(blocks.answer(answer_of(line, words="by owner model")))

    assert shown[0] == ["Owner", "Model", "Spend (USD)", "Tokens", "Note"]


def test_keys_of_one_name_can_be_told_apart() -> None:
    long = f"{'0' * 61}222"
    lines = key_line("ci", "key-000111", 2), key_line("ci", long, 1), key_line("web", "key-000333", 1)
    shown = table(blocks.answer(answer_of(*lines, words="by key")))

    assert [row[0] for row in shown[1:]] == ["ci (…000111)", "ci (…000222)", "web"]


def test_money_without_a_key_or_model_has_a_name_too() -> None:
    by_key = table(blocks.answer(answer_of(AnswerLine(1, "settled", "billed"), words="by key")))
    by_model = table(blocks.answer(answer_of(AnswerLine(1, "settled", "billed"), model_line("x", 1), words="by model")))

    assert by_key[1][0] == "no key"
    assert by_model[1][0] == "not split by model"


def test_a_person_known_by_id_only_is_named_by_slack() -> None:
    ben = Owner("U02BEN34", "U02BEN34", "person")
    message = blocks.answer(answer_of(owner_line("a", 1), owner_line("b", 4, owner=ben)))

    rows = dict(message.forms)["data_table"][1]["rows"]
    assert rows[2][0]["elements"][0]["elements"] == [{"type": "user", "user_id": "U02BEN34"}]
    assert "biggest: <@U02BEN34>, $4.00" in message.text
    assert_message(message)


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"residual_nano_usd": DOLLAR}, "$1.00 of it is on the bill, and no usage explains it."),
        (
            {"byok_nano_usd": 2 * DOLLAR},
            "$2.00 more went upstream on your own keys (BYOK); the upstream's own ledger counts it.",
        ),
        ({"adjustments_nano_usd": -DOLLAR}, "Ledgers corrected this period later, by −$1.00."),
        ({"saved_by_cache_nano_usd": DOLLAR}, "Caching saved $1.00 at list price."),
        ({"saved_by_cache_nano_usd": -DOLLAR}, "Caching cost more than it saved, by $1.00 at list price."),
    ],
)
def test_sums_beside_the_total_are_told_when_there_are_any(figures: dict[str, Any], sentence: str) -> None:
    assert sentence in said(blocks.answer(answer_of(owner_line("a", 9), **figures)))
    assert sentence not in said(blocks.answer(answer_of(owner_line("a", 9))))


def test_a_narrowed_question_is_not_taken_for_the_whole() -> None:
    found = answer_of(owner_line("a", 9), words="model:*claude* me")

    assert blocks.answer(found).text.startswith("$9.00 this month so far, only model ")
    assert "and owner U02BEN" in blocks.answer(found).text


def test_nothing_spent_is_said_plainly_with_the_number() -> None:
    message = blocks.answer(answer_of(words="today"))

    assert message.text == "$0 today: nothing was spent that a connected ledger knows of."
    assert "main read up to" in said(message)
    assert_message(message)


def test_nothing_read_yet_is_not_nothing_spent() -> None:
    assert "$0" not in blocks.answer(answer_of(fresh_until={"main": None})).text


def test_a_zone_that_is_not_utc_is_named() -> None:
    assert "days in Europe/Berlin" in small_print(
        blocks.answer(answer_of(owner_line("a", 1), time_zone="Europe/Berlin"))
    )


def test_help_shows_only_what_works_and_only_what_one_may() -> None:
    for is_admin in (True, False):
        message = help_blocks.help_message(is_admin=is_admin)
        assert_message(message)
        assert ("/spend connect" in said(message)) == is_admin


@pytest.mark.parametrize("query", [query for query, _ in help_blocks.EXAMPLES])
def test_every_example_of_the_help_works(query: str) -> None:
    answer_of(words=query)  # raises QueryError if not


@pytest.mark.parametrize("is_admin", [True, False])
def test_the_first_step_is_valid(is_admin: bool) -> None:
    assert_message(blocks.nothing_connected(is_admin=is_admin))


def test_a_hundred_long_names_stay_within_what_slack_takes() -> None:
    lines = [key_line("n" * 500 + str(n), f"k{n}", 1, model=ModelRef("m" * 500, ())) for n in range(100)]
    message = blocks.answer(answer_of(*lines, words="by key model top 100"))

    assert_message(message)
    folded = 100 - (len(table(message)) - 2)
    assert table(message)[-1][0] == f"{folded} more"
    assert sum(float(row[2].removeprefix("$")) for row in table(message)[1:]) == 100


HOSTILE = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["<!channel>", "<@U02BEN34>", "](http://evil.example)", "<http://evil.example|x>", "@here", "*b* _i_ `c` ~s~"]
    ),
)
MONEY = st.one_of(st.none(), st.integers(-(10**18), 10**18))


@st.composite
def lines(draw: st.DrawFn) -> AnswerLine:
    """A line in which every name is anything."""
    kind = draw(st.sampled_from(["person", "agent", "team", "unattributed"]))
    count = draw(st.integers(0, 10**13))
    return AnswerLine(
        draw(MONEY),
        "mixed",
        "mixed",
        Tokens(input=count),
        owner=draw(st.one_of(st.none(), st.builds(Owner, HOSTILE, HOSTILE, st.just(kind)))),
        key=draw(st.one_of(st.none(), st.builds(KeyRef, HOSTILE, HOSTILE, HOSTILE, HOSTILE))),
        model=draw(st.one_of(st.none(), st.builds(ModelRef, HOSTILE, st.just(())))),
        ledger=draw(HOSTILE),
        connection=draw(HOSTILE),
        project=draw(st.one_of(st.none(), HOSTILE)),
        day="2026-11-03",
        hour="2026-11-03T02:00:00Z",
        reason=draw(HOSTILE),
        before_nano_usd=draw(MONEY),
        unpriced_tokens=draw(st.integers(0, count)),
    )


@settings(deadline=None, max_examples=40)  # three forms against the whole schema
@given(
    found=st.lists(lines(), max_size=14),
    by=st.sampled_from(
        ["owner", "key model", "project ledger", "connection", "day key", "owner hour", "day", "model trend"]
    ),
    beside=st.booleans(),
    names=st.lists(HOSTILE, min_size=1, max_size=3, unique=True),
    total=st.integers(-(10**18), 10**18),
)
def test_whatever_things_are_called_slack_takes_the_message_and_nobody_is_mentioned(
    found: list[AnswerLine], by: str, beside: bool, names: list[str], total: int
) -> None:
    answer: Answer = answer_of(
        *found,
        words=f"by {by}{' vs last month' if beside else ''}",
        total_nano_usd=total,
        fresh_until=dict.fromkeys(names, NOW),
        coverage=0.3,
        unpriced_tokens=7,
        rest_count=2,
    )
    if beside and answer.query.versus:
        answer = replace(answer, before=ComparisonTotals(answer.query.versus, total // 2, "mixed", 7))

    message = blocks.answer(answer)
    assert_message(message)
    if found:
        assert wording.money(total) in message.text


def days_of(*usd: float, words: str = "2026-11-01..10 by day") -> Answer:
    """An answer by day, from the first of November on."""
    found = [
        AnswerLine(round(one * DOLLAR), "settled", "billed", day=f"2026-11-{n:02d}") for n, one in enumerate(usd, 1)
    ]
    return answer_of(*found, words=words)


def forms(message: RenderedMessage) -> dict[str, list[str]]:
    """The kinds of blocks of each form."""
    return {form: [block["type"] for block in found] for form, found in message.forms}


def test_a_course_is_drawn_by_slack_and_where_it_cannot_be_by_bars_with_the_same_highest_day() -> None:
    message = blocks.answer(days_of(1, 2, 9, 4, 5, 6, 7, 8, 3, 1))

    assert_message(message)
    assert forms(message)["chart"][:3] == ["section", "data_visualization", "data_table"]
    chart = dict(message.forms)["chart"][1]
    assert chart["title"] == "Spend by day, from 1 Nov to 10 Nov 2026"
    assert [point["value"] for point in chart["chart"]["series"][0]["data"]] == [1, 2, 9, 4, 5, 6, 7, 8, 3, 1]
    assert "data_visualization" not in forms(message)["data_table"]
    bars = str(dict(message.forms)["data_table"][1])
    assert "▂▃█▄▅▆▆▇▃▂  1 Nov to 10 Nov, highest 3 Nov, $9.00" in bars
    assert "most on 3 Nov 2026, $9.00" in message.text


def test_three_points_are_no_chart() -> None:
    assert list(forms(blocks.answer(days_of(1, 2, 3, words="2026-11-01..03 by day")))) == [
        "data_table",
        "table",
        "fields",
    ]


def test_thirty_days_fit_into_what_slack_draws() -> None:
    message = blocks.answer(days_of(*range(1, 22), words="2026-11 by day"))

    chart = dict(message.forms)["chart"][1]
    assert chart["chart"]["axis_config"]["categories"][:2] == ["1–2 Nov", "3–4 Nov"]
    assert chart["title"].startswith("Spend by 2 days")
    assert_message(message)


def test_a_trend_by_model_draws_the_biggest_and_the_others_together() -> None:
    lines = [
        AnswerLine(
            n * DOLLAR, "settled", "billed", day=f"2026-11-{day:02d}", model=ModelRef(f"maker/{'m' * 30}{n}", ())
        )
        for day in range(1, 6)
        for n in (1, 2, 3, 4)
    ]
    message = blocks.answer(answer_of(*lines, words="2026-11-01..05 trend by model"))

    names = [one["name"] for one in dict(message.forms)["chart"][1]["chart"]["series"]]
    assert len(names) == len(set(names)) == 3
    assert names[-1] == "Others"
    assert f"biggest: maker/{'m' * 30}4, $20.00 (40 %)" in message.text
    assert_message(message)


def compared(words: str, *pairs: tuple[str, float | None, float | None]) -> Answer:
    """An answer that is compared: name, now, before."""
    lines = [
        owner_line(name, usd, before_nano_usd=None if before is None else round(before * DOLLAR))
        for name, usd, before in pairs
    ]
    found = answer_of(*lines, words=words)
    assert found.query.versus
    total = sum(round((before or 0) * DOLLAR) for _, _, before in pairs)
    return replace(found, before=ComparisonTotals(found.query.versus, total, "billed"))


def test_a_comparison_says_by_how_much_of_what_and_who_moved_most() -> None:
    message = blocks.answer(compared("7d vs before", ("a", 30, 10), ("b", 12, 20), ("c", 0, 5), ("d", 8, 0)))

    assert message.text == (
        "$50.00 in the last 7 days, $15.00 (43 %) more than $35.00 from 8 Nov to 14 Nov 2026 · "
        "biggest: a, $30.00 (60 %) · moved most: a, +$20.00 (200 %)"
    )
    assert table(message)[0] == ["Owner", "Spend (USD)", "Before (USD)", "Change"]
    assert table(message)[2:] == [
        ["b", "$12.00", "$20.00", "−$8.00 (40 %)"],
        ["c", "$0", "$5.00", "−$5.00 (gone)"],
        ["d", "$8.00", "$0", "+$8.00 (new)"],
    ]
    assert_message(message)
    for _, found in message.forms:
        assert "−$8.00 (40 %)" in str(found)


@pytest.mark.parametrize(
    ("words", "now", "before", "said"),
    [
        ("today vs yesterday", 5, 5, "$5.00 today, about as much as $5.00 yesterday"),
        ("today vs yesterday", 5, 0, "$5.00 today, $5.00 more than $0 yesterday"),
        ("today vs yesterday", 100, 4, "$100.00 today, 25 times as much as $4.00 yesterday"),
        ("vs last week", 3, 6, "$3.00 this week so far, $3.00 (50 %) less than $6.00 from 9 Nov to 14 Nov 2026"),
    ],
)
def test_the_difference_is_said_as_people_would(words: str, now: float, before: float, said: str) -> None:
    assert blocks.answer(compared(words, ("a", now, before))).text.startswith(said)


def test_more_days_beside_fewer_and_a_day_that_is_not_over_are_said_to_be_so() -> None:
    assert "That is 7 days beside 31." in said(blocks.answer(compared("7d vs 2026-10", ("a", 1, 2))))
    assert "Today is not over." in said(blocks.answer(compared("today vs yesterday", ("a", 1, 2))))
    assert "beside" not in said(blocks.answer(compared("7d vs before", ("a", 1, 2))))


def test_the_month_under_way_says_where_it_is_likely_to_end_or_why_nobody_knows() -> None:
    likely = Forecast(9 * DOLLAR, 12 * DOLLAR, 11 * DOLLAR, 13 * DOLLAR)
    short = Forecast(9 * DOLLAR, reason="too little history for a forecast: 3 complete days, it takes 10")

    told = said(blocks.answer(answer_of(owner_line("a", 9), forecast=likely)))
    assert "November 2026 is likely to end at $12.00 (between $11.00 and $13.00)." in told
    assert "November 2026: too little history" in said(blocks.answer(answer_of(owner_line("a", 9), forecast=short)))


def test_days_that_have_not_begun_are_not_said_to_have_cost_nothing() -> None:
    message = blocks.answer(answer_of(words="2027-01"))

    assert message.text == "$0 in January 2027: that has not begun."
    assert_message(message)


def test_what_was_asked_of_a_router_is_said_to_come_late() -> None:
    message = blocks.answer(answer_of(owner_line("a", 9), words="7d auto"))

    assert message.text.startswith("$9.00 in the last 7 days, only requests to openrouter/auto")
    assert "the newest days may be missing" in said(message)


def test_what_is_not_there_is_not_said_to_have_cost_nothing_and_the_nearest_name_is_offered() -> None:
    unknown = (UnmatchedFilter("model", "claud*", "anthropic/claude-sonnet-4.5"), UnmatchedFilter("owner", "U06GONE7"))
    message = blocks.answer(answer_of(words="7d model:claud* <@U06GONE7|gone>", unknown=unknown))

    assert message.text == (
        "$0 in the last 7 days, only model claud\u2060*\u2060 and owner U06GONE7: no model in the books is called "
        "claud\u2060*\u2060. Did you mean `/spend model:anthropic/claude-sonnet-4.5`? No key belongs to U06GONE7."
    )
    assert_message(message)


def test_an_answer_reads_as_it_did_with_a_chart_beside_other_days_and_with_nothing_in_it() -> None:
    likely = Forecast(9 * DOLLAR, 62 * DOLLAR, 58 * DOLLAR, 66 * DOLLAR)
    days = days_of(1, 2, 9, 4, 5, 6, 7, 8, 3, 1, words="mtd by day")
    below = (buttons("mtd by day", in_channel=True), shared_by_line("U02BEN34", "mtd by day"))
    same_message("spend_days", blocks.answer(replace(days, forecast=likely, saved_by_cache_nano_usd=DOLLAR), *below))
    same_message("spend_days_oldest", blocks.answer(days), form=3)
    beside = compared("7d vs before", ("a", 30, 10), ("b", 12, 20), ("c", 0, 5), ("d", 8, 0))
    same_message("spend_beside", blocks.answer(beside))
    same_message("spend_beside_oldest", blocks.answer(beside), form=2)
    same_message(
        "spend_nothing", blocks.answer(answer_of(words="7d @nobody", unknown=(UnmatchedFilter("owner", "nobody"),)))
    )
    same_message("spend_help_admin", help_blocks.help_message(is_admin=True))


def test_of_a_hundred_thousand_lines_only_those_that_are_shown_become_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = spend_rows._row
    monkeypatch.setattr(spend_rows, "_row", lambda *how: made.append(1) or real(*how))
    lines = [key_line(f"k{n}", f"id{n}", 1, hour="2026-11-20T05:00:00Z") for n in range(10_000)]
    shown = table(blocks.answer(answer_of(*lines, words="7d by key hour")))

    assert len(made) <= 2 * spend_rows.ROWS_MAX
    assert shown[1][0].endswith("earlier")
    assert shown[1][2] == f"${10_000 - (len(shown) - 2):,}"


@settings(deadline=None, max_examples=40)
@given(st.dates(date(2024, 1, 1), date(2026, 11, 20)), st.integers(4, 900), st.booleans())
def test_every_point_of_a_chart_has_a_name_of_its_own_that_slack_takes(start: date, days: int, by_hour: bool) -> None:
    end = min(start + timedelta(days=days % 5 if by_hour else days), date(2026, 11, 21))
    line = AnswerLine(DOLLAR, "settled", "billed", day=str(start), hour=f"{start}T05:00:00Z")
    found = answer_of(line, words=f"from {start} to {end} by {'hour' if by_hour else 'day'}")
    drawn = chart.course(found)

    if drawn:
        names = chart.chart(found, drawn)["chart"]["axis_config"]["categories"]
        assert len(names) == len(set(names)) <= chart.POINTS_MAX
        assert all(1 <= len(name) <= chart.NAME_CHARACTERS_MAX for name in names)
