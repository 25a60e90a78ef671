"""Report `analytics`: billed cost by the hour, key, person and model, joined from a cost and a usage answer.

They are joined on the dimensions that both were grouped by. Each answer says up to when its figures are complete
(`data_refreshed_at`); a page ends with the last hour that was over by then, so that half an hour never stands for one.
Not every organization has this report: then the page is absent, and the older reports count.
"""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from outlay.plugin import Clock, Page, Permanent, Window
from outlay_plugins._anthropic.client import (
    LIST_ROWS,
    AbsentReportError,
    AnthropicClient,
    Pair,
    group_by_params,
    is_about_grouping,
    page_by_halving,
)
from outlay_plugins._anthropic.rows import (
    HOUR,
    AnthropicBucketKey,
    AnthropicFigures,
    PageRange,
    Table,
    floor,
    next_page_range,
    rfc3339,
    rows,
    sum_by_bucket,
)
from outlay_plugins._anthropic.schemas import AnalyticsCostRow, AnalyticsUsageRow, usd, utc
from outlay_plugins._anthropic.schemas import AnthropicPage as Answer

COST, USAGE = "/analytics/cost", "/analytics/usage"
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # there are no figures from before
FIRST_HOURS, MOST_HOURS = 24, 7 * 24  # a query may cover 31 days, but a page is one answer
SURE_LAG = timedelta(hours=24)  # assumed where an answer does not say how fresh it is
GROUPINGS = (
    ("api_key_id", "actor", "workspace_id", "model", "service_tier"),
    ("api_key_id", "workspace_id", "model", "service_tier"),
    ("api_key_id", "workspace_id", "model"),
)
Costs = Answer[AnalyticsCostRow]
Usages = Answer[AnalyticsUsageRow]
ABSENT = "This organization does not have Anthropic's analytics; the older reports count. {}"


class AnthropicAnalyticsReport:
    """Reader of the `analytics` report, which finds out whether the organization has it."""

    def __init__(self, clock: Clock, asking: AnthropicClient) -> None:
        self._clock, self._asking = clock, asking
        self._grouping = 0
        self._is_there: bool | None = None

    async def is_available(self) -> bool:
        """Return whether the organization has this report; asked once a task, with the smallest possible query."""
        if self._is_there is None:
            hour = floor(self._clock.now(), HOUR)
            query: list[Pair] = [
                ("starting_at", rfc3339(hour - HOUR)),
                ("ending_at", rfc3339(hour)),
                ("time_bucket_width", "1h"),
                ("limit", LIST_ROWS),
            ]
            try:
                await self._asking.report(COST, Costs, query, lambda _: (), beta=True)
                await self._asking.report(USAGE, Usages, query, lambda _: (), beta=True)
            except AbsentReportError:
                self._is_there = False
            else:
                self._is_there = True
        return self._is_there

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return one page: as many hours as stay below the row limit, up to the watermark."""
        window = Window(min(max(window.start, FIRST_DAY), window.end), window.end)
        part = next_page_range(window, cursor, FIRST_HOURS, MOST_HOURS)
        return await page_by_halving(lambda part: self._page(window, part), part)

    async def _page(self, window: Window, part: PageRange) -> Page:
        said = Window(part.start, max(floor(part.end, HOUR), part.start))
        if said.start == said.end:
            return Page(said)
        try:
            table, told_until = await self._ask(said)
        except AbsentReportError as error:
            self._is_there = False
            return Page(window, absent=True, notes=(ABSENT.format(error),))
        self._is_there = True
        end = max(said.start, min(said.end, told_until))
        found = rows({place: figures for place, figures in table.items() if place[0] < end})
        notes = () if self._grouping == 0 else (NOTE.format(", ".join(GROUPINGS[self._grouping])),)
        more = part.next_cursor(window, len(found)) if end == part.end else None
        return Page(Window(said.start, end), found, cursor=more, notes=notes)

    async def _ask(self, said: Window) -> tuple[Table, datetime]:
        while True:
            try:
                return await self._joined(said)
            except Permanent as error:
                if not is_about_grouping(error) or self._grouping + 1 >= len(GROUPINGS):
                    raise
                self._grouping += 1

    async def _joined(self, said: Window) -> tuple[Table, datetime]:
        """Return cost and tokens of a time range, and until when both are known; tokens without a bill cost $0."""
        query: list[Pair] = [
            ("starting_at", rfc3339(said.start)),
            ("ending_at", rfc3339(said.end)),
            ("time_bucket_width", "1h"),
            *group_by_params(GROUPINGS[self._grouping]),
            ("order_by", "time"),
            ("order", "asc"),
            ("limit", LIST_ROWS),
        ]
        told_until = [said.end]

        def note(refreshed_at: datetime | None) -> None:
            known_until = self._clock.now() - SURE_LAG if refreshed_at is None else refreshed_at
            told_until.append(floor(utc(known_until), HOUR))

        def costs(answer: Costs) -> Iterator[tuple[Hashable, tuple[AnthropicBucketKey, AnthropicFigures]]]:
            note(answer.data_refreshed_at)
            for row in answer.data:
                start, who, cost = utc(row.starting_at), row.group.who, row.cost
                if said.start <= start < said.end:
                    figures = AnthropicFigures(usd(cost.amount, cost.currency, COST), requests=cost.requests)
                    yield (start, row.group.model_dump_json()), ((start, who), figures)

        def usages(answer: Usages) -> Iterator[tuple[Hashable, tuple[AnthropicBucketKey, AnthropicFigures]]]:
            note(answer.data_refreshed_at)
            for row in answer.data:
                start, who = utc(row.starting_at), row.group.who
                if said.start <= start < said.end:
                    tokens, requests = row.usage.tokens, row.usage.requests
                    if tokens.total or requests:
                        figures = AnthropicFigures(Decimal(0), tokens, requests)
                        yield (start, row.group.model_dump_json()), ((start, who), figures)

        billed = await self._asking.report(COST, Costs, query, costs, beta=True)
        if min(told_until) <= said.start:
            return {}, said.start
        used = await self._asking.report(USAGE, Usages, query, usages, beta=True)
        bill, use = sum_by_bucket(billed), sum_by_bucket(used)
        for place in bill.keys() & use.keys():
            if bill[place].requests is not None:  # both count the same requests
                use[place] = replace(use[place], requests=None)
        return sum_by_bucket([*bill.items(), *use.items()]), min(told_until)


NOTE = "Anthropic did not group its analytics by person; they are told by {} only."
