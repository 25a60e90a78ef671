"""Fake OpenRouter analytics, computed from the example company's spend.

Quirks of the vendor: rows are grouped by ids but show names, so that two keys of one name give two rows that look
alike; counts are strings and costs are numbers; a filter by an unknown hash gives no rows and a warning.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from outlay.fakes.company.company import Company, Grain
from outlay.fakes.company.employees import CompanyKey
from outlay.fakes.company.model_catalog import TOKENS_PER_PRICE
from outlay.fakes.company.usage_model import Spend, by_host
from outlay.fakes.http_common import Json, usd
from outlay.fakes.openrouter.faults import OpenRouterFaults
from outlay.fakes.openrouter.query import RATES, OpenRouterAnalyticsQuery

_HASH = re.compile(r"[0-9a-f]{64}")
_COUNTS: dict[str, Callable[[Spend], int]] = {
    "request_count": lambda spend: spend.requests,
    "byok_request_count": lambda spend: spend.requests if spend.byok_nano_usd else 0,
    "tokens_total": lambda spend: spend.prompt_tokens + spend.completion_tokens,
    "tokens_prompt": lambda spend: spend.prompt_tokens,
    "tokens_completion": lambda spend: spend.completion_tokens,
    "reasoning_tokens": lambda spend: spend.reasoning_tokens,
    "cached_tokens": lambda spend: spend.cached_tokens,
}
_COSTS: dict[str, Callable[[Spend], int]] = {
    "total_usage": lambda spend: spend.cost_nano_usd + spend.byok_nano_usd,
    "credits_usage": lambda spend: spend.cost_nano_usd,
    "byok_usage": lambda spend: spend.byok_nano_usd,
    "usage_upstream": lambda spend: spend.cost_nano_usd,
    "usage_cache": lambda spend: -_saved_by_cache(spend),
    "openrouter_usage": lambda spend: spend.cost_nano_usd,
}


def answer(query: OpenRouterAnalyticsQuery, company: Company, faults: OpenRouterFaults, now: datetime) -> Json:
    """Return the response body of a query: rows, metadata, warnings."""
    keys, warnings = _chosen(query, company, faults)
    grain: Grain = "minute" if query.granularity == "minute" else "hour"
    known_end = min(query.end, now - faults.analytics_lag)
    by_provider = "provider" in (*query.dimensions, *(field for field, *_ in query.filters))
    groups: dict[tuple[datetime | None, tuple[str, ...]], list[Spend]] = {}
    for whole in company.spends(query.start, known_end, grain, keys):
        for spend in by_host(whole) if by_provider else (whole,):
            if _passes(spend, query, faults):
                ids = tuple(_identity(spend, name, faults) for name in query.dimensions)
                groups.setdefault((_bucket(spend.start, query.granularity), ids), []).append(spend)
    rows = [_row(query, bucket, spends, faults) for (bucket, _), spends in groups.items()]
    ordered = _ordered(query, rows, faults)
    cut = ordered[: query.limit]
    return {
        "data": {
            "data": [faults.apply_oddities(row) for row in cut],
            "metadata": {"query_time_ms": 12, "row_count": len(cut), "truncated": len(ordered) > len(cut)},
            "cachedAt": int(now.timestamp()) * 1000,
            "warnings": warnings,
        }
    }


def is_deleted(key: CompanyKey, faults: OpenRouterFaults) -> bool:
    """Report whether the key is deleted, so that it is no longer listed."""
    return key.deleted or key.hash in faults.deleted


def is_forgotten(key: CompanyKey, faults: OpenRouterFaults) -> bool:
    """Report whether OpenRouter no longer resolves even the key's hash."""
    return faults.forgets_deleted and is_deleted(key, faults)


def _chosen(
    query: OpenRouterAnalyticsQuery, company: Company, faults: OpenRouterFaults
) -> tuple[list[CompanyKey], list[Json]]:
    """Return the keys that pass the filters on api_key_id, and a warning for each unknown hash."""
    known = {key.hash: str(key.number) for key in company.keys if not is_forgotten(key, faults)}
    keys, warnings = list(company.keys), dict[str, None]()
    for field, operator, values in query.filters:
        if field != "api_key_id":
            continue
        numbers = {known.get(value, "") if _HASH.fullmatch(value) else value for value in values}
        keys = [key for key in keys if (str(key.number) in numbers) == (operator in ("eq", "in"))]
        unknown = [value for value in values if _HASH.fullmatch(value) and value not in known]
        warnings |= dict.fromkeys(f"Could not resolve api_key_id hash: {value[:12]}..." for value in unknown)
    return keys, list(warnings)


