"""The arithmetic of OpenRouter's figures: what has a key and what has none is always everything."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from outlay_plugins._openrouter.aggregation import (
    OpenRouterBucketKey,
    OpenRouterFigures,
    Table,
    overcounted,
    remainder,
    rows,
    tally,
)

START = datetime(2026, 11, 20, tzinfo=UTC)
SLOT = OpenRouterBucketKey(START, "vendor/model-a")
SOME = OpenRouterFigures(Decimal("1.5"), Decimal("0.2"), 3, prompt=1_000, completion=100, reasoning=40, cached=600)
COUNTED = ("byok_usd", "requests", "prompt", "completion", "reasoning", "cached")

usd = st.integers(0, 10**13).map(lambda nano: Decimal(nano).scaleb(-12))
counts = st.integers(0, 10**9)
slots = st.builds(
    OpenRouterBucketKey,
    st.integers(0, 2).map(lambda hours: START + timedelta(hours=hours)),
    st.sampled_from(["a/x", "b/y"]),
    st.sampled_from(["", "openrouter/auto"]),
    st.sampled_from(["", "e1"]),
    provider=st.just(""),
    priced=st.just(True),
)
figures = st.builds(OpenRouterFigures, usd, usd, st.integers(1, 1_000), counts, counts, counts, counts)
tables = st.dictionaries(slots, figures, max_size=4)


def total(*parts: Table) -> OpenRouterFigures:
    """Everything in some tables."""
    found = OpenRouterFigures(Decimal(0), requests=0)
    for part in parts:
        for item in part.values():
            found = found.plus(item)
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(tables, max_size=3), tables)
def test_keys_and_remainder_are_the_account_exactly(keys: list[Table], keyless: Table) -> None:
    whole = tally(line for table in [*keys, keyless] for line in table.items())
    rest = remainder(whole, keys)
    assert total(*keys, rest.left) == total(whole)
    assert rest.surplus_usd == 0
    booked = [row for table in [*keys, rest.left] for row in rows(table, key="k")]
    assert sum((row.cost_usd or Decimal(0) for row in booked), Decimal(0)) == total(whole).cost_usd


@settings(max_examples=40, deadline=None)
@given(tables, st.lists(tables, max_size=3))
def test_what_is_left_is_never_negative_nor_more_than_the_account(whole: Table, keys: list[Table]) -> None:
    rest = remainder(whole, keys)
    for slot, item in rest.left.items():
        for field in fields(OpenRouterFigures):
            left, had = getattr(item, field.name), getattr(whole[slot], field.name)
            assert 0 <= left <= had
    assert rest.surplus_usd >= 0


def test_keys_beyond_the_account_are_told_as_a_surplus() -> None:
    rest = remainder({SLOT: SOME}, [{SLOT: SOME}, {SLOT: SOME}])
    assert rest.left == {}
    assert rest.surplus_usd == Decimal("1.7")
    assert remainder({}, [{SLOT: SOME}]).surplus_usd == Decimal("1.7")


def test_noise_of_floats_is_not_money_without_a_key() -> None:
    account = {SLOT: replace(SOME, cost_usd=Decimal("1.5000000000000002"))}
    assert remainder(account, [{SLOT: SOME}]).left == {}
    account = {SLOT: replace(SOME, cost_usd=Decimal("1.51"))}
    assert remainder(account, [{SLOT: SOME}]).left[SLOT].cost_usd == Decimal("0.01")


def test_unknown_is_not_zero() -> None:
    unpriced = SLOT._replace(priced=False)
    table = tally([(SLOT, SOME), (unpriced, replace(SOME, cost_usd=None)), (SLOT, SOME)])
    priced, unknown = rows(table, key="k")
    assert priced.cost_usd == Decimal(3)
    assert unknown.cost_usd is None
    assert unknown.tokens.total == 1_100
    assert priced.detail != unknown.detail
    rest = remainder({unpriced: replace(SOME, cost_usd=None)}, [])
    assert rest.left[unpriced].cost_usd is None
    assert rest.left[unpriced].prompt == 1_000


def test_token_classes_are_disjoint_and_clamped() -> None:
    assert SOME.tokens._asdict() == {
        "input": 400,
        "cache_read": 600,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 100,
        "reasoning": 40,
    }
    replayed = replace(SOME, cached=5_000, reasoning=900)
    assert (replayed.tokens.input, replayed.tokens.cache_read, replayed.tokens.reasoning) == (0, 1_000, 100)
    assert overcounted([{SLOT: replayed}, {SLOT: SOME}]) == 1
