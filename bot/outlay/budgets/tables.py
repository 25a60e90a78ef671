"""Tables of budgets: the limits, and which thresholds of a period were announced. See `budget`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class BudgetRow(SQLModel, table=True):
    """Budget of a workspace. `shares`: thresholds in percent, separated by commas."""

    __tablename__ = "budget"
    id: int | None = Field(default=None, primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id", index=True)
    scope: str  # workspace | owner | model | ledger
    subject: str = ""
    name: str = ""
    period: str  # day | week | month
    limit_nano_usd: int = Field(sa_type=BigInteger)
    shares: str
    on_forecast: bool = True
    channel: str = ""
    changed_by: str = ""
    changed_at: int = Field(sa_type=BigInteger)


class BudgetNotice(SQLModel, table=True):
    """Threshold of a period that was announced (or passed, on the way to a higher one), under a limit."""

    __tablename__ = "budget_told"
    budget_id: int = Field(primary_key=True, foreign_key="budget.id")
    start: int = Field(primary_key=True, sa_type=BigInteger)  # first day of the period, counted from 0001-01-01
    mark: int = Field(primary_key=True)
    limit_nano_usd: int = Field(sa_type=BigInteger)
    at: int = Field(sa_type=BigInteger)
