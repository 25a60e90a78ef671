"""OpenRouter: what each key spent on each model, by the day once it is settled and by the hour within minutes.

Three reports, in order of authority: `activity` (past days), `analytics` (hours, today's too) and `keys` (counters that
only rise). OpenRouter's dollars are the bill; what an upstream provider charges for the customer's own key (BYOK) is
reported separately. A management key reads all of it. It could do more, so the client allows only reading.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import Field, SecretStr

from outlay.plugin import (
    BadConfig,
    CheckResult,
    Config,
    Context,
    CounterReading,
    Key,
    Ledger,
    NeedsReauth,
    Page,
    Permanent,
    PluginError,
    PluginInfo,
    RateLimit,
    Report,
    RereadRule,
    Window,
)
from outlay_plugins._openrouter import schemas as openrouter_schemas
from outlay_plugins._openrouter.account import OpenRouterDirectory
from outlay_plugins._openrouter.activity import OpenRouterActivityReport
from outlay_plugins._openrouter.analytics import PATH, OpenRouterAnalyticsReport
from outlay_plugins._openrouter.json_fields import one
from outlay_plugins._openrouter.schemas import Generation, OpenRouterWorkspace

_NO_TIME = timedelta(0)
_LATEST = datetime.max.replace(tzinfo=UTC)
MAKE_ONE = "Make one in OpenRouter under Settings → Management Keys."
NOT_THIS = "This is an inference key: it can spend, but not read the account's books. Outlay needs a management key."

ACTIVITY = Report(
    name="activity",
    grain=timedelta(days=1),
    lag=timedelta(minutes=30),
    settles=timedelta(days=3),
    history=timedelta(days=30),
    rereads=(RereadRule(timedelta(hours=6), timedelta(days=3)), RereadRule(timedelta(days=7), timedelta(days=30))),
)
ANALYTICS = Report(
    name="analytics",
    grain=timedelta(hours=1),
    lag=timedelta(minutes=10),
    settles=timedelta(days=3),
    history=timedelta(days=35),
    rereads=(
        RereadRule(_NO_TIME, timedelta(hours=3)),
        RereadRule(timedelta(hours=1), timedelta(hours=26)),
        RereadRule(timedelta(days=1), timedelta(days=3)),
    ),
)
KEYS = Report(name="keys", grain=None, rereads=(RereadRule(_NO_TIME, _NO_TIME),))


class OpenRouterConfig(Config):
    """Settings of an OpenRouter account."""

    api_key: SecretStr = Field(
        title="Management key",
        description="A management key, made at Settings → Management Keys. Outlay only ever reads with it.",
    )
    base_url: str = Field(
        default="https://openrouter.ai/api/v1",
        title="Base URL",
        description="Another address that speaks OpenRouter's API.",
        json_schema_extra={"advanced": True},
    )


class OpenRouter(Ledger[OpenRouterConfig]):
    """Ledger of an OpenRouter account, all its workspaces included."""

    meta = PluginInfo(slug="openrouter", title="OpenRouter", docs="https://openrouter.ai/docs")
    Config = OpenRouterConfig
    reading_posts = (PATH,)
    paces = (RateLimit("POST", PATH, calls=60, per_seconds=60),)  # published: 64 a minute
    reports = (ACTIVITY, ANALYTICS, KEYS)

    def __init__(self, config: OpenRouterConfig, context: Context) -> None:
        super().__init__(config, context)
        self._account = OpenRouterDirectory(context)
        self._activity = OpenRouterActivityReport(context, self._account)
        self._analytics = OpenRouterAnalyticsReport(context, self._account)

    @classmethod
    def headers(cls, config: OpenRouterConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value().strip()}"}

    async def check(self) -> CheckResult:
        """Verify that this is a management key, and identify the account by what all its keys share."""
        try:
            me = one(await self.context.http.get("/key"), "the key")
        except NeedsReauth as error:
            words = f"OpenRouter does not know this key (401). Copy the whole of a management key. {MAKE_ONE}"
            raise BadConfig("api_key", words, status=error.status) from None
        except Permanent as error:
            field = "api_key" if error.status == 403 else "base_url"
            raise BadConfig(field, str(error), status=error.status) from None
        if not {"is_management_key", "is_provisioning_key"} & set(me.values):
            raise me.problem("is_management_key", "is missing")
        if not (me.flag("is_management_key") or me.flag("is_provisioning_key")):
            raise BadConfig("api_key", f"{NOT_THIS} {MAKE_ONE}")
        workspaces = await self._account.workspaces()
        home = default_workspace(workspaces)
        account_id = me.text_or_empty("organization_id") or (home.id if home else me.text_or_empty("creator_user_id"))
        if not account_id:
            raise Permanent("OpenRouter does not say whose account this key is of.")
        others = f"{len(workspaces)} workspaces" if len(workspaces) > 1 else "one workspace"
        return CheckResult(
            account_id=account_id,
            account_title=(home.name if home else "") or "OpenRouter account",
            credential="management key",
            can_read=(
                "what each key spent, by day, model and provider",
                "what each key spent, by hour and model, today included",
                f"all keys, with their counters, in {others}",
                "the account's credits",
            ),
        )

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one page of one of the three reports."""
        if report == ACTIVITY.name:
            return await self._activity.page(window, cursor)
        if report == ANALYTICS.name:
            return await self._analytics.page(window, cursor, ANALYTICS.history)
        if report == KEYS.name:
            return await self._counters(window)
        raise Permanent(f"OpenRouter has no report «{report}».")

    async def keys(self) -> Sequence[Key]:
        """Return all keys of all workspaces, disabled and expired ones too."""
        return [found.key for found in await self._account.keys()]

    async def generation(self, generation_id: str) -> Generation:
        """Return what one request cost and which model really ran; never its content."""
        return openrouter_schemas.generation(await self.context.http.get("/generation", {"id": generation_id}))

    async def _counters(self, window: Window) -> Page:
        """Return the lifetime counters of all keys, and of the account."""
        found = await self._account.keys()
        at = await self._account.read_at()
        readings = [CounterReading(item.key.id, at, item.usage_usd, item.byok_usd) for item in found]
        try:
            credit = one(await self.context.http.get("/credits"), "credits")
        except PluginError as error:
            if error.status not in (403, 404):
                raise
            return Page(window, (), readings, notes=("OpenRouter does not show this key the account's credits.",))
        total_usd = credit.usd("total_usage")
        if total_usd is None:
            raise credit.problem("total_usage", "is null")
        return Page(window, (), [*readings, CounterReading("", self.context.clock.now(), total_usd, Decimal(0))])


def default_workspace(workspaces: Sequence[OpenRouterWorkspace]) -> OpenRouterWorkspace | None:
    """Return the workspace that every account has: the one with the slug "default", else the oldest."""
    return min(
        workspaces,
        key=lambda found: (found.slug != "default", found.created_at or _LATEST, found.id),
        default=None,
    )
