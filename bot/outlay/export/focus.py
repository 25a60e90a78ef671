"""Rows of FOCUS 1.2, the FinOps Foundation's open format for cost data: one for each token class of a charge.

A charge is one row of a day's roll-up: one key, one model, one UTC day, one sum of dollars. The sum is split among the
token classes by what each would cost at list price (by tokens where no list price is known), to the nano-dollar, so
that the export adds up to the books. How the requirements of the format are met:

- A `Usage` row must have a SKU price and a quantity. What has none (money without tokens, a model without a list price)
  is an `Adjustment`, which has neither; `x_TokenType` and `x_ConsumedTokens` still say what it was. A correction of a
  closed month is `Usage` of the class `Correction`, which may go without.
- `BilledCost` may not be null. Usage without dollars says 0, `x_CostBasis` says `unpriced`, and no price is shown.
- A unit price times its quantity is the cost, exactly: a list cost has more than nine digits where it takes them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from outlay.books.pricing.unit_prices import MILLION, UnitPrices
from outlay.books.rollups.report_precedence import DAY_SECONDS
from outlay.core import months
from outlay.core.model_names import canonical
from outlay.core.money import exact, split_by_weights
from outlay.core.owner import KeyRef, Owner
from outlay.core.tokens import CLASSES, Tokens
from outlay.spend.answer import AnswerBasis, Status

FocusRow = dict[str, str | None]

_FOCUS = """
AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency BillingPeriodEnd
BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription
ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName
CommitmentDiscountQuantity CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity
ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice
PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost
PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName ResourceId
ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId
SubAccountId SubAccountName SubAccountType Tags
"""
_OURS = """
x_ApiKeyId x_ByokCost x_Connection x_ConsumedTokens x_CorrectedBillingPeriodStart x_CostBasis x_CostStatus x_Developer
x_ObservedAt x_PriceVersion x_Reason x_RequestedModel x_ResolvedModel x_TokenType
"""
COLUMNS: Sequence[str] = (*_FOCUS.split(), *_OURS.split())

_METERS = {
    "input": "Input Tokens",
    "cache_read": "Cache Read Tokens",
    "cache_write_5m": "Cache Write Tokens, 5 Minutes",
    "cache_write_1h": "Cache Write Tokens, 1 Hour",
    "output": "Output Tokens",
}
_MAKERS = {
    "anthropic": "Anthropic", "deepseek": "DeepSeek", "google": "Google", "meta-llama": "Meta",
    "moonshotai": "Moonshot AI", "mistralai": "Mistral AI", "openai": "OpenAI", "qwen": "Qwen", "x-ai": "xAI",
}  # fmt: skip
_SNAPSHOT = re.compile(r"20\d{2}-?[01]\d-?[0-3]\d\Z")


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """Billing account of a connection. `provider` is the display name of the ledger."""

    ledger: str
    provider: str
    connection: str
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Charge:
    """One row of a day's roll-up, with names in place of database numbers.

    Times are seconds. `corrects` is the start of the closed month that it corrects, 0 for none. `model` is the ledger's
    own name, '' for money that is not split by model. `cost_nano_usd` None: no dollars are known.
    """

    account: BillingAccount
    day: int
    owner: Owner
    key: KeyRef | None
    model: str
    tokens: Tokens
    cost_nano_usd: int | None
    basis: AnswerBasis
    status: Status
    byok_nano_usd: int = 0
    project_id: str = ""
    project_name: str = ""
    reason: str = ""
    requested: str = ""
    corrects: int = 0
    observed_at: int | None = None


def charge_rows(charge: Charge, prices: UnitPrices | None) -> list[FocusRow]:
    """Build a row for each token class that has tokens; a single one, of no class, for money without tokens.

    `prices`: list prices of the model on the day of use; None if unknown.
    """
    counts = [(name, count) for name in CLASSES if (count := getattr(charge.tokens, name))]
    common = _common(charge)
    if not counts:
        return [common | _money(charge, charge.cost_nano_usd or 0, charge.byok_nano_usd, None)]
    weights = _weights(counts, prices)
    costs = split_by_weights(charge.cost_nano_usd or 0, weights)
    byok = split_by_weights(charge.byok_nano_usd, weights)
    found = []
    for place, (name, count) in enumerate(counts):
        unit = getattr(prices, name) if prices and charge.model and charge.cost_nano_usd is not None else None
        found.append(
            common
            | _money(charge, costs[place], byok[place], None if unit is None else (count, unit))
            | _sku(charge, name, count)
            | (_priced(charge, name, count, unit, prices.version) if prices and unit is not None else {})
        )
    return found


def _weights(counts: Sequence[tuple[str, int]], prices: UnitPrices | None) -> list[int]:
    """Return the weight of each class. A correction can have negative tokens: their absolute number counts."""
    units = [getattr(prices, name) if prices else None for name, _ in counts]
    priced = [abs(count) * unit for (_, count), unit in zip(counts, units, strict=True) if unit is not None]
    return priced if len(priced) == len(counts) and any(priced) else [abs(count) for _, count in counts]


def _common(charge: Charge) -> FocusRow:
    """Build the columns that all rows of a charge share."""
    account, key = charge.account, charge.key
    month = months.start_of(charge.day)
    model = canonical(charge.model) if charge.model else ""
    maker = model.partition("/")[0] if "/" in model else ""
    return {
        "BillingAccountId": account.id or account.connection,
        "BillingAccountName": account.title or None,
        "BillingAccountType": "Account",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time(months.end_of(month)),
        "ChargeCategory": "Usage" if charge.corrects else "Adjustment",
        "ChargeClass": "Correction" if charge.corrects else None,
        "ChargeDescription": _words(charge, model),
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(charge.day),
        "ChargePeriodEnd": _time(charge.day + DAY_SECONDS),
        "InvoiceIssuerName": account.provider,
        "PricingCurrency": "USD",
        "ProviderName": account.provider,
        "PublisherName": account.provider if maker in ("", account.ledger) else _MAKERS.get(maker, maker),
        "ResourceId": key.id if key else None,
        "ResourceName": key.name if key and key.name and key.name != key.id else None,
        "ResourceType": "API Key" if key else None,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": account.provider,
        "ServiceSubcategory": "Generative AI",
        "SubAccountId": charge.project_id or None,
        "SubAccountName": charge.project_name or None if charge.project_id else None,
        "SubAccountType": "Project" if charge.project_id else None,
        "Tags": _tags(charge.owner),
        "x_ApiKeyId": key.id if key else None,
        "x_Connection": account.connection,
        "x_CorrectedBillingPeriodStart": _time(charge.corrects) if charge.corrects else None,
        "x_CostBasis": "unpriced" if charge.cost_nano_usd is None else charge.basis,
        "x_CostStatus": "adjustment" if charge.corrects else charge.status,
        "x_Developer": charge.owner.name,
        "x_ObservedAt": None if charge.observed_at is None else _time(charge.observed_at),
        "x_Reason": charge.reason or None,
        "x_RequestedModel": charge.requested or None,
        "x_ResolvedModel": model or None,
    }


def _money(charge: Charge, cost: int, byok: int, listed: tuple[int, int] | None) -> FocusRow:
    """Build the four costs. Without a list price, list and contracted cost are the billed one, as FOCUS requires."""
    billed = exact(cost)
    at_list = _product(*listed) if listed else billed
    return {
        "BilledCost": billed,
        "ContractedCost": at_list,
        "EffectiveCost": billed,
        "ListCost": at_list,
        "PricingCurrencyEffectiveCost": billed,
        "x_ByokCost": exact(byok) if charge.byok_nano_usd else None,
    }


def _sku(charge: Charge, name: str, count: int) -> FocusRow:
    """Build the columns that say what was used, whether or not its price is known."""
    sku = f"{charge.account.ledger}/{charge.model}/{name}" if charge.model else None
    return {
        "SkuId": sku,
        "SkuMeter": _METERS[name] if sku else None,
        "x_ConsumedTokens": str(count),
        "x_TokenType": name,
    }


def _priced(charge: Charge, name: str, count: int, unit: int, version: str) -> FocusRow:
    """Build quantity and price.

    A SKU price's id stays the same over time, so the price list's version has a column of its own.
    """
    price = exact(unit)
    return {
        "ChargeCategory": "Usage",
        "ConsumedQuantity": str(count),
        "ConsumedUnit": "Tokens",
        "ContractedUnitPrice": price,
        "ListUnitPrice": price,
        "PricingCategory": "Standard",
        "PricingCurrencyContractedUnitPrice": price,
        "PricingCurrencyListUnitPrice": price,
        "PricingQuantity": _fraction(count, 6, 6),
        "PricingUnit": f"{MILLION} Tokens",
        "SkuPriceDetails": _details(charge.model, name),
        "SkuPriceId": f"{charge.account.ledger}/{charge.model}/{name}",
        "x_PriceVersion": version,
    }


@lru_cache(maxsize=10_000)
def _details(model: str, name: str) -> str:
    """Build the JSON of the model behind a SKU price, by the keys planned for FOCUS 1.5, prefixed `x_` until then."""
    known = canonical(model)
    maker, _, bare = known.rpartition("/")
    snapshot = _SNAPSHOT.search(model.partition(":")[0])
    found: Mapping[str, str] = {
        "x_ModelDeveloper": _MAKERS.get(maker, maker),
        "x_ModelFamily": bare.partition("-")[0],
        "x_ModelId": known,
        "x_ModelVersion": snapshot[0] if snapshot else "",
        "x_TokenType": name,
    }
    return json.dumps({key: value for key, value in found.items() if value}, ensure_ascii=False)


@lru_cache(maxsize=10_000)
def _tags(owner: Owner) -> str:
    named = {"owner_id": owner.id, "owner_kind": owner.kind, "owner_name": owner.name}
    return json.dumps(named, ensure_ascii=False)


def _words(charge: Charge, model: str) -> str:
    """Describe the charge in a line."""
    of = model or "charges that are not split by model"
    by = f"key {charge.key.name or charge.key.id}" if charge.key else charge.reason or "no key"
    line = f"{of}, {by}"
    if charge.corrects:
        line = f"correction of {months.name(charge.corrects)}: {line}"
    return f"{line}; what it cost is not known" if charge.cost_nano_usd is None else line


@lru_cache(maxsize=1_000)
def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _product(count: int, nano_usd_per_million: int) -> str:
    """Multiply tokens by their unit price; dollars, exact: nine digits, and as many more as needed."""
    return _fraction(count * nano_usd_per_million, 15, 9)


def _fraction(number: int, digits: int, least: int) -> str:
    """Format an integer of 10^-digits as a plain decimal with at least `least` decimal places."""
    sign = "-" if number < 0 else ""
    whole, part = divmod(abs(number), 10**digits)
    return f"{sign}{whole}.{f'{part:0{digits}d}'.rstrip('0').ljust(least, '0')}"
