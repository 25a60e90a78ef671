"""Faults of the fake LiteLLM beyond the wire: older versions, delays, capped counts, pages that shift."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from outlay.fakes.http_common import HttpFaults, Json

Oddity = Literal["extra_fields", "nulls", "numbers_as_strings", "plain_times"]
_MAY_BE_NULL = ("key_alias", "user_email", "team_id", "model_group", "cache_hit", "last_active", "api_requests")


class LiteLLMFaults(HttpFaults):
    """Faults to inject: an attribute holds from when it is set. (`Company.restate` makes restatements.)

    write_lag        delay from the end of a request to its line; the proxy writes every 10 seconds.
    counted_to       how far a total counts; `tells_capped` False: an older version, which counts to the end.
    most_rows        maximum page size of request lines; older versions take 100 and answer 422 to more.
    missing          paths that this version does not have: 404.
    shifting         pages after the first begin this many lines too early, as when lines come in meanwhile.
    no_database      the proxy never had one; its lists answer 500, its lines 401.
    revoked          the viewer's key no longer works: 401.
    demoted          the viewer is a plain user now: /user/list is refused, keys and figures are those of `USER_ID`.
    no_lines         the operator has switched request lines off, or pruned them: there are none, and no error.
    unpriced         models by LiteLLM's name whose dollars are zero, since its price map does not have them.
    oddities         unexpected fields, nulls, numbers that are text, times without a zone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.write_lag = timedelta(seconds=10)
        self.counted_to = 10_000
        self.tells_capped = True
        self.most_rows = 1000
        self.missing: set[str] = set()
        self.shifting = 0
        self.no_database = False
        self.revoked = False
        self.demoted = False
        self.no_lines = False
        self.unpriced: set[str] = set()
        self.oddities: set[Oddity] = set()

    def apply_oddities(self, row: dict[str, Json]) -> dict[str, Json]:
        """Return the row with the active oddities applied."""
        if "nulls" in self.oddities:
            row = {name: None if name in _MAY_BE_NULL else value for name, value in row.items()}
        if "numbers_as_strings" in self.oddities:
            row = {name: _as_string(value) for name, value in row.items()}
        if "plain_times" in self.oddities:
            row = {name: _plain(value) if name.endswith("Time") else value for name, value in row.items()}
        if "extra_fields" in self.oddities:
            row = {**row, "surprise": {"since": "today", "values": [1, None, "two"]}}
        return row


def _as_string(value: Json) -> Json:
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _plain(value: Json) -> Json:
    return value.removesuffix("Z").removesuffix("+00:00") if isinstance(value, str) else value
