"""Query parameters of Anthropic's reports: time range, groups and page; and its error messages for invalid ones."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from starlette.datastructures import QueryParams

from outlay.fakes.company.usage_model import DAY, HOUR, MINUTE

MAX_GROUPS = 5
TOO_MANY_GROUPS: Final = "Cannot specify more than 5 group_by[] dimensions."
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
WIDTHS: Mapping[str, timedelta] = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
BUCKETS = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}  # buckets a page: default, maximum
_SHARED_GROUPS = frozenset({"api_key_id", "context_window", "inference_geo", "model", "service_tier", "workspace_id"})
USAGE_GROUPS = _SHARED_GROUPS | {"account_id", "service_account_id", "speed"}
COST_GROUPS = frozenset({"description", "workspace_id"})
ANALYTICS_GROUPS = _SHARED_GROUPS | {"actor", "actor_type", "product", "speed"}
UNCOUNTED_GROUPS = frozenset({"cost_type", "token_type"})


class AnthropicQueryError(ValueError):
    """Invalid query: answered with 400, or (an expired cursor) with 410."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class AnthropicReportQuery:
    """Parsed query: the range [start, end), the dimensions to group by, and the offset of the page."""

    start: datetime
    end: datetime
    width: timedelta | None
    groups: tuple[str, ...]
    limit: int
    offset: int
    order_by: str = "time"
    descending: bool = False
    binding: str = ""

    def cursor(self, offset: int) -> str:
        """Return the page token for this offset, which is valid with the same query only."""
        return "page_" + urlsafe_b64encode(json.dumps([offset, self.binding]).encode()).decode().rstrip("=")


def buckets(
    asked: QueryParams, now: datetime, *, known: frozenset[str], widths: tuple[str, ...]
) -> AnthropicReportQuery:
    """Parse a query to one of the two older reports, which answer in time buckets."""
    name = asked.get("bucket_width", "1d")
    if name not in widths:
        raise AnthropicQueryError(f"bucket_width: Input should be {' or '.join(widths)}")
    width, (usual, most) = WIDTHS[name], BUCKETS[name]
    start = _floor(_moment(asked, "starting_at"), width)
    end = _moment(asked, "ending_at") if "ending_at" in asked else now
    return AnthropicReportQuery(
        start,
        min(end, now),
        width,
        _groups(asked, known),
        _limit(asked, usual, most),
        *_place(asked),
        binding=_binding(asked),
    )


def analytics(
    asked: QueryParams, now: datetime, *, more: frozenset[str], orders: tuple[str, ...]
) -> AnthropicReportQuery:
    """Parse a query to analytics, which answer in rows; the last of `orders` is the default."""
    name = asked.get("time_bucket_width")
    start = _moment(asked, "starting_at")
    if start < max(FIRST_DAY, now - 365 * DAY):
        raise AnthropicQueryError("starting_at must be on or after 2026-01-01 and within the last 365 days")
    if name is not None and (name not in WIDTHS or "ending_at" not in asked):
        raise AnthropicQueryError("ending_at is required with time_bucket_width, which is one of 1m, 1h, 1d")
    end = _moment(asked, "ending_at") if "ending_at" in asked else now
    width = WIDTHS[name] if name else None
    if end <= start or end - start > (DAY if name == "1m" else 31 * DAY):
        raise AnthropicQueryError("The time range must be positive and at most 31 days (24 hours for 1m)")
    order_by, order = asked.get("order_by", orders[-1]), asked.get("order", "desc")
    if order_by not in orders or order not in ("asc", "desc"):
        raise AnthropicQueryError("order_by or order is not one that this report knows")
    groups = _groups(asked, ANALYTICS_GROUPS | more)
    return AnthropicReportQuery(
        _floor(start, width or HOUR),
        end,
        width,
        groups,
        _limit(asked, 20, 1_000),
        *_place(asked),
        order_by,
        order == "desc",
        _binding(asked),
    )


def whole_number(asked: QueryParams, name: str, usual: int, most: int) -> int:
    """Return a parameter as a number from 1 to `most`, `usual` if absent; raise AnthropicQueryError otherwise."""
    text = asked.get(name, str(usual))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise AnthropicQueryError(f"{name}: Input should be from 1 to {most}")
    return int(text)


def _limit(asked: QueryParams, usual: int, most: int) -> int:
    return whole_number(asked, "limit", usual, most)


def _groups(asked: QueryParams, known: frozenset[str]) -> tuple[str, ...]:
    groups = tuple(asked.getlist("group_by[]"))
    if unknown := sorted(set(groups) - known):
        raise AnthropicQueryError(f"group_by[]: {unknown[0]} is not a dimension of this report")
    if len(set(groups) - UNCOUNTED_GROUPS) > MAX_GROUPS:
        raise AnthropicQueryError(TOO_MANY_GROUPS)
    return groups


def _moment(asked: QueryParams, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(asked.get(name, ""))
    except ValueError:
        raise AnthropicQueryError(f"{name}: Input should be a valid RFC 3339 datetime") from None
    if found.tzinfo is None:
        raise AnthropicQueryError(f"{name}: Input should have timezone info")
    return found.astimezone(UTC)


def _binding(asked: QueryParams) -> str:
    """Return a hash of all parameters but `page`, which ties a cursor to its query."""
    others = sorted((name, value) for name, value in asked.multi_items() if name != "page")
    return sha256(repr(others).encode()).hexdigest()[:12]


def _place(asked: QueryParams) -> tuple[int]:
    """Return the offset that the `page` cursor holds, 0 without one, as a tuple to unpack."""
    token = asked.get("page")
    if token is None:
        return (0,)
    try:
        text = token.removeprefix("page_")
        offset, binding = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError):
        raise AnthropicQueryError("page: not a cursor of this report") from None
    if binding != _binding(asked):
        raise AnthropicQueryError("page: this cursor belongs to other parameters")
    return (int(offset),)


def _floor(moment: datetime, width: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // width * width
