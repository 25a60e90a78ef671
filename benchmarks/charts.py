"""Benchmark: event-loop lag while charts are rendered, compared with an idle loop; and the time of one image."""

import asyncio
import contextlib
import logging
import statistics
import time
from collections.abc import Awaitable

from benchmarks.measure import Row
from outlay.slack.chart_images.renderer import ChartRenderer

CHARTS = 30
PROBE_SECONDS = 0.005
IDLE_SECONDS = 3.0
LAG_MS_MAX = 20.0
DAYS = [f"{day} Nov" for day in range(1, 21)]
BLOCK = {
    "type": "data_visualization",
    "title": "Spend by day",
    "chart": {
        "type": "line",
        "series": [
            {"name": name, "data": [{"label": day, "value": 100.0 + 7 * n * at} for n, day in enumerate(DAYS)]}
            for at, name in enumerate(("Ada", "Ben", "Chiara"))
        ],
        "axis_config": {"categories": DAYS, "y_label": "USD"},
    },
}


async def run(scale: float = 1.0) -> list[Row]:
    """Return the rows of the table."""
    idle = await _lags(asyncio.sleep(IDLE_SECONDS))
    painter = ChartRenderer(logging.getLogger("benchmarks.charts"))
    took: list[float] = []

    async def draw() -> None:
        for _ in range(max(int(CHARTS * scale), 4)):
            began = time.perf_counter()
            await painter.chart_png(BLOCK, "November cost $5,000 so far.")
            took.append((time.perf_counter() - began) * 1000)

    drawing = await _lags(draw())
    await painter.aclose()
    return [
        Row("charts: the loop is late, p99, while they are drawn", _p99(drawing), "ms", LAG_MS_MAX, _p99(idle), "idle"),
        Row("charts: a picture, median", statistics.median(took[1:]), "ms", 0.0, took[0], "the first, with the worker"),
    ]


async def _lags(work: Awaitable[None]) -> list[float]:
    """Return how late the event loop woke, in ms for each probe, while `work` runs."""
    late: list[float] = []

    async def probe() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(PROBE_SECONDS)
            late.append((time.perf_counter() - began - PROBE_SECONDS) * 1000)

    probing = asyncio.create_task(probe())
    await work
    probing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await probing
    return late


def _p99(late: list[float]) -> float:
    return sorted(late)[int(len(late) * 0.99)]
