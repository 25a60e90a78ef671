"""A ratio of dollars: exact, and believed only within bounds."""

from bot.core.calibrate import LEAST, MOST, ONE, ratio


def test_what_is_billed_for_each_computed_dollar() -> None:
    assert ratio(90, 100) == 900_000
    assert ratio(2, 3) == 666_667
    assert ratio(100, 100) == ONE


def test_where_one_side_is_nothing_or_they_are_not_about_the_same_there_is_none() -> None:
    assert [ratio(0, 5), ratio(5, 0), ratio(-5, 5)] == [None] * 3
    assert [ratio(19, 100), ratio(20, 100)] == [None, LEAST]
    assert [ratio(500, 100), ratio(501, 100)] == [MOST, None]
