"""Tables of the books. Identity is in the keys, so that a re-poll cannot count anything twice.

A *series* is a bucket's identity without its time: connection, report, shape, width and every dimension. An *entry* is
(series, start) and holds the current accepted value. Everything under "roll-ups" is derived and can be rebuilt.

Times are integer seconds since 1970 (UTC), days are the second at which they start; money is integer nano-dollars, NULL
if unknown. No dimension is ever NULL: '' stands for none, since NULLs are equal to nothing and would make a unique key
accept the same bucket twice.
"""

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BILLED, COMPUTED, UNPRICED = 1, 2, 3  # `basis` of entries and roll-ups: what a figure is
RESIDUAL = 0  # of roll-ups only: billed, without a key, and no usage explains it
UNBILLED = 4  # of roll-ups only: computed, and the bill that counts for the day does not name it


class Workspace(SQLModel, table=True):
    """Slack team: the tenant. Before Slack is installed there is one called `local`."""

    id: str = Field(primary_key=True)
    name: str = ""
    url: str = ""  # of its Slack, such as https://acme.slack.com/
    time_zone: str = "UTC"
    close_day: int = 5  # of the month: when the month before closes automatically; 0: never
    hours_kept_days: int = 92  # how long a day can be read by the hour; 0: forever
    folded_until: int = Field(default=0, sa_type=BigInteger)  # before this only whole UTC days are kept
    created_at: int = Field(sa_type=BigInteger)
    removed_at: int | None = Field(default=None, sa_type=BigInteger)  # when it removed the app; not polled since


