"""Report `usage`: tokens by key, model, batch and tier within minutes, priced by the host; images and audio counted.

OpenAI's input includes cache reads and cache writes; here each token is in one class. A batch and the flex tier cost
half of the list price. Other tiers have prices of their own, or were paid in advance (scale), and audio and generated
images cost more than text: all that stays unpriced until the bill says what it cost.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from outlay.plugin import Context, Page, Permanent, Row, Tokens, Window
from outlay_plugins._openai.paging import fetch_buckets
from outlay_plugins._openai.schemas import Buckets, OpenAIBucket, OpenAIUsageLine
from outlay_plugins._openai.windows import UsageRange, next_usage_range, place

PATH = "/organization/usage/"
PERSON = "user_id"
KEYLESS = "used without a key or a person that OpenAI names"
NO_PEOPLE = "OpenAI does not tell this organization's usage by person; what was used without a key is nobody's."
AT_LIST, HALF = Decimal(1), Decimal("0.5")
BUCKETS_AN_ANSWER = {"1m": 120, "1h": 24}  # some 15 MiB for a thousand busy keys; the client accepts 32
_LIST_TIERS = frozenset({"", "default", "standard", "auto"})
_NOT_FOR_US = (400, 403, 404)


@dataclass(frozen=True, slots=True)
class UsageEndpoint:
    """One of OpenAI's usage reports. `name` is the end of its path; `optional`: an account may lack it."""

    name: str
    groups: tuple[str, ...] = ("project_id", "api_key_id", "user_id", "model")
    optional: bool = True


COMPLETIONS = UsageEndpoint(
    "completions", ("project_id", "api_key_id", "user_id", "model", "batch", "service_tier"), optional=False
)
EMBEDDINGS = UsageEndpoint("embeddings")
KINDS = (
    COMPLETIONS,
    EMBEDDINGS,
    UsageEndpoint("images"),
    UsageEndpoint("audio_speeches"),
    UsageEndpoint("audio_transcriptions"),
)
_PRICED = (COMPLETIONS, EMBEDDINGS)


@dataclass(frozen=True, slots=True)
class _Slot:
    """Bucket of a figure: all that it is told apart by. `key` is the person's id where no key was used."""

    start: datetime
    key: str
    model: str
    project: str
    detail: tuple[tuple[str, str], ...]
    list_price_factor: Decimal | None


class OpenAIUsageReport:
    """Reader of OpenAI's usage reports as one report."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_person = True

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return six hours by the minute, or two days by the hour."""
        start = place(cursor, window.start)
        if start >= window.end:
            return Page(Window(window.end, window.end))
        part = next_usage_range(start, window.end, self._context.clock.now())
        slots: dict[_Slot, tuple[Tokens, int]] = {}
        notes: list[str] = []
        for kind in KINDS:
            found = await self._ask(kind, part, notes)
            await asyncio.to_thread(_tally, slots, kind, found)  # hours of a large organization take a while
        if not self._by_person:
            notes.append(NO_PEOPLE)
        cursor = part.end.isoformat() if part.end < window.end else None
        return Page(Window(part.start, part.end), _rows(slots), cursor=cursor, notes=tuple(notes))

    async def _ask(
        self, kind: UsageEndpoint, part: UsageRange, notes: list[str]
    ) -> list[OpenAIBucket[OpenAIUsageLine]]:
        try:
            return await self._buckets(kind, part, min(part.end, self._context.clock.now()))
        except Permanent as error:
            if error.status == 400 and "end_time" in str(error):  # our clock is ahead of OpenAI's
                return await self._buckets(kind, part, None)
            if error.status == 400 and PERSON in str(error) and self._by_person:
                self._by_person = False
                return await self._ask(kind, part, notes)
            if not kind.optional or error.status not in _NOT_FOR_US:
                raise
            notes.append(f"OpenAI does not tell its {kind.name.replace('_', ' ')} usage ({error.status}).")
            return []

    async def _buckets(
        self, kind: UsageEndpoint, part: UsageRange, until: datetime | None
    ) -> list[OpenAIBucket[OpenAIUsageLine]]:
        params: list[tuple[str, str | int]] = [
            ("start_time", int(part.start.timestamp())),
            *([("end_time", int(until.timestamp()))] if until else []),
            ("bucket_width", part.width),
            (
                "limit",
                min(part.bucket_count, BUCKETS_AN_ANSWER[part.width]) if kind is COMPLETIONS else part.bucket_count,
            ),
            *(("group_by", group) for group in kind.groups if group != PERSON or self._by_person),
        ]
        return await fetch_buckets(
            self._context.http, PATH + kind.name, params, Buckets[OpenAIUsageLine], part.start, part.end
        )


def _tally(
    slots: dict[_Slot, tuple[Tokens, int]], kind: UsageEndpoint, found: Iterable[OpenAIBucket[OpenAIUsageLine]]
) -> None:
    """Add lines to their buckets: two lines may differ only in what is not a dimension here."""
    for bucket in found:
        start = bucket.start
        for line in bucket.results:
            key = line.api_key_id or line.user_id
            slot = _Slot(start, key, line.model, line.project_id, _detail(kind, line), _list_price_factor(kind, line))
            tokens, requests = slots.get(slot, (Tokens(), 0))
            slots[slot] = (tokens.plus(tokens_of(line)), requests + line.num_model_requests)


def _rows(slots: dict[_Slot, tuple[Tokens, int]]) -> list[Row]:
    return [
        Row(
            start=slot.start,
            key=slot.key,
            model=slot.model,
            tokens=tokens,
            requests=requests,
            project=slot.project,
            reason="" if slot.key else KEYLESS,
            detail=slot.detail,
            list_price_factor=slot.list_price_factor,
        )
        for slot, (tokens, requests) in slots.items()
        if requests or tokens.total
    ]


def tokens_of(line: OpenAIUsageLine) -> Tokens:
    """Return disjoint token counts; parts that are reported as more than the whole are cut down to it."""
    cached = min(line.input_cached_tokens, line.input_tokens)
    written = min(max(line.input_cache_write_tokens, line.input_cache_write_12h_tokens), line.input_tokens - cached)
    kept_long = min(line.input_cache_write_12h_tokens, written)
    return Tokens(
        input=line.input_tokens - cached - written,
        cache_read=cached,
        cache_write_5m=written - kept_long,
        cache_write_1h=kept_long,
        output=line.output_tokens,
    )


def _list_price_factor(kind: UsageEndpoint, line: OpenAIUsageLine) -> Decimal | None:
    """Return which part of the list price of text the tokens cost; None if that is unknown."""
    if kind not in _PRICED or _beyond_text(line):
        return None
    if line.batch or line.service_tier == "batch":
        return HALF if line.service_tier in _LIST_TIERS | {"batch"} else None
    return AT_LIST if line.service_tier in _LIST_TIERS else HALF if line.service_tier == "flex" else None


def _detail(kind: UsageEndpoint, line: OpenAIUsageLine) -> tuple[tuple[str, str], ...]:
    """Return the dimensions that tell two rows of one key and model apart."""
    return (
        *([("kind", kind.name)] if kind is not COMPLETIONS else []),
        *([("batch", "true")] if line.batch else []),
        *([("tier", line.service_tier)] if line.service_tier not in _LIST_TIERS else []),
        *([("price", "unknown")] if _beyond_text(line) else []),
    )


def _beyond_text(line: OpenAIUsageLine) -> bool:
    """Return whether some tokens are audio or generated images, at prices of their own."""
    audio = line.input_audio_tokens or line.input_cached_audio_tokens or line.output_audio_tokens
    return bool(audio or line.output_image_tokens)
