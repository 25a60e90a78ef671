"""Convert report lines to rows: the key a line belongs to, its sums, and how much of a window fits into a page.

A request that a key authenticated belongs to that key, no matter who used it. Without a key it belongs to the person
or the service account that Anthropic names: they are billed by a seat, whose id is theirs. Both reports follow that
rule, so that a key is the same in both. A line that names neither has no key, with a reason.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from outlay.plugin import NO_TOKENS, Permanent, Row, Tokens, Window
from outlay_plugins._anthropic.schemas import RowDimensions

DEFAULT_WORKSPACE = "default"  # which Anthropic reports as null
LIST_PRICE_FACTORS = {"": Decimal(1), "standard": Decimal(1), "batch": Decimal("0.5")}  # of other tiers unknown
# Fast mode as times the list price: Anthropic's published prices; of a model that is not here it is unknown.
FAST = {
    model: Decimal(times) for model, times in (("claude-opus-5", 2), ("claude-opus-4-8", 2), ("claude-opus-4-7", 6))
}
IN_THE_US = Decimal("1.1")
MIXED = "several"  # of one minute, which Anthropic does not tell apart by key
ANY_LENGTH = ("claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-5")  # list price up to 1M tokens
ANY_LENGTH_SINCE = datetime(2026, 3, 13, tzinfo=UTC)  # and the models 4.6 since then
_DATED = re.compile(r"-\d{8}$")
NOBODYS = "used in Anthropic's Console, or without a key that it names"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MANY_ROWS, FEW_ROWS = 20_000, 5_000


@dataclass(frozen=True, slots=True)
class AnthropicFigures:
    """Cost, tokens and requests of a line; None is unknown."""

    cost_usd: Decimal | None = None
    tokens: Tokens = NO_TOKENS
    requests: int | None = None

    def plus(self, other: "AnthropicFigures") -> "AnthropicFigures":
        """Return the sum; a figure that only one side knows is taken from that side."""
        cost = [one for one in (self.cost_usd, other.cost_usd) if one is not None]
        requests = [one for one in (self.requests, other.requests) if one is not None]
        return AnthropicFigures(
            sum(cost, Decimal(0)) if cost else None,
            self.tokens.plus(other.tokens),
            sum(requests) if requests else None,
        )


AnthropicBucketKey = tuple[datetime, RowDimensions]
Table = dict[AnthropicBucketKey, AnthropicFigures]


def sum_by_bucket(lines: Iterable[tuple[AnthropicBucketKey, AnthropicFigures]]) -> Table:
    """Sum lines to a table by bucket; a line with a key is not split by the person who used it."""
    table: Table = {}
    for (start, who), figures in lines:
        place = start, who._replace(actor_id="") if who.key_id else who
        before = table.get(place)
        table[place] = figures if before is None else before.plus(figures)
    return table


def rows(
    table: Mapping[AnthropicBucketKey, AnthropicFigures], nobodys: str = NOBODYS, *, every_tier: bool = False
) -> list[Row]:
    """Convert a table to rows; what is standard is left out, any other tier, speed, context or place is a dimension.

    `every_tier`: that one too, so that a bill that tells it is not taken for one that tells none.
    """
    found = []
    for (start, who), figures in table.items():
        key = who.key_id or who.actor_id
        found.append(
            Row(
                start=start,
                key=key,
                reason="" if key else nobodys,
                model=who.model,
                project=who.workspace_id or DEFAULT_WORKSPACE,
                cost_usd=figures.cost_usd,
                tokens=figures.tokens,
                requests=figures.requests,
                detail=_detail(who, every_tier),
                list_price_factor=list_share(who, start),
            )
        )
    return found


def _detail(who: RowDimensions, every_tier: bool) -> tuple[tuple[str, str], ...]:
    told = {"service_tier": "" if who.tier == "standard" and not every_tier else who.tier, "speed": who.speed}
    told |= {"context_window": who.context, "inference_geo": who.geo}
    return tuple((name, value) for name, value in told.items() if value)


def list_share(who: RowDimensions, start: datetime) -> Decimal | None:
    """Return which part of the list price a token costs; None if that is not known, as for a mix of two prices."""
    model = _DATED.sub("", who.model)
    share = LIST_PRICE_FACTORS.get(who.tier)
    if share is None or MIXED in (who.speed, who.context, who.geo):
        return None
    if who.context and not (model.startswith(ANY_LENGTH) or (model.endswith("-4-6") and start >= ANY_LENGTH_SINCE)):
        return None
    for value, shares in ((who.speed, {"fast": FAST.get(model)}), (who.geo, {"us": IN_THE_US})):
        factor = shares.get(value) if value else Decimal(1)
        if factor is None:
            return None
        share *= factor
    return share


@dataclass(frozen=True, slots=True)
class PageRange:
    """Time range of one page: up to `hours` of a window, either a part of one UTC day or whole days."""

    start: datetime
    end: datetime
    hours: int
    most_hours: int

    def half(self) -> "PageRange | None":
        """Return its first half as a range of its own, or None if only one hour is left, which is not divided."""
        hours = self.hours // 2
        if not hours:
            return None
        return replace(self, end=min(self.start + hours * HOUR, self.end), hours=hours)

    def next_cursor(self, window: Window, found_rows: int) -> str | None:
        """Return where the next page begins and how many hours it may have; None at the end of the window.

        Many rows make the next page shorter, few make it longer.
        """
        if self.end >= window.end:
            return None
        hours = self.hours
        if found_rows > MANY_ROWS:
            hours = max(1, hours // 2)
        elif found_rows < FEW_ROWS:
            hours = min(self.most_hours, hours * 2)
        return f"{self.end.isoformat()} {hours}"


def next_page_range(window: Window, cursor: str | None, first_hours: int, most_hours: int) -> PageRange:
    """Return the time range of the next page. Raises Permanent for a cursor that this plugin did not make."""
    start, hours = window.start, first_hours
    if cursor is not None:
        moment, _, count = cursor.rpartition(" ")
        try:
            start, hours = datetime.fromisoformat(moment), min(int(count), most_hours)
        except ValueError:
            raise Permanent("This cursor is not one of the Anthropic plugin's.") from None
    whole_days = floor(start, DAY) + max(hours * HOUR, DAY)
    return PageRange(start, min(start + hours * HOUR, whole_days, window.end), hours, most_hours)


def ceiling(moment: datetime, step: timedelta) -> datetime:
    """Round a time up to the next multiple of the step since midnight."""
    return floor(moment + step - timedelta(microseconds=1), step)


def floor(moment: datetime, step: timedelta) -> datetime:
    """Round a time down to a multiple of the step since midnight."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def rfc3339(moment: datetime) -> str:
    """Format a UTC time as Anthropic does."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
