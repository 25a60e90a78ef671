"""Response schemas for vendors known from documentation only: strict where it matters, tolerant elsewhere.

A required field that is missing is an error that names it; so is an answer of another shape. Unknown fields are
ignored, and numbers may come as text. Null is never zero dollars. Also the one way these ledgers page: a page of theirs
is a UTC day, with all the vendor's own pages in it.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from outlay.plugin import NO_TOKENS, BadConfig, NeedsReauth, Page, Permanent, PluginError, Row, Tokens, Window

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_COUNT = 2**53
MAX_USD = 9_000_000_000  # the most that the books can hold
NO_MORE = Decimal(0)

S = TypeVar("S", bound="ResponseSchema")


def _text(value: object) -> object:
    """Convert numbers (of ids) to text, and null to ""."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _zero(value: object) -> object:
    return 0 if value is None else value


def _utc(value: object) -> object:
    """Parse a time; without a zone it is UTC, as these vendors' hours are."""
    if isinstance(value, str) and value:
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return value


Text = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, BeforeValidator(_zero), Field(ge=0, le=MAX_COUNT)]  # null: none were counted
Money = Annotated[Decimal, Field(ge=0, le=MAX_USD)]
Moment = Annotated[AwareDatetime, BeforeValidator(_utc), AfterValidator(lambda found: found.astimezone(UTC))]


class ResponseSchema(BaseModel):
    """Base of all schemas: one object of an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


def read(who: str, shape: type[S], answer: Any) -> S:
    """Validate a vendor's answer. Raises Permanent: bad data never means "nothing was spent"."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Permanent(f"{who}'s answer is not what it documents ({where or 'all of it'}: {first['msg']}).") from None


async def explain_refusal(asking: Awaitable[Any], refused: dict[int, PluginError]) -> Any:
    """Await an answer; turn a refusal with one of these statuses into an error that a person can act on."""
    try:
        return await asking
    except (NeedsReauth, Permanent) as error:
        better = refused.get(error.status or 0)
        if better is None and error.status in (404, 405):
            better = BadConfig("base_url", f"{error} Is the base URL right?", status=error.status)
        raise (better or error) from None


def midnight(moment: datetime) -> datetime:
    """Return the start of a time's UTC day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def hour_of(moment: datetime) -> datetime:
    """Return the start of a time's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def next_day(window: Window, cursor: str | None) -> Window:
    """Return the part of the window that the next page covers: to the end of its UTC day."""
    start = window.start if cursor is None else datetime.fromisoformat(cursor)
    return Window(start, min(midnight(start) + DAY, window.end))


def hours(window: Window) -> list[Window]:
    """Split a window into hours; the last may not be over yet."""
    found, start = [], window.start
    while start < window.end:
        end = min(hour_of(start) + HOUR, window.end)
        found.append(Window(start, end))
        start = end
    return found


def page(
    window: Window, part: Window, rows: Sequence[Row], *, notes: tuple[str, ...] = (), disagrees: tuple[str, ...] = ()
) -> Page:
    """Build the page of one part, with the cursor of the next; with a disagreement, its rows are not all there are."""
    cursor = part.end.isoformat() if part.end < window.end else None
    return Page(part, rows, cursor=cursor, complete=not disagrees, notes=notes, disagrees=disagrees)


@dataclass(slots=True)
class Sum:
    """Running sum of one bucket; its dollars are unknown as soon as a part of them is."""

    usd: Decimal | None = Decimal(0)
    byok_usd: Decimal = Decimal(0)
    tokens: Tokens = field(default=NO_TOKENS)
    requests: int | None = 0

    def add(self, usd: Decimal | None, tokens: Tokens = NO_TOKENS, requests: int | None = None) -> None:
        """Add one more line of the same bucket."""
        self.usd = None if usd is None or self.usd is None else self.usd + usd
        self.tokens = self.tokens.plus(tokens)
        self.requests = None if requests is None or self.requests is None else self.requests + requests

    def without(self, part: "Sum") -> "Sum":
        """Return what is left when a part is subtracted, never below zero."""
        usd = None if self.usd is None or part.usd is None else max(self.usd - part.usd, NO_MORE)
        tokens = Tokens(*(max(mine - theirs, 0) for mine, theirs in zip(self.tokens, part.tokens, strict=True)))
        requests = None
        if self.requests is not None and part.requests is not None:
            requests = max(self.requests - part.requests, 0)
        return Sum(usd, NO_MORE, tokens, requests)

    @property
    def is_nothing(self) -> bool:
        """Return whether it is empty: no dollars, tokens or requests."""
        return not self.usd and not self.tokens.total and not self.requests and not self.byok_usd


def disjoint(prompt: int, cache_read: int, cache_write: int, completion: int, reasoning: int = 0) -> Tokens:
    """Return disjoint token counts of a vendor that counts cached tokens as input too.

    Where there are more cached tokens than input, it did not count them there.
    """
    inside = cache_read + cache_write
    plain = prompt - inside if prompt >= inside else prompt
    return Tokens(
        input=plain,
        cache_read=cache_read,
        cache_write_5m=cache_write,
        output=completion,
        reasoning=min(reasoning, completion),
    )
