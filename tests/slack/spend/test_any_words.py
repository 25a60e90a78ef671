"""Whatever somebody types after `/spend`: an answer, or a refusal that shows what works. Never an error.

And however long it is, the work for it is bounded: by what is counted here, not by a clock.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outlay import wording
from outlay.cli.errors import error_line
from outlay.slack import block_kit
from outlay.slack.spend import blocks
from outlay.slack.spend.command_text import first_word, unescape_text
from outlay.slack.spend.sharing import buttons, file_name, shared_by_line
from outlay.spend import grammar, suggestions
from outlay.spend.query import Query, QueryError
from tests.slack.fakes import TODAY, answer_of, key_line, model_line, owner_line, parse
from tests.slack.validity import assert_blocks, assert_message

TYPED = st.one_of(
    st.text(max_size=120),
    st.lists(
        st.one_of(
            st.sampled_from(sorted(grammar._KEYWORDS)),
            st.sampled_from([f"{name}:a*" for name in grammar.FILTER_WORDS]),
            st.sampled_from(
                ["5", "7d", "2026-10", "2026-10-01..15", "<@U02BEN|ben>", "<#C01|core>", "<!here>", "<!subteam^S1|@x>"]
            ),
            st.sampled_from(
                ["<http://a.example|a>", "<mailto:a@b.c|a@b.c>", "&lt;!channel&gt;", "*b*", "`c`", "@here"]
            ),
            st.text(max_size=9),
        ),
        max_size=10,
    ).map(" ".join),
)
ANSWER = answer_of(owner_line("ann", 9), key_line("k", "k1", 3), model_line("maker/m", 1))


@settings(deadline=None, max_examples=60)
@given(TYPED)
@example("")
@example("<")
@example("by " * 333)
@example("model:<!channel> by model")
@example("`" * 50)
@example("vs " * 300)
@example("today " * 166)
def test_any_words_are_answered_or_refused_in_words_that_help_and_mention_nobody(typed: str) -> None:
    question = unescape_text(typed)
    first_word(typed)
    query: Query | None = None
    refusal: QueryError | None = None
    try:
        query = parse(question, today=TODAY, me="U02BEN")
    except QueryError as error:
        refusal = error
    if refusal:
        said = wording.query_error_text(refusal)
        assert_blocks([block_kit.section(said)], "message")
        assert "/spend help" in said
        assert len(said) < block_kit.SECTION_CHARACTERS_MAX
        assert "\n" not in error_line(refusal)
    elif query:
        below = (buttons(question, in_channel=True), shared_by_line("U02BEN", question))
        assert_message(blocks.answer(replace(ANSWER, query=query), *below))
        assert_message(blocks.answer(replace(ANSWER, query=query, lines=(), total_nano_usd=0)))
        assert file_name(replace(ANSWER, query=query)).isascii()


LONG = [
    "x" * 10_000,
    "by key " * 1_428,
    "<http://" * 1_250,
    'key:"' * 2_000,
    "<@U" * 3_000,
    "2026-10-01.." * 800,
    "é" * 9_999,
]


@pytest.mark.parametrize("typed", LONG, ids=lambda typed: typed[:6])
def test_ten_thousand_characters_are_refused_before_they_are_read(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the grammar was asked")

    monkeypatch.setattr("outlay.spend.parser.parse_parts", never)
    with pytest.raises(QueryError, match="characters"):
        parse(unescape_text(typed), today=TODAY)


@pytest.mark.parametrize("typed", LONG, ids=lambda typed: typed[:6])
def test_a_thousand_characters_are_a_thousand_words_at_most_and_one_of_them_is_looked_up(
    typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    real = suggestions.get_close_matches

    def counted(word: str, *more: Any) -> list[str]:
        looked_up.append(word)
        return real(word, *more)

    monkeypatch.setattr(suggestions, "get_close_matches", counted)
    question = unescape_text(typed)[:1_000]
    assert len(list(grammar.tokens(question))) <= len(question)
    try:
        found = parse(question, today=TODAY)
    except QueryError:
        found = None
    assert len(looked_up) <= 2
    assert found is None or isinstance(found, Query)
