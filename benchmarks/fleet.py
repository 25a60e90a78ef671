"""Process with three fake ledgers of one large company, on a clock that the parent process moves.

The clock is eight bytes of shared memory, so that the vendors' limits and lags are kept to the second without any
waiting. Commands on standard input: `journal` prints the requests since the last one, `active` how many keys spent
anything in the last hour. It exits at the end of standard input.
"""

import asyncio
import json
import mmap
import struct
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from outlay.core.clock import FakeClock, SystemClock
from outlay.fakes.anthropic import server as anthropic_server
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openai import server as openai_server
from outlay.fakes.openrouter import server as openrouter_server

LEDGERS = ("openrouter", "openai", "anthropic")
ROOTS = {"openrouter": openrouter_server.ROOT, "openai": openai_server.ROOT, "anthropic": ""}
HOUR = timedelta(hours=1)
_MOMENT = struct.Struct("d")


class MovingClock(FakeClock):
    """Clock that stands still, and writes its time to a file of eight bytes whenever it is moved."""

    def __init__(self, now: datetime, place: Path) -> None:
        super().__init__(now)
        place.write_bytes(bytes(_MOMENT.size))
        with place.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _MOMENT.size)
        self.advance(timedelta(0))

    def advance(self, by: timedelta) -> None:
        super().advance(by)
        _MOMENT.pack_into(self._shared, 0, self.now().timestamp())


class FollowingClock(SystemClock):
    """Clock that shows the time in that file."""

    def __init__(self, place: Path) -> None:
        with place.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _MOMENT.size)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def monotonic(self) -> float:
        moment: float = _MOMENT.unpack_from(self._shared)[0]
        return moment


async def main(place: Path, keys: int) -> None:
    """Serve the ledgers, print their URLs, and answer commands."""
    clock = FollowingClock(place)
    each = keys // len(LEDGERS)
    company = Company(now=clock.now(), days=1, extra_keys=keys - 2 * each, extra_direct=each)
    apps = {
        "openrouter": openrouter_server.openrouter_app(company, clock),
        "openai": openai_server.openai_app(company, clock),
        "anthropic": anthropic_server.anthropic_app(company, clock),
    }
    async with AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(serving(app)) + ROOTS[name] for name, app in apps.items()}
        print(json.dumps(urls), flush=True)
        while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
            print(json.dumps(_journals(apps) if word == "journal" else _active(company, clock.now())), flush=True)


def _journals(apps: dict[str, Any]) -> dict[str, list[tuple[str, str, float, int]]]:
    """Return each ledger's requests since the last call: method, path, time, and status of the response."""
    told = {}
    for name, app in apps.items():
        journal = app.state.standin.journal
        told[name] = [(one.method, one.path, one.at.timestamp(), one.status) for one in journal.asked]
        assert not journal.violations, journal.violations
        journal.asked.clear()
    return told


def _active(company: Company, now: datetime) -> int:
    return sum(len(company.truth(now - HOUR, now, ("key",), ledger=ledger)) for ledger in LEDGERS)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
