"""What the books keep of the audit trail: a row for each deed, and where each workspace's chain ends. See `trail`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class TrailRow(SQLModel, table=True):
    """One deed: who did what, when, from where, to which object. Never changed; the database itself refuses that."""

    __tablename__ = "trail"
    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})  # from 1, no gaps
    at: int = Field(sa_type=BigInteger)
    who: str = ""  # a Slack user's id, a user of the machine, whom a ticket names; '' for the clock
    origin: str  # slack | command line | ticket | clock
    deed: str
    thing: str  # the object: its kind, a colon, its number or name
    detail: str = "{}"  # JSON, names and figures
    hash: str  # over all of the above but the workspace, and the hash of the row before


class TrailHead(SQLModel, table=True):
    """The newest row of a workspace's chain. Whoever appends writes it anew, and the database copies it into the trail.

    It is held until the end of the transaction, so that there is one chain whatever the replicas.
    """

    __tablename__ = "trail_head"
    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    seq: int = Field(default=0, sa_type=BigInteger)
    hash: str = ""
    at: int = Field(default=0, sa_type=BigInteger)
    who: str = ""
    origin: str = ""
    deed: str = ""
    thing: str = ""
    detail: str = ""