class Connection(SQLModel, table=True):
    """Account at a ledger. Disconnecting removes the credential and keeps the row, and so the books."""

    __table_args__ = (
        UniqueConstraint("workspace_id", "name"),
        UniqueConstraint("workspace_id", "ledger", "account_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    name: str
    ledger: str
    role: str
    in_front_of: int | None = Field(default=None, foreign_key="connection.id")  # of role attribution: what it splits
    in_front_of_key: int | None = None  # only this key of it; None for all
    account_id: str
    account_title: str
    settings: str = "{}"  # JSON: the fields of its form that are not secret
    fingerprint: str = ""
    credential: str = ""  # its kind, in the ledger's words; '' if connected before kinds were stored
    state: str = "ok"  # ok | paused | needs_reauth | failing
    error: str = ""
    notes: str = ""
    connected_by: str = ""  # the Slack user to notify if it fails; '' from the command line
    created_at: int = Field(sa_type=BigInteger)
    disconnected_at: int | None = Field(default=None, sa_type=BigInteger)
    last_poll_at: int | None = Field(default=None, sa_type=BigInteger)
    next_poll_at: int | None = Field(default=None, sa_type=BigInteger)
    failures: int = 0  # consecutive failed polls
    lease_owner: str = ""  # the process that polls it now
    lease_until: int = Field(default=0, sa_type=BigInteger)


class Secret(SQLModel, table=True):
    """Sealed field of a connection. See outlay.vault."""

    connection_id: int = Field(primary_key=True, foreign_key="connection.id")
    field: str = Field(primary_key=True)
    blob: bytes = Field(sa_type=LargeBinary)


class Cursor(SQLModel, table=True):
    """Progress of reading a report: complete up to `watermark`; `rereads`: when each re-read was last done.

    A report that the account does not have (`absent`), or that the credential may not read, waits until `ask_again_at`.
    """

    connection_id: int = Field(primary_key=True, foreign_key="connection.id")
    report: str = Field(primary_key=True)
    watermark: int | None = Field(default=None, sa_type=BigInteger)
    rereads: str = "{}"
    error: str = ""
    ask_again_at: int | None = Field(default=None, sa_type=BigInteger)  # None: at each poll
    absent: bool = False
    note: str = ""  # the ledger's message about an absent report


class LedgerKey(SQLModel, table=True):
    """Key that the ledger bills by. Money without a key: a row with `ledger_id` '', one for each `reason` and scope."""

    __tablename__ = "ledger_key"
    __table_args__ = (UniqueConstraint("connection_id", "ledger_id", "reason", "scope"),)

    id: int | None = Field(default=None, primary_key=True)
    connection_id: int = Field(foreign_key="connection.id")
    ledger_id: str
    reason: str = ""
    scope: str = ""  # the project of a row without a key; else ''
    name: str = ""
    label: str = ""
    project_id: str = ""
    project_name: str = ""
    email: str = ""
    disabled: bool = False
    created_at: int | None = Field(default=None, sa_type=BigInteger)
    last_used_at: int | None = Field(default=None, sa_type=BigInteger)
    gone_at: int | None = Field(default=None, sa_type=BigInteger)


class Model(SQLModel, table=True):
    """Model by the name that a ledger gave it; '' for money that is not split by model."""

    __table_args__ = (UniqueConstraint("ledger", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    ledger: str
    name: str


class Series(SQLModel, table=True):
    """Identity of a bucket without its time."""

    __table_args__ = (
        UniqueConstraint(
            "connection_id", "report", "shape", "width_seconds", "key_id", "model_id", "requested", "detail"
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    connection_id: int = Field(foreign_key="connection.id")
    report: str
    shape: int
    width_seconds: int
    key_id: int = Field(foreign_key="ledger_key.id")
    model_id: int = Field(foreign_key="model.id")
    requested: str = ""
    detail: str = ""  # JSON of every other dimension, sorted


class FigureColumns(SQLModel):
    """Measured figures: dollars, requests, and tokens in disjoint classes (reasoning is a part of output)."""

    cost_nano_usd: int | None = Field(default=None, sa_type=BigInteger)
    byok_nano_usd: int = Field(default=0, sa_type=BigInteger)
    requests: int | None = Field(default=None, sa_type=BigInteger)
    input: int = Field(default=0, sa_type=BigInteger)
    cache_read: int = Field(default=0, sa_type=BigInteger)
    cache_write_5m: int = Field(default=0, sa_type=BigInteger)
    cache_write_1h: int = Field(default=0, sa_type=BigInteger)
    output: int = Field(default=0, sa_type=BigInteger)
    reasoning: int = Field(default=0, sa_type=BigInteger)
    saved_nano_usd: int | None = Field(default=None, sa_type=BigInteger)  # by caching, at list price


FIGURES = tuple(FigureColumns.model_fields)


class Entry(FigureColumns, table=True):
    """Current accepted value of a bucket, as observed at `observed_at`; the newest observation wins."""

    __table_args__ = {"sqlite_with_rowid": False}

    connection_id: int = Field(primary_key=True)
    start: int = Field(primary_key=True, sa_type=BigInteger)
    series_id: int = Field(primary_key=True)
    basis: int
    observed_at: int = Field(sa_type=BigInteger)
    price_version: str = ""  # the list that computed dollars were computed from


class Coverage(SQLModel, table=True):
    """UTC day that a report covers; `final` once it was read whole after the day and the report's lag."""

    connection_id: int = Field(primary_key=True)
    report: str = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    final: bool = False


class Statement(SQLModel, table=True):
    """Time range that a report last stated whole at `observed_at`: an older observation changes nothing in it."""

    connection_id: int = Field(primary_key=True)
    report: str = Field(primary_key=True)
    start: int = Field(primary_key=True, sa_type=BigInteger)
    until: int = Field(primary_key=True, sa_type=BigInteger)
    observed_at: int = Field(sa_type=BigInteger)


class Counter(SQLModel, table=True):
    """Running counter of a key: its value now, and its value when the reports had covered everything before.

    The base moves on, by way of a reading in between, once a report with buckets has been read past that reading.
    """

    connection_id: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True)
    base_at: int = Field(sa_type=BigInteger)
    base_nano_usd: int = Field(sa_type=BigInteger)
    next_at: int = Field(sa_type=BigInteger)
    next_nano_usd: int = Field(sa_type=BigInteger)
    read_at: int = Field(sa_type=BigInteger)
    total_nano_usd: int = Field(sa_type=BigInteger)
    before_reset_nano_usd: int = Field(default=0, sa_type=BigInteger)  # its rise since its base, before a fall
    resets: int = 0


class Rollup(FigureColumns):
    """Sums of what counts. `unpriced_tokens` are those without dollars; `settles_at`: until then it may be restated.

    `adjusts` is 0, or the start of the closed month that this money corrects: it counts when it was observed.
    """

    unpriced_tokens: int = Field(default=0, sa_type=BigInteger)
    settles_at: int = Field(sa_type=BigInteger)

    @declared_attr.directive
    def __table_args__(cls) -> dict[str, bool]:  # noqa: N805  a class is what SQLAlchemy hands in
        return {"sqlite_with_rowid": False}


class SpendHour(Rollup, table=True):
    """Roll-up by hour, key and model."""

    __tablename__ = "spend_hour"
    connection_id: int = Field(primary_key=True)
    hour: int = Field(primary_key=True, sa_type=BigInteger)
    key_id: int = Field(primary_key=True)
    model_id: int = Field(primary_key=True)
    basis: int = Field(primary_key=True)
    adjusts: int = Field(default=0, primary_key=True, sa_type=BigInteger)


class SpendDay(Rollup, table=True):
    """Roll-up by UTC day, key and model."""

    __tablename__ = "spend_day"
    connection_id: int = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    key_id: int = Field(primary_key=True)
    model_id: int = Field(primary_key=True)
    basis: int = Field(primary_key=True)
    adjusts: int = Field(default=0, primary_key=True, sa_type=BigInteger)


class SpendDayKey(Rollup, table=True):
    """Roll-up by UTC day and key, read for questions about people or keys."""

    __tablename__ = "spend_day_key"
    connection_id: int = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    key_id: int = Field(primary_key=True)
    basis: int = Field(primary_key=True)
    adjusts: int = Field(default=0, primary_key=True, sa_type=BigInteger)


class SpendDayModel(Rollup, table=True):
    """Roll-up by UTC day and model, read for questions about models, days or totals."""

    __tablename__ = "spend_day_model"
    connection_id: int = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    model_id: int = Field(primary_key=True)
    basis: int = Field(primary_key=True)
    adjusts: int = Field(default=0, primary_key=True, sa_type=BigInteger)


class ClosedMonth(SQLModel, table=True):
    """Frozen month: its daily roll-ups change no more, and `hash` is over them."""

    __tablename__ = "closed_month"
    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    month: int = Field(primary_key=True, sa_type=BigInteger)  # the second at which it starts, UTC
    closed_at: int = Field(sa_type=BigInteger)
    forced: bool = False
    ledgers: str = ""  # that kept the books then, separated by spaces: decides which BYOK money counts
    hash: str
    totals_hash: str = ""  # over its totals by owner, model, key and ledger (`closed_total`); '' if none were stored


class Adjustment(FigureColumns, table=True):
    """Later change of a closed day: the signed difference, counted in the hour in which it was observed."""

    __table_args__ = (Index("ix_adjustment_day", "connection_id", "day"),)

    id: int | None = Field(default=None, primary_key=True)
    connection_id: int = Field(foreign_key="connection.id")
    month: int = Field(sa_type=BigInteger)  # the closed month that it names
    day: int = Field(sa_type=BigInteger)  # the closed day that it corrects
    hour: int = Field(sa_type=BigInteger)  # in which it counts
    key_id: int
    model_id: int
    basis: int
    unpriced_tokens: int = Field(default=0, sa_type=BigInteger)


class AuditRun(SQLModel, table=True):
    """Result of one audit; `differences` is a JSON list of what did not agree, in words."""

    __tablename__ = "audit_run"
    id: int | None = Field(default=None, primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    at: int = Field(sa_type=BigInteger)
    ok: bool
    checked: int
    differences: str = "[]"


class Ownership(SQLModel, table=True):
    """Owner of a key from a day on (0: from the beginning). History follows the key."""

    key_id: int = Field(primary_key=True, foreign_key="ledger_key.id")
    from_day: int = Field(primary_key=True, sa_type=BigInteger)
    owner: str


class Person(SQLModel, table=True):
    """Person known to ledgers by e-mail, and to Slack by id ('' if no Slack user has that e-mail)."""

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    email: str = Field(primary_key=True)
    slack_user_id: str = ""
    name: str = ""
    looked_up_at: int = Field(sa_type=BigInteger)


class Tick(SQLModel, table=True):
    """Scheduled slot, claimed by inserting it: the process that inserts it does the work."""

    job: str = Field(primary_key=True)
    slot: int = Field(primary_key=True, sa_type=BigInteger)


class Outbox(SQLModel, table=True):
    """Transactional outbox: stored with the change that caused it, delivered later. `key` makes a message unique."""

    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_outbox_due", "status", "lane", "available_at", "id"),
        Index("ix_outbox_stream", "stream", "status", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str
    workspace_id: str = Field(foreign_key="workspace.id")
    lane: int = 0  # the connection that it goes to; 0 is Slack
    stream: str  # its messages keep their order
    topic: str = ""  # a newer message of the same stream and topic replaces one that waits
    kind: str
    payload: str
    status: str = "waiting"  # waiting | done | dead | superseded
    attempts: int = 0
    available_at: int = Field(sa_type=BigInteger)
    lease_until: int = Field(default=0, sa_type=BigInteger)
    fence: int = 0
    error: str = ""
    created_at: int = Field(sa_type=BigInteger)
    ended_at: int = Field(default=0, sa_type=BigInteger)


class Lane(SQLModel, table=True):
    """Delivery state of one connection (0: of Slack): its circuit breaker, and until when it asked to wait."""

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    failures: int = 0  # in a row
    trips: int = 0  # how often the breaker has opened since the last success
    open_until: int = Field(default=0, sa_type=BigInteger)
    hold_until: int = Field(default=0, sa_type=BigInteger)
    error: str = ""


class DeliveryReceipt(SQLModel, table=True):
    """Sink's object for an incident, and its state for the next time. `standing`: last known there, else ""."""

    __tablename__ = "receipt"
    __table_args__ = (
        Index("ix_receipt_subject", "connection_id", "subject", "created_at"),
        Index("ix_receipt_external", "connection_id", "external_id"),
    )

    connection_id: int = Field(primary_key=True, foreign_key="connection.id")
    incident: str = Field(primary_key=True)
    subject: str
    url: str = ""
    external_id: str = ""
    state: str = "{}"
    standing: str = ""
    created_at: int = Field(sa_type=BigInteger)
    updated_at: int = Field(sa_type=BigInteger)
