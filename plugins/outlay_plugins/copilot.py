"""GitHub Copilot: what each seat of an organization was billed in AI credits, day by day and model by model.

GitHub's report is of one day; it names a person only if it is queried for that person. So each day is read once for the
organization, which is the control total, and once for every seat that used anything in that month. What the seats do
not account for stays in the total, without a key. Amounts are net of discounts and of what the plan includes, in
dollars; quantities are credits, not tokens, so there are no tokens here. How late GitHub's figures are is not
published. The monthly price of the seats is billed elsewhere.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from pydantic import Field, SecretStr

from outlay.plugin import (
    BadConfig,
    CheckResult,
    Config,
    Context,
    Key,
    Ledger,
    Page,
    Permanent,
    PluginInfo,
    RateLimit,
    Report,
    RereadRule,
    Row,
    Window,
)
from outlay_plugins._common import responses as common_responses
from outlay_plugins._common.responses import DAY, Moment, ResponseSchema, Text, explain_refusal, read

SEATS_A_PAGE = 100
MAX_SEAT_PAGES = 100
WANTED = (
    "Outlay needs a token of an organization owner or billing manager: fine-grained, with the organization permissions "
    "Administration (read) and GitHub Copilot Business (read)."
)
NOBODY = "used by somebody without a seat, or by no person"
CREDITS = Report(
    name="credits",
    grain=DAY,
    lag=DAY,
    settles=timedelta(days=7),
    history=timedelta(days=700),  # 24 months
    rereads=(RereadRule(DAY, timedelta(days=7)), RereadRule(timedelta(days=7), timedelta(days=62))),
)

Line = tuple[str, str, str, str]  # product, sku, model, unit


class CopilotConfig(Config):
    """Settings of a GitHub organization."""

    token: SecretStr = Field(
        title="Token",
        description="Of an organization owner or billing manager; fine-grained, Administration and Copilot: read.",
    )
    org: str = Field(
        title="Organization", description="Its name as in github.com/NAME.", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$"
    )
    base_url: str = Field(
        "https://api.github.com",
        title="Base URL",
        description="Another address that speaks GitHub's REST API.",
        json_schema_extra={"advanced": True},
    )


class Copilot(Ledger[CopilotConfig]):
    """Ledger of an organization's AI credits."""

    meta = PluginInfo(slug="copilot", title="GitHub Copilot", docs="https://docs.github.com/rest/billing/usage")
    Config = CopilotConfig
    paces = (RateLimit("GET", "/*", calls=4_500, per_seconds=3_600),)  # published: 5,000 an hour for a token
    reports = (CREDITS,)

    def __init__(self, config: CopilotConfig, context: Context) -> None:
        super().__init__(config, context)
        self._seats: list[Seat] | None = None
        self._active: dict[tuple[int, int], list[CopilotUser]] = {}

    @classmethod
    def headers(cls, config: CopilotConfig) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {config.token.get_secret_value().strip()}",
            "X-GitHub-Api-Version": "2026-03-10",
        }

    async def check(self) -> CheckResult:
        """Verify that the token may read seats and credits; the account is the organization's own id."""
        token = BadConfig("token", f"GitHub does not take this token. {WANTED}")
        nobody = BadConfig("org", f"GitHub knows no organization {self.config.org} that this token may see.")
        org = read(
            "GitHub", Org, await explain_refusal(self._get(f"/orgs/{self._org}"), {401: token, 403: token, 404: nobody})
        )
        refused = BadConfig("token", f"This token may not read {org.login}'s Copilot seats or AI credits. {WANTED}")
        seats = await explain_refusal(
            self._get(f"{self._copilot}/seats", page=1, per_page=1), {403: refused, 404: refused}
        )
        now = self.context.clock.now()
        used = await explain_refusal(
            self._get(self._credits, year=now.year, month=now.month), {403: refused, 404: refused}
        )
        read("GitHub", CopilotUsageResponse, used)
        return CheckResult(
            account_id=org.id,
            account_title=org.name or org.login,
            credential="token of an organization owner or billing manager",
            can_read=("AI credits by day, person and model", f"{read('GitHub', Seats, seats).total} Copilot seats"),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the seats, by GitHub's own user ids. Only people who publish their e-mail have one."""
        self._seats = await self._all_seats()
        found = {
            seat.person.id: Key(
                seat.person.id, seat.person.login, email=seat.person.email, last_used_at=seat.last_activity_at
            )
            for seat in self._seats
            if seat.person
        }
        return list(found.values())

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day: each active seat's share, and what is left of the organization's."""
        part = common_responses.next_day(window, cursor)
        left = await self._billed(part.start)
        rows: list[Row] = []
        for person in await self._used_in(part.start) if left else ():
            for line, usd in (await self._billed(part.start, person.login)).items():
                rows.append(_row(part.start, person.id, line, usd))
                left[line] = left.get(line, Decimal(0)) - usd
            if not any(left.values()):
                break
        rows += [_row(part.start, "", line, usd) for line, usd in left.items() if usd > 0]
        return common_responses.page(window, part, rows)

    @property
    def _org(self) -> str:
        return quote(self.config.org, safe="")

    @property
    def _copilot(self) -> str:
        return f"/orgs/{self._org}/copilot/billing"

    @property
    def _credits(self) -> str:
        return f"/organizations/{self._org}/settings/billing/ai_credit/usage"

    async def _get(self, path: str, **params: str | int) -> Any:
        return await self.context.http.get(path, params)

    async def _all_seats(self) -> list["Seat"]:
        found: list[Seat] = []
        for number in range(1, MAX_SEAT_PAGES + 1):
            answer = await self._get(f"{self._copilot}/seats", page=number, per_page=SEATS_A_PAGE)
            seats = read("GitHub", Seats, answer)
            found += seats.seats
            if len(seats.seats) < SEATS_A_PAGE or len(found) >= seats.total:
                return found
        raise Permanent(f"GitHub's Copilot seats go on beyond {MAX_SEAT_PAGES} pages.")

    async def _used_in(self, day: datetime) -> list["CopilotUser"]:
        """Return the people who were billed anything in the month of that day; queried once a task."""
        month = day.year, day.month
        if month not in self._active:
            if self._seats is None:
                self._seats = await self._all_seats()
            people = {seat.person.id: seat.person for seat in self._seats if seat.person}
            people |= {
                key.id: CopilotUser(id=key.id, login=key.name)
                for key in self.context.known_keys
                if key.id not in people
            }
            self._active[month] = [person for person in people.values() if await self._has_used(person, *month)]
        return self._active[month]

    async def _has_used(self, person: "CopilotUser", year: int, month: int) -> bool:
        """Return whether a person was billed in a month; False for one whom GitHub no longer knows."""
        try:
            return bool(await self._lines(year=year, month=month, user=person.login))
        except Permanent as error:
            if error.status in (400, 404):
                return False
            raise

    async def _billed(self, day: datetime, user: str = "") -> dict[Line, Decimal]:
        """Return what a day cost by line, of one user or of the organization."""
        whose = {"user": user} if user else {}
        return await self._lines(year=day.year, month=day.month, day=day.day, **whose)

    async def _lines(self, **params: str | int) -> dict[Line, Decimal]:
        sums: dict[Line, Decimal] = defaultdict(Decimal)
        for item in read("GitHub", CopilotUsageResponse, await self._get(self._credits, **params)).items:
            sums[item.product, item.sku, item.model, item.unit] += item.net_usd
        return dict(sums)


def _row(day: datetime, key: str, line: Line, usd: Decimal) -> Row:
    product, sku, model, unit = line
    detail = (("product", product), ("sku", sku), ("unit", unit))
    return Row(day, key, model, usd, reason="" if key else NOBODY, detail=detail)


class Org(ResponseSchema):
    """Response of GET /orgs/ORG."""

    id: Text = Field(min_length=1)
    login: str
    name: Text = ""


class CopilotUser(ResponseSchema):
    """Holder of a seat."""

    id: Text = Field(min_length=1)
    login: str
    email: Text = ""


class Seat(ResponseSchema):
    """Seat; `person` null: of an account that is gone."""

    person: CopilotUser | None = Field(None, alias="assignee")
    last_activity_at: Moment | None = None


class Seats(ResponseSchema):
    """Response of GET …/copilot/billing/seats."""

    total: int = Field(alias="total_seats", ge=0)
    seats: list[Seat]


class Item(ResponseSchema):
    """Line of a bill."""

    product: Text = ""
    sku: str
    model: Text = ""
    unit: Text = Field("", alias="unitType")
    net_usd: Decimal = Field(alias="netAmount", ge=-common_responses.MAX_USD, le=common_responses.MAX_USD)


class CopilotUsageResponse(ResponseSchema):
    """Response of GET …/ai_credit/usage."""

    items: list[Item] = Field(alias="usageItems")
