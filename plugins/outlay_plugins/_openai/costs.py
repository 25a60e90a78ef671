"""Report `costs`: the bill of each UTC day by project, line item and key. It comes hours after the day.

OpenAI names keys only from 6 December 2025 on and answers 400, naming that moment, to a query for earlier days; so a
page never crosses it, and an account for which the moment is another one is queried once more accordingly.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from outlay.plugin import Context, Page, Permanent, Row, Window
from outlay_plugins._openai.line_items import model_of, tier_of
from outlay_plugins._openai.paging import fetch_buckets
from outlay_plugins._openai.schemas import Buckets, OpenAIBucket, OpenAICostLine
from outlay_plugins._openai.windows import midnight, place

DAY = timedelta(days=1)
PATH = "/organization/costs"
PAGE_DAYS = 7
KEYS_SINCE = datetime.fromtimestamp(1_764_979_200, UTC)  # 6 Dec 2025
BEFORE_KEYS = "billed before OpenAI told which key"
NO_KEY = "OpenAI's bill names no key for it"
_EPOCH = re.compile(r"(?<!\d)1\d{9}(?!\d)")
_Identity = tuple[datetime, str, str, str]


class OpenAICostsReport:
    """Reader of the `costs` report."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._keys_since = KEYS_SINCE
        self._notes: tuple[str, ...] = ()

    async def page(self, window: Window, cursor: str | None) -> Page:
        """Return whole UTC days of the window, a week a page."""
        first, last = midnight(window.start), midnight(window.end - timedelta(microseconds=1)) + DAY
        start = place(cursor, first)
        if start >= last:
            return Page(Window(last, last))
        keyed = start >= self._keys_since
        end = min(start + PAGE_DAYS * DAY, last, last if keyed else self._keys_since)
        try:
            found = await self._ask(start, end, keyed)
        except Permanent as error:
            since = self._since(error, start, end) if keyed else None
            if since is None:
                raise
            self._keys_since = since
            return await self.page(window, cursor)
        return Page(Window(start, end), _rows(found, keyed), cursor=_next(end, last), notes=self._notes)

    async def _ask(self, start: datetime, end: datetime, keyed: bool) -> list[OpenAIBucket[OpenAICostLine]]:
        now = self._context.clock.now()
        try:
            return await self._buckets(start, end, min(end, now), keyed)
        except Permanent as error:
            if error.status == 400 and "end_time" in str(error) and now < end:  # our clock is ahead of OpenAI's
                return await self._buckets(start, end, None, keyed)
            raise

    async def _buckets(
        self, start: datetime, end: datetime, until: datetime | None, keyed: bool
    ) -> list[OpenAIBucket[OpenAICostLine]]:
        groups = ("project_id", "line_item", "api_key_id") if keyed else ("project_id", "line_item")
        params: list[tuple[str, str | int]] = [
            ("start_time", int(start.timestamp())),
            *([("end_time", int(until.timestamp()))] if until else []),
            ("bucket_width", "1d"),
            ("limit", (end - start) // DAY),
            *(("group_by", group) for group in groups),
        ]
        return await fetch_buckets(self._context.http, PATH, params, Buckets[OpenAICostLine], start, end)

    def _since(self, error: Permanent, start: datetime, end: datetime) -> datetime | None:
        """Return from when on OpenAI names keys, as a refusal says; None if it is about something else.

        If it names keys at no time, that is a day in the future, and a note is kept.
        """
        if error.status != 400:
            return None
        if named := _EPOCH.search(str(error)):
            since = datetime.fromtimestamp(int(named[0]), UTC)
            since = midnight(since + DAY - timedelta(microseconds=1))
            return since if start < since <= self._context.clock.now() + DAY else None
        if "api_key_id" not in str(error):
            return None
        self._notes = ("OpenAI's bill does not tell this organization's keys; usage says who used each model.",)
        return max(end, midnight(self._context.clock.now()) + DAY)


def _rows(found: Sequence[OpenAIBucket[OpenAICostLine]], keyed: bool) -> list[Row]:
    """Build one row for each day, project, line item and key; lines that OpenAI reports in parts are summed."""
    sums: dict[_Identity, Decimal | None] = {}
    for bucket in found:
        for line in bucket.results:
            identity = (bucket.start, line.project_id, line.line_item, line.api_key_id)
            usd = _usd(line)
            sofar = sums.get(identity, Decimal(0))
            sums[identity] = None if usd is None or sofar is None else sofar + usd
    return [_row(identity, usd, keyed) for identity, usd in sums.items()]


def _row(identity: _Identity, usd: Decimal | None, keyed: bool) -> Row:
    start, project, item, key = identity
    model, tier = model_of(item), tier_of(item)
    reason = "" if key else BEFORE_KEYS if not keyed else NO_KEY if model or not item else item
    return Row(
        start=start,
        key=key,
        model=model,
        cost_usd=usd,
        project=project,
        reason=reason,
        detail=(
            *([("line_item", item)] if item else []),
            *([("service_tier", tier)] if model and tier else []),
        ),
    )


def _usd(line: OpenAICostLine) -> Decimal | None:
    """Return the line's dollars, None if unknown. Raises Permanent for another currency."""
    if line.amount is None or line.amount.value is None:
        return None
    if line.amount.currency.lower() not in ("usd", ""):
        raise Permanent(f"OpenAI's bill is in {line.amount.currency[:10]!r}; Outlay counts dollars.")
    return line.amount.value


def _next(end: datetime, last: datetime) -> str | None:
    return end.isoformat() if end < last else None
