"""What may go wrong at OpenRouter itself, not on the wire: late figures, keys that go, models nobody has heard of."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from outlay.fakes.company.employees import CompanyKey
from outlay.fakes.company.usage_model import Spend
from outlay.fakes.http_common import Faults, Json

Oddity = Literal["extra_fields", "nulls", "numbers_as_strings", "counts_as_numbers"]
_MAY_BE_NULL = ("cached_tokens", "reasoning_tokens", "byok_usage_inference", "byok_usage", "creator_user_id")


class OpenRouterFaults(Faults):
    """Set an attribute, and OpenRouter is like that from now on. (Restatements are the company's: `Company.restate`.)

    analytics_lag, counters_lag   how late /analytics/query and the counters of /keys are.
    revoked                       the management key no longer works: 401.
    tells_retry_after             whether a 429 says how long to wait.
    renamed, deleted              keys by hash. A deleted key is not listed; its history stays.
    forgets_deleted               hashes of deleted keys mean nothing any more: 404, or no rows and a warning.
    unpriced                      slugs of models whose dollars are null.
    called                        slug → another slug, under which a model is reported, as one never seen would be.
    oddities                      fields nobody expects, nulls, numbers that are strings, counts that are numbers.
    bucket_prefix                 `date` or `created_at`, the two ways in which analytics name their bucket.
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
        """What the key is called now."""
        return self.renamed.get(key.hash, key.name)

    def model(self, spend: Spend) -> tuple[str, str]:
        """Slug and permaslug under which the spend is reported."""
        slug = self.called.get(spend.model.slug)
        return (slug, f"{slug}-20261101") if slug else (spend.model.slug, spend.model.permaslug)

    def odd(self, row: dict[str, Json]) -> dict[str, Json]:
        """The row as these oddities have it."""
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
