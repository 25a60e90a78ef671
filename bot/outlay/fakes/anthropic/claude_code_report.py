"""Fake of Anthropic's Claude Code report: who used it on one UTC day, at an estimated cost.

It covers seats with a flat fee and use of the API. The estimate for seats was never paid; rows of customer type `api`
are also in the other reports.
"""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

from starlette.datastructures import QueryParams

from outlay.fakes.anthropic import payloads as shapes
from outlay.fakes.anthropic.faults import AnthropicFaults
from outlay.fakes.anthropic.query import AnthropicQueryError, whole_number
from outlay.fakes.company.company import Company
from outlay.fakes.company.employees import CompanyKey, Developer
from outlay.fakes.company.usage_model import DAY, HOUR, Spend
from outlay.fakes.http_common import Json

BY_THE_TOKEN = ("dana-claude", "docs-writer")  # API keys that Claude Code is used with
YOUNGEST = HOUR


class ClaudeCodeUse:
    """Claude Code report of one organization."""

    def __init__(self, company: Company, faults: AnthropicFaults) -> None:
        self._seats, self._faults = company.view_of("claude-code"), faults
        self._direct = company.view_of("anthropic")

    def day(self, asked: QueryParams, now: datetime) -> Json:
        """Return one page of the report for the UTC day `starting_at`.

        Raises AnthropicQueryError: 400 for a wrong parameter, 410 for a cursor that `expired_cursors` lets expire.
        """
        try:
            start = datetime.strptime(asked.get("starting_at", ""), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise AnthropicQueryError("starting_at: Input should be a valid date") from None
        limit, page = whole_number(asked, "limit", 20, 1_000), asked.get("page", "page_0")
        offset = int(page.removeprefix("page_")) if page.removeprefix("page_").isdecimal() else -1
        if offset < 0:
            raise AnthropicQueryError("page: invalid cursor")
        if offset and self._faults.expired_cursors:
            self._faults.expired_cursors -= 1
            raise AnthropicQueryError("The data was refreshed. Start again from the first page.", 410)
        rows = [self._row(start, key, found) for key, found in self._spent(start, min(start + DAY, now - YOUNGEST))]
        more = offset + limit < len(rows)
        return {
            "data": [self._faults.apply_oddities(row) for row in rows[offset : offset + limit]],
            "has_more": more,
            "next_page": f"page_{offset + limit}" if more else None,
        }

    def _spent(self, start: datetime, end: datetime) -> list[tuple[CompanyKey, list[Spend]]]:
        spent: dict[CompanyKey, list[Spend]] = defaultdict(list)
        for seen in (self._seats, self._direct):
            chosen = [key for key in seen.keys if seen is self._seats or key.name in BY_THE_TOKEN]
            for spend in seen.spends(start, end, keys=chosen):
                spent[spend.key].append(spend)
        return list(spent.items())

    def _row(self, start: datetime, key: CompanyKey, spends: list[Spend]) -> dict[str, Json]:
        seat = key.ledger == self._seats.ledger
        models: dict[str, list[Spend]] = defaultdict(list)
        for spend in spends:
            models[shapes.model_id(spend.model)].append(spend)
        person = key.owner if isinstance(key.owner, Developer) else None
        return {
            "date": shapes.rfc3339(start),
            "organization_id": shapes.organization_id(self._seats),
            "actor": {"type": "user_actor", "email_address": person.email}
            if person
            else {"type": "api_actor", "api_key_name": key.name},
            "customer_type": "subscription" if seat else "api",
            "subscription_type": "team" if seat else None,
            "is_remote": False,
            "terminal_type": "vscode",
            "core_metrics": {"num_sessions": 1 + len(spends) // 3, "commits_by_claude_code": len(spends) // 5},
            "tool_actions": {},
            "model_breakdown": [_model(name, found) for name, found in models.items()],
        }


def _model(name: str, spends: list[Spend]) -> Json:
    cached = sum(spend.cached_tokens for spend in spends)
    return {
        "model": name,
        "tokens": {
            "input": sum(spend.prompt_tokens for spend in spends) - cached,
            "output": sum(spend.completion_tokens for spend in spends),
            "cache_read": cached,
            "cache_creation": 0,
        },
        "estimated_cost": {
            "amount": Decimal(shapes.cents(sum(spend.cost_nano_usd for spend in spends))),
            "currency": "USD",
        },
    }
