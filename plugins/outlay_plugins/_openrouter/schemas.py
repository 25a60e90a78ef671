"""Parsers of OpenRouter's answers: each answer that the plugin reads is turned into plain values here, nowhere else.

Pure: JSON in, values out; whatever does not match its part of the published schema is a Permanent error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from outlay.plugin import Key, Tokens
from outlay_plugins._openrouter.aggregation import OpenRouterBucketKey, OpenRouterFigures
from outlay_plugins._openrouter.json_fields import Fields, many, moment, one

ROUNDING_USD = Decimal("1e-9")  # two of the ledger's floats may differ by less than this


class OpenRouterWorkspace(NamedTuple):
    """Workspace of an account, to which keys belong; the default one always exists."""

    id: str
    name: str
    slug: str
    created_at: datetime | None


def workspaces(body: Any) -> list[OpenRouterWorkspace]:
    """Parse GET /workspaces."""
    return [
        OpenRouterWorkspace(
            item.text("id"),
            item.text_or_empty("name"),
            item.text_or_empty("slug"),
            moment(item.values.get("created_at")),
        )
        for item in many(body, "workspaces")
    ]


def emails(body: Any) -> dict[str, str]:
    """Parse GET /organization/members: the members' e-mail addresses by their ids."""
    return {item.text("id"): item.text_or_empty("email") for item in many(body, "members")}


class AccountKey(NamedTuple):
    """Key and its lifetime counters: dollars since it was created."""

    key: Key
    usage_usd: Decimal
    byok_usd: Decimal


def account_keys(body: Any, names: Mapping[str, str], addresses: Mapping[str, str], asked_in: str) -> list[AccountKey]:
    """Parse GET /keys. `names`: workspaces' names by id. `asked_in`: the workspace that was queried."""
    found = []
    for item in many(body, "keys"):
        usage_usd = item.usd("usage")
        if usage_usd is None:
            raise item.problem("usage", "is null")
        workspace_id = item.text_or_empty("workspace_id") or asked_in
        key = Key(
            id=item.text("hash"),
            name=item.text_or_empty("name"),
            label=item.text_or_empty("label"),
            project_id=workspace_id,
            project_name=names.get(workspace_id, ""),
            email=addresses.get(item.text_or_empty("creator_user_id"), ""),
            disabled=item.flag("disabled"),
            created_at=moment(item.values.get("created_at")),
            last_used_at=moment(item.values.get("last_used_at")),
        )
        found.append(AccountKey(key, usage_usd, item.usd("byok_usage") or Decimal(0)))
    return found


def activity(body: Any) -> list[tuple[OpenRouterBucketKey, OpenRouterFigures]]:
    """Parse GET /activity: the figures of each endpoint of each model on each day."""
    return [_activity_line(item) for item in many(body, "activity")]


def _activity_line(item: Fields) -> tuple[OpenRouterBucketKey, OpenRouterFigures]:
    day = item.moment("date")
    if day != day.replace(hour=0, minute=0, second=0, microsecond=0):
        raise item.problem("date", "is not a day")
    asked = item.text_or_empty("model")
    ran = item.text_or_empty("model_permaslug") or item.text("model")
    requested = asked if asked.startswith("openrouter/") and asked != ran else ""
    cost_usd = item.usd("usage")
    figures = OpenRouterFigures(
        cost_usd=cost_usd,
        byok_usd=item.usd("byok_usage_inference") or Decimal(0),
        requests=item.count("requests"),
        prompt=item.count("prompt_tokens") or 0,
        completion=item.count("completion_tokens") or 0,
        reasoning=item.count("reasoning_tokens") or 0,
        cached=(item.count("cached_tokens") or 0) if "cached_tokens" in item.values else 0,
    )
    endpoint, provider = item.text_or_empty("endpoint_id"), item.text_or_empty("provider_name")
    return OpenRouterBucketKey(day, ran, requested, endpoint, provider, cost_usd is not None), figures


class AnalyticsLine(NamedTuple):
    """Row of analytics. `key_name`: the display name of a key, "" where the ledger names none."""

    key_name: str
    slot: OpenRouterBucketKey
    figures: OpenRouterFigures


class AnalyticsResponse(NamedTuple):
    """Answer of analytics. `truncated`: there was more than it holds."""

    lines: list[AnalyticsLine]
    truncated: bool
    warnings: tuple[str, ...]


