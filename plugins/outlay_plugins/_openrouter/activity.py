"""Report `activity`: what each key spent on each past day, model and endpoint, once the day is settled.

The ledger's rows name no key. So the account's own answer is the control total, each key is queried by its hash, keys
that were deleted too, and what the account has beyond all of them becomes rows without a key.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from outlay.plugin import Context, Key, Page, Permanent, Row, Window
from outlay_plugins._openrouter import aggregation
from outlay_plugins._openrouter import schemas as openrouter_schemas
from outlay_plugins._openrouter.account import OpenRouterDirectory, answer_all, used_since
from outlay_plugins._openrouter.aggregation import Table

DAY = timedelta(days=1)
HISTORY_DAYS = 30  # completed ones; today answers 400
PAGE_DAYS = 7
KEYLESS = "used by a key that no longer exists, or without a key"
_GONE = (400, 404)  # statuses for a hash that the ledger has forgotten


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One reading of the whole time range, from which the pages of one poll are cut."""

    start: datetime
    end: datetime
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


class OpenRouterActivityReport:
    """Reader of the `activity` report; keeps one snapshot, so that the pages of a poll agree with one another."""

    def __init__(self, context: Context, account: OpenRouterDirectory) -> None:
        self._context = context
        self._account = account
        self._snapshot: _Snapshot | None = None

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return the completed UTC days of the window that OpenRouter still has, a week a page."""
        today = _midnight(self._context.clock.now())
        first = max(_midnight(window.start), today - HISTORY_DAYS * DAY)
        end = min(_midnight(window.end - timedelta(microseconds=1)) + DAY, today)
        start = first if cursor is None else _from_cursor(cursor, first)
        if start >= end:
            nothing = min(first, window.end)
            return Page(Window(nothing, nothing))
        snapshot = self._snapshot
        if cursor is None or snapshot is None or (snapshot.start, snapshot.end) != (first, end):
            snapshot = self._snapshot = await self._read(first, end)
        page_end = min(start + PAGE_DAYS * DAY, end)
        return Page(
            window=Window(start, page_end),
            rows=[row for row in snapshot.rows if start <= row.start < page_end],
            cursor=None if page_end == end else page_end.date().isoformat(),
            notes=snapshot.notes,
        )

    async def _read(self, start: datetime, end: datetime) -> _Snapshot:
        whole = await self._table(start, end)
        keys = [found.key for found in await self._account.keys() if _worth_asking(found, start)]
        parts = await self._of_keys(keys, start, end)
        rest = await _remainder(whole, parts)
        if rest.left:
            gone = [key for key in await self._account.gone_keys() if used_since(key, start)]
            parts += await self._of_keys(gone, start, end)
            rest = await _remainder(whole, parts)
        rows: list[Row] = []
        for key, table in parts:
            rows += aggregation.rows(table, key=key.id, project=key.project_id)
            await asyncio.sleep(0)  # thirty days of hundreds of keys take a while: let other tasks run
        rows += aggregation.rows(rest.left, reason=KEYLESS)
        return _Snapshot(start, end, tuple(rows), _notes(rest, [table for _, table in parts]))

    async def _of_keys(self, keys: Sequence[Key], start: datetime, end: datetime) -> list[tuple[Key, Table]]:
        tables = await answer_all(keys, lambda key: self._table(start, end, key.id))
        return list(zip(keys, tables, strict=True))

    async def _table(self, start: datetime, end: datetime, key_id: str = "") -> Table:
        """Return the days asked for; each answer covers all thirty days, so the others are dropped."""
        try:
            body = await self._context.http.get("/activity", {"api_key_hash": key_id} if key_id else None)
        except Permanent as error:
            if key_id and error.status in _GONE:
                return {}
            raise
        lines = await asyncio.to_thread(openrouter_schemas.activity, body)  # a month of a large account takes a while
        return aggregation.tally((slot, found) for slot, found in lines if start <= slot.start < end)


def _worth_asking(found: openrouter_schemas.AccountKey, start: datetime) -> bool:
    """Return whether the key may have been used since; a query for each idle key would be wasted."""
    if found.key.last_used_at is None:
        return bool(found.usage_usd or found.byok_usd)
    return used_since(found.key, start)


async def _remainder(whole: Table, parts: Sequence[tuple[Key, Table]]) -> aggregation.Remainder:
    """Compute the remainder in a thread: the tables of hundreds of keys are long."""
    return await asyncio.to_thread(aggregation.remainder, whole, [table for _, table in parts])


def _notes(rest: aggregation.Remainder, parts: Iterable[Table]) -> tuple[str, ...]:
    notes = []
    if rest.surplus_usd >= aggregation.NOISE_USD:
        notes.append(
            f"The activity of OpenRouter's keys adds up to ${rest.surplus_usd:.6f} more than the account's own; "
            "the keys' figures stand."
        )
    if clamped := aggregation.overcounted(parts):
        notes.append(aggregation.overcounted_words("activity", clamped))
    return tuple(notes)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _from_cursor(cursor: str, first: datetime) -> datetime:
    try:
        day = date.fromisoformat(cursor)
    except ValueError:
        raise Permanent(f"{cursor[:40]!r} is no place in OpenRouter's daily activity.") from None
    return max(first, first.replace(year=day.year, month=day.month, day=day.day))
