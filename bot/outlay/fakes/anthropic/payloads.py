"""Anthropic's response objects: keys, members, workspaces, report rows.

Amounts of money are strings, in cents; token classes are disjoint.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from outlay.fakes.anthropic.faults import AnthropicFaults
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import CompanyKey, Developer, KeyGroup, uuid_of
from outlay.fakes.company.model_catalog import TOKENS_PER_PRICE, CatalogModel
from outlay.fakes.company.usage_model import DAY, Spend
from outlay.fakes.http_common import Json

_NANO_PER_CENT = 10_000_000
_TITLES = {
    "uncached_input_tokens": "Input Tokens",
    "cache_read_input_tokens": "Input Tokens, Cache Read",
    "output_tokens": "Output Tokens",
}


def organization_id(company: Company) -> str:
    """Return the organization's id."""
    return uuid_of(company.seed, "anthropic", "organization")


def model_id(model: CatalogModel) -> str:
    """Return Anthropic's id of a model, such as claude-sonnet-4-5-20250929."""
    day = model.permaslug.rpartition("-")[2]
    return f"{model.slug.partition('/')[2].replace('.', '-')}-{day}"


def cents(nano_usd: int) -> str:
    """Format nano-dollars as cents, exactly, as Anthropic writes them."""
    text = format(Decimal(nano_usd) / _NANO_PER_CENT, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def key(key: CompanyKey, status: str, company: Company, default: KeyGroup) -> dict[str, Json]:
    """Build a row of /api_keys."""
    return {
        "id": key.hash,
        "type": "api_key",
        "name": key.name,
        "partial_key_hint": key.label,
        "status": status,
        "created_at": rfc3339(company.start - (20 + key.number % 97) * DAY),
        "expires_at": None,
        "created_by": {"id": key.creator.user_id, "type": "user"},
        "workspace_id": None if key.workspace.id == default.id else key.workspace.id,
    }


def member(person: Developer, company: Company) -> dict[str, Json]:
    """Build a row of /users."""
    return {
        "id": person.user_id,
        "type": "user",
        "email": person.email,
        "name": person.name,
        "role": "admin" if person.admin else "developer",
        "added_at": rfc3339(company.start - 200 * DAY),
    }


def workspace(one: KeyGroup, company: Company) -> dict[str, Json]:
    """Build a row of /workspaces."""
    return {
        "id": one.id,
        "type": "workspace",
        "name": one.name,
        "created_at": rfc3339(company.start - 150 * DAY),
        "archived_at": None,
        "display_color": "#6C5BB9",
        "tags": {},
    }


def counts(spends: Sequence[Spend]) -> dict[str, Json]:
    """Sum tokens by class. The company writes no cache."""
    cached = sum(spend.cached_tokens for spend in spends)
    return {
        "uncached_input_tokens": sum(spend.prompt_tokens for spend in spends) - cached,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": sum(spend.completion_tokens for spend in spends),
        "server_tool_use": {"web_search_requests": 0},
    }


def bill_lines(spends: Sequence[Spend], described: bool, faults: AnthropicFaults) -> list[dict[str, Json]]:
    """Build the rows of /cost_report for one workspace, model and tier; one for each token class if `described`."""
    whole = sum(spend.cost_nano_usd for spend in spends)
    if not described:
        return [_bill_line(whole)]
    first = spends[0]
    parts = {
        "cache_read_input_tokens": sum(_part(spend, spend.cached_tokens, "cached") for spend in spends),
        "output_tokens": sum(_part(spend, spend.completion_tokens, "completion") for spend in spends),
    }
    parts["uncached_input_tokens"] = whole - sum(parts.values())
    title = first.model.title.partition(": ")[2]
    return [
        _bill_line(
            nano_usd,
            cost_type="tokens",
            token_type=kind,
            model=None if faults.model_in_description else model_id(first.model),
            service_tier="batch" if first.key.batch else "standard",
            context_window="0-200k",
            inference_geo="global",
            description=f"{title} Usage{' (batch)' if first.key.batch else ''} - {_TITLES[kind]}",
        )
        for kind, nano_usd in parts.items()
        if nano_usd
    ]


def searches_line(nano_usd: int, described: bool) -> dict[str, Json]:
    """Build the row of /cost_report for web searches."""
    if not described:
        return _bill_line(nano_usd)
    return _bill_line(nano_usd, cost_type="web_search", description="Web Search Usage")


def actor(key: CompanyKey, faults: AnthropicFaults) -> Json:
    """Return who used it, as analytics report it: the person, else the key, else None."""
    if isinstance(key.owner, Developer) and (key.hash or faults.names_people):
        person = key.owner
        return {
            "type": "user_actor",
            "user_id": person.user_id,
            "email_address": person.email,
            "name": person.name,
            "deleted": False,
        }
    return {"type": "api_actor", "api_key_id": key.hash} if key.hash else None


def rfc3339(moment: datetime) -> str:
    """Format a time in UTC as Anthropic writes times."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _part(spend: Spend, tokens: int, kind: str) -> int:
    price: int = getattr(spend.model, f"{kind}_price_nano")
    return tokens * price // TOKENS_PER_PRICE // (2 if spend.key.batch else 1)


def _bill_line(nano_usd: int, **told: Json) -> dict[str, Json]:
    names = ("cost_type", "token_type", "model", "service_tier", "context_window", "inference_geo", "description")
    return {"amount": cents(nano_usd), "currency": "USD", **{name: told.get(name) for name in names}}
