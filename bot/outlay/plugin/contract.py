"""Plugin contract, on one page: all that a plugin author needs to know.

A **ledger** is a source of spend. It names its `reports`; for each the host asks `poll` for a window of time and gets
pages. **A page is a statement:** "between `window.start` and `window.end` this report says exactly these rows". So the
host can see what is new, what was restated, and what has vanished, by comparing; a plugin keeps no state. What a
report's figures are worth, how late they are and when to read them again is data (`Report`), not code.

A **sink** is where incidents go. It is called when one is `opened`, `updated` or `resolved`, renders it in its own way,
and must tolerate repeated calls: the ids of what it makes come from the event, so that a repeat finds what exists
already.

The host owns everything hard: retries, pacing, time-outs, secrets, storage, precedence, order, isolation.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from outlay.core.clock import Clock
from outlay.core.tokens import NO_TOKENS, Tokens
from outlay.plugin.events import Event, Inbound, Receipt, TicketState
from outlay.plugin.mail_client import MailingClient
from outlay.plugin.read_client import GuardedClient, RateLimit
from outlay.plugin.request_guards import WEB
from outlay.plugin.write_client import SendingClient

API = 1  # version of this contract; a plugin names the one it was written for

Basis = Literal["billed", "computed"]


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """Plugin's identity. `slug` is what `outlay connect SLUG` takes; `title` is what people read."""

    slug: str
    title: str
    api: int = API
    version: str = "1.0"
    docs: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Span of time in UTC, half open: `start` is in it, `end` is not."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class RereadRule:
    """Rule to read the last `back` again, once every `every`; zero: at each poll."""

    every: timedelta
    back: timedelta


@dataclass(frozen=True, slots=True)
class Report:
    """Report of a ledger, and how reliable and how late its figures are.

    name      stable, part of every bucket's identity.
    grain     width of its buckets; a whole day or a divisor of an hour. None: a counter, read as it stands.
    basis     "billed": the ledger's own dollars. "computed": priced from tokens.
    lag       after a bucket's end, how long until its figure is complete.
    settles   after a bucket's end, how long the ledger may still restate it.
    history   how far back it can be read.
    rereads   the schedule; the first with `every` zero is read at each poll.
    shape     version of the query's shape. Another group-by is another shape, and replaces the old series.
    split_by  of a bill: the name of the report whose keys, tokens and hours split the same money. The bill's dollars
              are the control total; a row of it without a key is shared out among the keys that used its model in its
              project (and that no other row of the bill names), and what no usage explains is the residual. Its own
              tokens and requests are not counted. Both reports give `Row.project`, for keys too, in the same words.
    """

    name: str
    grain: timedelta | None
    basis: Basis = "billed"
    lag: timedelta = timedelta(0)
    settles: timedelta = timedelta(days=3)
    history: timedelta = timedelta(days=35)
    rereads: tuple[RereadRule, ...] = (RereadRule(timedelta(0), timedelta(hours=3)),)
    shape: int = 1
    split_by: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """Billing key of a ledger. `id` is the ledger's own and never changes; names do, and need not be unique."""

    id: str
    name: str
    label: str = ""
    project_id: str = ""
    project_name: str = ""
    email: str = ""
    disabled: bool = False
    created_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one bucket of a report.

    `key` is a Key.id, or "" where the ledger names none; then `reason` says why, in words a person reads. `model` is
    the one that really ran, in the ledger's spelling; `requested` the one asked for, if that is known and differs.
    `detail` holds every other dimension the report was grouped by: all of it is identity. One called `service_tier` is
    a tier with prices of its own; a bill and a usage report that both give it are matched by it. `cost_usd` None is a
    price that is not known; zero is free of charge. `byok_usd` is money paid to an upstream provider with one's own
    key: never part of `cost_usd`. `requests` None: the ledger does not say. `list_share` is the part of the list price
    that the tokens cost where `cost_usd` is None: half for a batch, say. None: not known (a tier with prices of its
    own), so the row stays unpriced.
    """

    start: datetime
    key: str = ""
    model: str = ""
    cost_usd: Decimal | None = None
    tokens: Tokens = NO_TOKENS
    requests: int | None = None
    byok_usd: Decimal = Decimal(0)
    requested: str = ""
    project: str = ""
    reason: str = ""
    detail: tuple[tuple[str, str], ...] = ()
    list_price_factor: Decimal | None = Decimal(1)


@dataclass(frozen=True, slots=True)
class CounterReading:
    """Reading of a counter at `at`: all dollars so far. `key` "" is the whole account's counter."""

    key: str
    at: datetime
    total_usd: Decimal
    byok_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Page:
    """Statement: in `window` the report says exactly these rows. `cursor` continues; None: that was all.

    Pages of one poll come in order of time and do not overlap. Of days long past they hold whole hours, since the books
    hold no less of those. `complete` False: the ledger cut its answer short, so a row missing from the page proves
    nothing. `notes` are shown to the admins beside the connection. `absent`: this account does not have this report at
    all; the page says nothing of the window, the reports below it count, and it is asked for again once a day.
    `disagrees`: control totals of the ledger (a count, a sum, a limit of rows) that its rows do not come to, in whole
    sentences. The rows are taken and reading goes on, since no repetition might ever mend it; the connection is named
    as failing with these words as long as they are true.
    """

    window: Window
    rows: Sequence[Row] = ()
    readings: Sequence[CounterReading] = ()
    cursor: str | None = None
    complete: bool = True
    notes: tuple[str, ...] = ()
    absent: bool = False
    disagrees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of `check`: whose account it is, and what the credential may read.

    `choices` are for a second step: field → what can be chosen, as (value, label). `asks` names the fields that have to
    be chosen before anything is saved; until then `account_id` may be "".
    """

    account_id: str
    account_title: str
    credential: str
    can_read: tuple[str, ...] = ()
    choices: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    asks: tuple[str, ...] = ()


class TokenStore(Protocol):
    """Store of short-lived tokens issued by the other side, encrypted and shared by all replicas."""

    async def get(self, name: str) -> str | None:
        """Return the token stored by this name, or None."""
        ...

    async def renew(self, name: str, stale: str | None, make: Callable[[], Awaitable[str]]) -> str:
        """Return a token newer than `stale`: stored meanwhile, else from `make`. One renewal at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """Objects that the host lends a plugin: a guarded client, a clock, a log, and the keys known to the books.

    A sink's client can send too, and `kept` stores tokens for it.
    """

    http: GuardedClient
    clock: Clock
    log: logging.Logger
    known_keys: tuple[Key, ...] = ()
    kept: TokenStore | None = None


