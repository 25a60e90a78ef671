"""A split moves what is there between keys: it never makes any, and never makes any less."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.spend.gateway_allocation import GatewayCapture, SliceAmount, allocate, allocation_steps

FIGURES = st.tuples(*[st.one_of(st.none(), st.integers(0, 10**15))] * 4)
AMOUNTS = st.builds(SliceAmount, st.one_of(st.none(), st.integers(0, 10**15)), st.integers(0, 10**9))
GATEWAYS = st.lists(st.dictionaries(st.one_of(st.none(), st.integers(1, 6)), AMOUNTS, max_size=5), max_size=3)


def used(**usd: int) -> dict[int | None, SliceAmount]:
    """What the keys k1, k2 … used, in nano-dollars; `none` is nobody's."""
    return {None if name == "none" else int(name[1:]): SliceAmount(nano, nano) for name, nano in usd.items()}


def parts(total: int, counted: int, *gateways: dict[int | None, SliceAmount]) -> dict[int | None, int | None]:
    """Who has how much of a figure after the split."""
    found: dict[int | None, int | None] = {}
    for key, (part,) in allocate((total,), allocation_steps(SliceAmount(counted, counted), gateways)):
        assert key not in found
        found[key] = part
    return found


@given(FIGURES, AMOUNTS, GATEWAYS)
def test_parts_add_up_to_what_there_was(
    figures: tuple[int | None, ...], counted: SliceAmount, gateways: list[dict[int | None, SliceAmount]]
) -> None:
    found = allocate(figures, allocation_steps(counted, gateways))
    for place, figure in enumerate(figures):
        of_it = [part[place] for _, part in found]
        assert all(one is None for one in of_it) if figure is None else sum(one or 0 for one in of_it) == figure
        assert all((one or 0) >= 0 for one in of_it)


@given(AMOUNTS, GATEWAYS)
def test_a_gateway_never_gets_more_than_it_has_itself(
    counted: SliceAmount, gateways: list[dict[int | None, SliceAmount]]
) -> None:
    for key, part in allocate((counted.tokens,), allocation_steps(SliceAmount(None, counted.tokens), gateways)):
        claims = [used[key].tokens for used in gateways if key in used]
        assert key is None or (part[0] or 0) <= sum(claims) + len(claims)


@pytest.mark.parametrize(
    ("counted", "gateway", "expected"),
    [
        (100, used(k1=60, k2=30), {1: 60, 2: 30, None: 10}),  # what it does not account for stays
        (100, used(k1=60, k2=40), {1: 60, 2: 40}),
        (100, used(k1=300, k2=100), {1: 75, 2: 25}),  # never more than there is
        (100, used(k1=60, none=30), {1: 60, None: 40}),  # what is nobody's there says nothing of whose it is
        (100, used(k1=150, none=50), {1: 75, None: 25}),
        (100, used(none=50), {None: 100}),
        (100, used(k1=0), {None: 100}),
        (100, {}, {None: 100}),
    ],
)
def test_who_has_what(counted: int, gateway: dict[int | None, SliceAmount], expected: dict[int | None, int]) -> None:
    assert parts(100, counted, gateway) == expected


def test_the_second_gateway_shares_out_what_the_first_has_left() -> None:
    assert parts(100, 100, used(k1=80), used(k2=10)) == {1: 80, 2: 10, None: 10}
    assert parts(100, 100, used(k1=80), used(k2=60)) == {1: 80, 2: 20}
    assert parts(100, 100, used(k1=100), used(k2=60)) == {1: 100}


def test_tokens_decide_where_one_side_has_no_dollars() -> None:
    by_tokens = {1: SliceAmount(None, 25), 2: SliceAmount(1_000, 25)}
    assert allocate((80,), allocation_steps(SliceAmount(5_000, 100), [by_tokens])) == [
        (1, (20,)),
        (2, (20,)),
        (None, (40,)),
    ]
    assert allocate((80,), allocation_steps(SliceAmount(None, 50), [{1: SliceAmount(7, 50)}])) == [(1, (80,))]
    assert allocate((80,), allocation_steps(SliceAmount(5_000, 0), [{1: SliceAmount(None, 50)}])) == [(None, (80,))]


def test_what_is_not_known_stays_unknown() -> None:
    assert allocate((None, 10), allocation_steps(SliceAmount(None, 10), [{1: SliceAmount(None, 4)}])) == [
        (1, (None, 4)),
        (None, (None, 6)),
    ]


@pytest.mark.parametrize(
    ("gateway", "billed", "rate", "word"),
    [
        (90, 100, "0.900000", ""),
        (89_999_999, 100_000_000, "0.899999", "traffic goes round the gateway"),
        (0, 100, "0.000000", "traffic goes round the gateway"),
        (110, 100, "1.100000", ""),
        (1_111, 1_000, "1.111000", "the gateway counts more than is billed"),
        (5, 0, None, ""),
        (5, None, None, ""),
        (None, 5, None, ""),
    ],
)
def test_the_capture_rate(gateway: int | None, billed: int | None, rate: str | None, word: str) -> None:
    found = GatewayCapture(gateway, billed)
    assert (found.rate, found.word) == (None if rate is None else Decimal(rate), word)
