"""Answers as messages: what they say, that Slack takes them, that no name does anything."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.answer import UNATTRIBUTED, Answer, KeyRef, Line, ModelRef, Owner
from bot.core.tokens import Tokens
from bot.slack.posting import Message
from bot.slack.spend import blocks, help_blocks
from tests.slack.fakes import DOLLAR, NOW, answer_of, key_line, model_line, owner_line
from tests.slack.validity import assert_message, mrkdwn_texts


def table(message: Message) -> list[list[str]]:
    """The data table as people read it."""
    block = next(block for block in dict(message.forms)["data_table"] if block["type"] == "data_table")
    return [[cell.get("text", cell["type"]) for cell in row] for row in block["rows"]]


def small_print(message: Message) -> str:
    """The context line."""
    return str(message.forms[0][1][-1]["elements"][0]["text"])


def said(message: Message) -> str:
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
    nobody = Line(3 * DOLLAR, "settled", "billed", owner=UNATTRIBUTED, reason="console use")
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
    days = [Line(DOLLAR, "settled", "billed", day=f"2026-{1 + n // 28:02d}-{1 + n % 28:02d}") for n in range(120)]
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
    by_key = table(blocks.answer(answer_of(Line(1, "settled", "billed"), words="by key")))
    by_model = table(blocks.answer(answer_of(Line(1, "settled", "billed"), model_line("x", 1), words="by model")))

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
def lines(draw: st.DrawFn) -> Line:
    """A line in which every name is anything."""
    kind = draw(st.sampled_from(["person", "agent", "team", "unattributed"]))
    count = draw(st.integers(0, 10**13))
    return Line(
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
        unpriced_tokens=draw(st.integers(0, count)),
    )


@settings(deadline=None, max_examples=40)  # three forms against the whole schema
@given(
    found=st.lists(lines(), max_size=14),
    by=st.sampled_from(["owner", "key model", "project ledger", "connection", "day key", "owner hour"]),
    names=st.lists(HOSTILE, min_size=1, max_size=3, unique=True),
    total=st.integers(-(10**18), 10**18),
)
def test_whatever_things_are_called_slack_takes_the_message_and_nobody_is_mentioned(
    found: list[Line], by: str, names: list[str], total: int
) -> None:
    answer: Answer = answer_of(
        *found,
        words=f"by {by}",
        total_nano_usd=total,
        fresh_until=dict.fromkeys(names, NOW),
        coverage=0.3,
        unpriced_tokens=7,
        rest_count=2,
    )

    assert_message(blocks.answer(answer))
