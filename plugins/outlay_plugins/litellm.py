"""LiteLLM: what each virtual key of a proxy requested, what ran, and what LiteLLM computes that it cost.

A gateway's books, so its role is attribution unless set otherwise: the provider's bill is the money, and LiteLLM says
whose it is. Two reports: `daily` counts for days that are over, `logs` by the hour until then. All of LiteLLM's dollars
are computed, from its own price map. Only GET, and no route that can carry a prompt.
"""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

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
    Report,
    RereadRule,
    Window,
)
from outlay_plugins._litellm.accounts import LiteLLMDirectory, oldest_user_created_at
from outlay_plugins._litellm.client import get_json
from outlay_plugins._litellm.daily import LiteLLMDailyReport
from outlay_plugins._litellm.schemas import KeyInfo, Readiness, User, read
from outlay_plugins._litellm.spend_logs import LiteLLMLogsReport

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
VIEWER, ADMIN = "proxy_admin_viewer", "proxy_admin"
MAKE_ONE = "Make a user with the role proxy_admin_viewer in LiteLLM (Internal Users), and a key for that user."
OWN_ONLY = f"This key sees only its own spend, not the proxy's books. {MAKE_ONE}"
TOO_MUCH = f"more than Outlay needs: a key of a {VIEWER} user only reads"
NO_DATABASE = (
    "This LiteLLM runs without a database, so it keeps no books. Give it a PostgreSQL (DATABASE_URL), or connect the "
    "providers behind it directly."
)

DAILY = Report(
    name="daily",
    grain=_DAY,
    basis="computed",
    lag=_HOUR,  # a request counts on the day it began, and long ones end in the next
    settles=timedelta(days=2),
    history=timedelta(days=365),
    rereads=(RereadRule(6 * _HOUR, 3 * _DAY), RereadRule(7 * _DAY, 30 * _DAY)),
)
LOGS = Report(
    name="logs",
    grain=_HOUR,
    basis="computed",
    lag=timedelta(minutes=1),  # lines are written every 10 seconds, once their request has ended
    settles=_DAY,
    history=timedelta(days=7),
    rereads=(RereadRule(timedelta(0), timedelta(minutes=5)), RereadRule(_HOUR, 3 * _HOUR), RereadRule(_DAY, 2 * _DAY)),
)


class LiteLLMConfig(Config):
    """Settings of a LiteLLM proxy."""

    api_key: SecretStr = Field(
        title="Key",
        description="A key of a user with the role proxy_admin_viewer. The master key works too, but could do more.",
    )
    base_url: str = Field(
        title="Address of the proxy",
        description="Its root, such as https://litellm.example.com. A private address is fine.",
    )
    provider: str = Field(
        default="",
        title="Only one provider",
        description="LiteLLM's name of one, such as openai. Where a proxy is before several, connect it once for each.",
        json_schema_extra={"advanced": True},
    )


