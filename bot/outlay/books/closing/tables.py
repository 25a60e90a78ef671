"""What a closed month came to, as of its close. See `totals`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class ClosedTotal(SQLModel, table=True):
    """The dollars of one owner, model, key or ledger (`kind`) in a closed month, by what they were called then."""

    __tablename__ = "closed_total"
    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    month: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str
    nano_usd: int = Field(sa_type=BigInteger)
