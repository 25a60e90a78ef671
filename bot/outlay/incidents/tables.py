"""Tables of incidents and of changes the detector has yet to examine. See `tables` for the units of time and money.

The detector's own state is not stored: it is learned from the hours of the last weeks whenever a process begins to
watch. What it has not examined yet is stored: `touched_hour`, written in the transaction that changed the hour.
"""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel


class TouchedHour(SQLModel, table=True):
    """Hour of a connection that changed since the detector examined it; `times` tells two changes apart."""

    __tablename__ = "touched_hour"
    connection_id: int = Field(primary_key=True, foreign_key="connection.id")
    hour: int = Field(primary_key=True, sa_type=BigInteger)
    times: int = 1


class Watch(SQLModel, table=True):
    """Lease of the process that watches a workspace; it ends at `until` unless renewed."""

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    holder: str = ""
    until: int = Field(default=0, sa_type=BigInteger)


class Incident(SQLModel, table=True):
    """Episode of one subject: an owner's id, `key:NUMBER` for a key without an owner, `*` for everyone together.

    `since`: when the spend of the episode began. `verdict`: JSON of the newest numbers that the detector gave.
    `channel`, `ts`: its message in Slack. Several that fire at once share the message of the one in `group_id`.
    """

    __table_args__ = (
        Index("ix_incident_subject", "workspace_id", "subject", "opened_at"),
        Index("ix_incident_state", "workspace_id", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id")
    subject: str
    name: str
    kind: str  # person | agent | team | key | everybody
    severity: str
    state: str = "open"
    since: int = Field(sa_type=BigInteger)
    opened_at: int = Field(sa_type=BigInteger)
    seen_at: int = Field(sa_type=BigInteger)  # when the detector last confirmed it
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    snoozed_until: int | None = Field(default=None, sa_type=BigInteger)
    quiet_since: int | None = Field(default=None, sa_type=BigInteger)
    spent_nano_usd: int = Field(default=0, sa_type=BigInteger)
    told_nano_usd: int = Field(default=0, sa_type=BigInteger)
    peak_hour_nano_usd: int = Field(default=0, sa_type=BigInteger)
    verdict: str
    group_id: int | None = None
    channel: str = ""
    ts: str = ""


class IncidentChange(SQLModel, table=True):
    """Change of an incident: who did what, and when. `who`: a Slack user, or '' for Outlay itself."""

    __tablename__ = "incident_change"
    __table_args__ = (Index("ix_incident_change_incident", "incident_id"),)

    id: int | None = Field(default=None, primary_key=True)
    incident_id: int = Field(foreign_key="incident.id")
    at: int = Field(sa_type=BigInteger)
    who: str = ""
    what: str
    detail: str = ""


class Expectation(SQLModel, table=True):
    """Spend that a person expects, so that it raises no alert: see `outlay.detection.ExpectedSpend`. Never deleted."""

    id: int | None = Field(default=None, primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id", index=True)
    subject: str
    key_id: int | None = None  # only this key; None for all
    start: int = Field(sa_type=BigInteger)
    until: int | None = Field(default=None, sa_type=BigInteger)
    below_nano_usd: int | None = Field(default=None, sa_type=BigInteger)
    reason: str = ""
    who: str = ""
    created_at: int = Field(sa_type=BigInteger)
    incident_id: int | None = Field(default=None, foreign_key="incident.id")
    taken_back_at: int | None = Field(default=None, sa_type=BigInteger)
