"""Valuation of a bucket: the ledger's own dollars first, else its tokens at list price, else unknown.

A price that is not known stays unknown: the figure is NULL, its tokens are counted as unpriced, and coverage falls.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from outlay.books.ingest.page_validation import BadPageError
from outlay.books.pricing.price_list import PriceList
from outlay.books.pricing.unit_prices import UnitPrices
from outlay.core.money import MoneyError, to_nano
from outlay.database.tables import BILLED, COMPUTED, UNPRICED
from outlay.plugin.contract import Report, Row

# The version of the price list that its dollars were computed from, or ''; its basis; figures in order of FIGURES.
Worth = tuple[str, int, int | None, int, *tuple[int | None, ...]]
BASIS: Final = 1  # indexes into it
COST: Final = 2
BYOK: Final = 3


class Valuer:
    """Valuation of the rows of a page. Unit prices are looked up once for each model and start of a bucket."""

    def __init__(self, report: Report, ledger: str, prices: PriceList | None) -> None:
        self._report = report
        self._ledger = ledger
        self._prices = prices
        self._basis = BILLED if report.basis == "billed" else COMPUTED
        self._units: dict[tuple[str, datetime], UnitPrices | None] = {}

    def worth(self, row: Row) -> Worth:
        """Return what a row is worth. Raise BadPageError for invalid amounts."""
        tokens, usd, byok_usd = row.tokens, row.cost_usd, row.byok_usd
        try:
            cost = None if usd is None else to_nano(usd)
            byok = to_nano(byok_usd) if byok_usd else 0
        except MoneyError as error:
            raise BadPageError(f"{self._report.name}: {error} ({_where(row)}, {row.start})") from error
        if byok < 0 or (cost is not None and cost < 0):
            raise BadPageError(f"{self._report.name}: a negative figure at {row.start}, {_where(row)}")
        cached = tokens[1] or tokens[2] or tokens[3]
        if cost is not None and not cached:
            return ("", self._basis, cost, byok, row.requests) + tokens + (0,)  # noqa: RUF005  twice as quick as *
        unit = self._unit(row) if self._prices else None
        basis, version = self._basis, ""
        if cost is None:
            cost = _part(unit.cost_nano_usd(tokens), row.list_price_factor) if unit and tokens.total else None
            basis, version = (UNPRICED, "") if cost is None or unit is None else (COMPUTED, unit.version)
        saved = (
            0 if not cached else _part(unit.saved_by_cache_nano_usd(tokens), row.list_price_factor) if unit else None
        )
        return (version, basis, cost, byok, row.requests, *tokens, saved)

    def _unit(self, row: Row) -> UnitPrices | None:
        place = (row.model, row.start)
        if place not in self._units:
            self._units[place] = self._looked_up(*place)
        return self._units[place]

    def _looked_up(self, model: str, start: datetime) -> UnitPrices | None:
        if self._prices is None or not model:
            return None
        return self._prices.unit(self._ledger, model, datetime.fromtimestamp(start.timestamp(), UTC).date())


def _where(row: Row) -> str:
    return row.model or "no model"


def _part(nano_usd: int | None, list_share: Decimal | None) -> int | None:
    """Multiply by the share of the list price, rounded to the nano-dollar; None if either is unknown."""
    if nano_usd is None or list_share is None:
        return None
    return nano_usd if list_share == 1 else int((nano_usd * list_share).to_integral_value())
