"""Cursor: what each seat of a team was charged, hour by hour and model by model, from the team's usage events.

Cursor's Admin API returns events, not sums: the cents charged for each (`chargedCents`, with fractions) and its tokens,
which are disjoint. An event that the plan includes, or that failed, is not chargeable: its nominal cents do not count,
and its tokens count unless it failed. Both ends of a window are inclusive at Cursor, so ours ends a millisecond early.
An event has no id: two that are alike in every field both count, and one that two pages both hold counts once. Cursor
adds its events up hourly, and has been seen half a day late: no alert within the hour can come from here. It does not
report the price of the seats themselves.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

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
from outlay_plugins._common.repeats import CountedLines
from outlay_plugins._common.responses import (
    HOUR,
    Count,
    Money,
    ResponseSchema,
    Sum,
    Text,
    explain_refusal,
    hour_of,
    read,
)

EVENTS_PATH = "/teams/filtered-usage-events"
PAGE_EVENTS = 1_000
MAX_PAGES_A_DAY = 500
MAX_READS = 3  # of a day whose events change while it is read
CENT = Decimal("0.01")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WANTED = "Outlay needs a key of the Admin API, which a team admin makes at cursor.com/dashboard → Settings → API keys."
NOBODY = "used by somebody who is not, or no longer, a member of the team"
EVENTS = Report(
    name="events",
    grain=HOUR,
    lag=timedelta(hours=12),
    settles=timedelta(days=3),
    history=timedelta(days=90),
    rereads=(RereadRule(HOUR, timedelta(days=3)),),
)


class CursorConfig(Config):
    """Settings of a Cursor team."""

    api_key: SecretStr = Field(
        title="Admin API key", description="Made by a team admin: cursor.com/dashboard → Settings → API keys."
    )
    base_url: str = Field(
        "https://api.cursor.com",
        title="Base URL",
        description="Another address that speaks Cursor's Admin API.",
        json_schema_extra={"advanced": True},
    )


class CursorLedger(Ledger[CursorConfig]):
    """Ledger of a Cursor team."""

    meta = PluginInfo(slug="cursor", title="Cursor", docs="https://cursor.com/docs/account/teams/admin-api")
    Config = CursorConfig
    reading_posts = (EVENTS_PATH,)
    paces = (RateLimit("POST", EVENTS_PATH, calls=60, per_seconds=60), RateLimit("GET", "/teams/members", 20, 60))
    reports = (EVENTS,)

    @classmethod
    def headers(cls, config: CursorConfig) -> dict[str, str]:
        """Return Basic authentication, with the key as the user and no password."""
        pair = f"{config.api_key.get_secret_value().strip()}:"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def check(self) -> CheckResult:
        """Verify the key. The oldest owner's id identifies the team: Cursor reports neither its name nor its id."""
        refused = BadConfig("api_key", f"Cursor does not take this key for a team's books. {WANTED}")
        members = await self._members({401: refused, 403: refused})
        if not members:
            raise Permanent("Cursor tells no member of this team, and so not whose team it is.")
        owners = [member for member in members if "owner" in member.role.lower()] or members
        first = min(owners, key=lambda member: (len(member.id), member.id))
        return CheckResult(
            account_id=f"team of {first.id}",
            account_title=f"Cursor team of {first.name or first.email or first.id}",
            credential="team admin key",
            can_read=("what each member was charged, by hour and model", f"the team's {len(members)} members"),
        )

    async def keys(self) -> Sequence[Key]:
        """Return the seats, by Cursor's own user ids."""
        return [
            Key(id=member.id, name=member.name or member.email, email=member.email) for member in await self._members()
        ]

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return the events of one UTC day, summed by hour."""
        part = common_responses.next_day(window, cursor)
        seats = {key.email.lower(): key.id for key in (*self.context.known_keys, *await self.keys()) if key.email}
        events, trouble = await self._events(part)
        sums: dict[tuple[datetime, str, str, str, bool], Sum] = defaultdict(Sum)
        for event in events:
            if not part.start <= event.at < part.end:
                continue
            key = event.service_account or seats.get(event.email.lower(), "")
            usd = event.usd
            bucket = hour_of(event.at), key, event.model, event.kind, usd is None
            sums[bucket].add(usd, event.tokens, 1)
        rows = [
            Row(
                start,
                key,
                model,
                found.usd,
                found.tokens,
                found.requests,
                reason="" if key else NOBODY,
                detail=(("kind", kind), ("price", "not told" if unknown else "told")),
            )
            for (start, key, model, kind, unknown), found in sums.items()
        ]
        return common_responses.page(window, part, rows, disagrees=(trouble,) if trouble else ())

    async def _members(self, refused: dict[int, Any] | None = None) -> list["CursorMember"]:
        asking = self.context.http.get("/teams/members")
        return read("Cursor", Members, await (explain_refusal(asking, refused) if refused else asking)).members

    async def _events(self, part: Window) -> tuple[list["CursorEvent"], str]:
        """Return all events of a time range, each once, and what Cursor's own count of them says otherwise, or ""."""
        for _ in range(MAX_READS):
            read_once = await self._read(part)
            if len(read_once.totals) < 2:
                break  # else events came in while it was read, and pages shifted
        return read_once.events(part)

    async def _read(self, part: Window) -> "_Reading":
        """Read all pages of a time range."""
        body = {"startDate": _milliseconds(part.start), "endDate": _milliseconds(part.end) - 1, "pageSize": PAGE_EVENTS}
        found, seen = _Reading(), set[str]()
        for number in range(1, MAX_PAGES_A_DAY + 1):
            answer = await self.context.http.post(EVENTS_PATH, body | {"page": number})
            events = read("Cursor", Events, answer)
            texts = [json.dumps(raw, sort_keys=True, default=str) for raw in answer["usageEvents"]]
            if not texts or (page := "".join(texts)) in seen:  # the page number is ignored
                return found
            seen.add(page)
            found.add(list(zip(texts, events.events, strict=True)), events.total)
            if not events.has_more(number):
                return found
        raise Permanent(f"Cursor's events of {part.start:%Y-%m-%d} go on beyond {MAX_PAGES_A_DAY} pages.")


