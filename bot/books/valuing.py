"""What a bucket is worth: the ledger's own dollars first, else its tokens at list price, else nobody knows.

A price that is not known stays unknown: the figure is NULL, its tokens are counted as unpriced, and coverage falls.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from bot.books.belief import BadPageError
from bot.books.prices import PriceList
from bot.books.tables import BILLED, COMPUTED, UNPRICED
from bot.core.money import MoneyError, to_nano
from bot.core.prices import UnitPrices
from bot.plugin.contract import Report, Row

Figures = tuple[int | None, ...]


class Valued(NamedTuple):
    """A bucket's figures in the order of FIGURES, and what its dollars are."""

    basis: int
    figures: Figures
    price_version: str = ""


def valued(report: Report, ledger: str, row: Row, prices: PriceList | None) -> Valued:
    """What a row is worth. Raises BadPageError for amounts that cannot be."""
    tokens, version = row.tokens, ""
    try:
        cost = None if row.cost_usd is None else to_nano(row.cost_usd)
        byok = to_nano(row.byok_usd) if row.byok_usd else 0
    except MoneyError as error:
        raise BadPageError(f"{report.name}: {error} ({row.model or 'no model'}, {row.start})") from error
    if byok < 0 or (cost is not None and cost < 0):
        raise BadPageError(f"{report.name}: a negative figure at {row.start}, {row.model or 'no model'}")
    basis = BILLED if report.basis == "billed" else COMPUTED
    cached = tokens.cache_read or tokens.cache_write_5m or tokens.cache_write_1h
    unit = _unit(prices, ledger, row) if cost is None or cached else None
    if cost is None:
        cost = _part(unit.cost_nano_usd(tokens), row.list_share) if unit and tokens.total else None
        basis, version = (UNPRICED, "") if cost is None or unit is None else (COMPUTED, unit.version)
    saved = 0 if not cached else _part(unit.saved_by_cache_nano_usd(tokens), row.list_share) if unit else None
    return Valued(basis, (cost, byok, row.requests, *tokens, saved), version)


def _part(nano_usd: int | None, list_share: Decimal | None) -> int | None:
    """What is asked of the list price: a part of it, rounded to the nano-dollar, or nobody knows what."""
    if nano_usd is None or list_share is None:
        return None
    return nano_usd if list_share == 1 else int((nano_usd * list_share).to_integral_value())


def _unit(prices: PriceList | None, ledger: str, row: Row) -> UnitPrices | None:
    if prices is None or not row.model:
        return None
    day = row.start.date() if row.start.tzinfo is UTC else datetime.fromtimestamp(row.start.timestamp(), UTC).date()
    return prices.unit(ledger, row.model, day)
