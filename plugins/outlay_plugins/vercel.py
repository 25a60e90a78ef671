"""Vercel AI Gateway: what each user cost, by hour and model. The user is the key: Vercel's report names no other.

Vercel's report groups by one thing at a time, and hours only come ungrouped; so a day is queried for its models, each
model for its hours and its users, and, where a model has more than one user, each user for the hours with that model.
Every query is billed by Vercel ($5 for a thousand), so this ledger is read four times a day. What comes without a user
stays in the total, without a key. Dollars are what Vercel counts (`total_cost`); a request on the customer's own key
(BYOK) costs nothing there, and its list price is reported separately. Days and hours are taken as UTC.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

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
    disjoint,
    explain_refusal,
    hour_of,
    read,
)

REPORT_PATH = "/v1/report"
MAX_QUESTIONS_A_DAY = 400  # two dollars
WANTED = "Outlay needs an API key of the AI Gateway (Vercel → AI Gateway → API keys) and a Pro or Enterprise plan."
NO_USER = "sent without a user"
USAGE = Report(
    name="report",
    grain=HOUR,
    basis="computed",
    lag=HOUR,
    settles=timedelta(days=1),
    history=timedelta(days=7),
    rereads=(RereadRule(timedelta(hours=6), 7 * HOUR), RereadRule(timedelta(days=1), timedelta(days=2))),
)

Hours = dict[datetime, Sum]


class VercelConfig(Config):
    """Settings of a Vercel team."""

    api_key: SecretStr = Field(title="AI Gateway API key", description="Vercel → AI Gateway → API keys.")
    team: str = Field(
        title="Team",
        description="The team's name as in vercel.com/TEAM. A gateway key does not tell whose it is.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
    )
    base_url: str = Field(
        "https://ai-gateway.vercel.sh",
        title="Base URL",
        description="Another address that speaks the AI Gateway's API.",
        json_schema_extra={"advanced": True},
    )


class Vercel(Ledger[VercelConfig]):
    """Ledger of a team's AI Gateway."""

    meta = PluginInfo(slug="vercel", title="Vercel AI Gateway", docs="https://vercel.com/docs/ai-gateway")
    Config = VercelConfig
    paces = (RateLimit("GET", REPORT_PATH, calls=60, per_seconds=60),)
    reports = (USAGE,)
    role = "attribution"

    def __init__(self, config: VercelConfig, context: Context) -> None:
        super().__init__(config, context)
        self._left = MAX_QUESTIONS_A_DAY

    @classmethod
    def headers(cls, config: VercelConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value().strip()}"}

    async def check(self) -> CheckResult:
        """Verify that the key may read credits and the report; the settings name the team, as Vercel does not."""
        refused = BadConfig("api_key", f"Vercel does not take this key for the gateway's books. {WANTED}")
        read(
            "Vercel", Credits, await explain_refusal(self.context.http.get("/v1/credits"), {401: refused, 403: refused})
        )
        await explain_refusal(
            self._ask(self.context.clock.now(), group_by="model"), {401: refused, 402: refused, 403: refused}
        )
        team = self.config.team.lower()
        return CheckResult(
            account_id=team,
            account_title=self.config.team,
            credential="AI Gateway API key",
            can_read=("what each user cost, by hour and model",),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the users that the books know: Vercel has no list of them, and every query costs money."""
        return [Key(id=key.id, name=key.name, email=key.email or _email(key.id)) for key in self.context.known_keys]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day."""
        part = common_responses.next_day(window, cursor)
        rows: list[Row] = []
        self._left = MAX_QUESTIONS_A_DAY
        models = await self._names(part.start, "model")
        for model in models:
            rows += await self._rows(part, model) if model else []
        if "" in models:
            rows += await self._of_no_model(part, rows)
        note = f"Vercel would take more than {MAX_QUESTIONS_A_DAY} billed questions for {part.start:%Y-%m-%d}; "
        notes = (note + "some of its users are shown as nobody.",) if self._left <= 0 else ()
        return common_responses.page(window, part, rows, notes=notes)

    async def _rows(self, part: Window, model: str) -> list[Row]:
        """Return one model's day by user and hour, and what no user accounts for."""
        whole = await self._hours(part.start, model=model)
        users = await self._names(part.start, "user", model=model) if self._left > 0 else []
        rows: list[Row] = []
        named: Hours = defaultdict(Sum)
        for user in users:
            if not user or self._left <= 0:
                continue
            alone = whole if len(users) == 1 else await self._hours(part.start, model=model, user_id=user)
            for at, found in alone.items():
                named[at].add(found.usd, found.tokens, found.requests)
                named[at].byok_usd += found.byok_usd
                rows.append(_row(at, user, model, found))
        for at, found in whole.items():
            rest = found.without(named[at])
            rest.byok_usd = max(found.byok_usd - named[at].byok_usd, Decimal(0))
            rows.append(_row(at, "", model, rest))
        return [row for row in rows if part.start <= row.start < part.end and _says_something(row)]

    async def _of_no_model(self, part: Window, rows: Sequence[Row]) -> list[Row]:
        """Return what a day has beyond its models: what Vercel names no model for cannot be queried."""
        known: Hours = defaultdict(Sum)
        for row in rows:
            known[row.start].add(row.cost_usd, row.tokens, row.requests)
        whole = await self._hours(part.start)
        found = [_row(at, "", "", one.without(known[at])) for at, one in whole.items()]
        return [row for row in found if part.start <= row.start < part.end and _says_something(row)]

    async def _names(self, day: datetime, what: str, **only: str) -> list[str]:
        """Return the models or users of a day."""
        lines = await self._ask(day, group_by=what, **only)
        return sorted({line.model if what == "model" else line.user for line in lines})

    async def _hours(self, day: datetime, **only: str) -> Hours:
        """Return a day's figures by the hour."""
        found: Hours = defaultdict(Sum)
        for line in await self._ask(day, group_by="day", date_part="hour", **only):
            if line.hour is None:
                raise Permanent("Vercel's answer is not what it documents (hour is missing).")
            usd, byok_usd = line.money
            found[hour_of(line.hour)].add(usd, line.tokens, line.requests)
            found[hour_of(line.hour)].byok_usd += byok_usd
        return found

    async def _ask(self, day: datetime, **asked: str) -> list["VercelLine"]:
        """Run one billed query."""
        self._left -= 1
        when = f"{day:%Y-%m-%d}"
        answer = await self.context.http.get(REPORT_PATH, {"start_date": when, "end_date": when, **asked})
        return read("Vercel", Lines, answer).results


def _row(at: datetime, user: str, model: str, found: Sum) -> Row:
    reason = "" if user else NO_USER
    return Row(at, user, model, found.usd, found.tokens, found.requests, byok_usd=found.byok_usd, reason=reason)


def _says_something(row: Row) -> bool:
    return bool(row.cost_usd is None or row.cost_usd or row.byok_usd or row.tokens.total or row.requests)


def _email(user: str) -> str:
    """Return a user id that is an e-mail address, as many applications send it; else ""."""
    name, at, domain = user.partition("@")
    return user if name and at and "." in domain and " " not in user else ""


class Credits(ResponseSchema):
    """Response of GET /v1/credits; numbers as text."""

    balance: Decimal
    total_used: Decimal


class VercelLine(ResponseSchema):
    """Line of a report."""

    hour: Moment | None = None
    user: Text = ""
    model: Text = ""
    total_cost: Money | None
    market_cost: Money | None = None
    input_tokens: Count = 0
    cached_input_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    output_tokens: Count = 0
    reasoning_tokens: Count = 0
    requests: Count = Field(0, alias="request_count")

    @property
    def money(self) -> tuple[Decimal | None, Decimal]:
        """Return what Vercel counts, and what was paid upstream with the customer's own key (BYOK).

        The latter is the list price where Vercel took nothing, else zero.
        """
        return self.total_cost, (self.market_cost or Decimal(0)) if self.total_cost == 0 else Decimal(0)

    @property
    def tokens(self) -> Tokens:
        """Return disjoint token counts; Vercel's input includes cached tokens, as everywhere in its AI SDK."""
        return disjoint(
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_creation_input_tokens,
            self.output_tokens,
            self.reasoning_tokens,
        )


class Lines(ResponseSchema):
    """Response of GET /v1/report."""

    results: list[VercelLine]
