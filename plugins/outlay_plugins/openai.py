"""OpenAI: the bill of each day by key and line item, and within minutes the tokens of each key, priced at list.

Two reports, in order of authority: `costs` (whole days, OpenAI's own dollars, hours late) and `usage` (minutes,
tokens without dollars). Usage says who and when, also inside a billed day; the bill says how much.
An admin key reads all of it. It could do more, so the client allows only reading.
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
    PluginError,
    PluginInfo,
    RateLimit,
    Report,
    RereadRule,
    Window,
)
from outlay_plugins._openai.account import OpenAIDirectory
from outlay_plugins._openai.costs import PATH as COSTS_PATH
from outlay_plugins._openai.costs import OpenAICostsReport
from outlay_plugins._openai.schemas import Buckets, OpenAIUsageLine, read
from outlay_plugins._openai.usage import COMPLETIONS, OpenAIUsageReport
from outlay_plugins._openai.usage import PATH as USAGE_PATH
from outlay_plugins._openai.windows import midnight

_NO_TIME, _DAY = timedelta(0), timedelta(days=1)
MAKE_ONE = "An owner of the organization makes one at platform.openai.com → Settings → Organization → Admin keys."
NOT_THIS = "This key can use models, but not read the organization's books. Outlay needs an admin key (sk-admin-…)."

COSTS = Report(
    name="costs",
    grain=_DAY,
    lag=timedelta(hours=8),  # not published; complete some hours after midnight
    settles=timedelta(days=7),
    history=timedelta(days=730),
    rereads=(RereadRule(timedelta(hours=1), timedelta(days=7)), RereadRule(timedelta(days=7), timedelta(days=35))),
    split_by="usage",
)
USAGE = Report(
    name="usage",
    grain=timedelta(minutes=1),
    basis="computed",
    lag=timedelta(minutes=5),  # not published; minutes were observed
    settles=timedelta(days=3),
    history=timedelta(days=365),
    rereads=(
        RereadRule(_NO_TIME, timedelta(hours=1)),
        RereadRule(timedelta(hours=6), _DAY),
        RereadRule(_DAY, timedelta(days=3)),
    ),
)


class OpenAIConfig(Config):
    """Settings of an OpenAI organization."""

    api_key: SecretStr = Field(
        title="Admin key",
        description="An admin key, made under Settings → Organization → Admin keys. Outlay only ever reads with it.",
    )
    base_url: str = Field(
        default="https://api.openai.com/v1",
        title="Base URL",
        description="Another address that speaks OpenAI's API.",
        json_schema_extra={"advanced": True},
    )


class OpenAI(Ledger[OpenAIConfig]):
    """Ledger of an OpenAI organization, all its projects included."""

    meta = PluginInfo(slug="openai", title="OpenAI", docs="https://platform.openai.com/docs/api-reference/usage")
    Config = OpenAIConfig
    paces = (RateLimit("GET", "/organization/*", calls=100, per_seconds=60),)  # ours: OpenAI publishes no limit
    reports = (COSTS, USAGE)

    def __init__(self, config: OpenAIConfig, context: Context) -> None:
        super().__init__(config, context)
        self._account = OpenAIDirectory(context)
        self._costs = OpenAICostsReport(context)
        self._usage = OpenAIUsageReport(context)

    @classmethod
    def headers(cls, config: OpenAIConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value().strip()}"}

    async def check(self) -> CheckResult:
        """Verify that this is an admin key.

        OpenAI does not say whose a key is, so the oldest project identifies the account.
        """
        now = self.context.clock.now()
        hour = int(now.replace(minute=0, second=0, microsecond=0).timestamp())
        try:
            await self._may_read(USAGE_PATH + COMPLETIONS.name, hour - 3600, "1h")
            projects = await self._account.projects()
        except PluginError as error:
            raise _refusal(error) from None
        if not projects:
            raise Permanent("OpenAI lists no project, so it cannot be told whose organization this is.")
        yesterday = int((midnight(now) - _DAY).timestamp())
        try:
            await self._may_read(COSTS_PATH, yesterday, "1d")
            bill: tuple[str, ...] = ("what each key was billed, by day and line item",)
        except Permanent as error:
            if error.status != 403:
                raise
            bill = ()
        active = [project for project in projects if not project.archived] or projects
        count = f"{len(projects)} projects" if len(projects) > 1 else "one project"
        return CheckResult(
            account_id=projects[0].id,
            account_title=f"OpenAI ({active[0].name or active[0].id})",
            credential="admin key",
            can_read=(*bill, "what each key used, by minute and model, today included", f"all keys of {count}"),
        )

    async def _may_read(self, path: str, start: int, width: str) -> None:
        body = await self.context.http.get(path, {"start_time": start, "bucket_width": width, "limit": 1})
        read(Buckets[OpenAIUsageLine], body, path)

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one page of one of the two reports."""
        if report == COSTS.name:
            return await self._costs.page(window, cursor)
        if report == USAGE.name:
            return await self._usage.page(window, cursor)
        raise Permanent(f"OpenAI has no report «{report}».")

    async def keys(self) -> Sequence[Key]:
        """Return all enabled keys of all projects, and a seat for each member."""
        return await self._account.keys()


def _refusal(error: PluginError) -> PluginError:
    """Convert the error of a refused first query to what it says about the credential, if anything."""
    if not isinstance(error, NeedsReauth | Permanent) or error.status not in (401, 403, 404):
        return error
    if error.status == 404:
        return BadConfig("base_url", str(error), status=404)
    if error.status == 403 or any(word in str(error).lower() for word in ("scope", "permission")):
        return BadConfig("api_key", f"{NOT_THIS} {MAKE_ONE}", status=error.status)
    words = f"OpenAI does not know this key (401). Copy the whole of an admin key. {MAKE_ONE}"
    return BadConfig("api_key", words, status=error.status)
