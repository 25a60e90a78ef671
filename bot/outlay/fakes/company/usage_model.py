"""Model of usage: what a key spends in an hour, how an hour splits into minutes, and runaway keys.

Everything here is a pure function of its arguments; they seed the dice, so the same call always returns the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple

from outlay.core.money import split_by_weights
from outlay.fakes.company.employees import CompanyKey, Developer, Rhythm
from outlay.fakes.company.model_catalog import TOKENS_PER_PRICE, CatalogModel

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AMOUNTS = (
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "byok_nano_usd",
)

# How busy a key is in each hour of its own day, in percent of its peak.
_DAY_SHAPE: dict[Rhythm, tuple[int, ...]] = {
    "office": (0, 0, 0, 0, 0, 0, 1, 8, 40, 80, 100, 95, 45, 75, 100, 90, 70, 40, 15, 6, 4, 3, 1, 0),
    "always": (35, 30, 28, 25, 25, 28, 35, 45, 60, 80, 95, 100, 95, 95, 100, 95, 85, 75, 65, 60, 55, 50, 45, 40),
    "night": (0, 45, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 100),
    "morning": (0, 0, 0, 0, 30, 100, 60, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
}
_WEEKEND_PERCENT: dict[Rhythm, int] = {"office": 4, "always": 45, "night": 100, "morning": 0}
_GROWTH_A_DAY = 0.008
_DAY_OFF_CHANCE = 0.06
_REQUEST_SPREAD = 0.3


class Spend(NamedTuple):
    """Spend of one key in one slot on one model.

    `prompt_tokens` include the cached ones, `completion_tokens` the reasoning. `byok_nano_usd` was paid to the
    upstream provider with an own key; it is no part of `cost_nano_usd`. `host` is only set by `by_host`.
    """

    start: datetime
    key: CompanyKey
    requested: str
    model: CatalogModel
    requests: int
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    byok_nano_usd: int = 0
    host: str = ""

    @property
    def paid_nano_usd(self) -> int:
        """Return all that it cost the company: credits and BYOK."""
        return self.cost_nano_usd + self.byok_nano_usd


@dataclass(frozen=True, slots=True)
class Runaway:
    """Key that spends at a constant rate, minute by minute, from `start` until `end` (None: without an end)."""

    key: CompanyKey
    model: CatalogModel
    start: datetime
    end: datetime | None
    nano_usd_per_hour: int

    def between(self, first: datetime, last: datetime, slot: datetime) -> Iterator[Spend]:
        """Yield its spend in [first, last) as one Spend of `slot`, or nothing."""
        finish = last if self.end is None else min(last, self.end)
        begin, until = ((moment - self.start) // MINUTE for moment in (max(first, self.start), finish))
        if until <= begin:
            return
        nano, model = self.nano_usd_per_hour, self.model
        uncached = nano * 6 // 10 * TOKENS_PER_PRICE // model.prompt_price_nano
        cached = nano // 10 * TOKENS_PER_PRICE // model.cached_price_nano
        completion = nano * 3 // 10 * TOKENS_PER_PRICE // model.completion_price_nano
        hourly = (
            60 + uncached // 20_000,
            uncached,
            cached,
            completion,
            completion * model.reasoning_percent // 100,
            nano,
        )
        requests, uncached, cached, completion, reasoning, cost = (
            amount * until // 60 - amount * begin // 60 for amount in hourly
        )
        yield Spend(slot, self.key, model.slug, model, requests, uncached + cached, cached, completion, reasoning, cost)


def hour_of(seed: int, key: CompanyKey, hour: datetime, story_hour: int) -> Iterator[Spend]:
    """Yield what a key spends in one hour, the `story_hour`-th of the company's history."""
    percent = _percent(seed, key, hour)
    if not percent:
        return
    dice = Random(f"{seed}/{key.hash}/{hour.timestamp():.0f}")
    growth = 1 + _GROWTH_A_DAY * (story_hour // 24)
    requests = int(key.peak * percent / 100 * growth * dice.lognormvariate(0, _REQUEST_SPREAD) + dice.random())
    for route, asked in zip(
        key.routes, split_by_weights(requests, [route.percent for route in key.routes]), strict=True
    ):
        weights = [int(percent * dice.uniform(0.6, 1.4) * 100) for _, percent in route.resolved]
        for (model, _), count in zip(route.resolved, split_by_weights(asked, weights), strict=True):
            if count:
                yield _use(Spend(hour, key, route.requested, model, count), route.byok, dice)


def minutes_of(seed: int, spend: Spend) -> list[Spend]:
    """Split an hour's spend into minutes."""
    dice = Random(f"{seed}/{spend.key.hash}/{spend.start.timestamp():.0f}/{spend.requested}/{spend.model.slug}")
    weights = [0] * 60
    for minute in dice.choices(range(60), k=max(1, spend.requests)):
        weights[minute] += 1
    busy = [minute for minute in range(60) if weights[minute]]
    parts = _parts(spend, [weights[minute] for minute in busy])
    return [part._replace(start=spend.start + minute * MINUTE) for minute, part in zip(busy, parts, strict=True)]


def by_host(spend: Spend) -> list[Spend]:
    """Split a spend among the providers that served it."""
    if len(spend.model.hosts) == 1:
        return [spend._replace(host=spend.model.hosts[0][0])]
    parts = _parts(spend, [percent for _, percent in spend.model.hosts])
    named = (part._replace(host=host) for (host, _), part in zip(spend.model.hosts, parts, strict=True))
    return [part for part in named if any(getattr(part, name) for name in AMOUNTS)]


def _parts(spend: Spend, weights: list[int]) -> list[Spend]:
    """Split every figure exactly, each class of tokens by itself, so that cached stay within prompt tokens."""
    classes = (
        spend.requests,
        spend.prompt_tokens - spend.cached_tokens,
        spend.cached_tokens,
        spend.completion_tokens - spend.reasoning_tokens,
        spend.reasoning_tokens,
        spend.cost_nano_usd,
        spend.byok_nano_usd,
    )
    return [
        Spend(
            spend.start,
            spend.key,
            spend.requested,
            spend.model,
            requests,
            uncached + cached,
            cached,
            visible + reasoning,
            reasoning,
            cost,
            byok,
        )
        for requests, uncached, cached, visible, reasoning, cost, byok in zip(
            *(split_by_weights(amount, weights) for amount in classes), strict=True
        )
    ]


def merged(spends: Iterable[Spend], slot: datetime) -> list[Spend]:
    """Merge spends into one Spend of `slot` for each key, model and requested model."""
    groups: dict[tuple[int, str, str], Spend] = {}
    for spend in spends:
        identity = (spend.key.number, spend.requested, spend.model.slug)
        sofar = groups.get(identity)
        if sofar is None:
            groups[identity] = spend._replace(start=slot)
        else:
            sums = {name: getattr(sofar, name) + getattr(spend, name) for name in AMOUNTS}
            groups[identity] = sofar._replace(**sums)
    return list(groups.values())


def _percent(seed: int, key: CompanyKey, hour: datetime) -> float:
    """Return how busy the key is in this hour, in percent of its peak; zero on a day off and in idle hours."""
    local = hour + (key.owner.utc_offset_hours if isinstance(key.owner, Developer) else 0) * HOUR
    percent = _DAY_SHAPE[key.rhythm][local.hour] * (_WEEKEND_PERCENT[key.rhythm] if local.weekday() >= 5 else 100) / 100
    if percent and key.rhythm == "office" and _day_off(seed, key.hash, local.date()):
        return 0
    return percent


@lru_cache(maxsize=65_536)
def _day_off(seed: int, key_hash: str, day: date) -> bool:
    return Random(f"{seed}/{key_hash}/{day}").random() < _DAY_OFF_CHANCE


def _use(spend: Spend, byok: bool, dice: Random) -> Spend:
    """Return the same spend with the tokens and the money that so many requests take."""
    model = spend.model
    prompt = int(spend.requests * spend.key.prompt_tokens * dice.uniform(0.7, 1.3))
    cached = int(prompt * dice.uniform(0.3, 0.8))
    completion = int(spend.requests * dice.uniform(350, 1_100))
    reasoning = completion * model.reasoning_percent // 100
    cost = model.cost_nano_usd(prompt - cached, cached, completion) // (2 if spend.key.batch else 1)
    return Spend(
        spend.start,
        spend.key,
        spend.requested,
        model,
        spend.requests,
        prompt,
        cached,
        completion,
        reasoning,
        0 if byok else cost,
        cost if byok else 0,
    )
