"""OpenAI's response objects as its published schema has them: projects, keys, users, lines of usage and of the bill."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import CompanyKey, Developer, KeyGroup, uuid_of
from outlay.fakes.company.usage_model import DAY, Spend
from outlay.fakes.http_common import Json, usd
from outlay.fakes.openai.faults import OpenAIFaults

TOKENS_PER_PRICE = 1_000_000


class BillLine(NamedTuple):
    """Line of the bill before grouping."""

    key: CompanyKey
    line_item: str
    nano_usd: int
    tokens: int


def projects(company: Company) -> list[tuple[KeyGroup, bool]]:
    """Return all projects, newest first, each with whether it is archived.

    They are those with keys, the default one, and a past one.
    """
    made = list(dict.fromkeys(key.workspace for key in company.keys))
    old = KeyGroup(f"proj_{uuid_of(company.seed, 'pilot').replace('-', '')[:20]}", "Pilot", "pilot")
    default = KeyGroup(f"proj_{uuid_of(company.seed, 'default').replace('-', '')[:20]}", "Default project", "default")
    return [*((one, False) for one in reversed(made)), (old, True), (default, False)]


def project(one: KeyGroup, archived: bool, place: int, company: Company) -> dict[str, Json]:
    """Build a row of /organization/projects, the `place`-th from the newest."""
    created = company.start - (40 + 30 * place) * DAY
    return {
        "id": one.id,
        "object": "organization.project",
        "name": one.name,
        "created_at": seconds(created),
        "archived_at": seconds(company.start - 10 * DAY) if archived else None,
        "status": "archived" if archived else "active",
    }


def api_key(key: CompanyKey, company: Company) -> dict[str, Json]:
    """Build a row of a project's api_keys. An agent's key belongs to a service account."""
    created = seconds(company.start - (5 + key.number % 31) * DAY)
    owner: dict[str, Json]
    if isinstance(key.owner, Developer):
        owner = {"type": "user", "user": {**_person(key.owner), "created_at": created, "role": "member"}}
    else:
        account: dict[str, Json] = {
            "id": f"user-{uuid_of(key.hash)[:8]}",
            "name": key.owner.name,
            "created_at": created,
        }
        owner = {"type": "service_account", "service_account": {**account, "role": "member"}}
    return {
        "object": "organization.project.api_key",
        "redacted_value": key.label,
        "name": key.name,
        "created_at": created,
        "last_used_at": None,
        "id": key.hash,
        "owner_project_access": "inactive" if has_left(key) else "active",
        "owner": owner,
        "expires_at": None,
    }


def has_left(key: CompanyKey) -> bool:
    """Report whether the key's owner has lost access to its project; then not every query lists the key."""
    return key.name == "chidi-tests"


def user(person: Developer, company: Company) -> dict[str, Json]:
    """Build a row of /organization/users."""
    role = "owner" if person.admin else "reader"
    added = seconds(company.start - 100 * DAY)
    return {"object": "organization.user", **_person(person), "role": role, "added_at": added}


def usage(spends: list[Spend], groups: tuple[str, ...], faults: OpenAIFaults) -> dict[str, Json]:
    """Build a line of /organization/usage/completions: the dimensions in `groups`, and the sums of the spends."""
    prompt, cached = (sum(getattr(spend, name) for spend in spends) for name in ("prompt_tokens", "cached_tokens"))
    told = {name: dimension(spends[0], name, faults) if name in groups else None for name in _DIMENSIONS}
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": prompt,
        "input_cached_tokens": cached,
        "input_cache_write_tokens": 0,
        "input_uncached_tokens": prompt - cached,
        "output_tokens": sum(spend.completion_tokens for spend in spends),
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": sum(spend.requests for spend in spends),
        **told,
    }


_DIMENSIONS = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier")


def dimension(spend: Spend, name: str, faults: OpenAIFaults) -> str | bool | None:
    """Return one dimension of a line of usage."""
    match name:
        case "project_id":
            return spend.key.workspace.id
        case "user_id":
            return _user_id(spend.key.owner) if isinstance(spend.key.owner, Developer) else None
        case "api_key_id":
            return key_id(spend.key, faults)
        case "model":
            return spend.model.permaslug.partition("/")[2]
        case "batch":
            return spend.key.batch
        case "service_tier":
            return faults.tiers.get(spend.key.hash, "default")
    return None


def key_id(key: CompanyKey, faults: OpenAIFaults) -> str | None:
    """Return the id of the key that was used; None if there was none, or if it is reported as none."""
    return None if key.hash in faults.keyless else key.hash or None


def bill(spends: Iterable[Spend]) -> Iterator[BillLine]:
    """Yield the lines of a bill for these spends: three for each key and model, which add up to their dollars."""
    sums: dict[tuple[CompanyKey, str], tuple[Spend, list[int]]] = {}
    for spend in spends:
        amounts = [spend.cost_nano_usd, spend.prompt_tokens, spend.cached_tokens, spend.completion_tokens]
        _, sofar = sums.setdefault((spend.key, spend.model.slug), (spend, [0, 0, 0, 0]))
        sofar[:] = [one + other for one, other in zip(sofar, amounts, strict=True)]
    for (key, slug), (spend, (nano_usd, prompt, cached_tokens, completion)) in sums.items():
        name, half = slug.partition("/")[2], 2 if key.batch else 1
        cached = min(spend.model.cost_nano_usd(0, cached_tokens, 0) // half, nano_usd)
        output = min(spend.model.cost_nano_usd(0, 0, completion) // half, nano_usd - cached)
        yield BillLine(key, f"{name}, input_tokens", nano_usd - cached - output, prompt - cached_tokens)
        yield BillLine(key, f"{name}, cached_input_tokens", cached, cached_tokens)
        yield BillLine(key, f"{name}, output_tokens", output, completion)


def cost(nano_usd: int, told: dict[str, str | None], tokens: int | None, faults: OpenAIFaults) -> dict[str, Json]:
    """Build a line of /organization/costs."""
    names = ("line_item", "project_id", "api_key_id")
    return {
        "object": "organization.costs.result",
        "amount": {"value": faults.money(usd(nano_usd)), "currency": "usd"},
        **{name: told.get(name) for name in names},
        "quantity": tokens,
        "quantity_unit": None if tokens is None else "tokens",
    }


def seconds(moment: datetime) -> int:
    """Return a time in Unix seconds, as OpenAI writes times."""
    return int(moment.timestamp())


def _person(person: Developer) -> dict[str, Json]:
    return {"id": _user_id(person), "name": person.name, "email": person.email}


def _user_id(person: Developer) -> str:
    return f"user-{uuid_of('openai', person.email).replace('-', '')[:16]}"
