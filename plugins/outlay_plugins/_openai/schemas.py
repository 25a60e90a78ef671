"""Response schemas of OpenAI's API: numbers or strings, nulls anywhere, unknown fields.

A required field that is missing or of another type is a Permanent error that names the place, and the books stay as
they are. Null is "" for text and zero for an optional count; null dollars stay unknown.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from outlay.plugin import Permanent

MAX_COUNT = 2**63 - 1
MAX_USD = 9_000_000_000  # the most that the books can hold
_LATEST_SECONDS = 253_402_300_799  # the year 9999


def _no_flag(value: Any) -> Any:
    """Refuse booleans, which Python would take for numbers."""
    if isinstance(value, bool):
        raise ValueError("true or false, not a number")
    return value


def _unless_null(nothing: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: nothing if value is None else value)


Text = Annotated[str, _unless_null("")]
Count = Annotated[int, _unless_null(0), BeforeValidator(_no_flag), Field(ge=0, le=MAX_COUNT)]
Seconds = Annotated[int, BeforeValidator(_no_flag), Field(ge=0, le=_LATEST_SECONDS)]


class OpenAISchema(BaseModel):
    """Base of all schemas; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True)


class OpenAIUsageLine(OpenAISchema):
    """Line of any usage report. `input_tokens` include cache reads and cache writes, as OpenAI counts."""

    api_key_id: Text = ""
    user_id: Text = ""
    project_id: Text = ""
    model: Text = ""
    service_tier: Text = ""
    batch: Annotated[bool, _unless_null(False)] = False
    input_tokens: Count = 0
    input_cached_tokens: Count = 0
    input_cache_write_tokens: Count = 0
    input_cache_write_12h_tokens: Count = 0
    input_audio_tokens: Count = 0
    input_cached_audio_tokens: Count = 0
    output_tokens: Count = 0
    output_audio_tokens: Count = 0
    output_image_tokens: Count = 0
    num_model_requests: Count = 0


class OpenAIAmount(OpenAISchema):
    """Money: a number, or as often a string."""

    value: Annotated[Decimal, BeforeValidator(_no_flag), Field(ge=0, le=MAX_USD)] | None = None
    currency: Text = ""


class OpenAICostLine(OpenAISchema):
    """Line of the bill."""

    amount: OpenAIAmount | None = None
    line_item: Text = ""
    project_id: Text = ""
    api_key_id: Text = ""


Line = TypeVar("Line", bound=OpenAISchema)


class OpenAIBucket(OpenAISchema, Generic[Line]):
    """Time slice. Without lines its list is empty, null or missing."""

    start_time: Seconds
    results: Annotated[tuple[Line, ...], _unless_null(())] = ()

    @property
    def start(self) -> datetime:
        return datetime.fromtimestamp(self.start_time, UTC)


class Buckets(OpenAISchema, Generic[Line]):
    """Page of time slices."""

    data: tuple[OpenAIBucket[Line], ...]
    has_more: bool | None = None
    next_page: Text = ""


class OpenAIProject(OpenAISchema):
    """Project of the organization; an archived one is never deleted."""

    id: Annotated[str, Field(min_length=1)]
    name: Text = ""
    created_at: Annotated[int, _unless_null(_LATEST_SECONDS)] = _LATEST_SECONDS
    status: Text = ""
    archived_at: int | None = None

    @property
    def archived(self) -> bool:
        return self.status == "archived" or self.archived_at is not None


class OpenAIPrincipal(OpenAISchema):
    """Owner of a key: a user, or a service account, which has no e-mail."""

    id: Text = ""
    name: Text = ""
    email: Text = ""


class OpenAIMember(OpenAIPrincipal):
    """Member in the list of the organization's users."""

    id: Annotated[str, Field(min_length=1)]


class OpenAIKeyOwner(OpenAISchema):
    """Owner of a key: either a user or a service account."""

    user: OpenAIPrincipal | None = None
    service_account: OpenAIPrincipal | None = None


class OpenAIApiKey(OpenAISchema):
    """Key of a project; never the secret itself."""

    id: Annotated[str, Field(min_length=1)]
    name: Text = ""
    redacted_value: Text = ""
    created_at: Seconds | None = None
    last_used_at: Seconds | None = None
    expires_at: Seconds | None = None
    owner: OpenAIKeyOwner | None = None


class Listed(OpenAISchema, Generic[Line]):
    """Page of a list."""

    data: tuple[Line, ...]
    has_more: bool | None = None
    last_id: Text = ""


Answer = TypeVar("Answer", bound=OpenAISchema)


def read(shape: type[Answer], body: Any, about: str) -> Answer:
    """Validate an answer against its schema. Raises Permanent, naming the field that cannot be read."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in found["loc"]) or "all of it"
        raise Permanent(f"OpenAI's answer about {about} cannot be read: `{place}` ({found['type']}).") from None
