"""Long work of plain Python, done beside the event loop: who asks for a hundred thousand rows holds nobody else up.

A thread does not make it quicker, but the loop gets its turns in between. Small work is done at once, which is cheaper.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

AT_ONCE = 2_000  # of so many rows nobody notices; about ten milliseconds

T = TypeVar("T")


async def aside(work: Callable[[], T], rows: int) -> T:
    """What `work` gives, done in a thread if it is about many rows. It must not touch what others change meanwhile."""
    return await asyncio.to_thread(work) if rows > AT_ONCE else work()
