"""Anthropic: what each key and each person spent on each model, as billed by the hour, or by the day and the minute.

Newer organizations have `analytics`: dollars by the hour, by key and person, up to a watermark. It comes first, since
it is the bill in the finest grain there is. Where it is absent, the bill is `cost_report`: a day's dollars by workspace
and model, without keys. What neither covers yet is `usage`: tokens by the minute, priced by the host; it also splits
that bill. An admin key reads all of it. It could do more, so the client allows only reading.
"""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import Field, SecretStr

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
    RateLimit,
    Report,
    RereadRule,
    Window,
)
from outlay_plugins._anthropic.account import AnthropicDirectory
from outlay_plugins._anthropic.analytics import AnthropicAnalyticsReport
from outlay_plugins._anthropic.client import ROOT, AnthropicClient
from outlay_plugins._anthropic.cost_report import AnthropicCostReport
from outlay_plugins._anthropic.schemas import Organization, read
from outlay_plugins._anthropic.usage import AnthropicUsageReport

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VERSION = "2023-06-01"
MAKE_ONE = (
    "An admin of the organization makes one in the Claude Console under Settings → Admin keys (sk-ant-admin01-…)."
)

ANALYTICS = Report(
    name="analytics",
    grain=HOUR,
    lag=timedelta(0),  # a page ends where Anthropic says that its figures end
    settles=timedelta(days=30),
    history=timedelta(days=364),
    rereads=(
        RereadRule(timedelta(minutes=10), timedelta(hours=6)),
        RereadRule(HOUR, timedelta(hours=30)),
        RereadRule(DAY, timedelta(days=3)),
        RereadRule(timedelta(days=7), timedelta(days=30)),
    ),
)
COST_REPORT = Report(
    name="cost_report",
    grain=DAY,
    lag=HOUR,
    settles=timedelta(days=7),
    history=timedelta(days=364),
    rereads=(RereadRule(HOUR, timedelta(days=7)),),
    split_by="usage",
)
USAGE = Report(
    name="usage",
    grain=timedelta(minutes=1),
    basis="computed",
    lag=timedelta(minutes=5),
    settles=DAY,
    history=timedelta(days=364),
    rereads=(RereadRule(timedelta(0), HOUR), RereadRule(HOUR, timedelta(hours=6)), RereadRule(DAY, timedelta(days=2))),
)


class AnthropicConfig(Config):
    """Settings of an Anthropic organization."""

    api_key: SecretStr = Field(
        title="Admin key",
        description="An admin key, made in the Claude Console at Settings → Admin keys. Outlay only reads with it.",
    )
    base_url: str = Field(
        default="https://api.anthropic.com",
        title="Base URL",
        description="Another address that speaks Anthropic's Admin API.",
        json_schema_extra={"advanced": True},
    )


class Anthropic(Ledger[AnthropicConfig]):
    """Ledger of an Anthropic organization, all its workspaces included."""

    meta = PluginInfo(
        slug="anthropic", title="Anthropic", docs="https://platform.claude.com/docs/en/api/administration-api"
    )
    Config = AnthropicConfig
    paces = (
        RateLimit("GET", f"{ROOT}/analytics/*", calls=50, per_seconds=60),  # the older reports allow 60
        RateLimit("GET", f"{ROOT}/usage_report/*", calls=50, per_seconds=60),
    )
    reports = (ANALYTICS, COST_REPORT, USAGE)

    def __init__(self, config: AnthropicConfig, context: Context) -> None:
        super().__init__(config, context)
        asking = AnthropicClient(context)
        self._account = AnthropicDirectory(asking)
        self._analytics = AnthropicAnalyticsReport(context.clock, asking)
        self._bills = AnthropicCostReport(asking, self._analytics)
        self._usage = AnthropicUsageReport(asking)

    @classmethod
    def headers(cls, config: AnthropicConfig) -> dict[str, str]:
        return {"x-api-key": config.api_key.get_secret_value().strip(), "anthropic-version": VERSION}

    async def check(self) -> CheckResult:
        """Verify that this is an admin key, and return which of the reports the organization has."""
        try:
            me = read(Organization, await self.context.http.get(f"{ROOT}/me"), "the organization")
        except NeedsReauth as error:
            words = "Anthropic does not accept this key for the organization's books (401)."
            raise BadConfig("api_key", f"{words} {_kind(self.config)} {MAKE_ONE}", status=error.status) from None
        except Permanent as error:
            if error.status == 403:
                words = f"This key may not read the organization's books (403). {_kind(self.config)} {MAKE_ONE}"
                raise BadConfig("api_key", words, status=error.status) from None
            if error.status is not None:
                raise BadConfig("base_url", str(error), status=error.status) from None
            raise
        newer = (
            "what each key and each person spent, by hour and model, as billed (analytics)",
            "what was used since, by minute, key and model, at list prices",
        )
        older = (
            "the bill of each day, by workspace and model; this organization does not have the newer analytics",
            "what each key used, by minute and model, today included, at list prices until the bill is there",
        )
        return CheckResult(
            account_id=me.id,
            account_title=me.name or "Anthropic organization",
            credential="admin key",
            can_read=(
                *(newer if await self._analytics.is_available() else older),
                "all keys with who made them, and the organization's members and workspaces",
            ),
        )

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one page of one of the three reports."""
        if report == ANALYTICS.name:
            return await self._analytics.page(window, cursor)
        if report == COST_REPORT.name:
            return await self._bills.page(window, cursor)
        if report == USAGE.name:
            return await self._usage.page(window, cursor)
        raise Permanent(f"Anthropic has no report «{report}».")

    async def keys(self) -> Sequence[Key]:
        """Return all keys, disabled ones too, and a seat for each member."""
        return await self._account.keys()


def _kind(config: AnthropicConfig) -> str:
    """Explain what kind of key it looks like, and which is needed."""
    if config.api_key.get_secret_value().strip().startswith("sk-ant-api"):
        return "It looks like an inference key: it can spend, but not read. Outlay needs an admin key."
    return "Outlay needs an admin key, copied whole."
