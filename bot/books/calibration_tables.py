"""What a final bill said of each model's computed dollars. See `calibration`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class Calibration(SQLModel, table=True):
    """Of a day of a bill and a model by its canonical name: the bill for each computed dollar, in millionths."""

    connection_id: int = Field(primary_key=True)
    report: str = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    model: str = Field(primary_key=True)
    millionths: int = Field(sa_type=BigInteger)
