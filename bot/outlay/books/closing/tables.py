"""Table of a closed month's totals, as of its close. See `totals`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class ClosedTotal(SQLModel, table=True):
    """Dollars of one owner, model, key or ledger (`kind`) in a closed month, by its name at that time."""

    __tablename__ = "closed_total"
    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id")
    month: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str
    nano_usd: int = Field(sa_type=BigInteger)
