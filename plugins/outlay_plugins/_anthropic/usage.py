"""Report `usage`: tokens by the minute, without dollars, which the host prices; fresh within minutes.

It covers what the bill does not cover yet, and it splits a bill by workspace and model among the keys that used them.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta

from outlay.plugin import Page, Permanent, Row, Window
from outlay_plugins._anthropic.client import (
    FAST_MODE,
    AnthropicClient,
    Pair,
    group_by_params,
    is_about_grouping,
    page_by_halving,
)
from outlay_plugins._anthropic.rows import (
    MIXED,
    AnthropicBucketKey,
    AnthropicFigures,
    PageRange,
    ceiling,
    next_page_range,
    rfc3339,
    rows,
    sum_by_bucket,
)
from outlay_plugins._anthropic.schemas import AnthropicBucket, UsageRow, utc
from outlay_plugins._anthropic.schemas import AnthropicPage as Answer

PATH = "/usage_report/messages"
MINUTE = timedelta(minutes=1)
FIRST_HOURS, MOST_HOURS = 3, 24  # no more than 1,440 buckets an answer
# Five dimensions at most: so a second question tells what else the price depends on, without keys.
PRICING = ("model", "service_tier", "speed", "context_window", "inference_geo")
GROUPINGS = (
    ("api_key_id", "account_id", "workspace_id", "model", "service_tier"),
    ("api_key_id", "workspace_id", "model", "service_tier"),
    ("api_key_id", "workspace_id", "model"),
)
Answers = Answer[AnthropicBucket[UsageRow]]
Line = tuple[AnthropicBucketKey, AnthropicFigures]


class AnthropicUsageReport:
    """Reader of the `usage` report."""

    def __init__(self, asking: AnthropicClient) -> None:
        self._asking = asking
        self._grouping = 0
        self._tells_prices = True

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return one page: as many hours as stay below the row limit, a day at most."""
        part = next_page_range(window, cursor, FIRST_HOURS, MOST_HOURS)
        return await page_by_halving(lambda part: self._page(window, part), part)

    async def _page(self, window: Window, part: PageRange) -> Page:
        said = Window(part.start, part.end)
        while True:
            try:
                found = await self._ask(said)
                break
            except Permanent as error:
                if not is_about_grouping(error) or self._grouping + 1 >= len(GROUPINGS):
                    raise
                self._grouping += 1
        notes = () if self._grouping == 0 else (_NOTE.format(", ".join(GROUPINGS[self._grouping])),)
        return Page(said, found, cursor=part.next_cursor(window, len(found)), notes=notes)

    async def _ask(self, said: Window) -> list[Row]:
        end = ceiling(said.end, MINUTE)
        query: list[Pair] = [
            ("starting_at", rfc3339(said.start)),
            ("ending_at", rfc3339(end)),
            ("bucket_width", "1m"),
            ("limit", (end - said.start) // MINUTE),
            *group_by_params(GROUPINGS[self._grouping]),
        ]

        def lines(answer: Answers) -> Iterator[tuple[Hashable, tuple[AnthropicBucketKey, AnthropicFigures]]]:
            for bucket in answer.data:
                start = utc(bucket.starting_at)
                if said.start <= start < said.end:
                    for row in bucket.results:
                        tokens = row.tokens
                        if tokens.total:
                            yield (start, row.place), ((start, row.who), AnthropicFigures(tokens=tokens))

        found = await self._asking.report(PATH, Answers, query, lines)
        return rows(sum_by_bucket(await self._priced(query, found) if found else ()))

    async def _priced(self, query: list[Pair], found: list[Line]) -> list[Line]:
        """Add speed, context and place to lines that were grouped by keys; several of a minute are of unknown price."""
        if not self._tells_prices:
            return found
        plain = [pair for pair in query if pair[0] != "group_by[]"]
        told: dict[tuple[datetime, str, str], set[tuple[str, str, str]]] = defaultdict(set)

        def prices(answer: Answers) -> list[tuple[Hashable, None]]:
            for bucket in answer.data:
                for row in bucket.results:
                    told[utc(bucket.starting_at), row.model, row.service_tier].add(row.unusual)
            return []

        try:
            asked = [*plain, *group_by_params(PRICING)]
            await self._asking.report(PATH, Answers, asked, prices, headers=FAST_MODE)
        except Permanent as error:
            if not is_about_grouping(error):
                raise
            self._tells_prices = False
            return found
        return [
            (_with_price(place, told.get((place[0], place[1].model, place[1].tier), set())), figures)
            for place, figures in found
        ]


def _with_price(place: AnthropicBucketKey, kinds: set[tuple[str, str, str]]) -> AnthropicBucketKey:
    """Return the place with what its price depends on, if the line itself does not say so."""
    start, who = place
    if not kinds or any((who.speed, who.context, who.geo)):
        return place
    speed, context, geo = (told.pop() if len(told := set(kind)) == 1 else MIXED for kind in zip(*kinds, strict=True))
    return start, who._replace(speed=speed, context=context, geo=geo)


_NOTE = "Anthropic did not group its usage by person; it is told by {} only."