class LiteLLM(Ledger[LiteLLMConfig]):
    """Ledger of a LiteLLM proxy, or of the part of it that goes to one provider."""

    meta = PluginInfo(slug="litellm", title="LiteLLM", docs="https://docs.litellm.ai/docs/proxy/cost_tracking")
    Config = LiteLLMConfig
    reports = (DAILY, LOGS)
    role = "attribution"

    def __init__(self, config: LiteLLMConfig, context: Context) -> None:
        super().__init__(config, context)
        self._provider = config.provider.strip()
        self._people = LiteLLMDirectory(context)
        self._logs = LiteLLMLogsReport(context, self._provider)
        self._daily = LiteLLMDailyReport(context)

    @classmethod
    def headers(cls, config: LiteLLMConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value().strip()}"}

    async def check(self) -> CheckResult:
        """Verify that the proxy has a database, and that the key sees all of its spend.

        The account is the proxy's database, identified by when its first user was created: that survives new keys, a
        new master key and a new address, and is the same for all replicas. Where LiteLLM does not say, the address is
        the account.
        """
        await self._has_database()
        user_id = await self._checked_user()
        try:
            users = await self._people.users()
        except (NeedsReauth, Permanent) as error:
            if error.status not in (401, 403):
                raise
            raise BadConfig("api_key", OWN_ONLY, status=error.status) from None
        credential = _credential(user_id, users)
        if not credential:
            raise BadConfig("api_key", OWN_ONLY)
        now = self.context.clock.now()
        summed = not self._provider and await self._daily.probe(now)
        listed = await self._logs.probe(now)
        if not summed and not listed:
            raise BadConfig(
                "base_url", "This LiteLLM is too old: it has neither daily sums nor a list of its requests."
            )
        born, place = oldest_user_created_at(users), urlsplit(self.config.base_url)
        account = f"{born:%Y-%m-%dT%H:%M:%S.%fZ}" if born else f"{place.netloc}{place.path}".rstrip("/").lower()
        told = (
            (summed, "what each key spent on each model, by day"),
            (listed, "what each key spent on each model, by the hour, seconds after"),
            (True, "all keys, with their users' e-mail and their teams"),
        )
        return CheckResult(
            account_id=account + (f"/{self._provider}" if self._provider else ""),
            account_title=(place.hostname or "LiteLLM") + (f" ({self._provider} only)" if self._provider else ""),
            credential=credential,
            can_read=tuple(words for can, words in told if can),
        )

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one page of one of the two reports.

        With a single provider `daily` is absent: a day's sums do not say which provider; lines do.
        """
        if report == LOGS.name:
            return await self._logs.page(window, cursor, LOGS.history)
        if report == DAILY.name:
            if self._provider:
                return Page(window, absent=True)
            return await self._daily.page(window, cursor)
        raise Permanent(f"LiteLLM has no report «{report}».")

    async def keys(self) -> Sequence[Key]:
        """Return all virtual keys, blocked and deleted ones too.

        Each poll begins here, so this verifies that the key still sees everything: were its user given a lesser role,
        LiteLLM would go on answering, and other users' spend would seem to have vanished. Raises NeedsReauth then.
        """
        user_id, users = await self._own_user(), await self._people.users()
        if not _credential(user_id, users):
            raise NeedsReauth(OWN_ONLY)
        return await self._people.keys(users)

    async def _has_database(self) -> None:
        """Raise BadConfig if the proxy's public health route reports no database.

        A proxy that hides its health is assumed to have one.
        """
        try:
            health = read(Readiness, await get_json(self.context, "/health/readiness"))
        except Permanent as error:
            if error.status not in (403, 404):
                raise
            return
        if health.db.lower() not in ("", "connected"):
            raise BadConfig("base_url", NO_DATABASE)

    async def _own_user(self) -> str | None:
        """Return the id of this key's user; None for the master key, which is in no list of keys."""
        try:
            return read(KeyInfo, await get_json(self.context, "/key/info")).info.user_id
        except Permanent as error:
            if error.status in (404, 422):
                return None
            raise

    async def _checked_user(self) -> str | None:
        """Return the id of this key's user; errors about the key become BadConfig of its field."""
        try:
            return await self._own_user()
        except NeedsReauth as error:
            words = f"LiteLLM does not know this key (401). Copy the whole of it. {MAKE_ONE}"
            raise BadConfig("api_key", words, status=error.status) from None
        except Permanent as error:
            if error.status not in (400, 403):
                raise
            raise BadConfig("api_key", str(error), status=error.status) from None


def _credential(user_id: str | None, users: Sequence[User]) -> str:
    """Describe what kind of key it is; "" for one that does not see everything."""
    if user_id is None:
        return f"master key ({TOO_MUCH})"
    role = next((user.user_role for user in users if user.user_id == user_id), "")
    if role == VIEWER:
        return "viewer's key"
    if role == ADMIN:
        return f"admin's key ({TOO_MUCH})"
    return ""
