"""Tollgate, an invented gateway that keeps its own books: a whole ledger plugin, small enough to read in one go.

It shows what every ledger has to decide: which account this is, what the keys are, and rows whose tokens are disjoint,
whose dollars are exact, and whose money without a key has a reason. Retries, pacing, storage and secrets are up to the
host.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, ValidationError

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

DAY = timedelta(days=1)
MAX_PAGES_A_DAY = 500
USAGE = Report(
    name="usage",
    grain=timedelta(hours=1),
    lag=timedelta(minutes=15),  # an hour is complete a quarter of an hour after it ends
    settles=timedelta(days=2),  # and may still be corrected for two days
    history=timedelta(days=90),
    rereads=(RereadRule(timedelta(0), timedelta(hours=3)), RereadRule(DAY, timedelta(days=3))),
)


class TollgateConfig(Config):
    """Settings that `outlay connect tollgate` and the modal in Slack ask for."""

    api_key: SecretStr = Field(title="Billing key", description="Tollgate → Settings → Keys, scope billing:read.")
    base_url: str = Field("https://api.tollgate.example/v1", title="Base URL", json_schema_extra={"advanced": True})


class Tollgate(Ledger[TollgateConfig]):
    """Ledger of a Tollgate account."""

    meta = PluginInfo(slug="tollgate", title="Tollgate", version="0.1")
    Config = TollgateConfig
    paces = (RateLimit("GET", "/usage", calls=30, per_seconds=60),)
    reports = (USAGE,)

    @classmethod
    def headers(cls, config: TollgateConfig) -> dict[str, str]:
        return {"Authorization": f"Bearer {config.api_key.get_secret_value()}"}

    async def check(self) -> CheckResult:
        """Check the kind of key; the client itself turns a 401 into NeedsReauth."""
        me = read(Me, await self.context.http.get("/me"))
        if me.scope != "billing:read":
            raise BadConfig("api_key", f"This key has the scope {me.scope}; Outlay needs one with billing:read.")
        return CheckResult(me.id, me.name, "billing key", can_read=("what each key spent, by hour and model",))

    async def keys(self) -> Sequence[Key]:
        found = read(Keys, await self.context.http.get("/keys")).keys
        return [Key(id=key.id, name=key.name, email=key.owner_email) for key in found]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Read one UTC day.

        A page is a complete statement of its window, so all of Tollgate's own pages of that day go into it.
        """
        start = window.start if cursor is None else datetime.fromisoformat(cursor)
        end = min(start.replace(hour=0) + DAY, window.end)
        rows: list[Row] = []
        token = ""
        for _ in range(MAX_PAGES_A_DAY):
            asked = {"from": start.isoformat(), "to": end.isoformat(), "page": token}
            usage = read(Usage, await self.context.http.get("/usage", asked))
            rows += [row_of(line) for line in usage.usage]
            token = usage.next or ""
            if not token:
                return Page(Window(start, end), rows, cursor=end.isoformat() if end < window.end else None)
        raise Permanent(f"Tollgate's usage of {start:%Y-%m-%d} goes on beyond {MAX_PAGES_A_DAY} pages.")


class Me(BaseModel):
    """Answer of GET /me."""

    id: str
    name: str
    scope: str


class TollgateKey(BaseModel):
    """One key of GET /keys."""

    id: str
    name: str = ""
    owner_email: str = ""


class Keys(BaseModel):
    """Answer of GET /keys."""

    keys: list[TollgateKey]


class Line(BaseModel):
    """One row of GET /usage. `key` null: used in the playground. `cost_usd` null: no price yet."""

    hour: AwareDatetime
    key: str | None
    model: str
    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal | None


class Usage(BaseModel):
    """Answer of GET /usage."""

    usage: list[Line]
    next: str | None


def row_of(line: Line) -> Row:
    """Convert a line to a row whose token classes are disjoint: Tollgate counts cached tokens as input too."""
    return Row(
        start=line.hour.astimezone(UTC),
        key=line.key or "",
        reason="" if line.key else "used in Tollgate's playground, without a key",
        model=line.model,
        cost_usd=line.cost_usd,
        tokens=Tokens(
            input=line.input_tokens - line.cached_tokens, cache_read=line.cached_tokens, output=line.output_tokens
        ),
        requests=line.requests,
    )


T = TypeVar("T", bound=BaseModel)


def read(shape: type[T], answer: Any) -> T:
    """Parse an answer in the shape that Tollgate documents. Anything else is an error: never "nothing was spent"."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Permanent(
            f"Tollgate's answer is not what it documents ({shape.__name__}: {where or 'all of it'})."
        ) from None
