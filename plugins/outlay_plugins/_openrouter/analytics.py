"""Report `analytics`: what each key spent on each model by the hour, within minutes, the running hour included.

The ledger answers with the *names* of keys, and names need not be unique. A name that one known key has is that key's.
Keys that share a name are queried one by one by their hash, and the rest of the name has no key, with a reason. An
answer that was cut short is queried again for half the time, and an hour that is still too much for groups of keys.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from outlay.plugin import Context, Key, Page, Permanent, Row, Transient, Window
from outlay_plugins._openrouter import aggregation
from outlay_plugins._openrouter import schemas as openrouter_schemas
from outlay_plugins._openrouter.account import OpenRouterDirectory, used_since
from outlay_plugins._openrouter.aggregation import Table
from outlay_plugins._openrouter.schemas import AnalyticsLine

PATH = "/analytics/query"
HOUR = timedelta(hours=1)
MAX_ROWS = 10_000  # of one answer; the ledger's own limit
MAX_HOURS = 72  # of one query
MAX_NAMESAKES = 50  # keys of one name queried by hash, the most recently used ones
GROUP_KEYS = 100  # keys in one query when an hour is read in parts
MAX_PARTS = 120  # queries for one hour
METRICS = (
    "credits_usage",
    "byok_usage",
    "total_usage",
    "request_count",
    "tokens_prompt",
    "tokens_completion",
    "reasoning_tokens",
    "cached_tokens",
)
BY_KEY_AND_MODEL = ("api_key_id", "model")
BY_MODEL = ("model",)
KEYLESS = "used without a key, or by a key without a name that no longer exists"
NOBODYS = "used by a key that no longer exists, or without a key"
NOT_ASKED = "used in an hour with more keys than OpenRouter could be asked for one by one"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_REFUSED = (403, 404)


class _Part(NamedTuple):
    """Rows for a time range; `complete` False where the ledger did not return everything."""

    rows: list[Row]
    complete: bool = True


class OpenRouterAnalyticsReport:
    """Reader of the `analytics` report; looks up the ledger's metrics and model names once."""

    def __init__(self, context: Context, account: OpenRouterDirectory) -> None:
        self._context = context
        self._account = account
        self._metrics: tuple[str, ...] = ()
        self._slugs: dict[str, str] | None = None
        self._clamped = 0

    async def page(self, window: Window, cursor: str | None, history: timedelta) -> Page:
        """Return as much of the window, from the cursor on, as one untruncated answer holds."""
        oldest = _midnight(self._context.clock.now()) - history  # the rest of a day is not the day
        first = max(_hour_of(window.start), oldest)
        start, hours = (first, MAX_HOURS) if cursor is None else _from_cursor(cursor, first)
        if start >= window.end:
            return Page(Window(window.end, window.end))
        self._clamped = 0
        while True:  # ends: the hours halve until an answer fits or one hour is left
            end = min(start + hours * HOUR, window.end)
            answer = await self._answer(start, end)
            if answer is not None or end - start <= HOUR:
                break
            hours = max(1, min(hours, (end - start) // HOUR + 1) // 2)
        if answer is None:
            part = await self._in_parts(start, end)
        else:
            part = await self._by_name(answer, start, end)
            hours = min(hours * 2, MAX_HOURS) if len(answer) * 3 < MAX_ROWS else hours
        following = None if end >= window.end else f"{end.strftime(_TIME)}/{hours}"
        return Page(Window(start, end), part.rows, (), following, part.complete, self._notes(part, start))

    async def _answer(self, start: datetime, end: datetime) -> list[AnalyticsLine] | None:
        """Return all lines of this time by key name and model; None if that is more than one answer holds."""
        try:
            found = await self._ask(start, end, BY_KEY_AND_MODEL)
        except Transient as error:
            if error.status == 408 and end - start > HOUR:  # a time-out means too much data as well
                return None
            raise
        return None if found.truncated else found.lines

    async def _by_name(self, lines: list[AnalyticsLine], start: datetime, end: datetime) -> _Part:
        sorted_lines = attribute_to_keys(lines, await self._known_keys())
        rows = [row for key, table in sorted_lines.of_keys.values() for row in _rows_of(key, table)]
        complete = True
        told = set(sorted_lines.of_keys)
        for name, (namesakes, table) in sorted_lines.of_names.items():
            asked = [key for key in namesakes if key.id not in told and used_since(key, start)][:MAX_NAMESAKES]
            told |= {key.id for key in asked}
            parts = [await self._of_key(key, start, end) for key in asked]
            complete = complete and not any(truncated for _, truncated in parts)
            for key, (found, _) in zip(asked, parts, strict=True):
                rows += _rows_of(key, found)
            left = aggregation.remainder(table, [found for found, _ in parts]).left
            rows += aggregation.rows(
                left, reason=keyless_reason(name, namesakes), detail=(("key_name", name),) if name else ()
            )
        return _Part(rows, complete)

    async def _in_parts(self, start: datetime, end: datetime) -> _Part:
        """Read one hour that no single answer holds.

        By groups of keys, halved where needed; what the models have beyond them has no key.
        """
        keys = [key for key in await self._known_keys() if used_since(key, start)]
        whole = await self._ask(start, end, BY_MODEL)
        complete, of_keys = not whole.truncated, dict[str, tuple[Key, Table]]()
        waiting = deque(_groups(keys))
        for _ in range(MAX_PARTS):
            if not waiting:
                break
            group = waiting.popleft()
            if len(group) == 1:
                table, truncated = await self._of_key(group[0], start, end)
                of_keys[group[0].id] = (group[0], table)
                complete = complete and not truncated
                continue
            found = await self._ask(start, end, BY_KEY_AND_MODEL, _only("in", [key.id for key in group]))
            if found.truncated:
                waiting.extend((group[: len(group) // 2], group[len(group) // 2 :]))
            else:
                of_keys |= attribute_to_keys(found.lines, group).of_keys
        rest = aggregation.remainder(_table(whole.lines), [table for _, table in of_keys.values()])
        rows = [row for key, table in of_keys.values() for row in _rows_of(key, table)]
        rows += aggregation.rows(rest.left, reason=NOT_ASKED if waiting else NOBODYS)
        return _Part(rows, complete and not waiting)

    async def _of_key(self, key: Key, start: datetime, end: datetime) -> tuple[Table, bool]:
        """Return what one key used by model, and whether the ledger cut that short."""
        found = await self._ask(start, end, BY_MODEL, _only("eq", key.id))
        return _table(found.lines), found.truncated

    async def _ask(
        self, start: datetime, end: datetime, dimensions: Sequence[str], filters: list[dict[str, Any]] | None = None
    ) -> openrouter_schemas.AnalyticsResponse:
        """Run one query; drop rows outside the time asked for, and turn models' display names into slugs."""
        metrics = await self._offered_metrics()
        question: dict[str, Any] = {
            "metrics": list(metrics),
            "dimensions": list(dimensions),
            "granularity": "hour",
            "time_range": {"start": start.strftime(_TIME), "end": end.strftime(_TIME)},
            "order_by": {"field": "date", "direction": "asc"},
            "limit": MAX_ROWS,
        }
        body = await self._context.http.post(PATH, question | ({"filters": filters} if filters else {}))
        found = await asyncio.to_thread(
            openrouter_schemas.analytics, body, metrics, MAX_ROWS
        )  # ten thousand rows take a while
        for warning in found.warnings:
            self._context.log.info("OpenRouter's analytics warns: %s", warning[:200])
        lines = [line for line in found.lines if start <= line.slot.start < end]
        if any(line.slot.model and "/" not in line.slot.model for line in lines):
            slugs = await self._model_slugs()
            lines = [_with_slug(line, slugs) for line in lines]
        self._clamped += aggregation.overcounted([_table(lines)])
        return found._replace(lines=lines)

    async def _offered_metrics(self) -> tuple[str, ...]:
        """Return the metrics to query: those that the ledger offers, or all if it does not say."""
        if not self._metrics:
            try:
                body = await self._context.http.get("/analytics/meta")
            except Permanent as error:
                if error.status not in _REFUSED:
                    raise
                self._metrics = METRICS
            else:
                self._metrics = _choose(openrouter_schemas.offered(body, "metrics"))
        return self._metrics

    async def _model_slugs(self) -> dict[str, str]:
        if self._slugs is None:
            try:
                body = await self._context.http.get("/models", {"output_modalities": "all"})
            except Permanent as error:
                if error.status not in _REFUSED:
                    raise
                self._slugs = {}
            else:
                self._slugs = openrouter_schemas.model_slugs(body)
        return self._slugs

    async def _known_keys(self) -> list[Key]:
        return [found.key for found in await self._account.keys()] + await self._account.gone_keys()

    def _notes(self, part: _Part, start: datetime) -> tuple[str, ...]:
        notes = []
        if not part.complete:
            notes.append(
                f"OpenRouter cut its answer for {start:%Y-%m-%d %H:%M} UTC short; the rest shows up without a key."
            )
        if self._clamped:
            notes.append(aggregation.overcounted_words("analytics", self._clamped))
        return tuple(notes)


class LinesByKey(NamedTuple):
    """Lines by their owner: certainly one key, or a name that no key or several keys have."""

    of_keys: dict[str, tuple[Key, Table]]
    of_names: dict[str, tuple[list[Key], Table]]


def attribute_to_keys(lines: Iterable[AnalyticsLine], keys: Sequence[Key]) -> LinesByKey:
    """Attribute lines to keys where their name is unambiguous.

    A nameless key is known by its label too; a line without a name is never attributed.
    """
    by_name: dict[str, list[Key]] = {}
    for key in keys:
        for name in {key.name, key.id, key.name or key.label}:
            by_name.setdefault(name, []).append(key)
    lines_of: dict[str, list[AnalyticsLine]] = {}
    for line in lines:
        lines_of.setdefault(line.key_name, []).append(line)
    found = LinesByKey({}, {})
    for name, group in lines_of.items():
        namesakes = by_name.get(name, [])
        if name and len(namesakes) == 1:
            key = namesakes[0]
            known = found.of_keys[key.id][1] if key.id in found.of_keys else {}
            found.of_keys[key.id] = (key, aggregation.tally([*known.items(), *_table(group).items()]))
        else:
            found.of_names[name] = (namesakes, _table(group))
    return found


def keyless_reason(name: str, namesakes: Sequence[Key]) -> str:
    """Return why money of this name has no key, in words that people read."""
    if not name:
        return KEYLESS
    if namesakes:
        return f"used by a key named «{name}»; several have or had that name, and OpenRouter does not say which it was"
    return f"used by a key named «{name}» that no longer exists"


def _groups(keys: Sequence[Key]) -> list[list[Key]]:
    """Group keys for joint queries: only keys that their names tell apart; all others alone."""
    names = [key.name for key in keys]
    apart = [key for key in keys if key.name and names.count(key.name) == 1]
    alone = [[key] for key in keys if not key.name or names.count(key.name) > 1]
    return [apart[place : place + GROUP_KEYS] for place in range(0, len(apart), GROUP_KEYS)] + alone


def _choose(offered: set[str]) -> tuple[str, ...]:
    metrics = tuple(name for name in METRICS if name in offered)
    missing = {"tokens_prompt", "tokens_completion"} - offered
    if "credits_usage" not in offered:
        missing |= {"total_usage", "byok_usage"} - offered
    if missing:
        raise Permanent(f"OpenRouter's analytics no longer offers {', '.join(sorted(missing))}.")
    return metrics


def _rows_of(key: Key, table: Table) -> list[Row]:
    return aggregation.rows(table, key=key.id, project=key.project_id)


def _table(lines: Iterable[AnalyticsLine]) -> Table:
    return aggregation.tally((line.slot, line.figures) for line in lines)


def _with_slug(line: AnalyticsLine, slugs: dict[str, str]) -> AnalyticsLine:
    model = line.slot.model
    return line if "/" in model else line._replace(slot=line.slot._replace(model=slugs.get(model, model)))


def _only(operator: str, value: str | list[str]) -> list[dict[str, Any]]:
    return [{"field": "api_key_id", "operator": operator, "value": value}]


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _from_cursor(cursor: str, first: datetime) -> tuple[datetime, int]:
    place, _, hours = cursor.partition("/")
    try:
        start, size = datetime.strptime(place, _TIME).replace(tzinfo=UTC), int(hours)
    except ValueError:
        raise Permanent(f"{cursor[:40]!r} is no place in OpenRouter's analytics.") from None
    return max(first, start), min(max(size, 1), MAX_HOURS)
