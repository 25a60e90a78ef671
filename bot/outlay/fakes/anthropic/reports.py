"""Fake Anthropic reports, computed from the example company's spend: two by the bucket, two (analytics) by the row."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from outlay.fakes.anthropic import payloads as shapes
from outlay.fakes.anthropic.faults import AnthropicFaults
from outlay.fakes.anthropic.query import AnthropicQueryError, AnthropicReportQuery
from outlay.fakes.company.company import Company, Grain
from outlay.fakes.company.employees import CompanyKey, KeyGroup
from outlay.fakes.company.usage_model import DAY, HOUR, MINUTE, Spend
from outlay.fakes.http_common import Json

_Group = tuple[tuple[str, Json], ...]
_Results = Callable[[datetime, datetime], list[Json]]


class Reports:
    """Reports of one organization. Its first key's workspace is the default one, which reports show as null."""

    def __init__(self, company: Company, faults: AnthropicFaults) -> None:
        self._company, self._faults = company, faults
        self.default: KeyGroup = company.keys[0].workspace

    def usage(self, query: AnthropicReportQuery, now: datetime) -> Json:
        """Answer /usage_report/messages."""
        self._refuse(query)
        known_until = now - self._faults.usage_lag

        def results(start: datetime, end: datetime) -> list[Json]:
            grain: Grain = "minute" if query.width == MINUTE else "hour"
            spends = self._company.spends(start, min(end, known_until), grain)
            return [
                self._faults.apply_oddities({**self._dimensions(query.groups, group), **shapes.counts(found)})
                for group, found in self._grouped(spends, query.groups).values()
            ]

        return self._buckets(query, results)

    def cost(self, query: AnthropicReportQuery, now: datetime) -> Json:
        """Answer /cost_report."""
        self._refuse(query)
        described = "description" in query.groups

        def results(start: datetime, end: datetime) -> list[Json]:
            rows: list[Json] = []
            names = [name for name in ("workspace_id", "model", "service_tier") if described or name in query.groups]
            for group, found in self._grouped(self._company.spends(start, min(end, now)), names).values():
                place = dict(group).get("workspace_id") if "workspace_id" in query.groups else None
                for line in shapes.bill_lines(found, described, self._faults):
                    rows.append(self._faults.apply_oddities({**line, "workspace_id": place}))
            if self._faults.searches_nano_usd and end <= now:
                line = shapes.searches_line(self._faults.searches_nano_usd, described)
                rows.append(self._faults.apply_oddities({**line, "workspace_id": None}))
            return rows

        return self._buckets(query, results)

    def analytics(self, query: AnthropicReportQuery, now: datetime, *, cost: bool) -> Json:
        """Answer /analytics/cost (`cost`) or /analytics/usage."""
        self._refuse(query)
        refreshed_at = now - self._faults.analytics_lag
        rows = [self._faults.apply_oddities(row) for row in self._analytics_rows(query, refreshed_at, cost)]
        rows.sort(key=lambda row: _rank(query.order_by, row), reverse=query.descending)
        page = rows[query.offset : query.offset + query.limit]
        more = query.offset + query.limit < len(rows)
        return {
            "data": [*page],
            "has_more": more,
            "next_page": query.cursor(query.offset + query.limit) if more else None,
            "data_refreshed_at": shapes.rfc3339(refreshed_at) if self._faults.tells_freshness else None,
        }

    def _analytics_rows(
        self, query: AnthropicReportQuery, refreshed_at: datetime, cost: bool
    ) -> Iterator[dict[str, Json]]:
        end = min(query.end, refreshed_at)
        grain: Grain = "minute" if query.width == MINUTE else "hour"
        slots: dict[datetime, list[Spend]] = defaultdict(list)
        for spend in self._company.spends(query.start, end, grain):
            slots[_slot(spend.start, query)].append(spend)
        names = [name for name in query.groups if name not in ("cost_type", "token_type")]
        by_type = len(names) < len(query.groups)
        for start, spends in slots.items():
            finish = start + query.width if query.width else query.end
            head: dict[str, Json] = {"starting_at": shapes.rfc3339(start), "ending_at": shapes.rfc3339(finish)}
            for group, found in self._grouped(spends, names).values():
                told: dict[str, Json] = {**head, "group": self._dimensions(query.groups, group)}
                requests = sum(spend.requests for spend in found)
                if not cost:
                    numbers = shapes.counts(found)
                    total = sum(spend.prompt_tokens + spend.completion_tokens for spend in found)
                    yield {**told, "usage": {**numbers, "total_tokens": total, "requests": requests}}
                    continue
                amount = shapes.cents(sum(spend.cost_nano_usd for spend in found))
                money: dict[str, Json] = {"amount": amount, "list_amount": amount, "currency": "USD"}
                yield {**told, "cost": {**money, "requests": None if by_type else requests}}
        if cost and self._faults.searches_nano_usd:
            yield from self._searches(query, names, end)

    def _searches(self, query: AnthropicReportQuery, names: list[str], end: datetime) -> Iterator[dict[str, Json]]:
        """Yield the rows of web searches: one a day, at noon, by the first key."""
        key = self._company.keys[0]
        moment = query.start.replace(hour=12, minute=0)
        while moment < end:
            if moment >= query.start:
                start = _slot(moment, query)
                told = {name: self._dimension_value(name, key, None) for name in names}
                amount = shapes.cents(self._faults.searches_nano_usd)
                yield {
                    "starting_at": shapes.rfc3339(start),
                    "ending_at": shapes.rfc3339(start + (query.width or HOUR)),
                    "group": {**dict.fromkeys(query.groups), **told},
                    "cost": {"amount": amount, "list_amount": amount, "currency": "USD", "requests": None},
                }
            moment += DAY

    def _buckets(self, query: AnthropicReportQuery, results: _Results) -> Json:
        """Return a page of buckets, oldest first; buckets without usage are included, and empty."""
        assert query.width is not None  # noqa: S101 - the older reports always have one
        start = query.start + query.offset * query.width
        data: list[Json] = []
        while start < query.end and len(data) < query.limit:
            end = start + query.width
            head: dict[str, Json] = {"starting_at": shapes.rfc3339(start), "ending_at": shapes.rfc3339(end)}
            told = results(start, end) if end > self._company.start else []  # empty before; computing takes a while
            data.append({**head, "results": told})
            start = end
        more = start < query.end
        after = query.cursor(query.offset + len(data)) if more else None
        return {"data": data, "has_more": more, "next_page": after}

    def _refuse(self, query: AnthropicReportQuery) -> None:
        """Raise AnthropicQueryError for a dimension or a cursor that the faults refuse."""
        if refused := sorted(self._faults.groupings_refused & set(query.groups)):
            raise AnthropicQueryError(f"group_by[]: {refused[0]} is not available for this organization")
        if query.offset and self._faults.expired_cursors:
            self._faults.expired_cursors -= 1
            raise AnthropicQueryError("The data was refreshed. Start again from the first page.", 410)

    def _grouped(self, spends: Iterable[Spend], names: Sequence[str]) -> dict[str, tuple[_Group, list[Spend]]]:
        groups: dict[str, tuple[_Group, list[Spend]]] = {}
        for spend in spends:
            group = tuple((name, self._dimension_value(name, spend.key, spend)) for name in names)
            groups.setdefault(repr(group), (group, []))[1].append(spend)
        return groups

    def _dimensions(self, asked: Sequence[str], group: _Group) -> dict[str, Json]:
        return {**dict.fromkeys(asked), **dict(group)}

    def _dimension_value(self, name: str, key: CompanyKey, spend: Spend | None) -> Json:
        """Return the value of one dimension as reports show it; None where they show null."""
        match name:
            case "api_key_id":
                return key.hash or None
            case "account_id":
                return getattr(key.owner, "user_id", None) if not key.hash and self._faults.names_people else None
            case "workspace_id":
                return None if key.workspace.id == self.default.id else key.workspace.id
            case "model":
                return shapes.model_id(spend.model) if spend else None
            case "service_tier":
                return ("batch" if key.batch else "standard") if spend else None
            case "actor":
                return shapes.actor(key, self._faults)
        return None


def _slot(moment: datetime, query: AnthropicReportQuery) -> datetime:
    """Return the start of the bucket that contains a moment; without a width the whole range is one bucket."""
    if query.width is None:
        return query.start
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // query.width * query.width


def _rank(order_by: str, row: dict[str, Json]) -> tuple[object, ...]:
    figures = row.get("cost") or row.get("usage")
    if order_by == "time" or not isinstance(figures, dict):
        return (str(row["starting_at"]), str(row["group"]))
    return (float(str(figures.get(order_by) or 0)), str(row["starting_at"]), str(row["group"]))
