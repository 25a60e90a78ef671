"""OpenRouter's stand-in in a process of its own, so that making up a large account's figures holds nobody else up."""

import asyncio
import sys

from outlay.core.clock import SystemClock
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.server import openrouter_app


async def main(extra_keys: int) -> None:
    """Serves, says where, and ends when its standard input does."""
    clock = SystemClock()
    async with serving(openrouter_app(Company(now=clock.now(), extra_keys=extra_keys), clock)) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
