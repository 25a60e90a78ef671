"""Langfuse: what was traced, hour by hour and model by model, split by the one label that best says whose it was.

Langfuse's metrics cannot be grouped by user or session (only filtered), so the key of this ledger is a label of the
operator's choice: the environment, the tags, the release, or the trace's name. Its dollars are Langfuse's own estimate
from model prices: a tracer's books, which split what a provider bills. Cached tokens are inside its input tokens and
cannot be told apart. Only the metrics are ever read: never a trace, an observation or anything else with content.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

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

METRICS_PATH = "/api/public/v2/metrics"
MAX_ROWS = 1_000  # of one answer; it does not page
WANTED = "Outlay needs the public and the secret key of a project: Langfuse → Project settings → API keys."
METRICS = Report(
    name="metrics",
    grain=HOUR,
    basis="computed",
    lag=timedelta(minutes=10),
    settles=timedelta(days=1),
    history=timedelta(days=35),
    rereads=(RereadRule(timedelta(minutes=5), 3 * HOUR), RereadRule(timedelta(days=1), timedelta(days=3))),
)


class LangfuseConfig(Config):
    """Settings of a Langfuse project."""

    public_key: str = Field(title="Public key", description="It begins with pk-lf-.")
    secret_key: SecretStr = Field(title="Secret key", description="It begins with sk-lf-. Of a project, to read.")
    split_by: Literal["environment", "tags", "release", "traceName"] = Field(
        "environment",
        title="Split by",
        description="The label that says whose a request is. Langfuse cannot split by user.",
    )
    base_url: str = Field(
        "https://cloud.langfuse.com",
        title="Base URL",
        description="In the United States: https://us.cloud.langfuse.com. Or your own Langfuse, version 4 or newer.",
        json_schema_extra={"advanced": True},
    )


class Langfuse(Ledger[LangfuseConfig]):
    """Ledger of a Langfuse project."""

    meta = PluginInfo(slug="langfuse", title="Langfuse", docs="https://langfuse.com/docs/metrics/features/metrics-api")
    Config = LangfuseConfig
    paces = (RateLimit("GET", METRICS_PATH, calls=30, per_seconds=60),)
    reports = (METRICS,)
    role = "attribution"

    @classmethod
    def headers(cls, config: LangfuseConfig) -> dict[str, str]:
        """Return Basic authentication: the public key is the user, the secret key the password."""
        pair = f"{config.public_key.strip()}:{config.secret_key.get_secret_value().strip()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def check(self) -> CheckResult:
        """Verify the keys; the account is the one project that they belong to."""
        if self.config.public_key.strip().startswith("sk-"):
            raise BadConfig("public_key", f"This is a secret key in the public key's place. {WANTED}")
        if self.config.secret_key.get_secret_value().strip().startswith("pk-"):
            raise BadConfig("secret_key", f"This is a public key in the secret key's place. {WANTED}")
        refused = BadConfig("secret_key", f"Langfuse does not take these keys for a project's. {WANTED}")
        answer = await explain_refusal(self.context.http.get("/api/public/projects"), {401: refused, 403: refused})
        projects = read("Langfuse", Projects, answer).data
        if len(projects) != 1:
            raise BadConfig("secret_key", f"These keys are of {len(projects)} projects, not of one. {WANTED}")
        now = self.context.clock.now()
        await explain_refusal(self._lines(Window(now - HOUR, now)), {403: refused})
        return CheckResult(
            account_id=projects[0].id,
            account_title=projects[0].name or projects[0].id,
            credential="keys of a project",
            can_read=(f"what each {self.config.split_by} cost, by hour and model, as Langfuse estimates it",),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the labels of the last day as keys: there is no list of them."""
        now = self.context.clock.now()
        labels = {line.label for line in (await self._lines(Window(now - timedelta(days=1), now)))[0]}
        return [Key(id=label, name=label) for label in sorted(labels - {""})]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one UTC day."""
        part = common_responses.next_day(window, cursor)
        lines, whole = await self._lines(part)
        sums: dict[tuple[datetime, str, str], Sum] = defaultdict(Sum)
        for line in lines:
            if part.start <= hour_of(line.at) < part.end and not line.is_nothing:
                sums[hour_of(line.at), line.label, line.model].add(line.cost, line.tokens, line.requests)
        none = f"traced without {self.config.split_by}"
        rows = [
            Row(at, label, model, found.usd, found.tokens, found.requests, reason="" if label else none)
            for (at, label, model), found in sums.items()
        ]
        cut = () if whole else (f"Langfuse cut its answer short at {MAX_ROWS:,} rows on {part.start:%Y-%m-%d}.",)
        return common_responses.page(window, part, rows, disagrees=cut)

    async def _lines(self, part: Window) -> tuple[list["LangfuseLine"], bool]:
        """Return the lines of a time range, and whether they are all.

        A full answer is queried again in halves.
        """
        label = self.config.split_by
        query = {
            "view": "observations",
            "dimensions": [{"field": "providedModelName"}, {"field": label}],
            "metrics": [
                {"measure": "totalCost", "aggregation": "sum"},
                {"measure": "inputTokens", "aggregation": "sum"},
                {"measure": "outputTokens", "aggregation": "sum"},
                {"measure": "count", "aggregation": "count"},
            ],
            "filters": [],
            "timeDimension": {"granularity": "hour"},
            "fromTimestamp": _iso(part.start),
            "toTimestamp": _iso(part.end),
            "config": {"row_limit": MAX_ROWS},
        }
        answer = await self.context.http.get(METRICS_PATH, {"query": json.dumps(query, separators=(",", ":"))})
        raw = read("Langfuse", LangfuseMetrics, answer).data
        lines = [read("Langfuse", LangfuseLine, line | {"label": _label(line, label)}) for line in raw]
        if len(lines) < MAX_ROWS:
            return lines, True
        hours = common_responses.hours(part)
        if len(hours) == 1:
            return lines, False
        middle = hours[len(hours) // 2].start
        first, first_whole = await self._lines(Window(part.start, middle))
        second, second_whole = await self._lines(Window(middle, part.end))
        return first + second, first_whole and second_whole


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _label(line: dict[str, Any], label: str) -> str:
    """Return a label as text; several tags are one label, whatever their order."""
    if label not in line:
        raise Permanent(f"Langfuse's answer is not what it documents ({label} is missing).")
    value = line[label]
    if isinstance(value, list):
        return ", ".join(sorted(str(tag) for tag in value))
    return str(value) if isinstance(value, str) else ""


class LangfuseProject(ResponseSchema):
    """Project that the keys belong to."""

    id: str = Field(min_length=1)
    name: Text = ""


class Projects(ResponseSchema):
    """Response of GET /api/public/projects."""

    data: list[LangfuseProject]


class LangfuseMetrics(ResponseSchema):
    """Response of GET /api/public/v2/metrics."""

    data: list[dict[str, Any]]


class LangfuseLine(ResponseSchema):
    """Group of the metrics. A span has no model and no cost; a cost that is null has no price."""

    at: Moment = Field(alias="time_dimension")
    label: str
    model: Text = Field(alias="providedModelName")
    cost: Money | None = Field(alias="sum_totalCost")
    input: Count = Field(alias="sum_inputTokens")
    output: Count = Field(alias="sum_outputTokens")
    requests: Count = Field(alias="count_count")

    @property
    def tokens(self) -> Tokens:
        """Return token counts; cached tokens are inside input."""
        return Tokens(input=self.input, output=self.output)

    @property
    def is_nothing(self) -> bool:
        """Return whether it is a step of a trace in which no model ran."""
        return not self.cost and not self.tokens.total and not self.model
