"""Report `cost_report`: the bill of a UTC day, by workspace and model. It names no key; `usage` splits it.

It counts only where the organization does not have analytics, which report the same money in finer detail. Amounts are
text, in CENTS. Costs that are not for tokens (web searches, code execution, sessions) cannot be attributed to a key.
Priority Tier is not included.
"""

import re
from collections.abc import Hashable, Iterator
from datetime import datetime

from outlay.plugin import Page, Window
from outlay_plugins._anthropic.analytics import AnthropicAnalyticsReport
from outlay_plugins._anthropic.client import AnthropicClient, Pair, group_by_params
from outlay_plugins._anthropic.rows import (
    DAY,
    AnthropicBucketKey,
    AnthropicFigures,
    ceiling,
    floor,
    rfc3339,
    rows,
    sum_by_bucket,
)
from outlay_plugins._anthropic.schemas import AnthropicBucket, CostRow, RowDimensions, usd, utc
from outlay_plugins._anthropic.schemas import AnthropicPage as Answer

PATH = "/cost_report"
DAYS_A_PAGE = 31
REASONS = {
    "tokens": "billed by workspace and model; Anthropic does not say by which key",
    "web_search": "web searches",
    "code_execution": "code execution",
    "session_usage": "running time of managed agents' sessions",
}
OTHER = "other costs on the bill"
_TITLE = re.compile(r"claude [a-z0-9. ]*?(?= usage\b| - |$)")
Answers = Answer[AnthropicBucket[CostRow]]


class AnthropicCostReport:
    """Reader of the `cost_report` report."""

    def __init__(self, asking: AnthropicClient, analytics: AnthropicAnalyticsReport) -> None:
        self._asking, self._analytics = asking, analytics

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return a page of up to 31 days, or an absent page where the organization has analytics."""
        if await self._analytics.is_available():
            return Page(window, absent=True)
        start = window.start if cursor is None else datetime.fromisoformat(cursor)
        said = Window(floor(start, DAY), min(floor(start, DAY) + DAYS_A_PAGE * DAY, ceiling(window.end, DAY)))
        query: list[Pair] = [
            ("starting_at", rfc3339(said.start)),
            ("ending_at", rfc3339(said.end)),
            ("bucket_width", "1d"),
            ("limit", DAYS_A_PAGE),
            *group_by_params(("workspace_id", "description")),
        ]

        def lines(answer: Answers) -> Iterator[tuple[Hashable, tuple[str, AnthropicBucketKey, AnthropicFigures]]]:
            for bucket in answer.data:
                day = utc(bucket.starting_at)
                if said.start <= day < said.end:
                    for row in bucket.results:
                        figures = AnthropicFigures(usd(row.amount, row.currency, PATH))
                        yield (day, row.place), (reason_for(row), (day, who_of(row)), figures)

        told = await self._asking.report(PATH, Answers, query, lines)
        found = []
        for reason in sorted({reason for reason, *_ in told}):
            table = sum_by_bucket((place, figures) for why, place, figures in told if why == reason)
            found += rows(table, reason, every_tier=True)
        more = said.end.isoformat() if said.end < window.end else None
        return Page(said, found, cursor=more)


def reason_for(row: CostRow) -> str:
    """Return the reason why a line of the bill names no key."""
    kind = row.cost_type or ("tokens" if model_of(row) else "")
    return REASONS.get(kind, OTHER)


def who_of(row: CostRow) -> RowDimensions:
    """Return the dimensions of a bill line: workspace, model and service tier."""
    return RowDimensions(workspace_id=row.workspace_id, model=model_of(row), tier=row.service_tier)


def model_of(row: CostRow) -> str:
    """Return the model that a line names, else the one in its description, "" if there is none.

    A description is such as "Claude Sonnet 4.5 Usage - Input Tokens".
    """
    if row.model:
        return row.model
    title = _TITLE.match(row.description.lower())
    return title.group().strip().replace(" ", "-") if title else ""
