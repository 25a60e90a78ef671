"""Table of calibration ratios: a final bill's dollars for each model's computed ones. See `calibration`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class Calibration(SQLModel, table=True):
    """Ratio of a day's bill for a canonical model name and a tier ('*': all of them): see `calibration_ratios`."""

    connection_id: int = Field(primary_key=True)
    report: str = Field(primary_key=True)
    day: int = Field(primary_key=True, sa_type=BigInteger)
    model: str = Field(primary_key=True)
    tier: str = Field(primary_key=True)
    millionths: int = Field(sa_type=BigInteger)
