"""A day's bill over its hours adds up to itself, whatever the shape."""

from hypothesis import given
from hypothesis import strategies as st

from outlay.books.rollups.hourly_split import HOURS, over_hours, shape_of

FIGURES = st.lists(st.one_of(st.none(), st.integers(0, 10**15)), min_size=1, max_size=9)
SHAPES = st.dictionaries(st.integers(0, 23), st.integers(0, 10**12))


@given(FIGURES, st.lists(st.one_of(st.none(), SHAPES), max_size=3))
def test_each_figure_adds_up_to_itself_and_the_unknown_stays_unknown(
    figures: list[int | None], shapes: list[dict[int, int] | None]
) -> None:
    hours = over_hours(figures, shape_of(*shapes))
    assert len({hour for hour, _ in hours}) == len(hours) <= HOURS
    for place, figure in enumerate(figures):
        parts = [part[place] for _, part in hours]
        if figure is None:
            assert set(parts) == {None}
        else:
            assert sum(part for part in parts if part is not None) == figure
            assert None not in parts


def test_the_first_shape_with_any_weight_decides() -> None:
    assert shape_of(None, {3: 0}, {7: 2, 5: 1}, {1: 1}) == [(5, 1), (7, 2)]
    assert over_hours([9], shape_of({5: 1, 7: 2})) == [(5, (3,)), (7, (6,))]


def test_without_a_shape_all_hours_are_alike() -> None:
    assert [part for _, (part,) in over_hours([25], shape_of(None, {}))] == [2] + [1] * 23
