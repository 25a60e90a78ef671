"""Measurement helpers: a figure with its baseline, medians, memory and processor time."""

import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from outlay.database.engine import Database, execute

TICKS_PER_MS = 0.1  # Linux counts a process's time in hundredths of a second


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Smaller is better; `goal` is the most it should be, 0 for none."""

    name: str
    value: float
    unit: str
    goal: float = 0.0
    baseline: float = 0.0
    baseline_name: str = ""


async def median_ms(work: Callable[[], Awaitable[object]], runs: int = 9) -> float:
    """Return the median time of several runs, in ms, after one to warm up."""
    await work()
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def resident_mib(pid: int | None = None) -> float:
    """Return the resident memory of a process, by default this one."""
    for line in Path(f"/proc/{pid or os.getpid()}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def server_ms(database: Database) -> float:
    """Return the processor time of the server's processes for this database; 0 for SQLite, which has none."""
    if database.dialect != "postgresql":
        return 0.0
    async with database.read() as session:
        sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        pids = [row.pid for row in await execute(session, text(sql))]
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()  # noqa: ASYNC240
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_MS
