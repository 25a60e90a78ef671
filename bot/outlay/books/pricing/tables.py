"""What a final bill said of each model's computed dollars. See `calibration`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class Calibration(SQLModel, table=True):
    """Of a day of a bill, a model by its canonical name and a tier ('*': all of them): see `calibration_ratios`."""

    connection_id: int = Field(primary_key=True)
    report: str = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    model: str = Field(primary_key=True)
    tier: str = Field(primary_key=True)
    millionths: int = Field(sa_type=BigInteger)
