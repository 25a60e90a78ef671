"""Money: exact, bounded, never a float; and a split that adds up."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outlay.core.money import MAX_NANO_USD, MoneyError, exact, split_by_weights, to_nano, to_usd

NANOS = st.integers(-MAX_NANO_USD, MAX_NANO_USD)
WEIGHTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=30)


@given(NANOS)
@example(MAX_NANO_USD)
@example(-MAX_NANO_USD)
def test_dollars_and_back_lose_nothing(nano: int) -> None:
    assert to_nano(to_usd(nano)) == nano
    assert to_nano(Decimal(exact(nano))) == nano


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        ("0.0000000005", 0),  # half to even
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("-0.0000000015", -2),
        ("0.00000000050000000001", 1),
        ("1", 1_000_000_000),
        ("1E-9", 1),
        ("-0", 0),
        ("1e-400", 0),
        ("1E-999999", 0),
    ],
)
def test_rounding_is_to_the_nano_dollar_half_to_even(usd: str, nano: int) -> None:
    assert to_nano(Decimal(usd)) == nano


@pytest.mark.parametrize(
    "usd",
    ["NaN", "sNaN", "Infinity", "-Infinity", "9223372036.854775808", "-9223372037", "1e30", "1e999999"],
)
def test_what_is_no_amount_or_too_much_is_refused(usd: str) -> None:
    with pytest.raises(MoneyError):
        to_nano(Decimal(usd))


@pytest.mark.parametrize("usd", [1.5, "1.5", None])
def test_money_never_comes_as_anything_but_decimal(usd: object) -> None:
    with pytest.raises(MoneyError):
        to_nano(usd)  # type: ignore[arg-type]


def test_a_narrow_decimal_context_around_it_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        assert to_nano(Decimal("1234567.891234567")) == 1_234_567_891_234_567


@pytest.mark.parametrize(
    ("nano", "words"), [(0, "0.000000000"), (-1, "-0.000000001"), (12_345_678_901, "12.345678901")]
)
def test_exact_is_a_decimal_string(nano: int, words: str) -> None:
    assert exact(nano) == words


@given(NANOS, WEIGHTS)
def test_shares_add_up_and_each_is_within_one_of_its_due(total: int, weights: list[int]) -> None:
    parts = split_by_weights(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert part == 0 or (part < 0) == (total < 0)
        if whole:
            assert abs(part * whole - total * weight) < whole
            assert weight or not part


@given(st.integers(0, 10**9), WEIGHTS)
def test_a_share_of_the_negative_is_the_negative_of_the_share(total: int, weights: list[int]) -> None:
    assert split_by_weights(-total, weights) == [-part for part in split_by_weights(total, weights)]


def test_without_weights_all_get_the_same_and_nobody_is_an_error() -> None:
    assert split_by_weights(7, [0, 0, 0]) == [3, 2, 2]
    with pytest.raises(ValueError, match="nothing to share among"):
        split_by_weights(1, [])
