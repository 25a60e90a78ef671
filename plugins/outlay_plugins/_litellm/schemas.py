"""What LiteLLM's answers say. Of each object only the fields named here are looked at; all else is dropped first.

So a line's `metadata`, in which operators and callers may write what they like, is never parsed, kept or logged.
Versions differ: what may be missing is empty or zero here, numbers may come as text, and what must be there and is not
is a Permanent error that names answer and field, but never shows a value.
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
    """Plain timestamps of its database are UTC."""
    if isinstance(value, str) and value.strip():
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return None if value == "" else value


def _text(value: Any) -> Any:
    """Null is no text; a flag or a number is what it reads as."""
    if value is None:
        return ""
    return str(value) if isinstance(value, bool | int | Decimal) else value


def _moment_or_none(value: Any) -> datetime | None:
    """Of keys and users, a time that cannot be read is one that is not known."""
    found = _utc(value)
    return found if isinstance(found, datetime) else None


Text = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, BeforeValidator(lambda value: 0 if value is None else value), Field(ge=0, le=MAX_COUNT)]
Usd = Annotated[Decimal, Field(ge=0, le=MAX_USD)]
Moment = Annotated[datetime, BeforeValidator(_utc)]
MomentIfKnown = Annotated[datetime | None, BeforeValidator(_moment_or_none)]


class Shape(BaseModel):
    """Fields that nobody named do not get in."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Line(Shape):
    """One request of /spend/logs/v2. `model` is what ran, `model_group` the name that was asked for."""

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


class LogPage(Shape):
    """A page of /spend/logs/v2. `total` counts no further than 10,000 where `total_is_capped`."""

    data: list[Line]
    total: Count
    total_is_capped: bool = False


class Metrics(Shape):
    """A sum of a day. In `prompt_tokens` are those read from a cache and written to it, as LiteLLM counts."""

    spend: Usd
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    api_requests: Count = 0
    failed_requests: Count = 0


class Owner(Shape):
    """Whose a key of a day's sum is."""

    team_id: Text = ""


class KeyMetrics(Shape):
    """What one key has of a sum."""

    metrics: Metrics
    metadata: Annotated[Owner, BeforeValidator(lambda value: value or {})] = Owner()


class Part(Shape):
    """A model's or a provider's part of a day, and what each key has of that."""

    metrics: Metrics
    api_key_breakdown: dict[str, KeyMetrics] = {}


class Breakdown(Shape):
    """A day, taken apart."""

    models: dict[str, Part] = {}
    providers: dict[str, Part] = {}


class Day(Shape):
    """One UTC day of /user/daily/activity/aggregated."""

    date: str = Field(min_length=10, max_length=10)
    metrics: Metrics
    breakdown: Breakdown = Breakdown()


class Days(Shape):
    """All of that answer."""

    results: list[Day]


class KeyLine(Shape):
    """A key of /key/list. `token` is the hash it goes by everywhere."""

    token: str = Field(min_length=1)
    key_alias: Text = ""
    key_name: Text = ""
    user_id: Text = ""
    team_id: Text = ""
    blocked: bool | None = None
    created_at: MomentIfKnown = None
    last_active: MomentIfKnown = None


class KeyPage(Shape):
    """A page of /key/list; some versions name a key by its hash alone."""

    keys: list[KeyLine | str]
    total_pages: Count = 0


class User(Shape):
    """A user of /user/list."""

    user_id: str = Field(min_length=1)
    user_email: Text = ""
    user_role: Text = ""
    created_at: MomentIfKnown = None


class UserPage(Shape):
    """A page of /user/list."""

    users: list[User]
    total_pages: Count = 0


class Team(Shape):
    """A team, by its id and the name people gave it."""

    team_id: str = Field(min_length=1)
    team_alias: Text = ""


class TeamPage(Shape):
    """A page of /v2/team/list."""

    teams: list[Team]
    total_pages: Count = 0


class OwnKey(Shape):
    """The key that asks, of /key/info."""

    user_id: Text = ""


class KeyInfo(Shape):
    """GET /key/info."""

    info: OwnKey


class Readiness(Shape):
    """GET /health/readiness. `db` says whether it has a database; old and bare answers leave it out."""

    status: str
    db: Text = ""


S = TypeVar("S", bound=Shape)


def read(shape: type[S], answer: Any) -> S:
    """An answer as it is documented. Raises Permanent: nonsense is never "nothing was spent"."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))[:80]
        raise Permanent(
            f"LiteLLM's answer is not what it documents ({shape.__name__}: {where or 'all of it'}: {first['type']})."
        ) from None


def lines(answer: Any) -> Any:
    """An answer of /spend/logs/v2 with nothing left in its lines but the columns that `Line` names."""
    if not isinstance(answer, Mapping) or not isinstance(data := answer.get("data"), list):
        return answer
    kept = [
        {name: line[name] for name in COLUMNS if name in line} if isinstance(line, Mapping) else line for line in data
    ]
    return {"data": kept} | {name: answer[name] for name in ("total", "total_is_capped") if name in answer}


COLUMNS = tuple(field.alias or name for name, field in Line.model_fields.items())
