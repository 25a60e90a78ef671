"""Parser of queries to OpenRouter's analytics: a query, or a refusal with the reason. Nothing is answered here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outlay.fakes.company.usage_model import DAY, HOUR
from outlay.fakes.http_common import Json

COUNTS = (
    "request_count",
    "byok_request_count",
    "tokens_total",
    "tokens_prompt",
    "tokens_completion",
    "reasoning_tokens",
    "cached_tokens",
)
COSTS = ("total_usage", "credits_usage", "byok_usage", "usage_upstream", "usage_cache", "openrouter_usage")
UNUSED = ("usage_data", "usage_web", "byok_fees")  # parts of the cost that the company does not have: null
RATES = ("cache_hit_rate",)
METRICS = (*COUNTS, *COSTS, *UNUSED, *RATES)
DIMENSIONS = ("model", "variant", "api_key_id", "user", "workspace", "provider")
SHORT = {"openrouter_usage", "byok_fees", "provider"}  # reach back 31 days only
GRANULARITIES = ("minute", "hour", "day", "week", "month")
SCALAR_OPERATORS, ARRAY_OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte"), ("in", "not_in")
MAX_DIMENSIONS, MAX_FILTERS, MAX_LIMIT, DEFAULT_LIMIT = 2, 20, 10_000, 1_000
MINUTE_WINDOW, SHORT_WINDOW, LONG_WINDOW, DEFAULT_WINDOW = 3 * HOUR, 31 * DAY, 365 * DAY, 7 * DAY
_WITH_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class OpenRouterQueryError(ValueError):
    """Query that is refused with 400; the message says why."""


@dataclass(frozen=True, slots=True)
class OpenRouterAnalyticsQuery:
    """Parsed query."""

    metrics: tuple[str, ...]
    dimensions: tuple[str, ...]
    granularity: str
    start: datetime
    end: datetime
    filters: tuple[tuple[str, str, tuple[str, ...]], ...]
    order_field: str
    descending: bool
    limit: int
    group_limit: int


def parse(body: Any, now: datetime) -> OpenRouterAnalyticsQuery:
    """Parse the body of a request; raise BadQuery if it is invalid."""
    if not isinstance(body, dict):
        raise OpenRouterQueryError("The body must be a JSON object")
    metrics = _names(body.get("metrics"), METRICS, "metric")
    if not metrics:
        raise OpenRouterQueryError("metrics: at least one is required")
    dimensions = _names(body.get("dimensions", []), DIMENSIONS, "dimension")
    if len(dimensions) > MAX_DIMENSIONS:
        raise OpenRouterQueryError(f"dimensions: at most {MAX_DIMENSIONS} are allowed")
    granularity = body.get("granularity", "")
    if granularity and granularity not in GRANULARITIES:
        raise OpenRouterQueryError(f"Unknown granularity: {granularity}")
    start, end = _range(body.get("time_range"), now)
    reach = SHORT_WINDOW if SHORT & {*metrics, *dimensions} else LONG_WINDOW
    if granularity == "minute" and end - start > MINUTE_WINDOW:
        raise OpenRouterQueryError("Minute granularity needs a time range of 3 hours or less")
    if end - start > reach or start < now - reach - DAY:
        raise OpenRouterQueryError(f"The time range is limited to {reach.days} days for these metrics and dimensions")
    order = body.get("order_by", {"field": "date" if granularity else metrics[0], "direction": "desc"})
    if not isinstance(order, dict) or order.get("field") not in (*metrics, *dimensions, "date", "request_count"):
        raise OpenRouterQueryError("order_by: the field is neither a metric nor a dimension of this query")
    return OpenRouterAnalyticsQuery(
        metrics,
        dimensions,
        granularity,
        start,
        end,
        _filters(body.get("filters", [])),
        str(order["field"]),
        order.get("direction") == "desc",
        _limit(body.get("limit", DEFAULT_LIMIT), "limit"),
        _limit(body.get("group_limit", MAX_LIMIT), "group_limit"),
    )


def meta() -> Json:
    """Build the answer of /analytics/meta: all metrics, dimensions, operators and granularities."""
    metrics: list[Json] = [
        {"name": name, "display_label": _label(name), "is_rate": name in RATES, "display_format": _format(name)}
        for name in METRICS
    ]
    dimensions: list[Json] = [{"name": name, "display_label": _label(name)} for name in DIMENSIONS]
    scalar: list[Json] = [{"name": name, "value_type": "scalar"} for name in SCALAR_OPERATORS]
    array: list[Json] = [{"name": name, "value_type": "array"} for name in ARRAY_OPERATORS]
    granularities: list[Json] = [{"name": name, "display_label": _label(name)} for name in GRANULARITIES]
    return {
        "data": {
            "metrics": metrics,
            "dimensions": dimensions,
            "operators": scalar + array,
            "granularities": granularities,
        }
    }


def _format(metric: str) -> str:
    return "number" if metric in COUNTS else "percent" if metric in RATES else "currency"


def _label(name: str) -> str:
    return name.replace("_", " ").title()


def _names(found: Any, known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise OpenRouterQueryError(f"{kind}s: a list is expected")
    for name in found:
        if name not in known:
            raise OpenRouterQueryError(f"Unknown {kind}: {name}")
    return tuple(found)


def _limit(found: Any, name: str) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= MAX_LIMIT:
        raise OpenRouterQueryError(f"{name}: a number from 1 to {MAX_LIMIT} is expected")
    return found


def _range(found: Any, now: datetime) -> tuple[datetime, datetime]:
    if found is None:
        return now - DEFAULT_WINDOW, now
    if not isinstance(found, dict):
        raise OpenRouterQueryError("time_range: start and end are expected")
    moments = []
    for name in ("start", "end"):
        text = found.get(name)
        if not isinstance(text, str) or not _WITH_SECONDS.fullmatch(text):
            raise OpenRouterQueryError(f"time_range.{name}: an ISO 8601 time with seconds is expected")
        try:
            moments.append(datetime.fromisoformat(text).astimezone(UTC))
        except ValueError:
            raise OpenRouterQueryError(f"time_range.{name}: no such time") from None
    if moments[0] >= moments[1]:
        raise OpenRouterQueryError("time_range: start must be before end")
    return moments[0], moments[1]


def _filters(found: Any) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    if not isinstance(found, list) or len(found) > MAX_FILTERS:
        raise OpenRouterQueryError(f"filters: a list of at most {MAX_FILTERS} is expected")
    parsed = []
    for one in found:
        if not isinstance(one, dict):
            raise OpenRouterQueryError("filters: field, operator and value are expected")
        field, operator, value = (one.get(name) for name in ("field", "operator", "value"))
        if field not in DIMENSIONS:
            raise OpenRouterQueryError(f"Unknown dimension in a filter: {field}")
        if operator not in ("eq", "neq", "in", "not_in"):
            raise OpenRouterQueryError(f"Operator {operator} does not fit {field}")
        if isinstance(value, list) != (operator in ARRAY_OPERATORS):
            raise OpenRouterQueryError(
                f"Operator {operator} wants {'a list' if operator in ARRAY_OPERATORS else 'one value'}"
            )
        values = value if isinstance(value, list) else [value]
        parsed.append((str(field), str(operator), tuple(map(str, values))))
    return tuple(parsed)
