"""OpenRouter's response objects as its published schema has them: keys, workspaces, members, activity rows, models."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from outlay.core.money import NANO_PER_USD
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import CompanyKey, Developer, KeyGroup, uuid_of
from outlay.fakes.company.model_catalog import AUTO, MODELS, SONNET, CatalogModel
from outlay.fakes.company.usage_model import DAY, Spend
from outlay.fakes.http_common import Json, usd
from outlay.fakes.openrouter.faults import OpenRouterFaults

_FAMILIES = {"Claude", "GPT", "Gemini", "DeepSeek"}
_CONTEXT_TOKENS = 200_000


class Counters(NamedTuple):
    """Running counters of a key in nano-dollars, as OpenRouter names them."""

    usage: int
    usage_daily: int
    usage_weekly: int
    usage_monthly: int
    byok_usage: int
    byok_usage_daily: int
    byok_usage_weekly: int
    byok_usage_monthly: int


NOTHING_USED = Counters(0, 0, 0, 0, 0, 0, 0, 0)


def key(
    key: CompanyKey, name: str, company: Company, counters: Counters, last_used: datetime | None
) -> dict[str, Json]:
    """Build a row of /keys."""
    return {
        "hash": key.hash,
        "name": name,
        "label": key.label,
        "disabled": key.disabled,
        **_limits(key, counters),
        **_amounts(counters),
        "created_at": _time(company.start - (20 + key.number % 97) * DAY),
        "updated_at": None,
        "expires_at": None,
        "creator_user_id": key.creator.user_id,
        "workspace_id": key.workspace.id,
        "external_user": None,
        "last_used_at": _time(last_used) if last_used else None,
    }


def own_key(key: CompanyKey | None, company: Company, counters: Counters = NOTHING_USED) -> Json:
    """Build the answer of /key about the key that asks; None is the management key."""
    return {
        "data": {
            "label": key.label if key else "sk-or-v1-6d0...9af",
            **_limits(key, counters),
            **_amounts(counters),
            "is_free_tier": False,
            "is_management_key": key is None,
            "is_provisioning_key": key is None,
            "expires_at": None,
            "creator_user_id": (key.creator if key else company.staff.people[0]).user_id,
            "organization_id": f"org_{uuid_of(company.seed, 'organization').replace('-', '')[:24]}",
            "workspace_id": key.workspace.id if key else None,
            "budgets": [],
            "effective_budget": None,
            "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
        }
    }


def workspace(one: KeyGroup, company: Company) -> Json:
    """Build a row of /workspaces."""
    return {
        "id": one.id,
        "name": one.name,
        "slug": one.slug,
        "description": None,
        "default_guardrail_id": uuid_of(one.id, "guardrail"),
        "default_text_model": None,
        "default_image_model": None,
        "default_provider_sort": None,
        "is_observability_io_logging_enabled": False,
        "is_observability_broadcast_enabled": False,
        "is_data_discount_logging_enabled": False,
        "io_logging_sampling_rate": 1,
        "io_logging_api_key_ids": None,
        "include_byok_in_budgets": False,
        "created_at": _time(company.start - 200 * DAY),
        "created_by": company.staff.people[0].user_id,
        "updated_at": None,
    }


def member(person: Developer) -> Json:
    """Build a row of /organization/members."""
    first, _, last = person.name.partition(" ")
    role = "org:admin" if person.admin else "org:member"
    return {"id": person.user_id, "first_name": first, "last_name": last, "email": person.email, "role": role}


def activity(spends: Sequence[Spend], day: date, workspace_id: str, faults: OpenRouterFaults) -> dict[str, Json]:
    """Build a row of /activity for one day, model and endpoint, with a workspace only if the caller asked to split."""
    model = spends[0].model
    slug, permaslug = faults.model(spends[0])
    unpriced = model.slug in faults.unpriced
    row: dict[str, Json] = {
        "date": day.isoformat(),
        "model": slug,
        "model_permaslug": permaslug,
        "endpoint_id": uuid_of("endpoint", model.slug, spends[0].host),
        "provider_name": spends[0].host,
        "usage": None if unpriced else usd(sum(spend.cost_nano_usd for spend in spends)),
        "byok_usage_inference": None if unpriced else usd(sum(spend.byok_nano_usd for spend in spends)),
        "requests": sum(spend.requests for spend in spends),
        "prompt_tokens": sum(spend.prompt_tokens for spend in spends),
        "completion_tokens": sum(spend.completion_tokens for spend in spends),
        "reasoning_tokens": sum(spend.reasoning_tokens for spend in spends),
        "cached_tokens": sum(spend.cached_tokens for spend in spends),
    }
    return {**row, "workspace_id": workspace_id} if workspace_id else row


def models() -> Json:
    """Build the answer of /models: every model that can be requested, and what a token of it costs."""
    rows: list[Json] = [_model(model.slug, model.permaslug, model.title, model) for model in MODELS]
    rows.append(_model(AUTO, AUTO, "Auto Router", None))
    return {"data": rows, "total_count": len(rows), "links": {"next": None}}


def generations(company: Company) -> dict[str, Json]:
    """Build a few single requests by id: resolved by `openrouter/auto`, requested by name, and on an own key."""
    alice, fatima = company.key("alice-laptop"), company.key("fatima-research")
    gpt_5 = fatima.routes[0].resolved[0][0]
    return {
        "gen-auto-1": _generation("gen-auto-1", alice, SONNET, company, router=AUTO),
        "gen-named-1": _generation("gen-named-1", alice, SONNET, company),
        "gen-byok-1": _generation("gen-byok-1", fatima, gpt_5, company, byok=True),
    }


def _limits(key: CompanyKey | None, counters: Counters) -> dict[str, Json]:
    limit = key.limit_usd if key else None
    left = None if limit is None else usd(max(0, limit * NANO_PER_USD - counters.usage_daily))
    return {
        "limit": limit,
        "limit_remaining": left,
        "limit_reset": None if limit is None else "daily",
        "include_byok_in_limit": False,
    }


def _amounts(counters: Counters) -> dict[str, Json]:
    return {name: usd(amount) for name, amount in counters._asdict().items()}


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _per_token(nano_usd_per_million: int) -> str:
    return format((Decimal(nano_usd_per_million) / NANO_PER_USD / 1_000_000).normalize(), "f")


def _model(slug: str, permaslug: str, title: str, model: CatalogModel | None) -> Json:
    pricing: dict[str, Json] = {"prompt": "-1", "completion": "-1"}  # OpenRouter's way to say that it depends
    if model:
        pricing = {
            "prompt": _per_token(model.prompt_price_nano),
            "completion": _per_token(model.completion_price_nano),
            "input_cache_read": _per_token(model.cached_price_nano),
        }
    family = "Router" if model is None else model.family if model.family in _FAMILIES else "Other"
    return {
        "id": slug,
        "canonical_slug": permaslug,
        "name": title,
        "created": 1_750_000_000,
        "description": "",
        "context_length": _CONTEXT_TOKENS,
        "architecture": {
            "modality": "text->text",
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "tokenizer": family,
            "instruct_type": None,
        },
        "pricing": pricing,
        "top_provider": {"context_length": _CONTEXT_TOKENS, "max_completion_tokens": None, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": ["max_tokens", "temperature", "tools"],
        "default_parameters": None,
        "supported_voices": None,
        "links": {"details": f"/api/v1/models/{permaslug}/endpoints"},
    }


def _generation(
    identity: str,
    key: CompanyKey,
    model: CatalogModel,
    company: Company,
    *,
    router: str | None = None,
    byok: bool = False,
) -> Json:
    prompt, cached, completion = 4_200, 1_600, 640
    cost = model.cost_nano_usd(prompt - cached, cached, completion)
    return {
        "id": identity,
        "upstream_id": f"up-{identity}",
        "request_id": f"req-{identity}",
        "created_at": _time(company.start + 29 * DAY),
        "model": model.permaslug,
        "router": router,
        "provider_name": model.hosts[0][0],
        "total_cost": usd(0 if byok else cost),
        "usage": usd(0 if byok else cost),
        "upstream_inference_cost": usd(cost) if byok else None,
        "cache_discount": usd(model.cost_nano_usd(cached, 0, 0) - model.cost_nano_usd(0, cached, 0)),
        "is_byok": byok,
        "tokens_prompt": prompt,
        "tokens_completion": completion,
        "native_tokens_prompt": prompt,
        "native_tokens_completion": completion,
        "native_tokens_completion_images": 0,
        "native_tokens_reasoning": completion * model.reasoning_percent // 100,
        "native_tokens_cached": cached,
        "api_type": "completions",
        "streamed": True,
        "cancelled": False,
        "latency": 850,
        "moderation_latency": None,
        "generation_time": 4100,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
        "service_tier": None,
        "data_region": "global",
        "session_id": None,
        "external_user": None,
        "workspace_id": key.workspace.id,
        "app_id": None,
        "origin": "",
        "http_referer": None,
        "user_agent": None,
        "preset_id": None,
        "provider_responses": None,
        "web_search_engine": None,
        "num_media_prompt": None,
        "num_media_completion": None,
        "num_input_audio_prompt": None,
        "num_search_results": None,
        "num_fetches": None,
    }
