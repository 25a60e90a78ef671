"""Work that outlives its listener: bounded, waited for, never lost silently."""

import asyncio
import logging

import pytest

from outlay.slack.tasks import Tasks, TooManyTasksError

LOG = logging.getLogger("outlay.slack")


async def test_idle_waits_for_what_is_started_meanwhile_too() -> None:
    tasks, done = Tasks(LOG), list[str]()

    async def second() -> None:
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.start(second(), "second")
        done.append("first")

    tasks.start(first(), "first")
    await tasks.idle()

    assert done == ["first", "second"]
    assert len(tasks) == 0


async def test_more_than_it_can_carry_is_refused_and_not_begun() -> None:
    tasks, gate, begun = Tasks(LOG, limit=1), asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        begun.append(name)
        await gate.wait()

    tasks.start(work("a"), "a")
    with pytest.raises(TooManyTasksError, match="try again in a minute"):
        tasks.start(work("b"), "b")
    gate.set()
    await tasks.idle()

    assert begun == ["a"]


async def test_a_graceful_stop_waits_and_takes_nothing_new() -> None:
    tasks, gate = Tasks(LOG), asyncio.Event()
    running = tasks.start(gate.wait(), "work")
    stopping = asyncio.create_task(tasks.drain(5))
    await asyncio.sleep(0)

    with pytest.raises(TooManyTasksError):
        tasks.start(gate.wait(), "late")
    gate.set()

    assert await stopping is True
    assert running.done()


async def test_what_does_not_end_in_time_is_cancelled() -> None:
    tasks = Tasks(LOG)
    stuck = tasks.start(asyncio.Event().wait(), "stuck")

    assert await tasks.drain(0.01) is False
    assert stuck.cancelled()


async def test_an_error_that_nobody_awaits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(LOG)

    async def fails() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await tasks.start(fails(), "awaited")
    tasks.start(fails(), "alone", awaited=False)
    await tasks.idle()
    await asyncio.sleep(0)

    assert caplog.text.count("ZeroDivisionError: a bug") == 1
