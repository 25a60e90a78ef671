"""Offload of long pure-Python work to a thread, so that a hundred thousand rows do not block the event loop.

A thread does not make the work faster, but the loop gets its turns in between. Small work runs inline: it is cheaper.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

AT_ONCE = 2_000  # rows up to which the work runs inline; about ten milliseconds

T = TypeVar("T")


async def offload(work: Callable[[], T], rows: int) -> T:
    """Run `work` and return its result, in a thread if it covers many rows.

    `work` must not touch anything that other tasks change meanwhile.
    """
    return await asyncio.to_thread(work) if rows > AT_ONCE else work()
