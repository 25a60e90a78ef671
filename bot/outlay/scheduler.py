"""Scheduler of periodic jobs. APScheduler says "now", and nothing else; the database says which replica does the work.

Jobs live in memory and are registered anew at each start. What only one of several replicas should do begins by
claiming its slot: a row that can be inserted only once. Runs are tasks of our own: APScheduler's shutdown would cancel
them, ours drains.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core.clock import Clock
from outlay.database.engine import execute

MAX_AT_ONCE = 8
JUMP_SECONDS = 5
WATCH_SECONDS = 30
TICKS_KEPT = timedelta(days=2)
Work = Callable[[], Awaitable[None]]
log = logging.getLogger("outlay.clock")


async def claim_slot(session: AsyncSession, job: str, now: datetime, period_seconds: int) -> bool:
    """Claim the job's slot that `now` is in; the claim commits with the caller's results. False: taken."""
    slot = int(now.timestamp()) // period_seconds
    inserted = await execute(
        session,
        text("INSERT INTO tick (job, slot) VALUES (:job, :slot) ON CONFLICT DO NOTHING"),
        {"job": job, "slot": slot},
    )
    await execute(
        session,
        text("DELETE FROM tick WHERE job = :job AND slot < :old"),
        {"job": job, "old": slot - max(1, int(TICKS_KEPT.total_seconds()) // period_seconds)},
    )
    return bool(getattr(inserted, "rowcount", 0))


async def is_slot_claimed(session: AsyncSession, job: str, now: datetime, period_seconds: int) -> bool:
    """Report whether the slot that `now` is in has been claimed."""
    slot = int(now.timestamp()) // period_seconds
    found = await execute(
        session, text("SELECT 1 FROM tick WHERE job = :job AND slot = :slot"), {"job": job, "slot": slot}
    )
    return found.first() is not None


class JobScheduler:
    """Periodic jobs: at most MAX_AT_ONCE at once, and each job at most once at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None

    def every(self, seconds: float, name: str, work: Work, *, first_in_seconds: float = 0) -> None:
        """Register a job. The first run comes after `first_in_seconds`."""
        first = datetime.now(self._scheduler.timezone) + timedelta(seconds=first_in_seconds)
        self._scheduler.add_job(
            self._start,
            "interval",
            seconds=seconds,
            args=[name, work],
            id=name,
            next_run_time=first,
            replace_existing=True,
        )

    def start(self) -> None:
        """Start the scheduler."""
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_for_jumps())

    async def stop(self, drain_seconds: float) -> None:
        """Start no new runs; let those under way finish within `drain_seconds`, then cancel them."""
        if self._watch:
            self._watch.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _start(self, name: str, work: Work) -> None:
        if name in self._running:
            return  # still busy with the last one
        task = asyncio.create_task(self._run(name, work), name=name)
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _run(self, name: str, work: Work) -> None:
        async with self._slots:
            try:
                await work()
            except Exception:  # the next run comes all the same
                log.exception("job failed", extra={"job": name})

    async def _watch_for_jumps(self) -> None:
        """Bring the next runs back to now when the wall clock jumps.

        A clock that jumped back would otherwise stop every job for as long.
        """
        before = self._clock.now().timestamp() - self._clock.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            offset = self._clock.now().timestamp() - self._clock.monotonic()
            if abs(offset - before) > JUMP_SECONDS:
                log.warning("the clock jumped", extra={"seconds": round(offset - before, 1)})
                now = datetime.now(self._scheduler.timezone)
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=min(job.next_run_time, now + (job.trigger.interval)))
                self._scheduler.wakeup()
            before = offset
