"""Helicone: what each user cost through the gateway, hour by hour and model by model, as Helicone itself estimates it.

Its user metrics answer for one time range and one filter, so each hour is queried for its models, and each model for
its users; a day without use is queried once. A user is whatever the application sends as `Helicone-User-Id`; what comes
without stays in the total, without a key. Helicone does not tell cached tokens apart here, so they stay in input. Its
dollars are an estimate from list prices: a gateway's books, which split what a provider bills.

Only two reading POSTs of sums are ever sent; whatever could return a request's body is refused by the client.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field, SecretStr

from outlay.plugin import (
    BadConfig,
    CheckResult,
    Config,
    Key,
    Ledger,
    Page,
    Permanent,
    PluginInfo,
    RateLimit,
    Report,
    RereadRule,
    Row,
    Tokens,
    Window,
)
from outlay_plugins._common import responses as common_responses
from outlay_plugins._common.responses import HOUR, Count, Money, ResponseSchema, Sum, Text, explain_refusal, read

USERS_PATH, MODELS_PATH = "/v1/user/metrics/query", "/v1/metrics/models"
PAGE_LINES = 1_000
MAX_PAGES = 100  # of one query
WANTED = "Make one in Helicone under Settings → API keys; it needs to read."
NO_USER = "sent without a Helicone-User-Id"
USERS = Report(
    name="users",
    grain=HOUR,
    basis="computed",
    lag=timedelta(minutes=10),
    settles=timedelta(days=1),
    history=timedelta(days=35),
    rereads=(RereadRule(timedelta(minutes=5), 2 * HOUR), RereadRule(timedelta(days=1), timedelta(days=2))),
)


class HeliconeConfig(Config):
    """Settings of a Helicone organization."""

    api_key: SecretStr = Field(title="API key", description="Helicone → Settings → API keys. Outlay only reads sums.")
    base_url: str = Field(
        "https://api.helicone.ai",
        title="Base URL",
        description="In the European Union: https://eu.api.helicone.ai. Or your own Helicone.",
        json_schema_extra={"advanced": True},
    )


class Helicone(Ledger[HeliconeConfig]):
    """Ledger of a Helicone organization."""

    meta = PluginInfo(slug="helicone", title="Helicone", docs="https://docs.helicone.ai")
    Config = HeliconeConfig
    reading_posts = (USERS_PATH, MODELS_PATH)
    paces = (
        RateLimit("POST", USERS_PATH, calls=120, per_seconds=60),
        RateLimit("POST", MODELS_PATH, calls=120, per_seconds=60),
    )
    reports = (USERS,)
    role = "attribution"

    @classmethod
    def headers(cls, config: HeliconeConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value().strip()}"}

    async def check(self) -> CheckResult:
        """Verify the key; the account is the organization that Helicone's own list of keys names."""
        refused = BadConfig("api_key", f"Helicone does not take this key for its books. {WANTED}")
        answer = await explain_refusal(self.context.http.get("/v1/api-keys"), {401: refused, 403: refused})
        keys = read("Helicone", HeliconeApiKeys, self._good(answer)).data
        organizations = {key.organization_id for key in keys}
        if len(organizations) != 1:
            raise Permanent("Helicone does not say which organization this key is of.")
        now = self.context.clock.now()
        await explain_refusal(self._models(Window(now - HOUR, now)), {401: refused, 403: refused})
        (organization,) = organizations
        return CheckResult(
            account_id=organization,
            account_title=f"Helicone organization {organization[:8]}",
            credential="API key",
            can_read=("what each user cost, by hour and model, as Helicone estimates it",),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the users of the last day as keys.

        Helicone's users are what applications send, and there is no list of them.
        """
        now = self.context.clock.now()
        users = await self._users(Window(now - timedelta(days=1), now), "all")
        return [Key(id=user.user_id, name=user.user_id, email=_email(user.user_id)) for user in users if user.user_id]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day; hours without use are not queried any further."""
        part = common_responses.next_day(window, cursor)
        rows: list[Row] = []
        for hour in common_responses.hours(part) if await self._models(part) else ():
            for model in await self._models(hour):
                rows += await self._rows(hour, model)
        return common_responses.page(window, part, rows)

    async def _rows(self, hour: Window, model: "ModelLine") -> list[Row]:
        """Return one model's hour by user, and what no user accounts for."""
        only = {"request_response_rmt": {"model": {"equals": model.model}}}
        whole, named, rows = model.sum, Sum(), []
        start = common_responses.hour_of(hour.start)
        for user in await self._users(hour, only):
            if not user.user_id:
                continue
            found = user.sum
            named.add(found.usd, found.tokens, found.requests)
            rows.append(Row(start, user.user_id, model.model, found.usd, found.tokens, found.requests))
        rest = whole.without(named)
        if not rest.is_nothing:
            rows.append(Row(start, "", model.model, rest.usd, rest.tokens, rest.requests, reason=NO_USER))
        return rows

    async def _models(self, window: Window) -> list["ModelLine"]:
        """Return the models that ran in a time range, with their figures."""
        asked = {"filter": "all", "timeFilter": {"start": _iso(window.start), "end": _iso(window.end)}}
        found: dict[str, ModelLine] = {}
        for number in range(MAX_PAGES):
            paging = {"offset": number * PAGE_LINES, "limit": PAGE_LINES}
            lines = read(
                "Helicone", HeliconeModels, self._good(await self.context.http.post(MODELS_PATH, asked | paging))
            ).data
            found |= {line.model: line for line in lines}
            if len(lines) < PAGE_LINES:
                return [line for line in found.values() if not line.sum.is_nothing]
        raise Permanent(f"Helicone's models go on beyond {MAX_PAGES} pages.")

    async def _users(self, window: Window, only: Any) -> list["UserLine"]:
        """Return the users in a time range, each once even where pages overlap."""
        asked = {
            "filter": only,
            "timeFilter": {
                "startTimeUnixSeconds": int(window.start.timestamp()),
                "endTimeUnixSeconds": int(window.end.timestamp()),
            },
            "timeZoneDifferenceMinutes": 0,
        }
        found: dict[str, UserLine] = {}
        for number in range(MAX_PAGES):
            paging = {"offset": number * PAGE_LINES, "limit": PAGE_LINES}
            answer = self._good(await self.context.http.post(USERS_PATH, asked | paging))
            told = read("Helicone", Users, answer).data
            found |= {line.user_id: line for line in told.users}
            if len(told.users) < PAGE_LINES:
                return list(found.values())
        raise Permanent(f"Helicone's users go on beyond {MAX_PAGES} pages.")

    @staticmethod
    def _good(answer: Any) -> Any:
        """Return the answer. Raises Permanent for an error, which Helicone reports with a successful status."""
        if isinstance(answer, dict) and isinstance(answer.get("error"), str) and answer["error"]:
            raise Permanent("Helicone could not answer the question, and says so without a status.")
        return answer


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _email(user: str) -> str:
    """Return a user id that is an e-mail address, as many applications send it; else ""."""
    name, at, domain = user.partition("@")
    return user if name and at and "." in domain and " " not in user else ""


class HeliconeApiKey(ResponseSchema):
    """API key of the organization; only its organization is read."""

    organization_id: str = Field(min_length=1)


class HeliconeApiKeys(ResponseSchema):
    """Response of GET /v1/api-keys."""

    data: list[HeliconeApiKey]


class ModelLine(ResponseSchema):
    """Figures of a model in a time range."""

    model: Text
    cost: Money | None
    total_requests: Count
    total_prompt_token: Count
    total_completion_tokens: Count

    @property
    def sum(self) -> Sum:
        """Return its figures."""
        tokens = Tokens(input=self.total_prompt_token, output=self.total_completion_tokens)
        return Sum(self.cost, Decimal(0), tokens, self.total_requests)


class HeliconeModels(ResponseSchema):
    """Response of POST /v1/metrics/models."""

    data: list[ModelLine]


class UserLine(ResponseSchema):
    """Figures of a user in a time range."""

    user_id: Text
    cost: Money | None
    total_requests: Count
    total_prompt_tokens: Count
    total_completion_tokens: Count

    @property
    def sum(self) -> Sum:
        """Return its figures."""
        tokens = Tokens(input=self.total_prompt_tokens, output=self.total_completion_tokens)
        return Sum(self.cost, Decimal(0), tokens, self.total_requests)


class UserLines(ResponseSchema):
    """Content of the `data` field."""

    users: list[UserLine]


class Users(ResponseSchema):
    """Response of POST /v1/user/metrics/query."""

    data: UserLines
