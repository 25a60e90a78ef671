"""Bounded background tasks that outlive their listener, and are drained at shutdown.

Slack wants an acknowledgment within three seconds; what takes longer runs here. The set keeps a reference to each task
and refuses more than its limit; a graceful stop waits for what is running.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from outlay.slack.errors import UserFacingError, message_for_user

TASKS_MAX = 200
CANCEL_SECONDS = 2.0  # for a canceled task to clean up

T = TypeVar("T")


class TooManyTasksError(UserFacingError):
    """Error: too many tasks are running."""

    def __init__(self) -> None:
        super().__init__("Outlay has too much under way right now. Nothing was changed; try again in a minute.")


class Tasks:
    """Bounded set of running tasks."""

    def __init__(self, log: logging.Logger, limit: int = TASKS_MAX) -> None:
        self._log = log
        self._limit = limit
        self._running: set[asyncio.Task[Any]] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, T], name: str, *, awaited: bool = True) -> asyncio.Task[T]:
        """Run `work` as a task. Raises Busy, before `work` begins, if the set is full or the bot is stopping.

        `awaited`: the caller handles the result. Otherwise an error is logged here.
        """
        if self._draining or len(self._running) >= self._limit:
            work.close()
            raise TooManyTasksError
        task = asyncio.create_task(work, name=name)
        self.track(task)
        if not awaited:
            task.add_done_callback(self._report)
        return task

    def track(self, task: asyncio.Task[Any]) -> None:
        """Count a task that was started elsewhere (Bolt keeps no reference to its own)."""
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def idle(self) -> None:
        """Wait until nothing is running, including what was started meanwhile."""
        while self._others():
            await asyncio.wait(self._others())

    async def drain(self, timeout_seconds: float) -> bool:
        """Refuse new tasks, wait for the running ones, cancel the rest; True if all ended by themselves."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.idle()
        except TimeoutError:
            left = self._others()
            self._log.warning("stopping with %d pieces of Slack work unfinished", len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=CANCEL_SECONDS)
            return False
        return True

    def _others(self) -> set[asyncio.Task[Any]]:
        return self._running - {asyncio.current_task()}

    def _report(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            message_for_user(error, self._log)
