"""Response schemas of Anthropic's Admin API: each field that the plugin reads, validated here and nowhere else.

Pure: JSON in, values out. A required field that is missing is a Permanent error that names answer and field; a null
count is zero. Unknown fields are ignored, and numbers may come as text. Dollars come as text of CENTS.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from outlay.plugin import Permanent, Tokens

MAX_CENTS = Decimal(900_000_000_000)  # the most that the books can hold
CENTS_PLACES = 2  # decimal places of a dollar
USUAL = (("standard",), ("0-200k",), ("global", "not_available"))  # speed, context and place at list price


def _or_none(value: Any) -> Any:
    return 0 if value is None else value


def _text(value: Any) -> Any:
    return "" if value is None else value


Count = Annotated[int, BeforeValidator(_or_none), Field(ge=0, le=2**63 - 1)]
Text = Annotated[str, BeforeValidator(_text)]  # null is ""
Cents = Annotated[Decimal, Field(ge=0, le=MAX_CENTS, allow_inf_nan=False)]


class CacheCreation(BaseModel):
    """Tokens written to a cache, by how long they stay in it."""

    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class Counts(BaseModel):
    """Token counts; Anthropic's classes are disjoint, as Outlay's are."""

    uncached_input_tokens: Count
    cache_read_input_tokens: Count = 0
    cache_creation: CacheCreation | None = None
    output_tokens: Count

    @property
    def tokens(self) -> Tokens:
        written = self.cache_creation or CacheCreation()
        return Tokens(
            input=self.uncached_input_tokens,
            cache_read=self.cache_read_input_tokens,
            cache_write_5m=written.ephemeral_5m_input_tokens,
            cache_write_1h=written.ephemeral_1h_input_tokens,
            output=self.output_tokens,
        )


class RowDimensions(NamedTuple):
    """Dimensions that a row is attributed by. "" is null: no key used, the default workspace, no single value."""

    key_id: str = ""
    actor_id: str = ""
    workspace_id: str = ""
    model: str = ""
    tier: str = ""
    speed: str = ""  # this and the next two only where they are not the usual: they change the price
    context: str = ""
    geo: str = ""


class UsageRow(Counts):
    """Row of /usage_report/messages."""

    api_key_id: Text = ""
    account_id: Text = ""
    service_account_id: Text = ""
    workspace_id: Text = ""
    model: Text = ""
    service_tier: Text = ""
    context_window: Text = ""
    inference_geo: Text = ""
    speed: Text = ""

    @property
    def who(self) -> RowDimensions:
        actor_id = self.account_id or self.service_account_id
        return RowDimensions(self.api_key_id, actor_id, self.workspace_id, self.model, self.service_tier, *self.unusual)

    @property
    def unusual(self) -> tuple[str, str, str]:
        """Return speed, length of context and place of inference; "" for the usual, and where it is not told."""
        told = (self.speed, self.context_window, self.inference_geo)
        return tuple("" if one in usual else one for one, usual in zip(told, USUAL, strict=True))  # type: ignore[return-value]

    @property
    def place(self) -> tuple[str, ...]:
        return (*self.who, self.service_account_id, self.context_window, self.inference_geo, self.speed)


class CostRow(BaseModel):
    """Row of /cost_report."""

    amount: Cents
    currency: Text = "USD"
    cost_type: Text = ""
    token_type: Text = ""
    model: Text = ""
    service_tier: Text = ""
    context_window: Text = ""
    inference_geo: Text = ""
    description: Text = ""
    workspace_id: Text = ""

    @property
    def place(self) -> tuple[str, ...]:
        told = (self.cost_type, self.token_type, self.model, self.service_tier, self.context_window)
        return (*told, self.inference_geo, self.description, self.workspace_id)


class AnthropicActor(BaseModel):
    """User of a row: a person, a service account, a federated identity, or a key without a named person."""

    model_config = ConfigDict(extra="allow")

    type: Text = ""
    api_key_id: Text = ""
    user_id: Text = ""
    service_account_id: Text = ""
    subject: Text = ""

    @property
    def id(self) -> str:
        """Return the actor's own id, "" for one that is identified by its key alone."""
        return self.user_id or self.service_account_id or (f"federated:{self.subject}" if self.subject else "")


