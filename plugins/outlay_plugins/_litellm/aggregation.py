"""Aggregation of LiteLLM's figures: disjoint tokens, and dollars that are known, free, or unknown.

LiteLLM writes a zero where its price map knows no price, and where nothing was paid. A zero with tokens is accepted as
free only if something explains it: an answer from the gateway's own cache, a request that failed, or a self-hosted
model. Any other zero is an unknown price.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from outlay.plugin import Row, Tokens
from outlay_plugins._litellm.schemas import LiteLLMMetrics, SpendLogLine

ZERO = Decimal(0)
NOISE_USD = Decimal("0.000001")  # sums of floats differ by less than this
SELF_HOSTED = frozenset(
    {
        "docker_model_runner",
        "hosted_vllm",
        "infinity",
        "lemonade",
        "llamafile",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "oobabooga",
        "petals",
        "triton",
        "vllm",
        "xinference",
    }
)  # fmt: skip
KEYLESS = "went through LiteLLM without a key that it could name"


class LiteLLMBucketKey(NamedTuple):
    """Bucket of a figure: all that a row is told apart by."""

    start: datetime
    key: str
    model: str
    requested: str = ""
    provider: str = ""
    team: str = ""
    reason: str = ""
    priced: bool = True


@dataclass(frozen=True, slots=True)
class LiteLLMFigures:
    """Cost, tokens and requests; `cost_usd` counts only in buckets that are priced."""

    cost_usd: Decimal = ZERO
    tokens: Tokens = Tokens()  # noqa: RUF009  a tuple of zeros
    requests: int = 0

    def plus(self, other: "LiteLLMFigures") -> "LiteLLMFigures":
        """Return the sum."""
        return LiteLLMFigures(
            self.cost_usd + other.cost_usd, self.tokens.plus(other.tokens), self.requests + other.requests
        )

    @property
    def is_nothing(self) -> bool:
        """Return whether it is empty: no request, no token, and no dollars beyond float noise."""
        return not self.requests and not self.tokens.total and self.cost_usd < NOISE_USD


Table = dict[LiteLLMBucketKey, LiteLLMFigures]


def add(table: Table, slot: LiteLLMBucketKey, figures: LiteLLMFigures) -> None:
    """Add figures to what a bucket of the table has."""
    before = table.get(slot)
    table[slot] = figures if before is None else before.plus(figures)


def of_line(line: SpendLogLine) -> tuple[LiteLLMBucketKey, LiteLLMFigures]:
    """Return the bucket (by hour) and the figures of one request.

    Its prompt cannot be split: the cached part stands in `metadata` alone, which is never read.
    """
    tokens = Tokens(input=line.prompt_tokens, output=line.completion_tokens)
    explained = line.cache_hit.lower() == "true" or line.status == "failure" or line.custom_llm_provider in SELF_HOSTED
    priced = bool(line.spend) or (line.spend is not None and (explained or not tokens.total))
    asked = line.model_group
    slot = LiteLLMBucketKey(
        start=line.started_at.replace(minute=0, second=0, microsecond=0),
        key=line.api_key,
        model=line.model or asked,
        requested=asked if line.model and asked not in (line.model, line.model.partition("/")[2]) else "",
        provider=line.custom_llm_provider,
        team=line.team_id,
        reason="" if line.api_key else KEYLESS,
        priced=priced,
    )
    return slot, LiteLLMFigures(line.spend or ZERO, tokens, 1)


def tokens_of(metrics: LiteLLMMetrics) -> Tokens:
    """Return disjoint token counts.

    LiteLLM counts cached tokens as prompt too; where there are more of them than prompt tokens, it did not.
    """
    read, written = metrics.cache_read_input_tokens, metrics.cache_creation_input_tokens
    inside = read + written <= metrics.prompt_tokens
    return Tokens(
        input=metrics.prompt_tokens - (read + written if inside else 0),
        cache_read=read,
        cache_write_5m=written,
        output=metrics.completion_tokens,
    )


def of_metrics(metrics: LiteLLMMetrics) -> LiteLLMFigures:
    """Return the figures of a daily sum."""
    return LiteLLMFigures(metrics.spend, tokens_of(metrics), metrics.api_requests)


def is_unexplained_zero(metrics: LiteLLMMetrics) -> bool:
    """Return whether a zero cost is unexplained so far: tokens without dollars, and not all requests failed."""
    failed = metrics.api_requests > 0 and metrics.failed_requests >= metrics.api_requests
    return not metrics.spend and tokens_of(metrics).total > 0 and not failed


def less(whole: LiteLLMFigures, parts: LiteLLMFigures) -> LiteLLMFigures:
    """Subtract the parts from a sum, never below zero."""
    left = (max(mine - theirs, 0) for mine, theirs in zip(whole.tokens, parts.tokens, strict=True))
    return replace(
        whole,
        cost_usd=max(whole.cost_usd - parts.cost_usd, ZERO),
        tokens=Tokens(*left),
        requests=max(whole.requests - parts.requests, 0),
    )


def rows(table: Mapping[LiteLLMBucketKey, LiteLLMFigures]) -> list[Row]:
    """Convert a table to rows; an unknown price is a part of the row's identity too."""
    found = []
    for slot, figures in table.items():
        told = (("provider", slot.provider), ("price", "" if slot.priced else "unknown"))
        found.append(
            Row(
                start=slot.start,
                key=slot.key,
                model=slot.model,
                cost_usd=figures.cost_usd if slot.priced else None,
                tokens=figures.tokens,
                requests=figures.requests,
                requested=slot.requested,
                project=slot.team,
                reason=slot.reason,
                detail=tuple(pair for pair in told if pair[1]),
            )
        )
    return found
