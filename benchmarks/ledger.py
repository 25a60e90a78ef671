"""Process with the fake OpenRouter, so that generating a large account's figures delays nothing else."""

import asyncio
import sys

from outlay.core.clock import SystemClock
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.server import openrouter_app


async def main(extra_keys: int) -> None:
    """Serve the ledger, print its URL, and exit at the end of standard input."""
    clock = SystemClock()
    async with serving(openrouter_app(Company(now=clock.now(), extra_keys=extra_keys), clock)) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