class Config(BaseModel):
    """Base of every plugin's settings, from which the form in Slack and the options of the command line are made.

    SecretStr fields are encrypted and never shown again. `Field(description=…)` is the hint under the field;
    `json_schema_extra={"advanced": True}` hides it until asked for. An unknown field is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


C = TypeVar("C", bound=Config)


class Plugin(Generic[C]):
    """Base of all plugins. Built with a checked config and a context; both live as long as one task."""

    meta: ClassVar[PluginInfo]
    Config: ClassVar[type[Any]]
    reading_posts: ClassVar[tuple[str, ...]] = ()  # POST paths that only read, exactly; everything else is GET
    paces: ClassVar[tuple[RateLimit, ...]] = ()  # the vendor's published limits
    schemes: ClassVar[tuple[str, ...]] = WEB  # what its base URL may begin with; MAIL for a sink that mails

    def __init__(self, config: C, context: Context) -> None:
        self.config = config
        self.context = context

    @classmethod
    def base_url(cls, config: C) -> str:
        """Return the URL of the other side, as the vendor prints it."""
        return str(getattr(config, "base_url", ""))

    @classmethod
    def headers(cls, config: C) -> dict[str, str]:
        """Return the headers that authenticate a request. Only the client sees them."""
        return {}

    async def check(self) -> CheckResult:
        """Check the credential and return whose it is, before saving. Raises BadConfig or NeedsReauth if wrong."""
        raise NotImplementedError


class Ledger(Plugin[C]):
    """Source of spend. `reports` come in order of authority: the first that has a whole day counts for it."""

    reports: ClassVar[tuple[Report, ...]]
    role: ClassVar[Literal["books", "attribution"]] = "books"
    notional: ClassVar[bool] = False  # its dollars are never paid: they split nothing, and no total holds them

    async def poll(self, report: str, window: Window, cursor: str | None) -> Page:
        """Return one page of a report. Called again with the page's cursor until that is None."""
        raise NotImplementedError

    async def keys(self) -> Sequence[Key]:
        """Return all keys the account has now, with anything that says whose they are."""
        raise NotImplementedError


class Sink(Plugin[C]):
    """Destination of incidents. Each call may be repeated, and two run at once only for different subjects.

    The host calls `opened` first, and `updated` and `resolved` only with the receipt that `opened` gave. An update that
    waits is replaced by the next, so each holds the whole finding as it stands. An incident that was over and comes
    back is sent to `opened` too, with its receipt.
    """

    @property
    def http(self) -> SendingClient:
        """Return the client that can send; retries are the host's."""
        return cast(SendingClient, self.context.http)

    @property
    def post(self) -> MailingClient:
        """Return the mail client, for a sink whose `schemes` are MAIL: it hands messages to a mail server."""
        return cast(MailingClient, self.context.http)

    def should_file(self, event: Event) -> bool:
        """Report whether to file it by itself. Asked again with each update; not asked if a person wants it filed."""
        return True

    async def opened(self, event: Event) -> Receipt:
        """Report a new incident; or, if `event.receipt` is set, that it has come back."""
        raise NotImplementedError

    async def updated(self, event: Event) -> Receipt:
        """Report how the incident stands now."""
        raise NotImplementedError

    async def resolved(self, event: Event) -> Receipt:
        """Report that the incident is over."""
        raise NotImplementedError

    async def standings(self, receipts: Sequence[Receipt]) -> Sequence[TicketState]:
        """Return how the things it made stand on the other side now, for a sweep. Optional."""
        raise NotImplementedError

    async def webhook(self, headers: Mapping[str, str], body: bytes) -> Inbound:
        """Parse a webhook from the other side. Header names in lower case. Raises for a bad signature. Optional."""
        raise NotImplementedError

    @classmethod
    def can(cls, name: str) -> bool:
        """Report whether it has one of the optional methods."""
        return getattr(cls, name) is not getattr(Sink, name)
