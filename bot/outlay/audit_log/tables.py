"""Tables of the audit log: a row for each action, and the end of each workspace's chain. See `trail`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class AuditLogRow(SQLModel, table=True):
    """Action: who did what, when, from where, to which object. Never changed; the database itself refuses that."""

    __tablename__ = "trail"
    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})  # from 1, no gaps
    at: int = Field(sa_type=BigInteger)
    who: str = ""  # a Slack user's id, a user of the machine, a name from a ticket; '' for the clock
    origin: str  # slack | command line | ticket | clock
    deed: str
    thing: str  # the object: its kind, a colon, its number or name
    detail: str = "{}"  # JSON, names and figures
    hash: str  # over all of the above but the workspace, and the hash of the row before


class AuditLogHead(SQLModel, table=True):
    """Newest row of a workspace's chain. Appending overwrites it, and the database copies it into the log.

    It is locked until the end of the transaction, so that there is one chain however many replicas run.
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
