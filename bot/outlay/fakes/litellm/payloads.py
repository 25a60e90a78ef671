"""LiteLLM's response objects about the company's proxy, as its published schema has them."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from outlay.fakes.company.employees import Developer
from outlay.fakes.http_common import Json, usd
from outlay.fakes.litellm.faults import LiteLLMFaults
from outlay.fakes.litellm.traffic import (
    GROUPS,
    LOGGED_MODEL_NAMES,
    PLATFORM,
    PRODUCT,
    ProxyRequest,
    ProxyTeam,
    VirtualKey,
)

A_PROMPT = "the prompt that nobody may see"  # sensitive text that an operator's metadata may hold
FIRST_USER = "default_user_id"


def stamp(moment: datetime) -> str:
    """Format a time as the proxy's database gives it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+00:00"


def line(call: ProxyRequest, faults: LiteLLMFaults) -> Json:
    """Build a request line. The real one has an operator's free text in `metadata`; so has this."""
    model = LOGGED_MODEL_NAMES[call.model]
    cost = 0 if model in faults.unpriced else call.cost_nano_usd
    row: dict[str, Json] = {
        "request_id": call.id,
        "call_type": "acompletion",
        "api_key": call.key.hash,
        "spend": usd(cost),
        "total_tokens": call.prompt_tokens + call.completion_tokens,
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "startTime": stamp(call.started_at),
        "endTime": stamp(call.ended_at),
        "completionStartTime": stamp(call.ended_at),
        "model": model,
        "model_id": "m-" + model,
        "model_group": GROUPS[call.model],
        "custom_llm_provider": call.provider,
        "api_base": f"https://{call.provider}.example",
        "user": call.key.user_id,
        "metadata": {"user_api_key_alias": call.key.alias, "note": A_PROMPT, "usage_object": {}},
        "cache_hit": "False",
        "cache_key": "Cache OFF",
        "request_tags": ["team:web", "tier:gold"],
        "team_id": call.key.team.id if call.key.team else "",
        "organization_id": None,
        "end_user": "",
        "requester_ip_address": None,
        "session_id": call.id,
        "status": "success",
        "mcp_namespaced_tool_name": None,
        "agent_id": None,
        "litellm_call_id": call.id,
        "request_duration_ms": (call.ended_at - call.started_at) // timedelta(milliseconds=1),
    }
    return faults.apply_oddities(row)


def _metrics(calls: Iterable[ProxyRequest], faults: LiteLLMFaults, factor: int) -> dict[str, Json]:
    """Sum up requests, each counted `factor` times."""
    found = list(calls)
    spent = sum(0 if LOGGED_MODEL_NAMES[call.model] in faults.unpriced else call.cost_nano_usd for call in found)
    prompt, completion = (
        sum(getattr(call, name) for call in found) * factor for name in ("prompt_tokens", "completion_tokens")
    )
    return faults.apply_oddities(
        {
            "spend": usd(spent * factor),
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "cache_read_input_tokens": sum(call.cached_tokens for call in found) * factor,
            "cache_creation_input_tokens": 0,
            "total_tokens": prompt + completion,
            "successful_requests": len(found) * factor,
            "failed_requests": 0,
            "api_requests": len(found) * factor,
        }
    )


def _keys(calls: list[ProxyRequest], shown: list[VirtualKey], faults: LiteLLMFaults, factor: int) -> dict[str, Json]:
    """Return what each of the shown keys used, by its hash."""
    found: dict[str, Json] = {}
    for key in shown:
        mine = [call for call in calls if call.key is key]
        if mine:
            owner: Json = faults.apply_oddities(
                {
                    "key_alias": key.alias,
                    "team_id": key.team.id if key.team else None,
                    "user_id": key.user_id or None,
                    "user_email": key.owner.email if isinstance(key.owner, Developer) else None,
                    "key_exists": not key.deleted,
                }
            )
            found[key.hash] = {"metrics": _metrics(mine, faults, factor), "metadata": owner}
    return found


def day(on: date, calls: list[ProxyRequest], limit: int, faults: LiteLLMFaults, factor: int = 1) -> dict[str, Json]:
    """Build one day of the daily sums.

    `limit`: so many keys are named, those that spent most. `factor`: each request is counted so often.
    """
    spent: dict[VirtualKey, int] = {}
    for call in calls:
        spent[call.key] = spent.get(call.key, 0) + call.cost_nano_usd
    shown = sorted(spent, key=lambda key: spent[key], reverse=True)[:limit]

    def parts(name: dict[str, list[ProxyRequest]]) -> dict[str, Json]:
        return {
            title: {
                "metrics": _metrics(mine, faults, factor),
                "metadata": {},
                "api_key_breakdown": _keys(mine, shown, faults, factor),
            }
            for title, mine in name.items()
        }

    by_model: dict[str, list[ProxyRequest]] = {}
    by_group: dict[str, list[ProxyRequest]] = {}
    by_provider: dict[str, list[ProxyRequest]] = {}
    for call in calls:
        by_model.setdefault(LOGGED_MODEL_NAMES[call.model], []).append(call)
        by_group.setdefault(GROUPS[call.model], []).append(call)
        by_provider.setdefault(call.provider, []).append(call)
    return {
        "date": on.isoformat(),
        "metrics": _metrics(calls, faults, factor),
        "breakdown": {
            "mcp_servers": {},
            "models": parts(by_model),
            "model_groups": parts(by_group),
            "providers": parts(by_provider),
            "endpoints": {},
            "api_keys": _keys(calls, shown, faults, factor),
            "entities": {},
        },
    }


def key(found: VirtualKey, made: datetime, used: datetime | None, faults: LiteLLMFaults) -> Json:
    """Build a key as /key/list shows it."""
    return faults.apply_oddities(
        {
            "token": found.hash,
            "key_name": f"sk-...{found.hash[-4:]}",
            "key_alias": found.alias,
            "spend": usd(0),
            "max_budget": None,
            "models": [],
            "user_id": found.user_id or None,
            "team_id": found.team.id if found.team else None,
            "metadata": {"note": A_PROMPT},
            "blocked": None,
            "created_at": stamp(made),
            "last_active": stamp(used) if used else None,
        }
    )


def user(user_id: str, email: str | None, role: str, made: datetime, faults: LiteLLMFaults) -> Json:
    """Build a user as /user/list shows it."""
    return faults.apply_oddities(
        {
            "user_id": user_id,
            "user_email": email,
            "user_role": role,
            "spend": usd(0),
            "models": [],
            "teams": [],
            "metadata": {},
            "created_at": stamp(made),
            "key_count": 1,
        }
    )


def team(found: ProxyTeam) -> Json:
    """Build a team as /v2/team/list shows it."""
    return {"team_id": found.id, "team_alias": found.name, "members_with_roles": [], "metadata": {}, "models": []}


TEAMS = (PLATFORM, PRODUCT)
