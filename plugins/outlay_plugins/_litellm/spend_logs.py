"""Report `logs`: the request lines of /spend/logs/v2, summed by the hour, key and model, within seconds.

LiteLLM pages by offset, in an order that has ties and while lines come in, and counts no further than 10,000. So a time
range is accepted only if all lines that it counts have come, each once; else it is queried again in halves, down to a
second. Lines are summed and discarded; none is stored.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from outlay.plugin import Context, Page, Permanent, Window
from outlay_plugins._litellm import aggregation
from outlay_plugins._litellm import schemas as litellm_schemas
from outlay_plugins._litellm.aggregation import Table
from outlay_plugins._litellm.client import get_json
from outlay_plugins._litellm.schemas import LogPage, SpendLogLine, read

PATH = "/spend/logs/v2"
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
PAGE_ROWS = (1000, 100)  # the most that versions accept, the newest version first
COUNTED_TO = 10_000  # lines; LiteLLM's own limit for a total
MAX_HOURS = 24  # in one page of Outlay's
MAX_QUESTIONS = 2_000  # queries for one hour: two million lines
_TOO_MUCH = (422, None)  # more rows than the version gives, or more bytes than the client takes
_TIME = "%Y-%m-%d %H:%M:%S"
_CURSOR = "%Y-%m-%dT%H:%M:%SZ"
_TOO_OLD = "This LiteLLM is too old to list its requests (/spend/logs/v2); its figures come once a day is over."
_CUT = "LiteLLM would not tell all requests of {0:%Y-%m-%d %H:%M:%S} UTC; what is missing is counted once the day is."


class _Stretch(NamedTuple):
    start: datetime
    end: datetime

    def halves(self) -> tuple["_Stretch", "_Stretch"]:
        """Split into two ranges, the earlier first, at a whole second."""
        seconds = int((self.end - self.start) / SECOND + 1) // 2
        middle = self.start + seconds * SECOND
        return _Stretch(self.start, middle), _Stretch(middle, self.end)


class LiteLLMLogsReport:
    """Reader of the `logs` report; `provider` limits it to the lines of one provider, "" is all."""

    def __init__(self, context: Context, provider: str = "") -> None:
        self._context = context
        self._provider = provider
        self._page_rows = PAGE_ROWS[0]

    async def page(self, window: Window, cursor: str | None, history: timedelta) -> Page:
        """Return as many whole hours of the window, from the cursor on, as have no more lines than LiteLLM counts."""
        today = self._context.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        first = max(window.start, today - history)  # from a midnight on: the rest of a day is not the day
        start, hours = (first, MAX_HOURS) if cursor is None else _from_cursor(cursor, first)
        if start >= window.end:
            return Page(Window(window.end, window.end))
        table: Table = {}
        notes: tuple[str, ...] = ()
        try:
            while True:  # ends: the hours halve until they hold few enough lines, or one is left
                end = min(start + hours * HOUR, window.end)
                if end - start <= HOUR:
                    notes = await self._hour(_Stretch(start, end), table)
                    break
                lines = await self._lines(_Stretch(start, end))
                if lines is not None:
                    self._add(lines, table)
                    hours = min(hours * 2, MAX_HOURS) if len(lines) * 3 < COUNTED_TO else hours
                    break
                hours = max(1, min(hours, (end - start) // HOUR + 1) // 2)
        except Permanent as error:
            if error.status == 404:
                return Page(Window(start, window.end), absent=True, notes=(_TOO_OLD,))
            raise
        following = None if end >= window.end else f"{end.strftime(_CURSOR)}/{hours}"
        return Page(Window(start, end), aggregation.rows(table), (), following, not notes, notes)

    async def probe(self, at: datetime) -> bool:
        """Return whether this version of LiteLLM lists its requests. Raises any other error."""
        try:
            await self._ask(_Stretch(at - SECOND, at), 1)
        except Permanent as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _hour(self, hour: _Stretch, table: Table) -> tuple[str, ...]:
        """Add one hour to the table, in halves if necessary; return a note if a single second is incomplete."""
        waiting, notes = [hour], list[str]()
        for _ in range(MAX_QUESTIONS):
            if not waiting:
                return tuple(notes[:1])
            stretch = waiting.pop()
            lines = await self._lines(stretch)
            if lines is not None:
                self._add(lines, table)
            elif stretch.end - stretch.start > SECOND:
                waiting.extend(reversed(stretch.halves()))
            else:
                notes.append(_CUT.format(stretch.start))
        return (_CUT.format(waiting[-1].start),)

    async def _lines(self, stretch: _Stretch) -> list[SpendLogLine] | None:
        """Return every line of a time range, each once; None if that cannot be told for certain."""
        found: dict[str, SpendLogLine] = {}
        page, total = 1, 0
        while page == 1 or (page - 1) * self._page_rows < total:  # ends: total is below COUNTED_TO
            rows = self._page_rows
            answer = await self._ask(stretch, page)
            if page > 1 and rows != self._page_rows:  # the pages so far were of another size
                return None
            total = max(total, answer.total)
            if answer.total_is_capped or total >= COUNTED_TO:
                return None
            found |= {line.request_id: line for line in answer.data}
            if not answer.data:
                break
            page += 1
        if len(found) < total:
            return None
        return [line for line in found.values() if stretch.start <= line.started_at < stretch.end]

    async def _ask(self, stretch: _Stretch, page: int) -> LogPage:
        """Fetch one page. LiteLLM includes the end, so lines of the next range may come along."""
        last = stretch.end.replace(microsecond=0) + (SECOND if stretch.end.microsecond else timedelta(0))
        params: dict[str, str | int] = {
            "start_date": stretch.start.strftime(_TIME),
            "end_date": last.strftime(_TIME),
            "page": page,
            "page_size": self._page_rows,
            "sort_by": "startTime",
            "sort_order": "asc",
        }
        try:
            body = await get_json(self._context, PATH, params)
        except Permanent as error:
            if error.status not in _TOO_MUCH or self._page_rows == PAGE_ROWS[-1]:
                raise
            self._page_rows = PAGE_ROWS[-1]
            body = await get_json(self._context, PATH, params | {"page_size": self._page_rows})
        return await asyncio.to_thread(_read, body)  # a thousand lines take a while

    def _add(self, lines: list[SpendLogLine], table: Table) -> None:
        for line in lines:
            if self._provider in ("", line.custom_llm_provider):
                aggregation.add(table, *aggregation.of_line(line))


def _read(body: Any) -> LogPage:
    return read(LogPage, litellm_schemas.lines(body))


def _from_cursor(cursor: str, first: datetime) -> tuple[datetime, int]:
    place, _, hours = cursor.partition("/")
    try:
        start, size = datetime.strptime(place, _CURSOR).replace(tzinfo=UTC), int(hours)
    except ValueError:
        raise Permanent(f"{cursor[:40]!r} is no place in LiteLLM's request lines.") from None
    return max(first, start), min(max(size, 1), MAX_HOURS)
