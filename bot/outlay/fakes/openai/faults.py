"""Faults of the fake OpenAI beyond the wire: late figures, deleted keys, odd numbers, extra lines of a bill."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from outlay.fakes.http_common import HttpFaults, Json

Oddity = Literal["extra_fields", "nulls", "numbers_as_strings", "money_as_numbers", "no_results"]
_MAY_BE_NULL = ("input_cached_tokens", "input_cache_write_tokens", "num_model_requests", "quantity", "quantity_unit")
_COUNTS = ("input_tokens", "input_cached_tokens", "output_tokens", "num_model_requests")


@dataclass(frozen=True, slots=True)
class ExtraCostLine:
    """Line of the bill that no token explains: web searches, images, storage."""

    day: datetime
    line_item: str
    nano_usd: int
    project_id: str
    api_key_id: str | None = None


class OpenAIFaults(HttpFaults):
    """Faults to inject: an attribute holds from when it is set. (`Company.restate` makes restatements.)

    usage_lag        delay of usage.
    costs_lag        time after midnight until the bill of a day is complete; before that it is partial.
    clock_behind     how far OpenAI's clock is behind: our present is in its future.
    revoked          the admin key no longer works: 401.
    forbidden        paths that this admin key may not read: 403.
    keyless_bill     the bill cannot be grouped by key at all: 400.
    keys_since       from when on it can be; None: as at OpenAI.
    deleted          keys by id. A deleted key is not listed; its history stays.
    keyless          ids of keys whose use is reported as playground use: by person, and by no key.
    no_people        usage cannot be grouped by person: 400.
    tiers            key id → service tier of all its use.
    extras           lines of the bill beside the models.
    skips_empty      buckets without usage are left out.
    repeats_pages    each page of buckets comes twice, under two cursors; `endless`: the last page names itself as next.
    oddities         unexpected fields, nulls, numbers that are strings, money as numbers, buckets without results.
    """

    def __init__(self) -> None:
        super().__init__()
        self.usage_lag = timedelta(0)
        self.costs_lag = timedelta(hours=6)
        self.clock_behind = timedelta(0)
        self.revoked = False
        self.forbidden: set[str] = set()
        self.keyless_bill = False
        self.keys_since: datetime | None = None
        self.deleted: set[str] = set()
        self.keyless: set[str] = set()
        self.no_people = False
        self.tiers: dict[str, str] = {}
        self.extras: list[ExtraCostLine] = []
        self.skips_empty = False
        self.repeats_pages = False
        self.endless = False
        self.oddities: set[Oddity] = set()

    def apply_oddities(self, line: dict[str, Json]) -> dict[str, Json]:
        """Return the line with the active oddities applied."""
        if "nulls" in self.oddities:
            line = {name: None if name in _MAY_BE_NULL else value for name, value in line.items()}
        if "numbers_as_strings" in self.oddities:
            line = {name: str(value) if name in _COUNTS else value for name, value in line.items()}
        if "extra_fields" in self.oddities:
            line = {**line, "surprise": {"since": "today", "values": [1, None, "two"]}}
        return line

    def money(self, usd: Decimal) -> Json:
        """Return an amount of the bill: a string with many decimals, as often seen, or the number of the schema."""
        return usd if "money_as_numbers" in self.oddities else f"{usd:.15f}"
