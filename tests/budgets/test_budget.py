"""A budget's marks are each told once a period, the highest alone, and again only under another limit."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.budgets.budget import FORECAST, SHARES, Budget, BudgetStatus, MarkChanges, mark_changes
from outlay.spend.forecast import Forecast

DOLLAR = 1_000_000_000
TODAY = date(2026, 11, 21)


def standing(spent: int, limit: int = 600, likely: int | None = None, shares: tuple[int, ...] = SHARES) -> BudgetStatus:
    budget = Budget(1, "workspace", "", "month", limit * DOLLAR, shares=shares)
    foreseen = Forecast(spent * DOLLAR, None if likely is None else likely * DOLLAR)
    return BudgetStatus(budget, date(2026, 11, 1), date(2026, 11, 30), TODAY, foreseen)


def told(*marks: int, limit: int = 600) -> dict[int, int]:
    return dict.fromkeys(marks, limit * DOLLAR)


@pytest.mark.parametrize(
    ("now", "known", "tell"),
    [
        (standing(479), {}, None),
        (standing(480), {}, 80),
        (standing(480), told(80), None),
        (standing(700), {}, 100),
        (standing(700), told(80), 100),
        (standing(700), told(80, 100), None),
        (standing(300, likely=601), {}, FORECAST),
        (standing(300, likely=600), {}, None),
        (standing(300, likely=900), told(FORECAST), None),
        (standing(490, likely=900), {}, 80),
        (standing(700, likely=900), {}, 100),
        (standing(550, likely=900), told(80), FORECAST),
        (standing(550, likely=900), told(80, FORECAST), None),
        (standing(-3), {}, None),
    ],
)
def test_what_is_told(now: BudgetStatus, known: dict[int, int], tell: int | None) -> None:
    assert mark_changes(now, known).tell == tell


def test_marks_passed_on_the_way_are_not_told_later() -> None:
    assert mark_changes(standing(700), {}) == MarkChanges(100, frozenset({80, 100}), frozenset())


def test_a_raised_limit_forgets_what_holds_no_longer_and_a_lowered_one_tells_what_is_new() -> None:
    known = told(80, 100)

    raised = mark_changes(standing(610, limit=1_000), known)
    assert (raised.tell, raised.forget) == (None, {80, 100})
    assert mark_changes(standing(610, limit=500), known).tell is None
    assert mark_changes(standing(490, limit=450), told(80)).tell == 100


def test_a_lower_share_that_is_added_later_says_nothing_new() -> None:
    assert mark_changes(standing(500, shares=(50, 80)), told(80)).tell is None


@given(st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 1_500)), max_size=40))
def test_whatever_is_spent_each_mark_is_told_once_and_none_is_missed(looks: list[tuple[int, int]]) -> None:
    known: dict[int, int] = {}
    said = []
    for spent, more in looks:
        found = mark_changes(standing(spent, likely=spent + more), known)
        known = {mark: limit for mark, limit in known.items() if mark not in found.forget}
        known |= dict.fromkeys(found.note, 600 * DOLLAR)
        if found.tell is not None:
            said.append(found.tell)

    assert len(said) == len(set(said))
    highest = max((spent for spent, _ in looks), default=0)
    assert (100 in said) == (highest >= 600)
    if 480 <= highest < 600:
        assert 80 in said