class _Reading:
    """One reading of all pages. Events alike in every field are several events, unless a page repeats another's."""

    def __init__(self) -> None:
        self.totals: set[int] = set()
        self._every: list[CursorEvent] = []
        self._once = CountedLines[CursorEvent]()

    def add(self, page: list[tuple[str, "CursorEvent"]], total: int | None) -> None:
        """Add one page and the count that it told."""
        self._every += [event for _, event in page]
        self._once.add_page(page)
        self.totals |= {total} if total is not None else set()

    def events(self, part: Window) -> tuple[list["CursorEvent"], str]:
        """Return the events, and the trouble with Cursor's count, if any.

        As many as Cursor counts are all of them, so none is a repeat. Otherwise what two pages both have counts once.
        """
        if self.totals == {len(self._every)}:
            return self._every, ""
        told, counted = self._once.all(), max(self.totals, default=len(self._once))
        if counted == len(told):
            return told, ""
        return told, f"Cursor counted {counted:,} events on {part.start:%Y-%m-%d} and told {len(told):,}."


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(value: object) -> object:
    """Convert epoch milliseconds, as text or as a number, to a time."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        value = int(value)
    return _EPOCH + timedelta(milliseconds=value) if isinstance(value, int) and not isinstance(value, bool) else value


class CursorMember(ResponseSchema):
    """Member of the team: a seat."""

    id: Text = Field(min_length=1)
    name: Text = ""
    email: Text = ""
    role: Text = ""


class Members(ResponseSchema):
    """Response of GET /teams/members."""

    members: list[CursorMember] = Field(alias="teamMembers")


class TokenUsage(ResponseSchema):
    """Token counts of an event; each token is in one class only."""

    inputTokens: Count = 0  # noqa: N815  the vendor's spelling
    outputTokens: Count = 0  # noqa: N815
    cacheWriteTokens: Count = 0  # noqa: N815
    cacheReadTokens: Count = 0  # noqa: N815


class CursorEvent(ResponseSchema):
    """Usage event. `chargeable` null or missing: Cursor did not say, and so its cents count."""

    at: Annotated[datetime, BeforeValidator(_moment)] = Field(alias="timestamp")
    email: Text = Field("", alias="userEmail")
    service_account: Text = Field("", alias="serviceAccountId")
    model: Text = ""
    kind: Text = ""
    chargeable: bool | None = Field(None, alias="isChargeable")
    usage: TokenUsage | None = Field(None, alias="tokenUsage")
    cents: Money | None = Field(None, alias="chargedCents")

    @property
    def usd(self) -> Decimal | None:
        """Return what it was charged; None where Cursor charges and does not say how much."""
        if self.chargeable is False:
            return Decimal(0)
        return None if self.cents is None else self.cents * CENT

    @property
    def tokens(self) -> Tokens:
        """Return its token counts, none for an event that failed."""
        if self.usage is None or (self.chargeable is False and "error" in self.kind.lower()):
            return Tokens()
        used = self.usage
        return Tokens(
            input=used.inputTokens,
            cache_read=used.cacheReadTokens,
            cache_write_5m=used.cacheWriteTokens,
            output=used.outputTokens,
        )


class Paging(ResponseSchema):
    """Position of a page. The names of its fields are not certain."""

    more: bool | None = Field(None, alias="hasNextPage")
    pages: int | None = Field(None, alias="numPages")


class Events(ResponseSchema):
    """Response of POST /teams/filtered-usage-events."""

    events: list[CursorEvent] = Field(alias="usageEvents")
    total: int | None = Field(None, alias="totalUsageEventsCount")
    pagination: Paging | None = None

    def has_more(self, number: int) -> bool:
        """Return whether another page follows the one of this number."""
        told = self.pagination
        if told and told.more is not None:
            return told.more
        if told and told.pages is not None:
            return number < told.pages
        return len(self.events) >= PAGE_EVENTS
