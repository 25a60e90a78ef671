"""FOCUS rows: they add up to the charge, keep the format's null rules, and never make up a price."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.books.pricing.unit_prices import UnitPrices
from outlay.core.money import exact
from outlay.core.owner import UNATTRIBUTED, KeyRef, Owner
from outlay.core.tokens import CLASSES, NO_TOKENS, Tokens
from outlay.export.focus import COLUMNS, BillingAccount, Charge, FocusRow, charge_rows

SONNET = "anthropic/claude-sonnet-4.5-20250929"
PRICES = UnitPrices(
    3_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000, 15_000_000_000, version="genai-prices 0.2.3"
)
ACCOUNT = BillingAccount("openrouter", "OpenRouter", "main", "acc-1", "Acme")
NOVEMBER, OCTOBER = 1_793_491_200, 1_790_812_800
ALL = Tokens(1_000_001, 2, 3, 4, 500, 100)
PRICED = """
    SkuPriceId ListUnitPrice ContractedUnitPrice PricingQuantity PricingUnit PricingCategory ConsumedQuantity
    ConsumedUnit PricingCurrencyListUnitPrice PricingCurrencyContractedUnitPrice SkuPriceDetails
"""
NEVER_NULL = """
    BilledCost BillingAccountId BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeFrequency
    ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost PricingCurrency
    PricingCurrencyEffectiveCost ProviderName PublisherName ServiceCategory ServiceName ServiceSubcategory
"""
COUNTS = st.integers(0, 10**10)
UNITS = st.none() | st.integers(0, 10**12)
CHARGES: Any = st.builds(
    lambda counts, cost, byok, model, corrects: charge(
        tokens=Tokens(*counts), cost_nano_usd=cost, byok_nano_usd=byok, model=model, corrects=corrects
    ),
    st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS) | st.just((0,) * 5),
    st.none() | st.integers(-(10**15), 10**15),
    st.integers(0, 10**12),
    st.sampled_from([SONNET, ""]),
    st.sampled_from([0, OCTOBER]),
)
LISTS = st.none() | st.builds(UnitPrices, UNITS, UNITS, UNITS, UNITS, UNITS, version=st.just("a list"))


def charge(**more: Any) -> Charge:
    """A day's charge of one key for Sonnet."""
    usual: dict[str, Any] = {
        "account": ACCOUNT, "day": NOVEMBER, "owner": Owner("U1", "Ann", "person"), "model": SONNET, "tokens": ALL,
        "key": KeyRef("key-1", "laptop", "openrouter", "main"), "cost_nano_usd": 3_007_500_000, "basis": "billed",
        "status": "settled",
    }  # fmt: skip
    return Charge(**(usual | more))


def only(found: list[FocusRow], kind: str) -> FocusRow:
    return next(row for row in found if row["x_TokenType"] == kind)


def dollars(value: str | None) -> Decimal:
    assert value is not None
    assert set(value) <= set("-0123456789."), value
    return Decimal(value)


@given(CHARGES, LISTS)
def test_the_rows_add_up_to_the_charge_and_keep_the_null_rules(one: Charge, prices: UnitPrices | None) -> None:
    found = charge_rows(one, prices)
    assert sum(dollars(row["BilledCost"]) for row in found) == Decimal(exact(one.cost_nano_usd or 0))
    assert sum(dollars(row["x_ByokCost"] or "0") for row in found) == Decimal(exact(one.byok_nano_usd))
    assert sum(int(row.get("x_ConsumedTokens") or 0) for row in found) == one.tokens.total
    for row in found:
        assert set(row) <= set(COLUMNS)
        assert not [name for name in NEVER_NULL.split() if not row.get(name)]
        assert "" not in row.values()
        assert row["EffectiveCost"] == row["PricingCurrencyEffectiveCost"] == row["BilledCost"]
        assert row["ChargeClass"] == ("Correction" if one.corrects else None)
        assert {row.get(name) is None for name in PRICED.split()} in ({True}, {False})
        if row.get("SkuPriceId") is None:
            assert row["ListCost"] == row["ContractedCost"] == row["BilledCost"]
            assert row["ChargeCategory"] == ("Usage" if one.corrects else "Adjustment")
            continue
        assert row["ChargeCategory"] == "Usage"
        assert row["SkuId"] == row["SkuPriceId"]
        assert row["ConsumedQuantity"] == row["x_ConsumedTokens"]
        product = dollars(row["PricingQuantity"]) * dollars(row["ListUnitPrice"])
        assert dollars(row["ListCost"]) == dollars(row["ContractedCost"]) == product


