"""Work about many rows leaves the loop free; about few it is done at once."""

import asyncio
import threading

import pytest

from outlay.core.offload import AT_ONCE, offload


async def test_many_rows_are_done_in_a_thread_and_few_are_not() -> None:
    here = threading.get_ident()

    assert await offload(threading.get_ident, AT_ONCE) == here
    assert await offload(threading.get_ident, AT_ONCE + 1) != here


async def test_the_loop_goes_on_meanwhile() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long() -> str:
        begun.set()
        assert go_on.wait(5)
        return "done"

    task = asyncio.create_task(offload(long, AT_ONCE + 1))
    await asyncio.to_thread(begun.wait, 5)
    go_on.set()  # only a loop that is free comes here
    assert await task == "done"


async def test_what_goes_wrong_in_it_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        await offload(lambda: 1 // 0, AT_ONCE + 1)
