"""Claude Code on subscriptions: who used which models, day by day, at Anthropic's estimated cost.

A seat pays a flat fee, so these dollars are notional: what the same use would have cost by the token. They are in no
total, and `connection:NAME` shows them. Use that is billed by the token is left out: the ledger `anthropic` has it. So
this connection stands beside that one, with the same kind of key.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from outlay.plugin import (
    BadConfig,
    CheckResult,
    Config,
    Context,
    Key,
    Ledger,
    NeedsReauth,
    Page,
    Permanent,
    PluginInfo,
    Report,
    RereadRule,
    Row,
    Tokens,
    Window,
)
from outlay_plugins._anthropic import schemas as anthropic_schemas
from outlay_plugins._anthropic.client import ROOT, AnthropicClient, Pair
from outlay_plugins._anthropic.schemas import AnthropicMember, Cents, Count, Organization, Text, read, usd
from outlay_plugins._common import responses as common_responses

PATH = "/usage_report/claude_code"
VERSION = "2023-06-01"
PAGE_ROWS = 1_000
DAY = timedelta(days=1)
SEAT = "Claude Code"
METERED = "api"
NOBODY = "used by nobody whom Anthropic names"
MAKE_ONE = "An admin of the organization makes one in the Claude Console under Settings → Admin keys."

USE = Report(
    name="use",
    grain=DAY,
    basis="computed",
    lag=timedelta(hours=2),  # use of about the last hour is not reported
    settles=timedelta(days=3),
    history=timedelta(days=364),
    rereads=(RereadRule(timedelta(hours=6), timedelta(days=3)),),
)


class ClaudeCodeConfig(Config):
    """Settings of an organization's Claude Code report."""

    api_key: SecretStr = Field(
        title="Admin key",
        description="An admin key of the organization, as for Anthropic (sk-ant-admin01-…). Outlay only reads with it.",
    )
    base_url: str = Field(
        default="https://api.anthropic.com",
        title="Base URL",
        description="Another address that speaks Anthropic's Admin API.",
        json_schema_extra={"advanced": True},
    )


class ClaudeCode(Ledger[ClaudeCodeConfig]):
    """Ledger of what an organization's people used in Claude Code on a subscription."""

    meta = PluginInfo(
        slug="claude-code",
        title="Claude Code",
        docs="https://platform.claude.com/docs/en/build-with-claude/claude-code-analytics-api",
    )
    Config = ClaudeCodeConfig
    reports = (USE,)
    role = "attribution"
    notional = True

    def __init__(self, config: ClaudeCodeConfig, context: Context) -> None:
        super().__init__(config, context)
        self._asking = AnthropicClient(context)

    @classmethod
    def headers(cls, config: ClaudeCodeConfig) -> dict[str, str]:
        return {"x-api-key": config.api_key.get_secret_value().strip(), "anthropic-version": VERSION}

    async def check(self) -> CheckResult:
        """Verify that this is an admin key, and that the organization has this report."""
        try:
            me = read(Organization, await self.context.http.get(f"{ROOT}/me"), "the organization")
            yesterday = (self.context.clock.now() - DAY).date()
            answer = await self.context.http.get(ROOT + PATH, [("starting_at", f"{yesterday}"), ("limit", 1)])
            read(anthropic_schemas.AnthropicPage[Use], answer, PATH)
        except NeedsReauth as error:
            words = f"Anthropic does not accept this key for the organization's books (401). {MAKE_ONE}"
            raise BadConfig("api_key", words, status=error.status) from None
        except Permanent as error:
            if error.status == 403:
                words = f"This key may not read who used Claude Code (403). {MAKE_ONE}"
                raise BadConfig("api_key", words, status=error.status) from None
            if error.status is not None:
                raise BadConfig("base_url", str(error), status=error.status) from None
            raise
        return CheckResult(
            account_id=me.id,
            account_title=f"Claude Code of {me.name or 'an Anthropic organization'}",
            credential="admin key",
            can_read=("what each seat of a subscription used, by day and model; no dollar of it is in any total",),
        )

    async def keys(self) -> Sequence[Key]:
        """Return a seat for each member, by e-mail: the report identifies people by that alone."""
        people = await self._asking.listing("/users", anthropic_schemas.Listing[AnthropicMember])
        seats = {
            one.email.lower(): Key(one.email.lower(), one.name or one.email, SEAT, email=one.email) for one in people
        }
        return [seat for email, seat in seats.items() if email]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day."""
        part = common_responses.next_day(window, cursor)
        query: list[Pair] = [("starting_at", f"{part.start.date()}"), ("limit", PAGE_ROWS)]
        found = await self._asking.report(
            PATH, anthropic_schemas.AnthropicPage[Use], query, lambda page: _lines(page, part.start)
        )
        sums: dict[tuple[str, str, str], common_responses.Sum] = {}
        for use in found:
            for one in use.models:
                place = (use.actor.email_address.lower(), one.model, use.subscription_type)
                sums.setdefault(place, common_responses.Sum(requests=None)).add(one.usd, one.tokens.disjoint)
        return common_responses.page(window, part, [_row(part.start, place, found) for place, found in sums.items()])


def _row(start: datetime, place: tuple[str, str, str], found: common_responses.Sum) -> Row:
    who, model, subscription = place
    return Row(
        start=start,
        key=who,
        reason="" if who else NOBODY,
        model=model,
        cost_usd=found.usd,
        tokens=found.tokens,
        detail=(("subscription", subscription),) if subscription else (),
    )


def _day(value: object) -> object:
    """Return the date of a UTC day that comes as a date or as its midnight."""
    return value[:10] if isinstance(value, str) else value


class ClaudeCodeActor(BaseModel):
    """User of Claude Code: a person by e-mail, or a key, which has none."""

    email_address: Text = ""
    api_key_name: Text = ""


class Kinds(BaseModel):
    """Token counts, each token in one class. How long a cache keeps what was written is not reported."""

    input: Count
    output: Count
    cache_read: Count = 0
    cache_creation: Count = 0

    @property
    def disjoint(self) -> Tokens:
        return Tokens(
            input=self.input, cache_read=self.cache_read, cache_write_5m=self.cache_creation, output=self.output
        )


class Estimate(BaseModel):
    """Estimated cost: cents, as a number."""

    amount: Cents | None = None
    currency: Text = "USD"


class OfModel(BaseModel):
    """Use of one model."""

    model: Text = ""
    tokens: Kinds
    estimated_cost: Estimate | None = None

    @property
    def usd(self) -> Decimal | None:
        """Return dollars, None if Anthropic does not say."""
        told = self.estimated_cost
        return None if told is None or told.amount is None else usd(told.amount, told.currency, PATH)


class Use(BaseModel):
    """Row of the report: one person's day at one kind of terminal."""

    date: Annotated[date, BeforeValidator(_day)]
    actor: ClaudeCodeActor
    customer_type: Text = ""
    subscription_type: Text = ""
    is_remote: bool | None = None
    terminal_type: Text = ""
    models: list[OfModel] = Field(alias="model_breakdown")


def _lines(page: anthropic_schemas.AnthropicPage[Use], start: datetime) -> Iterator[tuple[tuple[object, ...], Use]]:
    for use in page.data:
        if use.date == start.date() and use.customer_type != METERED:
            who = (use.actor.email_address, use.actor.api_key_name)
            yield (*who, use.customer_type, use.subscription_type, use.is_remote, use.terminal_type), use
