"""Cloudflare AI Gateway: what each gateway passed on, hour by hour and model by model, as Cloudflare estimates it.

The figures are those of Cloudflare's GraphQL analytics. That dataset is sampled where there is much traffic, and its
dollars are an estimate: a gateway's books, which split what a provider bills. The key of this ledger is the gateway;
Cloudflare knows no keys of people. What a gateway answered from its own cache never reached a provider: it is left out.
Logs, which can hold requests and answers, are never read.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
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
    PluginError,
    PluginInfo,
    RateLimit,
    Report,
    RereadRule,
    Row,
    Tokens,
    Window,
)
from outlay_plugins._common import responses as common_responses
from outlay_plugins._common.responses import (
    HOUR,
    Count,
    Moment,
    Money,
    ResponseSchema,
    Sum,
    Text,
    explain_refusal,
    hour_of,
    read,
)

GRAPHQL_PATH = "/graphql"
MAX_ROWS = 5_000  # of one answer; it does not page
GATEWAYS_A_PAGE = 50
MAX_PAGES = 100
WANTED = "It needs the account permissions AI Gateway: Read and Account Analytics: Read."
REQUESTS = Report(
    name="requests",
    grain=HOUR,
    basis="computed",
    lag=timedelta(minutes=10),
    settles=timedelta(days=1),
    history=timedelta(days=30),
    rereads=(RereadRule(timedelta(minutes=5), 3 * HOUR), RereadRule(timedelta(days=1), timedelta(days=3))),
)
QUERY = """
query Outlay($account: string!, $start: Time!, $end: Time!, $limit: Int!) {
  viewer { accounts(filter: {accountTag: $account}) {
    aiGatewayRequestsAdaptiveGroups(limit: $limit, filter: {datetimeHour_geq: $start, datetimeHour_lt: $end}) {
      count
      sum { cost uncachedTokensIn uncachedTokensOut cachedRequests }
      dimensions { datetimeHour gateway provider model }
    }
  } }
}
"""


class CloudflareConfig(Config):
    """Settings of a Cloudflare account."""

    api_token: SecretStr = Field(title="API token", description=f"My profile → API tokens. {WANTED}")
    account_id: str = Field(
        title="Account id", description="The 32 letters and digits of the account.", pattern=r"^[0-9a-fA-F]{32}$"
    )
    base_url: str = Field(
        "https://api.cloudflare.com/client/v4",
        title="Base URL",
        description="Another address that speaks Cloudflare's API.",
        json_schema_extra={"advanced": True},
    )


class Cloudflare(Ledger[CloudflareConfig]):
    """Ledger of an account's AI gateways."""

    meta = PluginInfo(
        slug="cloudflare", title="Cloudflare AI Gateway", docs="https://developers.cloudflare.com/ai-gateway"
    )
    Config = CloudflareConfig
    reading_posts = (GRAPHQL_PATH,)
    paces = (RateLimit("POST", GRAPHQL_PATH, calls=300, per_seconds=300),)  # published for GraphQL: 300 in 5 minutes
    reports = (REQUESTS,)
    role = "attribution"

    @classmethod
    def headers(cls, config: CloudflareConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_token.get_secret_value().strip()}"}

    async def check(self) -> CheckResult:
        """Verify that the token may read gateways and analytics of the account in the settings."""
        refused = BadConfig("api_token", f"Cloudflare does not let this token read the account's gateways. {WANTED}")
        nobody = BadConfig("account_id", "Cloudflare knows no such account, or this token may not see it.")
        gateways = await explain_refusal(self._gateways(), {401: refused, 403: refused, 400: nobody, 404: nobody})
        now = self.context.clock.now()
        try:
            await explain_refusal(self._groups(Window(now - HOUR, now)), {401: refused, 403: refused})
        except Permanent as error:
            raise BadConfig("api_token", f"{error} {WANTED}", status=error.status) from None
        account = self.config.account_id.lower()
        return CheckResult(
            account_id=account,
            account_title=f"Cloudflare account {account[:8]}…",
            credential="API token",
            can_read=(
                "what each gateway passed on, by hour and model, as Cloudflare estimates it",
                f"{len(gateways)} gateways",
            ),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the gateways, by their ids, which are their names."""
        return [
            Key(id=gateway.id, name=gateway.id, created_at=gateway.created_at) for gateway in await self._gateways()
        ]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day."""
        part = common_responses.next_day(window, cursor)
        groups, whole = await self._groups(part)
        sums: dict[tuple[datetime, str, str, str], Sum] = defaultdict(Sum)
        for group in groups:
            of = group.dimensions
            if part.start <= hour_of(of.at) < part.end:
                tokens = Tokens(input=group.sum.uncachedTokensIn, output=group.sum.uncachedTokensOut)
                requests = max(group.count - group.sum.cachedRequests, 0)
                sums[hour_of(of.at), of.gateway, of.model, of.provider].add(group.sum.cost, tokens, requests)
        rows = [
            Row(
                at,
                gateway,
                model,
                found.usd,
                found.tokens,
                found.requests,
                reason="" if gateway else "passed through no gateway that Cloudflare names",
                detail=(("provider", provider),),
            )
            for (at, gateway, model, provider), found in sums.items()
            if not found.is_nothing
        ]
        cut = () if whole else (f"Cloudflare cut its answer short at {MAX_ROWS:,} rows on {part.start:%Y-%m-%d}.",)
        return common_responses.page(window, part, rows, disagrees=cut)

    async def _gateways(self) -> list["Gateway"]:
        found: dict[str, Gateway] = {}
        for number in range(1, MAX_PAGES + 1):
            asked = {"page": number, "per_page": GATEWAYS_A_PAGE}
            path = f"/accounts/{self.config.account_id.lower()}/ai-gateway/gateways"
            gateways = read("Cloudflare", Gateways, await self.context.http.get(path, asked)).result
            found |= {gateway.id: gateway for gateway in gateways}
            if len(gateways) < GATEWAYS_A_PAGE:
                return list(found.values())
        raise Permanent(f"Cloudflare's gateways go on beyond {MAX_PAGES} pages.")

    async def _groups(self, part: Window) -> tuple[list["CloudflareGroup"], bool]:
        """Return the groups of a time range, and whether they are all.

        A full answer is queried again in halves.
        """
        start = hour_of(part.start)
        variables = {
            "account": self.config.account_id.lower(),
            "start": _iso(start),
            "end": _iso(part.end),
            "limit": MAX_ROWS,
        }
        answer = read(
            "Cloudflare",
            CloudflareResponse,
            await self.context.http.post(GRAPHQL_PATH, {"query": QUERY, "variables": variables}),
        )
        if problem := answer.problem:
            raise problem
        accounts = answer.data.viewer.accounts if answer.data else []
        if len(accounts) != 1:
            raise Permanent("Cloudflare's analytics do not know this account, or this token may not read them.")
        groups = accounts[0].groups
        if len(groups) < MAX_ROWS:
            return groups, True
        hours = common_responses.hours(Window(start, part.end))
        if len(hours) == 1:
            return groups, False
        middle = hours[len(hours) // 2].start
        first, first_whole = await self._groups(Window(start, middle))
        second, second_whole = await self._groups(Window(middle, part.end))
        return first + second, first_whole and second_whole


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Gateway(ResponseSchema):
    """AI gateway of the account."""

    id: str = Field(min_length=1)
    created_at: Moment | None = None


class Gateways(ResponseSchema):
    """Response of GET /accounts/ID/ai-gateway/gateways."""

    result: list[Gateway]


class CloudflareSums(ResponseSchema):
    """Sums of a group."""

    cost: Money | None
    uncachedTokensIn: Count  # noqa: N815  the vendor's spelling
    uncachedTokensOut: Count  # noqa: N815
    cachedRequests: Count = 0  # noqa: N815


class Dimensions(ResponseSchema):
    """Dimensions of a group."""

    at: Moment = Field(alias="datetimeHour")
    gateway: Text = ""
    provider: Text = ""
    model: Text = ""


class CloudflareGroup(ResponseSchema):
    """Line of the dataset."""

    count: Count
    sum: CloudflareSums
    dimensions: Dimensions


class CloudflareAccount(ResponseSchema):
    """Part of an answer that belongs to the account."""

    groups: list[CloudflareGroup] = Field(alias="aiGatewayRequestsAdaptiveGroups")


class CloudflareViewer(ResponseSchema):
    """Accounts that the token sees."""

    accounts: list[CloudflareAccount]


class Data(ResponseSchema):
    """Content of a successful answer."""

    viewer: CloudflareViewer


class CloudflareResponse(ResponseSchema):
    """Response of POST /graphql: GraphQL reports errors with a successful status."""

    data: Data | None
    errors: list[dict[str, Any]] | None = None

    @property
    def problem(self) -> PluginError | None:
        """Return the error that the answer reports, None if there is none.

        Its text is ours: a message of GraphQL's may hold anything.
        """
        if self.errors:
            denied = any("authz" in str(error) or "not authorized" in str(error) for error in self.errors)
            why = "this token may not read them" if denied else "the question was refused"
            return Permanent(f"Cloudflare's analytics gave no answer: {why}.", status=403 if denied else None)
        return Permanent("Cloudflare's analytics gave no answer, and do not say why.") if self.data is None else None