def test_a_charge_is_split_over_its_token_classes_by_what_they_cost_at_list_price() -> None:
    found = charge_rows(charge(tokens=Tokens(input=1_000_000, output=1_000_000), cost_nano_usd=9_000_000_001), PRICES)
    assert [(row["x_TokenType"], row["BilledCost"], row["ListCost"]) for row in found] == [
        ("input", "1.500000000", "3.000000000"),
        ("output", "7.500000001", "15.000000000"),
    ]


@pytest.mark.parametrize("prices", [None, UnitPrices(1, None, None, None, None, version="half a list")])
def test_it_is_split_by_tokens_where_a_price_is_not_known(prices: UnitPrices | None) -> None:
    found = charge_rows(charge(tokens=Tokens(input=3, output=1), cost_nano_usd=8), prices)
    assert [row["BilledCost"] for row in found] == ["0.000000006", "0.000000002"]
    assert found[1].get("SkuPriceId") is None
    assert found[1]["SkuId"] == f"openrouter/{SONNET}/output"


def test_a_free_model_is_split_by_tokens_too() -> None:
    free = UnitPrices(0, 0, 0, 0, 0, version="free")
    found = charge_rows(charge(tokens=Tokens(input=3, output=1), cost_nano_usd=8), free)
    assert [(row["BilledCost"], row["ListUnitPrice"]) for row in found] == [
        ("0.000000006", "0.000000000"),
        ("0.000000002", "0.000000000"),
    ]


def test_a_row_says_what_it_is() -> None:
    research = {"project_id": "ws-1", "project_name": "Research", "requested": "openrouter/auto"}
    (row,) = charge_rows(charge(tokens=Tokens(input=1_000_001), cost_nano_usd=2_500_000_000, **research), PRICES)
    shown = {name: row[name] for name in COLUMNS if row.get(name) is not None}
    assert json.loads(shown.pop("SkuPriceDetails") or "") == {
        "x_ModelDeveloper": "Anthropic",
        "x_ModelFamily": "claude",
        "x_ModelId": "anthropic/claude-sonnet-4.5",
        "x_ModelVersion": "20250929",
        "x_TokenType": "input",
    }
    assert json.loads(shown.pop("Tags") or "") == {"owner_id": "U1", "owner_kind": "person", "owner_name": "Ann"}
    assert shown == {
        "BilledCost": "2.500000000",
        "BillingAccountId": "acc-1",
        "BillingAccountName": "Acme",
        "BillingAccountType": "Account",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeDescription": "anthropic/claude-sonnet-4.5, key laptop",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": "2026-11-02T00:00:00Z",
        "ChargePeriodStart": "2026-11-01T00:00:00Z",
        "ConsumedQuantity": "1000001",
        "ConsumedUnit": "Tokens",
        "ContractedCost": "3.000003000",
        "ContractedUnitPrice": "3.000000000",
        "EffectiveCost": "2.500000000",
        "InvoiceIssuerName": "OpenRouter",
        "ListCost": "3.000003000",
        "ListUnitPrice": "3.000000000",
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingCurrencyContractedUnitPrice": "3.000000000",
        "PricingCurrencyEffectiveCost": "2.500000000",
        "PricingCurrencyListUnitPrice": "3.000000000",
        "PricingQuantity": "1.000001",
        "PricingUnit": "1000000 Tokens",
        "ProviderName": "OpenRouter",
        "PublisherName": "Anthropic",
        "ResourceId": "key-1",
        "ResourceName": "laptop",
        "ResourceType": "API Key",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "OpenRouter",
        "ServiceSubcategory": "Generative AI",
        "SkuId": f"openrouter/{SONNET}/input",
        "SkuMeter": "Input Tokens",
        "SkuPriceId": f"openrouter/{SONNET}/input",
        "SubAccountId": "ws-1",
        "SubAccountName": "Research",
        "SubAccountType": "Project",
        "x_ApiKeyId": "key-1",
        "x_Connection": "main",
        "x_ConsumedTokens": "1000001",
        "x_CostBasis": "billed",
        "x_CostStatus": "settled",
        "x_Developer": "Ann",
        "x_PriceVersion": "genai-prices 0.2.3",
        "x_RequestedModel": "openrouter/auto",
        "x_ResolvedModel": "anthropic/claude-sonnet-4.5",
        "x_TokenType": "input",
    }


