"""Tables of periods: which ranges of days are summed up, and their sums. See `periods`."""

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field, SQLModel

from outlay.database.tables import Rollup


class Period(SQLModel, table=True):
    """Range of UTC days of a connection that is summed up."""

    __table_args__ = (UniqueConstraint("connection_id", "start", "until"),)

    id: int | None = Field(default=None, primary_key=True)
    connection_id: int = Field(foreign_key="connection.id")
    start: int = Field(sa_type=BigInteger)
    until: int = Field(sa_type=BigInteger)


class SpendPeriod(Rollup, table=True):
    """Roll-up by period, key and model."""

    __tablename__ = "spend_period"
    connection_id: int = Field(primary_key=True)
    period_id: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True)
    model_id: int = Field(primary_key=True)
    basis: int = Field(primary_key=True)
    adjusts: int = Field(default=0, primary_key=True, sa_type=BigInteger)


class SpendPeriodKey(Rollup, table=True):
    """Roll-up by period and key."""

    __tablename__ = "spend_period_key"
    connection_id: int = Field(primary_key=True)
    period_id: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True)
    basis: int = Field(primary_key=True)
    adjusts: int = Field(default=0, primary_key=True, sa_type=BigInteger)
