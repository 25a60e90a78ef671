"""Faults of the fake Anthropic beyond the wire: late figures, expiring cursors, reports that are refused."""

from datetime import timedelta
from typing import Literal

from outlay.fakes.http_common import HttpFaults, Json

Oddity = Literal["extra_fields", "nulls", "numbers_as_strings"]
_MAY_BE_NULL = ("cache_creation", "server_tool_use", "service_tier", "context_window", "created_by", "workspace_id")


class AnthropicFaults(HttpFaults):
    """Faults to inject: an attribute holds from when it is set. (`Company.restate` makes restatements.)

    usage_lag, analytics_lag  delay of the older usage report and of analytics, which give it as `data_refreshed_at`.
    tells_freshness           `data_refreshed_at` is a time, and not null.
    no_analytics              status with which analytics are refused: 403, 404 or 400; None: they are available.
    inference_status          status of answers to an inference key.
    revoked                   the admin key no longer works: 401.
    expired_cursors           this many of the next requests with a cursor are answered with 410.
    names_people              use without a key is reported by person, not only without an actor.
    groupings_refused         dimensions that this organization does not have.
    model_in_description      the bill names models in its descriptions only.
    searches_nano_usd         web searches a day, on the bill of the first key's workspace.
    oddities                  unexpected fields, nulls, numbers that are strings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.usage_lag = timedelta(0)
        self.analytics_lag = timedelta(0)
        self.tells_freshness = True
        self.no_analytics: int | None = None
        self.inference_status = 403
        self.revoked = False
        self.expired_cursors = 0
        self.names_people = False
        self.groupings_refused: set[str] = set()
        self.model_in_description = False
        self.searches_nano_usd = 0
        self.oddities: set[Oddity] = set()

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
    if isinstance(value, dict):
        return {name: _as_string(member) for name, member in value.items()}
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