def test_every_class_has_a_row_and_reasoning_has_none() -> None:
    assert [row["x_TokenType"] for row in charge_rows(charge(), PRICES)] == list(CLASSES)


def test_a_list_cost_that_takes_more_than_nine_digits_has_them() -> None:
    odd = UnitPrices(37_500_001, None, None, None, None, version="odd")
    (row,) = charge_rows(charge(tokens=Tokens(input=7)), odd)
    assert (row["ListUnitPrice"], row["ListCost"]) == ("0.037500001", "0.000000262500007")


def test_usage_without_dollars_shows_no_price_and_says_so() -> None:
    found = charge_rows(charge(cost_nano_usd=None, basis="unpriced", tokens=Tokens(input=5, output=7)), PRICES)
    assert [(row["x_CostBasis"], row["BilledCost"], row["x_ConsumedTokens"]) for row in found] == [
        ("unpriced", "0.000000000", "5"),
        ("unpriced", "0.000000000", "7"),
    ]
    for row in found:
        assert not [name for name in PRICED.split() if row.get(name) is not None]
        assert (row["ChargeDescription"] or "").endswith("what it cost is not known")


def test_money_without_tokens_has_one_row_of_no_class() -> None:
    (row,) = charge_rows(
        charge(tokens=NO_TOKENS, model="", key=None, owner=UNATTRIBUTED, reason="web search", project_id=""), None
    )
    assert row["BilledCost"] == "3.007500000"
    assert row["ChargeCategory"] == "Adjustment"
    assert row["x_Reason"] == "web search"
    assert row["PublisherName"] == "OpenRouter"
    for name in (*PRICED.split(), "SkuId", "SkuMeter", "x_TokenType", "x_ConsumedTokens", "x_ApiKeyId", "ResourceId"):
        assert row.get(name) is None, name


def test_a_correction_names_the_closed_month_and_may_take_away() -> None:
    found = charge_rows(
        charge(corrects=OCTOBER, tokens=Tokens(input=-1_000_000, output=3), cost_nano_usd=-2_000_000_000), PRICES
    )
    row = only(found, "input")
    assert (row["ChargeCategory"], row["ChargeClass"]) == ("Usage", "Correction")
    assert (row["x_CostStatus"], row["x_CorrectedBillingPeriodStart"]) == ("adjustment", "2026-10-01T00:00:00Z")
    assert row["BillingPeriodStart"] == "2026-11-01T00:00:00Z"
    assert (row["ConsumedQuantity"], row["PricingQuantity"], row["ListCost"]) == (
        "-1000000",
        "-1.000000",
        "-3.000000000",
    )
    assert (row["ChargeDescription"] or "").startswith("correction of 2026-10: ")
    assert sum(dollars(each["BilledCost"]) for each in found) == -2


def test_a_key_whose_name_is_its_id_has_no_name_and_an_account_without_an_id_the_connections() -> None:
    nameless = BillingAccount("openrouter", "OpenRouter", "main", "", "")
    (row, *_) = charge_rows(charge(account=nameless, key=KeyRef("key-1", "key-1", "openrouter", "main")), PRICES)
    assert (row["ResourceId"], row["ResourceName"]) == ("key-1", None)
    assert (row["BillingAccountId"], row["BillingAccountName"]) == ("main", None)


def test_all_columns_of_focus_are_there_once_before_ours() -> None:
    theirs = [name for name in COLUMNS if not name.startswith("x_")]
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert list(COLUMNS[: len(theirs)]) == theirs == sorted(theirs)
    assert len(theirs) == 57
