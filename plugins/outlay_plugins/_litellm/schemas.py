"""Response schemas of LiteLLM's API. Of each object only the fields named here are read; all else is dropped first.

So a line's `metadata`, in which operators and callers may write what they like, is never parsed, stored or logged.
Versions differ: an optional field that is missing is empty or zero, numbers may come as text, and a required field that
is missing is a Permanent error that names answer and field, but never shows a value.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from outlay.plugin import Permanent

MAX_COUNT = 2**53
MAX_USD = 9_000_000_000


def _utc(value: Any) -> Any:
    """Parse a timestamp; one without a zone is UTC, as in LiteLLM's database."""
    if isinstance(value, str) and value.strip():
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return None if value == "" else value


def _text(value: Any) -> Any:
    """Convert flags and numbers to text, and null to ""."""
    if value is None:
        return ""
    return str(value) if isinstance(value, bool | int | Decimal) else value


def _moment_or_none(value: Any) -> datetime | None:
    """Return the time of a key or a user, None if it cannot be parsed."""
    found = _utc(value)
    return found if isinstance(found, datetime) else None


Text = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, BeforeValidator(lambda value: 0 if value is None else value), Field(ge=0, le=MAX_COUNT)]
Usd = Annotated[Decimal, Field(ge=0, le=MAX_USD)]
Moment = Annotated[datetime, BeforeValidator(_utc)]
MomentIfKnown = Annotated[datetime | None, BeforeValidator(_moment_or_none)]


class LiteLLMSchema(BaseModel):
    """Base of all schemas; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class SpendLogLine(LiteLLMSchema):
    """Request of /spend/logs/v2. `model` is what ran (resolved), `model_group` the requested name."""

    request_id: str = Field(min_length=1)
    started_at: Moment = Field(alias="startTime")
    api_key: Text = ""
    model: Text = ""
    model_group: Text = ""
    custom_llm_provider: Text = ""
    team_id: Text = ""
    status: Text = ""
    cache_hit: Text = ""
    spend: Usd | None
    prompt_tokens: Count = 0
    completion_tokens: Count = 0


class LogPage(LiteLLMSchema):
    """Page of /spend/logs/v2. `total` counts no further than 10,000 where `total_is_capped`."""

    data: list[SpendLogLine]
    total: Count
    total_is_capped: bool = False


class LiteLLMMetrics(LiteLLMSchema):
    """Sum of a day. `prompt_tokens` include cache reads and cache writes, as LiteLLM counts."""

    spend: Usd
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    api_requests: Count = 0
    failed_requests: Count = 0


class LiteLLMKeyOwner(LiteLLMSchema):
    """Team of a key in a daily sum."""

    team_id: Text = ""


class KeyMetrics(LiteLLMSchema):
    """Part of a sum that belongs to one key."""

    metrics: LiteLLMMetrics
    metadata: Annotated[LiteLLMKeyOwner, BeforeValidator(lambda value: value or {})] = LiteLLMKeyOwner()


class Part(LiteLLMSchema):
    """Part of a day that belongs to a model or a provider, with each key's part of that."""

    metrics: LiteLLMMetrics
    api_key_breakdown: dict[str, KeyMetrics] = {}


class Breakdown(LiteLLMSchema):
    """Breakdown of a day, by model and by provider."""

    models: dict[str, Part] = {}
    providers: dict[str, Part] = {}


class LiteLLMDay(LiteLLMSchema):
    """UTC day of /user/daily/activity/aggregated."""

    date: str = Field(min_length=10, max_length=10)
    metrics: LiteLLMMetrics
    breakdown: Breakdown = Breakdown()


class Days(LiteLLMSchema):
    """Response of /user/daily/activity/aggregated."""

    results: list[LiteLLMDay]


class KeyLine(LiteLLMSchema):
    """Key of /key/list. `token` is the hash by which it is known everywhere."""

    token: str = Field(min_length=1)
    key_alias: Text = ""
    key_name: Text = ""
    user_id: Text = ""
    team_id: Text = ""
    blocked: bool | None = None
    created_at: MomentIfKnown = None
    last_active: MomentIfKnown = None


class KeyPage(LiteLLMSchema):
    """Page of /key/list; some versions name a key by its hash alone."""

    keys: list[KeyLine | str]
    total_pages: Count = 0


class User(LiteLLMSchema):
    """User of /user/list."""

    user_id: str = Field(min_length=1)
    user_email: Text = ""
    user_role: Text = ""
    created_at: MomentIfKnown = None


class UserPage(LiteLLMSchema):
    """Page of /user/list."""

    users: list[User]
    total_pages: Count = 0


class LiteLLMTeam(LiteLLMSchema):
    """Team: its id and its display name."""

    team_id: str = Field(min_length=1)
    team_alias: Text = ""


class TeamPage(LiteLLMSchema):
    """Page of /v2/team/list."""

    teams: list[LiteLLMTeam]
    total_pages: Count = 0


class OwnKey(LiteLLMSchema):
    """The credential itself, as /key/info describes it."""

    user_id: Text = ""


class KeyInfo(LiteLLMSchema):
    """Response of GET /key/info."""

    info: OwnKey


class Readiness(LiteLLMSchema):
    """Response of GET /health/readiness. `db` is the database's state; old and bare answers leave it out."""

    status: str
    db: Text = ""


S = TypeVar("S", bound=LiteLLMSchema)


def read(shape: type[S], answer: Any) -> S:
    """Validate an answer against its schema. Raises Permanent: bad data never means "nothing was spent"."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))[:80]
        raise Permanent(
            f"LiteLLM's answer is not what it documents ({shape.__name__}: {where or 'all of it'}: {first['type']})."
        ) from None


def lines(answer: Any) -> Any:
    """Return an answer of /spend/logs/v2 whose lines hold nothing but the columns that the schema names."""
    if not isinstance(answer, Mapping) or not isinstance(data := answer.get("data"), list):
        return answer
    kept = [
        {name: line[name] for name in COLUMNS if name in line} if isinstance(line, Mapping) else line for line in data
    ]
    return {"data": kept} | {name: answer[name] for name in ("total", "total_is_capped") if name in answer}


COLUMNS = tuple(field.alias or name for name, field in SpendLogLine.model_fields.items())