class AnalyticsDimensions(BaseModel):
    """Dimensions of an analytics row; those that are not known here tell rows apart, too."""

    model_config = ConfigDict(extra="allow")

    api_key_id: Text = ""
    actor: AnthropicActor | None = None
    workspace_id: Text = ""
    model: Text = ""
    service_tier: Text = ""

    @property
    def who(self) -> RowDimensions:
        actor = self.actor or AnthropicActor()
        return RowDimensions(
            self.api_key_id or actor.api_key_id, actor.id, self.workspace_id, self.model, self.service_tier
        )


class AnalyticsUsageFigures(Counts):
    """Figures of a row of /analytics/usage."""

    requests: int | None = Field(None, ge=0)


class AnalyticsCostFigures(BaseModel):
    """Figures of a row of /analytics/cost: the billed amount, after discounts and before credits."""

    amount: Cents
    currency: Text = "USD"
    requests: int | None = Field(None, ge=0)


class AnalyticsUsageRow(BaseModel):
    """Row of /analytics/usage."""

    starting_at: AwareDatetime
    group: AnalyticsDimensions
    usage: AnalyticsUsageFigures


class AnalyticsCostRow(BaseModel):
    """Row of /analytics/cost."""

    starting_at: AwareDatetime
    group: AnalyticsDimensions
    cost: AnalyticsCostFigures


T = TypeVar("T", bound=BaseModel)


class AnthropicBucket(BaseModel, Generic[T]):
    """Bucket of one of the older reports; it is present even if it is empty."""

    starting_at: AwareDatetime
    results: list[T]


class AnthropicPage(BaseModel, Generic[T]):
    """Page of any report. `has_more` says whether there is another; `next_page` is its cursor."""

    data: list[T]
    has_more: bool | None = None
    next_page: str | None = None
    data_refreshed_at: AwareDatetime | None = None


class AnthropicMember(BaseModel):
    """Member of the organization."""

    id: str = Field(min_length=1)
    email: Text = ""
    name: Text = ""


class AnthropicWorkspace(BaseModel):
    """Workspace of the organization; the default one is not listed."""

    id: str = Field(min_length=1)
    name: Text = ""


class Identity(BaseModel):
    """Creator of a key, or the identity on whose behalf it acts."""

    id: Text = ""
    type: Text = ""
    user_id: Text = ""


class Scope(BaseModel):
    """Scope of a key: one workspace, or the whole organization."""

    type: Text = ""
    workspace_id: Text = ""


class AnthropicApiKey(BaseModel):
    """API key. Older answers have `workspace_id`, newer ones `scope` and `principal`."""

    id: str = Field(min_length=1)
    name: Text = ""
    partial_key_hint: Text = ""
    status: Text = ""
    created_at: AwareDatetime | None = None
    created_by: Identity | None = None
    principal: Identity | None = None
    scope: Scope | None = None
    workspace_id: Text = ""


class Listing(BaseModel, Generic[T]):
    """Page of a list that continues after an id."""

    data: list[T]
    has_more: bool | None = None
    last_id: str | None = None


class Organization(BaseModel):
    """Response of GET /me."""

    id: str = Field(min_length=1)
    name: Text = ""


def read(shape: type[T], answer: Any, about: str) -> T:
    """Validate an answer against its schema. Raises Permanent: bad data never means "nothing was spent"."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in found["loc"] if not isinstance(part, int)) or "all of it"
        raise Permanent(
            f"Anthropic's answer about {about} cannot be read: `{field}`: {found['msg'].lower()}."
        ) from None


def usd(cents: Decimal, currency: str, about: str) -> Decimal:
    """Convert cents to dollars. Raises Permanent for another currency."""
    if currency != "USD":
        raise Permanent(f"Anthropic tells {about} in {currency[:8]!r}; Outlay counts US dollars.")
    return cents.scaleb(-CENTS_PLACES)


def utc(moment: datetime) -> datetime:
    """Convert a time to UTC."""
    return moment.astimezone(UTC)
