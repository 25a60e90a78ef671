"""Token classes are disjoint; reasoning is inside output and never added."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.core.tokens import CLASSES, NO_TOKENS, Tokens

COUNTS = st.integers(0, 10**12)
TOKENS = st.builds(Tokens, *[COUNTS] * 6)


@given(TOKENS, TOKENS)
def test_sums_go_class_by_class(one: Tokens, other: Tokens) -> None:
    both = one.plus(other)
    assert both.total == one.total + other.total
    assert all(getattr(both, name) == getattr(one, name) + getattr(other, name) for name in CLASSES)
    assert one.plus(NO_TOKENS) == one


def test_reasoning_is_not_added_to_the_total() -> None:
    assert Tokens(1, 2, 4, 8, 16, 16).total == 31


@dataclass(frozen=True)
class Bad:
    tokens: Tokens
    says: str


@pytest.mark.parametrize(
    "bad",
    [
        *(Bad(Tokens(**{name: -1}), f"{name} tokens are negative") for name in CLASSES),
        Bad(Tokens(reasoning=-1), "reasoning tokens are negative"),
        Bad(Tokens(output=4, reasoning=5), "more reasoning tokens"),
    ],
)
def test_a_problem_is_said_in_words(bad: Bad) -> None:
    assert bad.says in str(bad.tokens.problem())


def test_no_problem_is_none() -> None:
    assert Tokens(1, 1, 1, 1, 5, 5).problem() is None
