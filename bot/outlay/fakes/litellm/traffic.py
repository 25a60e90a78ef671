"""Traffic through the company's LiteLLM proxy: part of its spend at OpenAI and Anthropic, request by request.

The proxy stands before two keys of each provider. Its own virtual keys say who asked; one request in twelve bypasses
it, and the providers' other keys never pass it, so a capture rate is below one. A provider's spend is split into
requests that add up to it exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random

from outlay.core.money import split_by_weights
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import AGENTS, PEOPLE, Agent, Developer
from outlay.fakes.company.model_catalog import GPT_5, GPT_5_MINI, HAIKU, SONNET, CatalogModel
from outlay.fakes.company.usage_model import HOUR, Spend

PROVIDERS = ("openai", "anthropic")
BEHIND = ("triage-service", "chidi-tests", "docs-writer", "alice-scripts")  # the providers' keys that the proxy uses
AROUND_ONE_IN = 12
LOGGED_MODEL_NAMES: dict[CatalogModel, str] = {  # what LiteLLM logs as the model
    GPT_5: "gpt-5",
    GPT_5_MINI: "gpt-5-mini",
    SONNET: "claude-sonnet-4-5-20250929",
    HAIKU: "claude-haiku-4-5-20251001",
}
GROUPS: dict[CatalogModel, str] = {GPT_5: "smart", GPT_5_MINI: "gpt-5-mini", SONNET: "claude", HAIKU: "quick"}
_REMEMBERED_HOURS = 20_000


@dataclass(frozen=True, slots=True)
class ProxyTeam:
    """Team at the proxy."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class VirtualKey:
    """Key of the proxy. `percent`: its share of the requests. A `deleted` one was deleted early in the history."""

    hash: str
    alias: str
    owner: Developer | Agent
    team: ProxyTeam | None
    percent: int
    deleted: bool = False

    @property
    def user_id(self) -> str:
        """Return the owner's user id at the proxy; empty for agents, which have none."""
        return self.owner.user_id if isinstance(self.owner, Developer) else ""


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """Request that went through the proxy."""

    id: str
    started_at: datetime
    ended_at: datetime
    key: VirtualKey
    provider: str
    model: CatalogModel
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_nano_usd: int


PLATFORM, PRODUCT = ProxyTeam("team-platform", "Platform"), ProxyTeam("team-product", "Product")


def virtual_keys(seed: int) -> tuple[VirtualKey, ...]:
    """Build the proxy's keys, the deleted one included."""
    alice, bruno, chidi, dana, *_ = PEOPLE
    _, triage, docs = AGENTS

    def key(
        alias: str, owner: Developer | Agent, team: ProxyTeam | None, percent: int, deleted: bool = False
    ) -> VirtualKey:
        return VirtualKey(sha256(f"{seed}/litellm/{alias}".encode()).hexdigest(), alias, owner, team, percent, deleted)

    return (
        key("gw-alice", alice, PLATFORM, 15),
        key("gw-bruno", bruno, PLATFORM, 10),
        key("gw-chidi", chidi, PRODUCT, 20),
        key("gw-dana", dana, None, 5),
        key("agent-triage", triage, PRODUCT, 30),
        key("agent-docs", docs, PRODUCT, 15),
        key("gw-spike", bruno, PLATFORM, 5, deleted=True),
    )


class Traffic:
    """Requests of a company's proxy."""

    def __init__(self, company: Company) -> None:
        self._seen = [company.view_of(provider) for provider in PROVIDERS]
        self.seed, self.start = company.seed, company.start
        self.keys = virtual_keys(company.seed)
        self._hours: dict[datetime, tuple[tuple[Spend, ...], tuple[ProxyRequest, ...]]] = {}

    def calls(self, start: datetime, end: datetime) -> Iterator[ProxyRequest]:
        """Yield all requests that began in [start, end), in order, whether or not they have ended."""
        hour = max(start, self.start).replace(minute=0, second=0, microsecond=0)
        while hour < end:
            yield from (call for call in self._hour(hour) if start <= call.started_at < end)
            hour += HOUR

    def _hour(self, hour: datetime) -> tuple[ProxyRequest, ...]:
        spends = tuple(
            spend
            for seen in self._seen
            for spend in seen.spends(hour, hour + HOUR, "minute", [key for key in seen.keys if key.name in BEHIND])
        )
        known = self._hours.get(hour)
        if known is None or known[0] != spends:  # changed since by a restatement or a runaway
            if len(self._hours) >= _REMEMBERED_HOURS:
                self._hours.clear()
            calls = sorted((call for spend in spends for call in self._of(spend)), key=lambda call: call.started_at)
            known = self._hours[hour] = (spends, tuple(calls))
        return known[1]

    def _of(self, spend: Spend) -> Iterator[ProxyRequest]:
        """Yield a minute's spend of a provider's key as requests, except those that bypassed the proxy."""
        if not spend.requests:
            return
        dice = Random(f"{self.seed}/litellm/{spend.key.hash}/{spend.start.timestamp():.0f}/{spend.model.slug}")
        keys = [key for key in self.keys if not key.deleted or spend.start < self.deleted_at]
        weights = [1] * spend.requests
        amounts = (spend.prompt_tokens - spend.cached_tokens, spend.cached_tokens, spend.completion_tokens)
        parts = zip(*(split_by_weights(amount, weights) for amount in (*amounts, spend.cost_nano_usd)), strict=True)
        for number, (uncached, cached, completion, cost) in enumerate(parts):
            name = f"{spend.key.hash}/{spend.start.timestamp():.0f}/{spend.model.slug}/{number}"
            started_at = spend.start + timedelta(milliseconds=dice.randrange(59_000))
            ended_at = started_at + timedelta(milliseconds=dice.randrange(300, 9_000))
            (key,) = dice.choices(keys, [key.percent for key in keys])
            if dice.randrange(AROUND_ONE_IN) == 0:
                continue
            yield ProxyRequest(
                f"chatcmpl-{sha256(name.encode()).hexdigest()[:32]}", started_at, ended_at, key, spend.key.ledger,
                spend.model, uncached + cached, cached, completion, cost,
            )  # fmt: skip

    @property
    def deleted_at(self) -> datetime:
        """Return when the deleted key was deleted."""
        return self.start + timedelta(days=1)
