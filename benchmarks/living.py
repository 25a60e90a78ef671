"""The bot while it lives: how much memory it holds when idle, and how soon it acknowledges while a poll is running.

The bot and the ledger run in processes of their own, Slack in ours: what is measured is the bot's.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.measure import Row
from bot.core.clock import SystemClock
from bot.demo.openrouter import MANAGEMENT_KEY
from bot.demo.serve import serving
from bot.demo.slack import SlackStandIn
from bot.demo.slack_chat import Chat
from bot.demo.slack_world import World

COMMANDS = 200
EXTRA_KEYS = 300
START_SECONDS = 60
ADMIN, CHANNEL = "U01ALICE", "C01GENERAL"


async def run(scale: float) -> list[Row]:
    """The rows of the table."""
    stand_in = SlackStandIn(World(clock=SystemClock()))
    with tempfile.TemporaryDirectory() as folder:
        async with _ledger(round(EXTRA_KEYS * scale)) as ledger, serving(stand_in.app) as slack:
            stand_in.base_url = slack
            environ = {
                "PATH": os.environ.get("PATH", ""),
                "OUTLAY_DATA_DIR": folder,
                "OUTLAY_HTTP_PORT": "0",
                "SLACK_API_URL": f"{slack}/api/",
                "SLACK_BOT_TOKEN": stand_in.bot_token,
                "SLACK_APP_TOKEN": stand_in.app_token,
                "KEY": MANAGEMENT_KEY,
            }
            await _outlay(
                environ,
                "connect",
                "openrouter",
                "--name",
                "main",
                "--set",
                f"base_url={ledger}/api/v1",
                "--secret-env",
                "KEY",
            )
            bot = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", env=environ, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                chat = Chat(stand_in)
                await asyncio.wait_for(stand_in.socket.connected(), START_SECONDS)
                acks = await _acks(chat)
                await _quiet(bot.pid)
                resident = _resident_mib(bot.pid)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    bot.terminate()
                await bot.wait()
    acks.sort()
    return [
        Row(
            f"ack of {len(acks)} commands while polling, p99",
            acks[int(len(acks) * 0.99) - 1],
            "ms",
            100,
            statistics.median(acks),
            "their median",
        ),
        Row("the idle bot, resident", resident, "MiB", 120),
    ]


@contextlib.asynccontextmanager
async def _ledger(extra_keys: int) -> AsyncIterator[str]:
    pipe = asyncio.subprocess.PIPE
    arguments = ("-m", "benchmarks.ledger", str(extra_keys))
    serving_it = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=pipe, stdout=pipe)
    assert serving_it.stdin is not None
    assert serving_it.stdout is not None
    try:
        yield (await serving_it.stdout.readline()).decode().strip()
    finally:
        serving_it.stdin.close()
        await serving_it.wait()


async def _outlay(environ: dict[str, str], *arguments: str) -> None:
    ran = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", *arguments, env=environ)
    if await ran.wait():
        raise SystemExit(f"outlay {' '.join(arguments[:2])} failed")


async def _acks(chat: Chat) -> list[float]:
    found = []
    for place in range(COMMANDS):
        began = time.perf_counter()
        await chat.command(("/spend", "/spend by model", "/spend 7d", "/spend help")[place % 4], user=ADMIN, wait=False)
        found.append((time.perf_counter() - began) * 1000)
    return found


async def _quiet(pid: int) -> None:
    """Waits until the bot's memory stands still."""
    before = -1.0
    for _ in range(60):
        await asyncio.sleep(2)
        now = _resident_mib(pid)
        if abs(now - before) < 0.1:
            return
        before = now


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
