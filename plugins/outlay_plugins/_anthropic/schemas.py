"""What Anthropic's answers say, as they come: each field that the plugin reads, checked here and nowhere else.

Pure: JSON in, values out. What must be there and is not is a Permanent error that names answer and field; a count that
is null is none. Fields nobody asks for are passed over, and numbers may come as text. Dollars come as text of CENTS.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError

from outlay.plugin import Permanent, Tokens

MAX_CENTS = Decimal(900_000_000_000)  # what the books can hold
CENTS_PLACES = 2  # of a dollar


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
    """Tokens as Anthropic counts them: its kinds are disjoint, as ours are."""

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


class Who(NamedTuple):
    """What of a row is told by dimensions. "" is null: no key used, the default workspace, no one kind of a thing."""

    key_id: str = ""
    actor_id: str = ""
    workspace_id: str = ""
    model: str = ""
    tier: str = ""


class UsageRow(Counts):
    """A row of /usage_report/messages. The other dimensions are only read to tell rows apart."""

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
    def who(self) -> Who:
        actor_id = self.account_id or self.service_account_id
        return Who(self.api_key_id, actor_id, self.workspace_id, self.model, self.service_tier)

    @property
    def place(self) -> tuple[str, ...]:
        return (*self.who, self.service_account_id, self.context_window, self.inference_geo, self.speed)


class CostRow(BaseModel):
    """A row of /cost_report."""

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


class Actor(BaseModel):
    """Whose use it was: of a person, a service account, a federated identity, or of a key and nobody in particular."""

    type: Text = ""
    api_key_id: Text = ""
    user_id: Text = ""
    service_account_id: Text = ""
    subject: Text = ""

    @property
    def id(self) -> str:
        """The actor's own id, "" for one that has none but its key's."""
        return self.user_id or self.service_account_id or (f"federated:{self.subject}" if self.subject else "")


class Group(BaseModel):
    """The dimensions of a row of analytics."""

    api_key_id: Text = ""
    actor: Actor | None = None
    workspace_id: Text = ""
    model: Text = ""
    service_tier: Text = ""

    @property
    def who(self) -> Who:
        actor = self.actor or Actor()
        return Who(self.api_key_id or actor.api_key_id, actor.id, self.workspace_id, self.model, self.service_tier)


class Used(Counts):
    """The figures of a row of /analytics/usage."""

    requests: int | None = Field(None, ge=0)


class Cost(BaseModel):
    """The figures of a row of /analytics/cost: what was billed, after discounts and before credits."""

    amount: Cents
    currency: Text = "USD"
    requests: int | None = Field(None, ge=0)


class AnalyticsUsageRow(BaseModel):
    """A row of /analytics/usage."""

    starting_at: AwareDatetime
    group: Group
    usage: Used


class AnalyticsCostRow(BaseModel):
    """A row of /analytics/cost."""

    starting_at: AwareDatetime
    group: Group
    cost: Cost


T = TypeVar("T", bound=BaseModel)


class Bucket(BaseModel, Generic[T]):
    """A bucket of one of the older reports; it is there even if nothing is in it."""

    starting_at: AwareDatetime
    results: list[T]


class Page(BaseModel, Generic[T]):
    """One page of any report. `has_more` says whether there is another; `next_page` continues."""

    data: list[T]
    has_more: bool | None = None
    next_page: str | None = None
    data_refreshed_at: AwareDatetime | None = None


class Person(BaseModel):
    """A member of the organization."""

    id: str = Field(min_length=1)
    email: Text = ""
    name: Text = ""


class Workspace(BaseModel):
    """A workspace of the organization; the default one is not listed."""

    id: str = Field(min_length=1)
    name: Text = ""


class Identity(BaseModel):
    """Who made a key, or on whose behalf it acts."""

    id: Text = ""
    type: Text = ""
    user_id: Text = ""


class Scope(BaseModel):
    """What a key is good for: one workspace, or all of the organization."""

    type: Text = ""
    workspace_id: Text = ""


class ApiKey(BaseModel):
    """A key. Older answers have `workspace_id`, newer ones `scope` and `principal`."""

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
    """One page of a list that continues after an id."""

    data: list[T]
    has_more: bool | None = None
    last_id: str | None = None


class Organization(BaseModel):
    """GET /me."""

    id: str = Field(min_length=1)
    name: Text = ""


def read(shape: type[T], answer: Any, about: str) -> T:
    """An answer in the shape that Anthropic documents. Anything else is an error: never "nothing was spent"."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in found["loc"] if not isinstance(part, int)) or "all of it"
        raise Permanent(
            f"Anthropic's answer about {about} cannot be read: `{field}`: {found['msg'].lower()}."
        ) from None


def usd(cents: Decimal, currency: str, about: str) -> Decimal:
    """Dollars from cents. Raises Permanent for another currency."""
    if currency != "USD":
        raise Permanent(f"Anthropic tells {about} in {currency[:8]!r}; Outlay counts US dollars.")
    return cents.scaleb(-CENTS_PLACES)


def utc(moment: datetime) -> datetime:
    """The same moment, in UTC."""
    return moment.astimezone(UTC)
