"""Beside the days before: the same line finds itself, what fell away is not left out, and the sums agree."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from outlay.core.owner import Owner
from outlay.core.tokens import Tokens
from outlay.spend.answer import Answer, AnswerLine, ModelRef
from outlay.spend.comparison import biggest_change, change, with_comparison
from outlay.spend.parser import DateRange, Query, parse

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)


def asked(words: str) -> tuple[Query, DateRange]:
    """A question with days to compare with."""
    query = parse(words, today=TODAY)
    assert query.versus
    return query, query.versus


def answer(query: Query, *lines: AnswerLine) -> Answer:
    """An answer that holds these lines."""
    total = sum(line.cost_nano_usd or 0 for line in lines)
    return Answer(query, "UTC", NOW, lines, total, "settled", "billed", 1.0)


def of(model: str, nano_usd: int | None, **more: str) -> AnswerLine:
    """A line of one model."""
    return AnswerLine(nano_usd, "settled", "billed", Tokens(input=7), 3, model=ModelRef(model, (model,)), **more)  # type: ignore[arg-type]


def told(found: Answer) -> list[tuple[str, int | None, int | None]]:
    """Each line by its model: now, before."""
    return [(line.model.id if line.model else "", line.cost_nano_usd, line.before_nano_usd) for line in found.lines]


def test_each_line_gets_what_it_was_and_what_is_gone_stays_in_sight() -> None:
    query, days = asked("7d by model vs before")
    now = answer(query, of("a", 50), of("new", 20), of("odd", None))
    found = with_comparison(now, answer(query, of("a", 80), of("gone", 30), of("odd", 5)), days, None)

    assert told(found) == [("a", 50, 80), ("new", 20, 0), ("gone", 0, 30), ("odd", None, 5)]
    assert found.before
    assert found.before.total_nano_usd == 115
    assert found.lines[2].tokens.total == 0
    assert [change(line.cost_nano_usd, line.before_nano_usd) for line in found.lines] == [-30, 20, -30, None]


def test_the_same_model_under_another_spelling_is_the_same_line() -> None:
    query, days = asked("7d by model vs before")
    other = AnswerLine(9, "settled", "billed", model=ModelRef("a", ("another/a-2026",)))

    assert told(with_comparison(answer(query, of("a", 5)), answer(query, other), days, None)) == [("a", 5, 9)]


def test_a_renamed_owner_is_found_by_id() -> None:
    query, days = asked("7d by owner vs before")
    now = answer(query, AnswerLine(5, "settled", "billed", owner=Owner("U1", "ann", "person")))
    before = answer(query, AnswerLine(9, "settled", "billed", owner=Owner("U1", "Ann B.", "person")))

    assert len(with_comparison(now, before, days, None).lines) == 1


def test_top_is_taken_after_both_are_beside_each_other_and_the_rest_keeps_both_sums() -> None:
    query, days = asked("7d by model vs before")
    now, before = answer(query, of("a", 9), of("b", 8), of("c", 1)), answer(query, of("d", 4), of("c", 3))
    found = with_comparison(now, before, days, 2)

    assert told(found) == [("a", 9, 0), ("b", 8, 0)]
    assert (found.rest_count, found.rest_nano_usd) == (2, 1)
    assert found.before
    assert found.before.rest_nano_usd == 7


def test_days_stand_beside_the_days_as_far_from_the_first() -> None:
    query, days = asked("2026-11-10..12 by day vs 2026-10-10..14")
    now = answer(query, AnswerLine(5, "settled", "billed", day="2026-11-11"))
    lines = [AnswerLine(n, "settled", "billed", day=f"2026-10-{n}") for n in (10, 11, 14)]
    found = with_comparison(now, answer(query, *lines), days, None)

    assert [(line.day, line.cost_nano_usd, line.before_nano_usd) for line in found.lines] == [
        ("2026-11-10", 0, 10),
        ("2026-11-11", 5, 11),
    ]
    assert found.before
    assert found.before.total_nano_usd == 35  # the fourteenth has no counterpart, and is in the sum


def test_hours_stand_beside_the_same_hours() -> None:
    query, days = asked("today by hour vs yesterday")
    now = answer(query, AnswerLine(5, "settled", "billed", hour="2026-11-21T09:00:00Z"))
    before = [AnswerLine(n, "settled", "billed", hour=f"2026-11-20T{n:02d}:00:00Z") for n in (9, 13)]
    found = with_comparison(now, answer(query, *before), days, None)

    assert [(line.hour, line.before_nano_usd) for line in found.lines] == [
        ("2026-11-21T09:00:00Z", 9),
        ("2026-11-21T13:00:00Z", 13),
    ]


def test_what_moved_most_may_have_fallen() -> None:
    query, days = asked("7d by model vs before")
    found = with_comparison(answer(query, of("up", 30)), answer(query, of("up", 10), of("gone", 25)), days, None)

    moved = biggest_change(found.lines)
    assert moved
    assert moved.model
    assert moved.model.id == "gone"
    assert biggest_change(()) is None


AMOUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.integers(-1000, 1000)))


@given(AMOUNTS, AMOUNTS, st.one_of(st.none(), st.integers(1, 9)))
def test_no_dollar_is_lost_on_either_side(
    now: dict[str, int | None], before: dict[str, int | None], top: int | None
) -> None:
    query, days = asked("7d by model vs before")
    both = [answer(query, *(of(name, nano) for name, nano in each.items())) for each in (now, before)]
    found = with_comparison(both[0], both[1], days, top)

    assert found.before
    assert sum(line.cost_nano_usd or 0 for line in found.lines) + found.rest_nano_usd == both[0].total_nano_usd
    then = sum(line.before_nano_usd or 0 for line in found.lines) + found.before.rest_nano_usd
    assert then == found.before.total_nano_usd == both[1].total_nano_usd
    assert len(found.lines) + found.rest_count == len(now.keys() | before.keys())