def analytics(body: Any, asked: Sequence[str], limit: int) -> AnalyticsResponse:
    """Parse POST /analytics/query by hour, for the metrics in `asked`.

    An answer with as many rows as the limit counts as truncated too.
    """
    data = one(body, "analytics")
    items = many(data.values, "analytics")
    counts = [name for name in asked if not name.endswith("_usage")]
    dollars = [name for name in asked if name.endswith("_usage")]
    metadata = data.values.get("metadata")
    said = isinstance(metadata, dict) and Fields("analytics", metadata).flag("truncated")
    warnings = data.values.get("warnings")
    words = tuple(str(word) for word in warnings) if isinstance(warnings, list) else ()
    return AnalyticsResponse([_line(item, counts, dollars) for item in items], said or len(items) >= limit, words)


def _line(item: Fields, counted: Sequence[str], paid: Sequence[str]) -> AnalyticsLine:
    column = next((name for name in item.values if name.endswith("__hour")), "date__hour")
    hour = item.moment(column)
    if hour.minute or hour.second or hour.microsecond:
        raise item.problem(column, "is not a full hour")
    counts = {name: item.count(name) for name in counted}
    dollars = {name: item.usd(name) for name in paid}
    byok_usd = dollars.get("byok_usage") or Decimal(0)
    cost_usd = dollars.get("credits_usage")
    whole_usd = dollars.get("total_usage")
    if cost_usd is None and whole_usd is not None:
        cost_usd = whole_usd - byok_usd
        if cost_usd < -ROUNDING_USD:
            raise item.problem("total_usage", "is less than `byok_usage`, which is a part of it")
        cost_usd = max(cost_usd, Decimal(0))
    figures = OpenRouterFigures(
        cost_usd=cost_usd,
        byok_usd=byok_usd,
        requests=counts.get("request_count"),
        prompt=counts.get("tokens_prompt") or 0,
        completion=counts.get("tokens_completion") or 0,
        reasoning=counts.get("reasoning_tokens") or 0,
        cached=counts.get("cached_tokens") or 0,
    )
    slot = OpenRouterBucketKey(hour, item.text_or_empty("model"), priced=cost_usd is not None)
    return AnalyticsLine(item.text_or_empty("api_key_id"), slot, figures)


def offered(body: Any, field: str) -> set[str]:
    """Parse GET /analytics/meta: the names of the metrics, dimensions or granularities on offer."""
    return {
        item.text("name") for item in many(one(body, "what analytics offers").values, "what analytics offers", field)
    }


def model_slugs(body: Any) -> dict[str, str]:
    """Parse GET /models: display name to slug, for the names that only one model has."""
    slugs: dict[str, set[str]] = {}
    for item in many(body, "models"):
        slug = item.text_or_empty("canonical_slug") or item.text("id")
        slugs.setdefault(item.text_or_empty("name"), set()).add(slug)
    return {name: found.pop() for name, found in slugs.items() if name and len(found) == 1}


@dataclass(frozen=True, slots=True)
class Generation:
    """One request, without its content. `requested`: the router that chose the model, or ""."""

    id: str
    created_at: datetime
    model: str
    requested: str
    provider: str
    cost_usd: Decimal | None
    byok_usd: Decimal
    tokens: Tokens


def generation(body: Any) -> Generation:
    """Parse GET /generation: the model that ran, the router that chose it, dollars and tokens."""
    item = one(body, "a generation")
    optional = Fields(item.answer, dict.fromkeys(_NATIVE) | dict(item.values))
    cost_usd = item.usd("total_cost")
    prompt, completion, cached, reasoning = (optional.count(name) for name in _NATIVE[:4])
    figures = OpenRouterFigures(
        cost_usd=cost_usd,
        byok_usd=(optional.usd("upstream_inference_cost") or Decimal(0)) if item.flag("is_byok") else Decimal(0),
        requests=1,
        prompt=(optional.count("tokens_prompt") or 0) if prompt is None else prompt,
        completion=(optional.count("tokens_completion") or 0) if completion is None else completion,
        reasoning=reasoning or 0,
        cached=cached or 0,
    )
    model, router = item.text("model"), item.text_or_empty("router")
    return Generation(
        id=item.text("id"),
        created_at=item.moment("created_at"),
        model=model,
        requested=router if router != model else "",
        provider=item.text_or_empty("provider_name"),
        cost_usd=cost_usd,
        byok_usd=figures.byok_usd,
        tokens=figures.tokens,
    )


_NATIVE = (
    "native_tokens_prompt",
    "native_tokens_completion",
    "native_tokens_cached",
    "native_tokens_reasoning",
    "tokens_prompt",
    "tokens_completion",
    "upstream_inference_cost",
)
