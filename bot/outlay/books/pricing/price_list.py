"""Price list: an operator's `prices.toml`, else the bundled list of genai-prices, by day of use.

Nothing is downloaded: the list comes with the package, pinned. A model that neither has is unpriced. A bucket sums many
requests, so it is never priced with a tier that depends on the size of one: unit prices are taken below all tiers.

    [[price]]                       # prices.toml, in the data directory; dollars for a million tokens
    model = "acme/model-x"          # the canonical name or the ledger's own; * is a wildcard
    from = 2026-01-01               # holds from this day of use on
    input = "1.25"
    output = "10"

    [models]                        # aliases: a ledger's name for a model, and the name to use
    "azure/team-gpt" = "openai/gpt-4o"
"""

import importlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from outlay.books.pricing.unit_prices import MILLION, UnitPrices
from outlay.core.errors import OutlayError
from outlay.core.model_names import canonical
from outlay.core.money import NANO_PER_USD
from outlay.core.tokens import CLASSES

FILE_NAME = "prices.toml"
PROBE_TOKENS = 1_000  # below the smallest tier of any model
MAX_REMEMBERED = 20_000
_PROBES: dict[str, dict[str, int]] = {
    "input": {"input_tokens": PROBE_TOKENS},
    "cache_read": {"input_tokens": PROBE_TOKENS, "cache_read_tokens": PROBE_TOKENS},
    "cache_write_5m": {"input_tokens": PROBE_TOKENS, "cache_write_tokens": PROBE_TOKENS},
    "cache_write_1h": {
        "input_tokens": PROBE_TOKENS,
        "cache_write_tokens": PROBE_TOKENS,
        "cache_write_1h_tokens": PROBE_TOKENS,
    },
    "output": {"output_tokens": PROBE_TOKENS},
}


class PricesError(OutlayError, ValueError):
    """Unusable price file of the operator's; one line says where and why."""


@dataclass(frozen=True, slots=True)
class _Override:
    pattern: str
    start: date
    prices: UnitPrices

    def holds(self, names: Sequence[str], day: date) -> bool:
        return self.start <= day and any(fnmatchcase(name, self.pattern) for name in names)


class PriceList:
    """Unit prices by ledger, model and day of use."""

    def __init__(self, overrides: Sequence[_Override] = (), names: Mapping[str, str] = MappingProxyType({})) -> None:
        self.names = names  # the operator's aliases, for outlay.core.model_names.use
        self._overrides = sorted(overrides, key=lambda override: override.start, reverse=True)
        self._for_ever: dict[tuple[str, str], UnitPrices | None] = {}
        self.unit = lru_cache(maxsize=MAX_REMEMBERED)(self._unit)

    @classmethod
    def read(cls, data_dir: Path) -> "PriceList":
        """Load the price list with the operator's file, if there is one. Raise PricesError if that is invalid."""
        path = data_dir / FILE_NAME
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise PricesError(f"{FILE_NAME}: {error}") from None
        prices = found.get("price", [])
        names = found.get("models", {})
        if set(found) - {"price", "models"} or not isinstance(prices, list):
            raise PricesError(f"{FILE_NAME}: wants [[price]] tables, a [models] table and nothing else")
        if not isinstance(names, dict) or not all(isinstance(name, str) and name.strip() for name in names.values()):
            raise PricesError(f'{FILE_NAME}: [models] wants lines such as "azure/team-gpt" = "openai/gpt-4o"')
        return cls([_override(place, price) for place, price in enumerate(prices, 1)], names)

    @staticmethod
    def load() -> None:
        """Import the bundled list, which takes a second: call it off the event loop, before it is needed there."""
        importlib.import_module("genai_prices").calc_price  # noqa: B018

    def _unit(self, ledger: str, model: str, day: date) -> UnitPrices | None:
        """Return the unit prices of a model on a day of use; None if unknown."""
        names = (model.lower(), canonical(model))
        for override in self._overrides:
            if override.holds(names, day):
                return override.prices
        return self._listed(ledger, model, day) or self._listed("", names[1], day)

    def _listed(self, ledger: str, model: str, day: date) -> UnitPrices | None:
        """Look up the bundled list; a model whose price never changed is looked up once for all days."""
        place = (ledger, model)
        if place not in self._for_ever:
            prices, changes = _listed(ledger, model, day)
            if changes:
                return prices
            if len(self._for_ever) >= MAX_REMEMBERED:
                self._for_ever.clear()
            self._for_ever[place] = prices
        return self._for_ever[place]


def _listed(ledger: str, model: str, day: date) -> tuple[UnitPrices | None, bool]:
    """Return the bundled list's unit prices on a day, and whether the model's prices differ on other days.

    `ledger` is the seller if the list knows it as one; else the model's maker is.
    """
    from genai_prices import Usage, calc_price  # takes a second to load, and most polls never need it

    maker, _, bare = model.rpartition("/")
    seller = ledger if ledger in ("openrouter", "openai", "anthropic") else _SELLERS.get(maker, maker) or None
    reference = model if ledger == "openrouter" else bare
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    found: dict[str, int | None] = {}
    changes = False
    for name, probe in _PROBES.items():
        try:
            priced = calc_price(Usage(**probe), reference, provider_id=seller, genai_request_timestamp=at)
        except LookupError:
            return None, False
        found[name] = int(priced.total_price * NANO_PER_USD * MILLION / PROBE_TOKENS)
        changes = isinstance(priced.model.prices, list)
    return UnitPrices(**found, version=f"genai-prices {version('genai-prices')}"), changes


_SELLERS: Mapping[str, str] = {"mistralai": "mistral", "moonshotai": "moonshot", "meta-llama": "", "qwen": ""}


def _override(place: int, price: Any) -> _Override:
    where = f"{FILE_NAME}, price {place}"
    if not isinstance(price, dict) or not isinstance(price.get("model"), str) or not price["model"]:
        raise PricesError(f'{where}: wants a model, such as model = "acme/model-x"')
    if unknown := sorted(set(price) - {"model", "from", *CLASSES}):
        raise PricesError(f"{where}: {unknown[0]} is not known; there are model, from, {', '.join(CLASSES)}")
    start = price.get("from", date.min)
    if not isinstance(start, date) or isinstance(start, datetime):
        raise PricesError(f"{where}: from wants a day without quotes, such as 2026-01-01")
    units = {name: _nano_per_million(where, name, price[name]) if name in price else None for name in CLASSES}
    return _Override(price["model"].lower(), start, UnitPrices(**units, version=FILE_NAME))


def _nano_per_million(where: str, name: str, value: Any) -> int:
    try:
        usd = Decimal(str(value))
        if not usd.is_finite() or not 0 <= usd < 1_000_000:
            raise InvalidOperation
    except InvalidOperation:
        raise PricesError(f'{where}: {name} wants dollars for a million tokens, such as "1.25"') from None
    return int((usd * NANO_PER_USD).to_integral_value())
