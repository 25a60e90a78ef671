"""Split of a day's bill over its hours, so that a day in any time zone can be summed from hours.

The bill is the control total, finer usage of the same money only gives the shape: every figure of the day is split by
the hours' weights and adds up to itself exactly. Without any usage the split is even.
"""

from collections.abc import Mapping, Sequence

from outlay.core.money import split_by_weights

HOURS = 24
Weights = Mapping[int, int]  # hour of the day → usage in it


def shape_of(*shapes: Weights | None) -> list[tuple[int, int]]:
    """Return hours and weights of the first shape that has any weight; else all hours alike."""
    for shape in shapes:
        found = [(hour, weight) for hour, weight in sorted((shape or {}).items()) if weight > 0]
        if found:
            return found
    return [(hour, 1) for hour in range(HOURS)]


def over_hours(
    figures: Sequence[int | None], shape: Sequence[tuple[int, int]]
) -> list[tuple[int, tuple[int | None, ...]]]:
    """Split figures over the hours of a shape, as (hour, figures). An unknown figure stays unknown in every hour."""
    weights = [weight for _, weight in shape]
    parts = [[None] * len(shape) if figure is None else split_by_weights(figure, weights) for figure in figures]
    return [(hour, tuple(part[place] for part in parts)) for place, (hour, _) in enumerate(shape)]
