"""Faults of the fake OpenRouter beyond the wire: late figures, deleted keys, unknown models."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from outlay.fakes.company.employees import CompanyKey
from outlay.fakes.company.usage_model import Spend
from outlay.fakes.http_common import HttpFaults, Json

Oddity = Literal["extra_fields", "nulls", "numbers_as_strings", "counts_as_numbers"]
_MAY_BE_NULL = ("cached_tokens", "reasoning_tokens", "byok_usage_inference", "byok_usage", "creator_user_id")


class OpenRouterFaults(HttpFaults):
    """Faults to inject: an attribute holds from when it is set. (`Company.restate` makes restatements.)

    analytics_lag, counters_lag   delay of /analytics/query and of the counters of /keys.
    revoked                       the management key no longer works: 401.
    tells_retry_after             a 429 says how long to wait.
    renamed, deleted              keys by hash. A deleted key is not listed; its history stays.
    forgets_deleted               hashes of deleted keys are unknown from now on: 404, or no rows and a warning.
    unpriced                      slugs of models whose dollars are null.
    called                        slug → another slug, under which a model is reported, as one never seen would be.
    oddities                      unexpected fields, nulls, numbers that are strings, counts that are numbers.
    bucket_prefix                 `date` or `created_at`, the two names that analytics give their bucket.
    """

    def __init__(self) -> None:
        super().__init__()
        self.analytics_lag = timedelta(0)
        self.counters_lag = timedelta(0)
        self.revoked = False
        self.tells_retry_after = True
        self.renamed: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.forgets_deleted = False
        self.unpriced: set[str] = set()
        self.called: dict[str, str] = {}
        self.oddities: set[Oddity] = set()
        self.bucket_prefix = "date"

    def name(self, key: CompanyKey) -> str:
        """Return the current name of the key."""
        return self.renamed.get(key.hash, key.name)

    def model(self, spend: Spend) -> tuple[str, str]:
        """Return the slug and permaslug under which the spend is reported."""
        slug = self.called.get(spend.model.slug)
        return (slug, f"{slug}-20261101") if slug else (spend.model.slug, spend.model.permaslug)

    def apply_oddities(self, row: dict[str, Json]) -> dict[str, Json]:
        """Return the row with the active oddities applied."""
        if "nulls" in self.oddities:
            row = {name: None if name in _MAY_BE_NULL else value for name, value in row.items()}
        if "numbers_as_strings" in self.oddities:
            row = {name: _as_string(value) for name, value in row.items()}
        if "extra_fields" in self.oddities:
            row = {**row, "surprise": {"since": "today", "values": [1, None, "two"]}}
        return row


def _as_string(value: Json) -> Json:
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