def _passes(spend: Spend, query: OpenRouterAnalyticsQuery, faults: OpenRouterFaults) -> bool:
    """Report whether a spend passes all other filters, which compare ids, not the names that rows show."""
    return all(
        (_identity(spend, field, faults) in values) == (operator in ("eq", "in"))
        for field, operator, values in query.filters
        if field != "api_key_id"
    )


def _identity(spend: Spend, dimension: str, faults: OpenRouterFaults) -> str:
    match dimension:
        case "model":
            return faults.model(spend)[1]
        case "variant":
            return spend.model.variant
        case "api_key_id":
            return str(spend.key.number)
        case "user":
            return spend.key.creator.user_id
        case "workspace":
            return spend.key.workspace.id
    return spend.host


def _shown(spend: Spend, dimension: str, faults: OpenRouterFaults) -> dict[str, Json]:
    match dimension:
        case "api_key_id":
            return {dimension: faults.name(spend.key)}
        case "user":
            return {dimension: spend.key.creator.name, "user_email": spend.key.creator.email}
        case "workspace":
            return {dimension: spend.key.workspace.name}
    return {dimension: _identity(spend, dimension, faults)}


def _bucket(moment: datetime, granularity: str) -> datetime | None:
    midnight = moment.replace(hour=0, minute=0)
    match granularity:
        case "":
            return None
        case "day":
            return midnight
        case "week":
            return midnight - timedelta(days=midnight.weekday())
        case "month":
            return midnight.replace(day=1)
    return moment


def _row(
    query: OpenRouterAnalyticsQuery, bucket: datetime | None, spends: list[Spend], faults: OpenRouterFaults
) -> dict[str, Json]:
    row: dict[str, Json] = {}
    if bucket is not None:
        row[f"{faults.bucket_prefix}__{query.granularity}"] = f"{bucket:%Y-%m-%dT%H:%M:%S}.000Z"
    for dimension in query.dimensions:
        row |= _shown(spends[0], dimension, faults)
    for metric in query.metrics:
        row[metric] = _metric(metric, spends, faults)
    return row


def _metric(name: str, spends: list[Spend], faults: OpenRouterFaults) -> Json:
    if name in _COUNTS:
        count = sum(map(_COUNTS[name], spends))
        return count if "counts_as_numbers" in faults.oddities else str(count)
    if name in _COSTS:
        priced = [spend for spend in spends if spend.model.slug not in faults.unpriced]
        return usd(sum(map(_COSTS[name], priced))) if priced else None
    if name in RATES:
        prompt = sum(spend.prompt_tokens for spend in spends)
        cached = sum(spend.cached_tokens for spend in spends)
        return round(Decimal(cached) / prompt, 6) if prompt else None
    return None


def _ordered(
    query: OpenRouterAnalyticsQuery, rows: list[dict[str, Json]], faults: OpenRouterFaults
) -> list[dict[str, Json]]:
    """Sort the rows and keep at most `group_limit` of each group."""
    field = f"{faults.bucket_prefix}__{query.granularity}" if query.order_field == "date" else query.order_field

    def rank(row: dict[str, Json]) -> tuple[Decimal, str]:
        value = row.get(field)
        if field in query.dimensions or field.startswith(faults.bucket_prefix):
            return Decimal(0), str(value)
        return Decimal(str(value)) if isinstance(value, (Decimal, int, str)) else Decimal(0), ""

    ordered = sorted(rows, key=rank, reverse=query.descending)
    if not query.dimensions:
        return ordered
    kept: dict[tuple[str, ...], int] = {}
    within = []
    for row in ordered:
        group = tuple(str(row[name]) for name in query.dimensions)
        kept[group] = kept.get(group, 0) + 1
        if kept[group] <= query.group_limit:
            within.append(row)
    return within


def _saved_by_cache(spend: Spend) -> int:
    return spend.cached_tokens * (spend.model.prompt_price_nano - spend.model.cached_price_nano) // TOKENS_PER_PRICE
