"""Query parameters of OpenAI's costs and usage endpoints, and the paging of the answer: buckets, limits, cursors.

A query outside the published bounds is refused as OpenAI refuses it: a limit is never clamped.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.datastructures import QueryParams

from outlay.fakes.company.usage_model import DAY, HOUR, MINUTE

WIDTHS = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
USAGE_LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
COSTS_LIMITS = {"1d": (7, 180)}
COSTS_GROUPS = ("project_id", "line_item", "api_key_id")
KEYS_SINCE = datetime.fromtimestamp(1_764_979_200, UTC)
_BY_KEY = ("project_id", "user_id", "api_key_id")
USAGE_GROUPS = {
    "completions": (*_BY_KEY, "model", "batch", "service_tier"),
    "embeddings": (*_BY_KEY, "model"),
    "moderations": (*_BY_KEY, "model"),
    "images": (*_BY_KEY, "model", "size", "source"),
    "audio_speeches": (*_BY_KEY, "model"),
    "audio_transcriptions": (*_BY_KEY, "model"),
    "web_search_calls": (*_BY_KEY, "model", "context_level"),
    "file_search_calls": (*_BY_KEY, "vector_store_id"),
    "vector_stores": ("project_id",),
    "code_interpreter_sessions": ("project_id",),
}


class OpenAiQueryError(ValueError):
    """Query that OpenAI refuses; the message is OpenAI's."""


@dataclass(frozen=True, slots=True)
class OpenAiReportQuery:
    """Parsed query: buckets of [first, end), `limit` a page, from `page_start` on."""

    first: datetime
    end: datetime
    width: timedelta
    groups: tuple[str, ...]
    limit: int
    page_start: datetime
    again: bool  # the page was already returned under another cursor

    @property
    def page_end(self) -> datetime:
        """Return where this page ends."""
        return min(self.page_start + self.limit * self.width, self.end)


def parse(
    asked: QueryParams, now: datetime, limits: dict[str, tuple[int, int]], groups: tuple[str, ...]
) -> OpenAiReportQuery:
    """Parse the parameters of a query; raise BadQuery if OpenAI would refuse them."""
    width = asked.get("bucket_width", "1d")
    if width not in limits:
        raise OpenAiQueryError(f"Invalid value for 'bucket_width': '{width}'.")
    default, most = limits[width]
    if "start_time" not in asked:
        raise OpenAiQueryError("Missing required parameter: 'start_time'.")
    start = datetime.fromtimestamp(_number(asked["start_time"], "start_time"), UTC)
    end = datetime.fromtimestamp(_number(asked["end_time"], "end_time"), UTC) if "end_time" in asked else now
    if end > now:
        raise OpenAiQueryError("Invalid 'end_time': it must not be in the future.")
    if end <= start:
        raise OpenAiQueryError("'end_time' must be greater than 'start_time'.")
    limit = _number(asked.get("limit", str(default)), "limit")
    if not 1 <= limit <= most:
        raise OpenAiQueryError(f"Invalid 'limit': {limit}. Expected a value between 1 and {most}.")
    chosen = (*asked.getlist("group_by"), *asked.getlist("group_by[]"))
    for group in chosen:
        if group not in groups:
            raise OpenAiQueryError(f"Invalid value for 'group_by': '{group}'.")
    step = WIDTHS[width]
    first = floor(start, step)
    cursor, _, copy = asked.get("page", "").partition("-")
    page_start = datetime.fromtimestamp(_number(cursor.removeprefix("page_"), "page"), UTC) if cursor else first
    return OpenAiReportQuery(first, end, step, chosen, limit, page_start, bool(copy))


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the start of the bucket that contains a moment."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 11:
        raise OpenAiQueryError(f"Invalid type for '{name}': expected an integer.")
    return int(text)
