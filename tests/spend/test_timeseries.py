"""The course over time: every slot is there, neighbours are added up evenly, no dollar gets lost on the way."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.spend.answer import Answer, AnswerLine, ComparisonTotals, ModelRef
from outlay.spend.parser import parse
from outlay.spend.timeseries import biggest_members, course_of, spark

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)


def answer(words: str, *lines: AnswerLine, zone: str = "UTC") -> Answer:
    """An answer that holds these lines."""
    total = sum(line.cost_nano_usd or 0 for line in lines)
    return Answer(parse(words, today=TODAY), zone, NOW, lines, total, "settled", "billed", 1.0)


def on(day: int, nano_usd: int, model: str = "", before: int | None = None) -> AnswerLine:
    """A line of a day of November."""
    ran = ModelRef(model, ()) if model else None
    return AnswerLine(nano_usd, "settled", "billed", day=f"2026-11-{day:02d}", model=ran, before_nano_usd=before)


def test_a_day_without_money_has_its_place() -> None:
    found = course_of(answer("2026-11-01..05 by day", on(2, 5), on(4, 7)), slots_max=20)

    assert found
    assert found.nano_usd == (0, 5, 0, 7, 0)
    assert [first.day for first, _ in found.slots] == [1, 2, 3, 4, 5]


def test_days_to_come_have_none() -> None:
    found = course_of(answer("2026-11 by day", on(2, 5)), slots_max=40)

    assert found
    assert found.slots[-1][0].day == 21


def test_a_period_that_has_not_begun_has_no_course() -> None:
    assert course_of(answer("2027-01 by day"), slots_max=20) is None
    assert course_of(answer("7d by model"), slots_max=20) is None


def test_too_many_days_are_added_up_in_groups_of_one_size() -> None:
    found = course_of(answer("2026-11-01..21 by day", *(on(n, 1) for n in range(1, 22))), slots_max=20)

    assert found
    assert found.together == 2
    assert found.nano_usd == (2,) * 10 + (1,)
    assert (found.slots[0][0].day, found.slots[0][1].day) == (1, 2)


def test_the_biggest_have_a_series_of_their_own_and_the_others_one_together() -> None:
    lines = [on(day, nano, model) for day in (1, 2) for model, nano in (("a", 1), ("b", 9), ("c", 5), ("d", 2))]
    found = course_of(answer("2026-11-01..02 by model day", *lines), slots_max=20, series_max=3)

    assert found
    assert [one.line.model.id if one.line and one.line.model else "" for one in found.series] == ["b", "c", ""]
    assert [one.nano_usd for one in found.series] == [(9, 9), (5, 5), (3, 3)]


def test_what_it_is_compared_with_runs_along() -> None:
    days = parse("7d vs before", today=TODAY).versus
    assert days
    found = answer("2026-11-01..02 by day", on(1, 5, before=3), on(2, 6, before=4))
    drawn = course_of(Answer(**{**_fields(found), "before": ComparisonTotals(days, 7, "billed")}), slots_max=20)

    assert drawn
    assert drawn.before == (3, 4)


def _fields(found: Answer) -> dict[str, object]:
    return {name: getattr(found, name) for name in Answer.__slots__}


@pytest.mark.parametrize(
    ("zone", "first", "count"), [("UTC", 0, 15), ("Europe/Berlin", 23, 16), ("Asia/Kolkata", 18, 20)]
)
def test_hours_are_those_of_the_workspaces_day_so_far(zone: str, first: int, count: int) -> None:
    found = course_of(answer("today by hour", zone=zone), slots_max=48)

    assert found
    assert found.slots[0][0].hour == first
    assert len(found.slots) in (count, count + 1)  # half an hour of zone takes in one more


def test_the_top_of_a_trend_is_the_biggest_over_all_days_not_the_earliest_lines() -> None:
    lines = [on(1, 1, "a"), on(1, 2, "b"), on(2, 9, "c"), on(2, 1, "a")]
    found = biggest_members(answer("7d trend by model", *lines), 1)

    assert [line.model.id for line in found.lines if line.model] == ["c"]
    assert (found.rest_count, found.rest_nano_usd) == (3, 4)


def test_bars_reach_from_the_lowest_to_the_highest() -> None:
    assert spark([0, 1, 4, 8]) == "▁▂▅█"
    assert spark([0, 0]) == "▁▁"
    assert spark([-5, 10]) == "▁█"
    assert spark([]) == ""


@given(st.lists(st.tuples(st.integers(1, 21), st.integers(-50, 500), st.sampled_from("abcde")), max_size=40))
def test_no_dollar_is_lost_in_a_picture(entries: list[tuple[int, int, str]]) -> None:
    lines = [on(*entry) for entry in entries]
    for slots_max in (1, 4, 20):
        for series_max in (1, 3, 9):
            found = course_of(answer("2026-11 by model day", *lines), slots_max=slots_max, series_max=series_max)
            assert found
            assert sum(found.nano_usd) == sum(line.cost_nano_usd or 0 for line in lines)
            assert len(found.slots) <= slots_max
            assert len(found.series) <= series_max
