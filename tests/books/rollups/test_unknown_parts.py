"""Unknown parts of a sum are taken out of it, and what is left and what was taken add up to it."""

from hypothesis import given
from hypothesis import strategies as st

from outlay.books.rollups.unknown_parts import UnknownPart, taken_out
from outlay.database.tables import COMPUTED, FIGURES, UNPRICED

COST, OUTPUT = FIGURES.index("cost_nano_usd"), FIGURES.index("output")
WIDTH = len(FIGURES)


def figures(
    cost: int | None, requests: int, tokens: int, cached: int = 0, output: int = 0, saved: int | None = 0
) -> list[int | None]:
    told = {"cost_nano_usd": cost, "byok_nano_usd": 0, "requests": requests, "input": tokens, "cache_read": cached}
    return [(told | {"output": output, "saved_nano_usd": saved}).get(name, 0) for name in FIGURES]


def test_the_part_takes_its_tokens_requests_and_its_own_worth() -> None:
    left, parts = taken_out(
        figures(500, 6, 6_000, output=600), [UnknownPart(10, COMPUTED, figures(37, 5, 5_000, output=500))]
    )
    assert left == figures(500, 1, 1_000, output=100)
    assert parts == [UnknownPart(10, COMPUTED, figures(37, 5, 5_000, output=500, saved=None))]


def test_an_unknown_price_stays_unknown() -> None:
    _, (part,) = taken_out(figures(500, 6, 600), [UnknownPart(3, UNPRICED, figures(None, 5, 500))])
    assert (part.basis, part.figures[COST]) == (UNPRICED, None)


def test_tokens_of_a_class_that_the_sum_has_not_are_taken_from_the_others() -> None:
    left, (part,) = taken_out(figures(500, 6, 1_000, cached=5_000), [UnknownPart(3, UNPRICED, figures(None, 5, 5_000))])
    assert (left, part.figures[:5]) == (figures(500, 1, 0, cached=1_000), [None, 0, 5, 1_000, 4_000])


def test_dollars_are_never_left_without_a_token() -> None:
    whole = figures(500, 5, 500)
    assert taken_out(whole, [UnknownPart(3, UNPRICED, figures(None, 5, 500))]) == (whole, [])


SOME = st.builds(
    figures, st.integers(0, 10**9), st.integers(0, 9), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999)
)


@given(whole=SOME, some=st.lists(SOME, max_size=4))
def test_what_is_left_and_what_was_taken_add_up(whole: list[int | None], some: list[list[int | None]]) -> None:
    left, parts = taken_out(whole, [UnknownPart(hour, COMPUTED, one) for hour, one in enumerate(some)])
    assert left[COST] == whole[COST]
    for place in range(FIGURES.index("requests"), OUTPUT + 1):
        assert (left[place] or 0) >= 0
        assert (left[place] or 0) + sum(part.figures[place] or 0 for part in parts) == whole[place]
