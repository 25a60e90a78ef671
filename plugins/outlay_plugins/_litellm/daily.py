"""Report `daily`: what each key spent on each model on each completed UTC day (/user/daily/activity/aggregated).

Daily sums outlive the request lines, which operators prune or switch off, and only they tell cached tokens apart.
LiteLLM names the thousand keys of a query that spent most; what a model has beyond them, and what a day has beyond its
models, becomes rows without a key, so that no dollar is lost. Days are queried one by one and never with a time zone.
"""

import asyncio
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from outlay.plugin import Context, Page, Permanent, Window
from outlay_plugins._litellm import aggregation
from outlay_plugins._litellm.aggregation import KEYLESS, SELF_HOSTED, LiteLLMBucketKey, LiteLLMFigures, Table
from outlay_plugins._litellm.client import get_json
from outlay_plugins._litellm.schemas import Days, LiteLLMDay, Part, read

PATH = "/user/daily/activity/aggregated"
DAY = timedelta(days=1)
PAGE_DAYS = 7
MAX_KEYS = 1000  # in one answer; LiteLLM's own limit
BEYOND = "used by one of the many keys beyond the thousand that LiteLLM names for a day"
MODELLESS = "is in LiteLLM's sum of the day, but in that of no model"
_TOO_OLD = f"This LiteLLM is too old to sum up days ({PATH}); its figures come from its request lines."


class LiteLLMDailyReport:
    """Reader of the `daily` report."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return a week of the window at most, from the cursor on, without the running day."""
        today = _midnight(self._context.clock.now())
        first = _midnight(window.start)
        end = min(_midnight(window.end - timedelta(microseconds=1)) + DAY, today)
        start = first if cursor is None else _from_cursor(cursor, first)
        if start >= end:
            nothing = min(first, window.end)
            return Page(Window(nothing, nothing))
        page_end = min(start + PAGE_DAYS * DAY, end)
        table: Table = {}
        day = start
        while day < page_end:
            try:
                table |= await self._day(day)
            except Permanent as error:
                if error.status == 404:
                    return Page(Window(start, page_end), absent=True, notes=(_TOO_OLD,))
                raise
            day += DAY
        return Page(
            window=Window(start, page_end),
            rows=aggregation.rows(table),
            cursor=None if page_end == end else page_end.date().isoformat(),
        )

    async def probe(self, at: datetime) -> bool:
        """Return whether this version of LiteLLM has daily sums. Raises any other error."""
        try:
            await self._day(_midnight(at) - DAY)
        except Permanent as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _day(self, day: datetime) -> Table:
        asked = day.date().isoformat()
        body = await get_json(self._context, PATH, {"start_date": asked, "end_date": asked, "api_key_limit": MAX_KEYS})
        answer = await asyncio.to_thread(read, Days, body)  # a thousand keys take a while
        table: Table = {}
        for found in answer.results:
            if found.date == asked:
                for slot, sums in _table(found, day).items():
                    aggregation.add(table, slot, sums)
        return table


def _table(found: LiteLLMDay, day: datetime) -> Table:
    """Sum a day by key and model, with the remainders of each model and of the day."""
    table: Table = {}
    free = _self_hosted_pairs(found)
    named = LiteLLMFigures()
    for model, part in found.breakdown.models.items():
        keys = LiteLLMFigures()
        for key, item in part.api_key_breakdown.items():
            sums = aggregation.of_metrics(item.metrics)
            keys = keys.plus(sums)
            priced = not aggregation.is_unexplained_zero(item.metrics) or (key, model) in free
            reason = "" if key else KEYLESS
            aggregation.add(
                table, LiteLLMBucketKey(day, key, model, team=item.metadata.team_id, reason=reason, priced=priced), sums
            )
        whole = aggregation.of_metrics(part.metrics)
        named = named.plus(whole)
        _leave(table, LiteLLMBucketKey(day, "", model, reason=BEYOND), aggregation.less(whole, keys))
    _leave(
        table,
        LiteLLMBucketKey(day, "", "", reason=MODELLESS),
        aggregation.less(aggregation.of_metrics(found.metrics), named),
    )
    return {slot: sums for slot, sums in table.items() if not sums.is_nothing}


def _leave(table: Table, slot: LiteLLMBucketKey, left: LiteLLMFigures) -> None:
    """Add a remainder to the table, unless it is empty.

    A remainder that has tokens but no dollars has no price.
    """
    if not left.is_nothing:
        aggregation.add(
            table, slot._replace(priced=left.cost_usd >= aggregation.NOISE_USD or not left.tokens.total), left
        )


def _self_hosted_pairs(found: LiteLLMDay) -> set[tuple[str, str]]:
    """Return the (key, model) pairs whose zero cost is right.

    It is where all tokens that a key has without dollars ran on self-hosted models.
    """
    zero: dict[str, list[tuple[str, int]]] = {}
    for model, key, tokens in _zeros(found.breakdown.models.items()):
        zero.setdefault(key, []).append((model, tokens))
    hosted: dict[str, int] = {}
    for provider, key, tokens in _zeros(found.breakdown.providers.items()):
        hosted[key] = hosted.get(key, 0) + (tokens if provider in SELF_HOSTED else 0)
    return {
        (key, model)
        for key, models in zero.items()
        if sum(tokens for _, tokens in models) == hosted.get(key)
        for model, _ in models
    }


def _zeros(parts: Iterable[tuple[str, Part]]) -> Iterable[tuple[str, str, int]]:
    """Yield (name, key, tokens) of everything that has tokens and no dollars."""
    for name, part in parts:
        for key, item in part.api_key_breakdown.items():
            if aggregation.is_unexplained_zero(item.metrics):
                yield name, key, aggregation.tokens_of(item.metrics).total


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _from_cursor(cursor: str, first: datetime) -> datetime:
    try:
        day = date.fromisoformat(cursor)
    except ValueError:
        raise Permanent(f"{cursor[:40]!r} is no place in LiteLLM's daily sums.") from None
    return max(first, first.replace(year=day.year, month=day.month, day=day.day))
