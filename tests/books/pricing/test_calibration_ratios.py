"""A ratio of dollars: exact, believed only within bounds, and of a tier where the bill tells it."""

import pytest

from outlay.books.pricing.calibration_ratios import (
    ANY_TIER,
    LEAST,
    LEAST_NANO_USD,
    MOST,
    ONE,
    ratio,
    ratio_of,
    ratios,
    tier_of,
)

USD = 10**9


def test_what_is_billed_for_each_computed_dollar() -> None:
    assert ratio(90 * USD, 100 * USD) == 900_000
    assert ratio(2 * USD, 3 * USD) == 666_667
    assert ratio(100 * USD, 100 * USD) == ONE


def test_where_one_side_is_little_or_they_are_not_about_the_same_there_is_none() -> None:
    assert [ratio(0, 5 * USD), ratio(5 * USD, 0), ratio(-5 * USD, 5 * USD)] == [None] * 3
    assert [ratio(LEAST_NANO_USD - 1, USD // 5), ratio(LEAST_NANO_USD, USD // 5)] == [None, 500_000]
    assert [ratio(19 * USD, 100 * USD), ratio(20 * USD, 100 * USD)] == [None, LEAST]
    assert [ratio(500 * USD, 100 * USD), ratio(501 * USD, 100 * USD)] == [MOST, None]


def test_the_tiers_of_a_model_share_a_ratio_where_the_bill_does_not_tell_them() -> None:
    computed = {("m", ""): 6 * USD, ("m", "batch"): 2 * USD, ("n", ""): USD}
    found = ratios({("m", ""): 4 * USD}, computed, {})
    assert found == {("m", ANY_TIER): 500_000}
    assert [ratio_of(found, "m", ""), ratio_of(found, "m", "flex"), ratio_of(found, "n", "")] == [500_000, 500_000, ONE]
    assert ratios({("m", ""): 4 * USD}, computed, {("m", "priority"): 1}) == {}


def test_where_the_bill_tells_tiers_each_has_its_own_and_one_without_a_price_hides_no_other() -> None:
    computed = {("m", ""): 6 * USD, ("m", "batch"): 2 * USD, ("m", "priority"): 0}
    billed = {("m", ""): 3 * USD, ("m", "batch"): 2 * USD, ("m", "priority"): 7 * USD}
    found = ratios(billed, computed, {("m", "priority"): 5})
    assert found == {("m", ""): 500_000}
    assert [ratio_of(found, "m", ""), ratio_of(found, "m", "batch")] == [500_000, ONE]


@pytest.mark.parametrize(
    ("detail", "tier"),
    [
        ({}, ""),
        ({"service_tier": "batch"}, "batch"),
        ({"tier": "flex", "@project": "p"}, "flex"),
        ({"batch": "true"}, "batch"),
        ({"line_item": "m, input_tokens"}, ""),
    ],
)
def test_a_tier_is_known_by_the_names_that_ledgers_give_it(detail: dict[str, str], tier: str) -> None:
    assert tier_of(detail) == tier
