"""What the books keep of incidents, and what the detector has yet to look at. See `tables` for how times and money are.

The detector's own state is kept nowhere: it is learnt from the hours of the last weeks whenever a process begins to
watch. What it has not looked at yet is: `touched_hour`, written in the transaction that changed the hour.
"""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel


class TouchedHour(SQLModel, table=True):
    """An hour of a connection that has changed since the detector looked at it; `times` tells two changes apart."""

    __tablename__ = "touched_hour"
    connection_id: int = Field(primary_key=True, foreign_key="connection.id")
    hour: int = Field(primary_key=True, sa_type=BigInteger)
    times: int = 1


class Watch(SQLModel, table=True):
    """Which process watches a workspace, and until when if it is not heard of again."""

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    holder: str = ""
    until: int = Field(default=0, sa_type=BigInteger)


class Incident(SQLModel, table=True):
    """One episode of one subject. `subject`: an owner's id, `key:NUMBER` while nobody owns it, `*` for everybody.

    `since`: when the money of the episode began. `verdict`: JSON of the newest numbers that the detector gave.
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
    seen_at: int = Field(sa_type=BigInteger)  # when the detector last said so
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
    """Who did what to an incident, and when. `who`: a Slack user, or '' for Outlay itself."""

    __tablename__ = "incident_change"
    __table_args__ = (Index("ix_incident_change_incident", "incident_id"),)

    id: int | None = Field(default=None, primary_key=True)
    incident_id: int = Field(foreign_key="incident.id")
    at: int = Field(sa_type=BigInteger)
    who: str = ""
    what: str
    detail: str = ""


class Expectation(SQLModel, table=True):
    """Spending that somebody expects, so that it does not ring: see `outlay.detection.Plan`. Never deleted."""

    id: int | None = Field(default=None, primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id", index=True)
    subject: str
    key_id: int | None = None  # only this key's
    start: int = Field(sa_type=BigInteger)
    until: int | None = Field(default=None, sa_type=BigInteger)
    below_nano_usd: int | None = Field(default=None, sa_type=BigInteger)
    reason: str = ""
    who: str = ""
    created_at: int = Field(sa_type=BigInteger)
    incident_id: int | None = Field(default=None, foreign_key="incident.id")
    taken_back_at: int | None = Field(default=None, sa_type=BigInteger)
