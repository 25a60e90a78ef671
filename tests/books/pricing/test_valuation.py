"""What a row is worth where the ledger names no dollars: its tokens at list price, or at the part of it it says."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from outlay.books.pricing.price_list import PriceList
from outlay.books.pricing.valuation import Valuer
from outlay.core.tokens import Tokens
from outlay.database.tables import COMPUTED, UNPRICED
from outlay.plugin.contract import Report, Row

USAGE = Report(name="usage", grain=None, basis="computed")
PRICES = PriceList()
TOKENS = Tokens(input=1_000_000, cache_read=100_000, output=100_001)
AT_LIST = 1_250_000_000 + 12_500_000 + 1_000_010_000
SAVED = 100_000 * (1_250_000_000 - 125_000_000) // 1_000_000


def worth(list_share: Decimal | None, model: str = "gpt-5-2025-08-07") -> tuple[int, int | None, int | None, str]:
    """Basis, cost, what the cache saved, and which list said so."""
    row = Row(datetime(2026, 11, 20, tzinfo=UTC), key="k", model=model, tokens=TOKENS, list_price_factor=list_share)
    version, basis, cost, *_, saved = Valuer(USAGE, "openai", PRICES).worth(row)
    return basis, cost, saved, version.partition(" ")[0]


@pytest.mark.parametrize(
    ("list_share", "cost"),
    [("1", AT_LIST), ("0.5", AT_LIST // 2), ("0", 0), ("2.5", AT_LIST * 5 // 2)],
)
def test_tokens_cost_the_part_of_the_list_price_that_the_ledger_says(list_share: str, cost: int) -> None:
    share = Decimal(list_share)
    assert worth(share) == (COMPUTED, cost, SAVED * share, "genai-prices")


def test_a_tier_whose_price_nobody_knows_is_unpriced_and_so_is_a_model_that_nobody_knows() -> None:
    assert worth(None) == (UNPRICED, None, None, "")
    assert worth(Decimal(1), "nova-9") == (UNPRICED, None, None, "")
