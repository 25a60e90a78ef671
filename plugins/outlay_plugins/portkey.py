"""Portkey: what each of its API keys cost, hour by hour, as Portkey estimates it; by model where that is available.

Portkey's analytics answer with graphs: dollars (in cents) over time, for one filter. So each key's day is one graph; a
key that spent is queried for its models, and each model, if there are several, for a graph of its own. What the models'
graphs do not account for has no model; if they add up to more than the key's own, the filter had no effect, and the
key's graph stands alone. What the keys do not account for stays in the total, without a key. Tokens come as one sum of
all classes, which cannot be split, so there are none here. Log exports, which hold content, are never read.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

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
from outlay_plugins._common.responses import (
    DAY,
    HOUR,
    Moment,
    Money,
    ResponseSchema,
    Text,
    explain_refusal,
    hour_of,
    midnight,
    read,
)

COST_PATH, MODELS_PATH = "/analytics/graphs/cost", "/analytics/groups/ai-models"
A_PAGE = 100
MAX_PAGES = 100
CENT = Decimal("0.01")
NOTHING = Decimal(0)
WANTED = "Outlay needs an admin or workspace key that may read analytics and list API keys."
NO_KEY = "used by a key that no longer exists, or without a key"
COST = Report(
    name="cost",
    grain=HOUR,
    basis="computed",
    lag=timedelta(minutes=15),
    settles=timedelta(days=1),
    history=timedelta(days=30),
    rereads=(RereadRule(HOUR, 3 * HOUR), RereadRule(timedelta(days=1), timedelta(days=3))),
)

Hours = dict[datetime, Decimal]


class PortkeyConfig(Config):
    """Settings of a Portkey workspace."""

    api_key: SecretStr = Field(
        title="API key", description="An admin or workspace key that may read analytics and keys."
    )
    workspace: str = Field(
        "", title="Workspace", description="The workspace's slug. For an admin key; a workspace key reads its own."
    )
    base_url: str = Field(
        "https://api.portkey.ai/v1",
        title="Base URL",
        description="Your own Portkey, or another address that speaks its API.",
        json_schema_extra={"advanced": True},
    )


class Portkey(Ledger[PortkeyConfig]):
    """Ledger of a Portkey workspace."""

    meta = PluginInfo(slug="portkey", title="Portkey", docs="https://portkey.ai/docs/api-reference/admin-api")
    Config = PortkeyConfig
    paces = (RateLimit("GET", "/*", calls=300, per_seconds=60),)
    reports = (COST,)
    role = "attribution"

    def __init__(self, config: PortkeyConfig, context: Context) -> None:
        super().__init__(config, context)
        self._known: list[PortkeyApiKey] | None = None

    @classmethod
    def headers(cls, config: PortkeyConfig) -> dict[str, str]:
        return {"x-portkey-api-key": config.api_key.get_secret_value().strip()}

    async def check(self) -> CheckResult:
        """Verify the key; the account is the keys' organization, with the workspace in the settings, if any."""
        refused = BadConfig("api_key", f"Portkey does not take this key for its books. {WANTED}")
        keys = await explain_refusal(self._api_keys(), {401: refused, 403: refused})
        if not keys or not keys[0].organisation_id:
            raise Permanent("Portkey lists no key of this organization, and so does not say whose it is.")
        now = self.context.clock.now()
        await explain_refusal(self._graph(Window(now - HOUR, now)), {401: refused, 403: refused})
        workspace = self.config.workspace or keys[0].workspace_id
        return CheckResult(
            account_id=f"{keys[0].organisation_id}:{workspace}",
            account_title=f"Portkey {workspace or 'organization ' + keys[0].organisation_id[:8]}",
            credential="API key that reads analytics",
            can_read=("what each key cost, by hour, as Portkey estimates it", f"{len(keys)} API keys"),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the API keys. Portkey names the user of a personal one by an id, not by e-mail."""
        self._known = await self._api_keys()
        return [
            Key(key.id, key.name, project_id=key.workspace_id, project_name=key.workspace_id, created_at=key.created_at)
            for key in self._known
        ]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day. Whole days are queried, so that Portkey's own buckets begin where hours do."""
        part = common_responses.next_day(window, cursor)
        day = Window(midnight(part.start), min(midnight(part.start) + DAY, self.context.clock.now()))
        left = await self._graph(day)
        rows: list[Row] = []
        notes: set[str] = set()
        for key in await self._listed() if any(left.values()) else ():
            mine = await self._graph(day, api_key_ids=key.id)
            for model, found in (await self._by_model(day, key.id, mine, notes)).items():
                rows += [Row(at, key.id, model, usd) for at, usd in found.items() if usd]
            for at, usd in mine.items():
                left[at] = left.get(at, NOTHING) - usd
        rows += [Row(at, "", "", usd, reason=NO_KEY) for at, usd in left.items() if usd > 0]
        inside = [row for row in rows if part.start <= row.start < part.end]
        return common_responses.page(window, part, inside, notes=tuple(sorted(notes)))

    async def _by_model(self, day: Window, key: str, mine: Hours, notes: set[str]) -> dict[str, Hours]:
        """Return a key's hours by model; under "" what no model accounts for."""
        models = await self._models(day, key) if any(mine.values()) else []
        if len(models) < 2:
            return dict.fromkeys(models or [""], mine)
        found = {model: await self._graph(day, api_key_ids=key, ai_org_model=model) for model in models}
        rest = dict(mine)
        for hours in found.values():
            for at, usd in hours.items():
                rest[at] = rest.get(at, NOTHING) - usd
        rounding = CENT * len(models)  # each graph is rounded to the cent
        if any(usd < -rounding for usd in rest.values()):
            notes.add("Portkey's graphs of models add up to more than their key's; such keys are shown without models.")
            return {"": mine}
        for at, usd in rest.items():
            if usd < 0:  # the key's own graph is right: reduce the largest model
                largest = max(models, key=lambda model: found[model].get(at, NOTHING))
                found[largest][at] += usd
        return found | {"": {at: usd for at, usd in rest.items() if usd > 0}}

    async def _models(self, day: Window, key: str) -> list[str]:
        found: list[str] = []
        for number in range(MAX_PAGES):
            answer = await self._get(MODELS_PATH, day, api_key_ids=key, current_page=number, page_size=A_PAGE)
            groups = read("Portkey", PortkeyModels, answer)
            found += [group.ai_model for group in groups.data if group.ai_model not in found]
            if len(groups.data) < A_PAGE:
                return found
        raise Permanent(f"Portkey's models go on beyond {MAX_PAGES} pages.")

    async def _graph(self, window: Window, **only: str) -> Hours:
        """Return dollars by hour. A bucket wider than an hour counts in its first one."""
        graph = read("Portkey", Graph, await self._get(COST_PATH, window, **only))
        found: Hours = defaultdict(Decimal)
        for point in graph.data_points:
            if window.start <= point.timestamp < window.end:
                found[hour_of(point.timestamp)] += point.total * CENT
        return dict(found)

    async def _listed(self) -> list["PortkeyApiKey"]:
        if self._known is None:
            self._known = await self._api_keys()
        return self._known

    async def _api_keys(self) -> list["PortkeyApiKey"]:
        found: dict[str, PortkeyApiKey] = {}
        where = {"workspace_id": self.config.workspace} if self.config.workspace else {}
        for number in range(MAX_PAGES):
            asked: dict[str, str | int] = {"current_page": number, "page_size": A_PAGE, **where}
            keys = read("Portkey", PortkeyApiKeys, await self.context.http.get("/api-keys", asked)).data
            found |= {key.id: key for key in keys}
            if len(keys) < A_PAGE:
                return list(found.values())
        raise Permanent(f"Portkey's keys go on beyond {MAX_PAGES} pages.")

    async def _get(self, path: str, window: Window, **asked: str | int) -> Any:
        when = {"time_of_generation_min": window.start.isoformat(), "time_of_generation_max": window.end.isoformat()}
        where = {"workspace_slug": self.config.workspace} if self.config.workspace else {}
        params: dict[str, str | int] = {**when, **where, **asked}
        return await self.context.http.get(path, params)


class PortkeyApiKey(ResponseSchema):
    """API key of Portkey's."""

    id: str = Field(min_length=1)
    name: Text = ""
    organisation_id: Text = ""
    workspace_id: Text = ""
    created_at: Moment | None = None


class PortkeyApiKeys(ResponseSchema):
    """Response of GET /api-keys."""

    data: list[PortkeyApiKey]


class PortkeyModelGroup(ResponseSchema):
    """Model that was used."""

    ai_model: str


class PortkeyModels(ResponseSchema):
    """Response of GET /analytics/groups/ai-models."""

    data: list[PortkeyModelGroup]


class Point(ResponseSchema):
    """Bucket of a graph, in cents."""

    timestamp: Moment
    total: Money


class Graph(ResponseSchema):
    """Response of GET /analytics/graphs/cost."""

    data_points: list[Point]
