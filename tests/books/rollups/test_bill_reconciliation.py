"""A bill and its usage: what is shared out adds up to the bill, and the order in which it was told does not matter."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.books.rollups.bill_reconciliation import BilledUsage, BillRow, reconcile, weights
from outlay.books.rollups.price_terms import Terms, terms_of


def billed(usd: int, model: str = "m", *, key: str = "", project: str = "", why: str = "no key") -> BillRow:
    return BillRow((key or why,), bool(key), model, project, (usd,))


def used(key: str, weight: int | None = 1, model: str = "m", *, project: str = "", **more: Any) -> BilledUsage:
    return BilledUsage((key,), not key.startswith("console"), model, project, model, weight, **more)


def shared(bill: list[BillRow], usage: list[BilledUsage]) -> tuple[list[int | None], list[bool]]:
    amounts, explained = reconcile(bill, usage)
    return [None if one is None else one[0] for one in amounts], explained


def test_money_without_a_key_goes_to_the_keys_that_used_its_model_by_what_they_used() -> None:
    assert shared([billed(100)], [used("a", 3), used("b", 1), used("c", 9, "other")]) == ([75, 25, None], [True])


def test_use_without_a_key_takes_its_share() -> None:
    assert shared([billed(100)], [used("a", 3), used("console", 1)]) == ([75, 25], [True])


def test_a_key_that_the_bill_names_has_its_own_and_no_part_in_what_is_left() -> None:
    bill = [billed(90, key="a"), billed(10)]
    assert shared(bill, [used("a", 1), used("console", 7)]) == ([90, 10], [True, True])
    assert shared(bill, [used("a", 1)]) == ([100], [True, True])  # nobody else used it


def test_each_project_has_its_own_bill() -> None:
    bill = [billed(10, project="p"), billed(7, project="q")]
    assert shared(bill, [used("a", project="p"), used("a", project="q"), used("b", project="q")]) == (
        [10, 4, 3],
        [True, True],
    )
    assert shared(bill, [used("a", project="p")]) == ([10], [True, False])


def test_where_one_side_names_no_projects_they_cannot_decide() -> None:
    assert shared([billed(10)], [used("a", project="p"), used("b", project="q")]) == ([5, 5], [True])
    assert shared([billed(10, project="p")], [used("a"), used("b")]) == ([5, 5], [True])


def test_a_key_is_a_key_in_whatever_project_it_was_used() -> None:
    usage = [used("a", project="p"), used("a", project="q")]
    assert shared([billed(10, key="a", project="q")], usage) == ([None, 10], [True])
    assert shared([billed(10, key="a", project="r")], usage) == ([5, 5], [True])


@pytest.mark.parametrize(
    "row", [billed(5, "other"), billed(5, ""), billed(5, "other", key="a"), billed(5, "", key="a"), billed(5, key="b")]
)
def test_what_no_use_explains_stays_with_the_bill(row: BillRow) -> None:
    assert shared([row], [used("a")]) == ([None], [False])


def test_what_is_not_in_the_bill_is_not_billed_at_nothing() -> None:
    assert shared([], [used("a")]) == ([None], [])
    assert shared([billed(0)], [used("a")]) == ([0], [True])


def test_dollars_weigh_where_all_have_them_else_tokens_else_requests() -> None:
    assert weights([used("a", 3, tokens=1), used("b", 1, tokens=1)]) == [3, 1]
    assert weights([used("a", None, tokens=1), used("b", None, tokens=2)]) == [1, 2]
    assert weights([used("a", None, tokens=1), used("b", 9)]) == [1, 0]  # dollars and tokens that nothing compares
    assert weights([used("a", 0, requests=1), used("b", None, requests=2)]) == [1, 2]
    assert shared([billed(10)], [used("a", 0), used("b", None)])[0] == [5, 5]


def test_tokens_without_a_price_weigh_what_the_others_cost_on_average() -> None:
    usage = [used("a", 30, tokens=10), used("b", 10, tokens=10), used("c", None, tokens=5)]
    assert shared([billed(100)], usage)[0] == [60, 20, 20]  # 40 for 20 tokens are 2 a token, and c's 5 are worth 10
    assert shared([billed(100)], [used("a", 30, tokens=20, unpriced=5), used("b", 10, tokens=5)])[0] == [80, 20]


PROJECTS, MODELS, KEYS = ("", "p", "q"), ("", "m", "n"), ("a", "b", "c")


@st.composite
def bills(draw: st.DrawFn) -> list[BillRow]:
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        key = draw(st.sampled_from(["", *KEYS]))
        amounts = (draw(st.integers(0, 10**12)), draw(st.integers(0, 5)))
        model, project = draw(st.sampled_from(MODELS)), draw(st.sampled_from(PROJECTS))
        rows.append(BillRow((key or "no key",), bool(key), model, project, amounts))
    return rows


USES = st.lists(
    st.builds(
        lambda key, model, project, usd, tokens, requests: used(
            key, usd, model, project=project, tokens=tokens, requests=requests
        ),
        st.sampled_from([*KEYS, "console"]), st.sampled_from(MODELS), st.sampled_from(PROJECTS),
        st.none() | st.integers(0, 9), st.integers(0, 9), st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda one: (one.key, one.model, one.project),
)  # fmt: skip


@given(bill=bills(), usage=USES)
def test_what_is_shared_and_what_is_left_add_up_to_the_bill(bill: list[BillRow], usage: list[BilledUsage]) -> None:
    amounts, explained = reconcile(bill, usage, kinds=2)
    for kind in range(2):
        left = sum(row.amounts[kind] for row, known in zip(bill, explained, strict=True) if not known)
        assert sum(amount[kind] for amount in amounts if amount) + left == sum(row.amounts[kind] for row in bill)


@given(bill=bills(), usage=USES, random=st.randoms(use_true_random=False))
def test_the_order_in_which_it_was_told_does_not_matter(
    bill: list[BillRow], usage: list[BilledUsage], random: Any
) -> None:
    def told(bill: list[BillRow], usage: list[BilledUsage]) -> Any:
        amounts, explained = reconcile(bill, usage, kinds=2)
        return dict(zip(usage, amounts, strict=True)), Counter(zip(bill, explained, strict=True))

    before = told(bill, usage)
    random.shuffle(bill)
    random.shuffle(usage)
    assert told(bill, usage) == before


@given(bill=bills(), usage=USES)
def test_a_bill_reconciled_once_more_is_the_same(bill: list[BillRow], usage: list[BilledUsage]) -> None:
    """By keys now, it goes to those keys, whole."""
    amounts, _ = reconcile(bill, usage, kinds=2)
    again = [
        BillRow(one.key, True, one.model, one.project, amount)
        for one, amount in zip(usage, amounts, strict=True)
        if one.keyed and one.model and amount
    ]
    amounts_again, explained = reconcile(again, usage, kinds=2)
    assert all(explained)
    for one, before, after in zip(usage, amounts, amounts_again, strict=True):
        assert after == (before if one.keyed and one.model else None)


BATCH, STANDARD, PRIORITY = (("tier", "batch"),), (("tier", ""),), (("tier", "priority"),)


def on(terms: Terms, row: Any) -> Any:
    return replace(row, terms=terms)


def test_where_the_bill_tells_tiers_each_goes_to_use_in_it() -> None:
    usage = [used("a"), on(PRIORITY, used("b")), on(BATCH, used("c"))]
    assert shared([on(STANDARD, billed(9))], usage) == ([9, None, None], [True])
    assert shared([billed(9), on(BATCH, billed(4))], usage) == ([9, None, 4], [True, True])
    assert shared([on(PRIORITY, billed(9))], usage) == ([None, 9, None], [True])


def test_a_tier_that_nobody_used_is_explained_by_no_use() -> None:
    assert shared([on(BATCH, billed(9))], [used("a"), on(PRIORITY, used("b"))]) == ([None, None], [False])
    assert shared([on(STANDARD, billed(9, key="b"))], [on(PRIORITY, used("b"))]) == ([None], [False])


def test_where_one_side_tells_no_tiers_they_cannot_decide() -> None:
    assert shared([on(BATCH, billed(9))], [used("a"), used("b", 2)]) == ([3, 6], [True])
    assert shared([billed(9)], [used("a"), on(BATCH, used("b", 2))]) == ([3, 6], [True])


def test_every_term_has_to_agree() -> None:
    long = (("context_window", "200k-1M"), ("tier", "batch"))
    usage = [on(BATCH, used("a")), on(long, used("b"))]
    assert shared([on(long, billed(5)), on((("context_window", ""), *BATCH), billed(2))], usage) == ([2, 5], [True] * 2)


@pytest.mark.parametrize(
    ("detail", "found"),
    [
        ("", ()),
        ('{"line_item": "gpt-5, input"}', ()),
        ('{"service_tier": "standard"}', STANDARD),
        ('{"batch": "true"}', BATCH),
        ('{"tier": "priority", "price": "unknown"}', PRIORITY),
        ('{"context_window": "0-200k", "speed": "fast"}', (("context_window", ""), ("speed", "fast"))),
    ],
)
def test_what_is_ordinary_has_no_value(detail: str, found: Terms) -> None:
    assert terms_of(detail) == found
