"""Benchmark of the running bot with books behind it: time to acknowledge and to answer during a poll, and its memory.

The bot and the ledger run in processes of their own, Slack in this one: what is measured is the bot's work and the
transport. Fifty commands a second arrive, whether or not earlier ones were answered. `BENCH_BOOKS` names a SQLite file
of filled books to use (a copy is made); without it a hundred thousand entries are generated.
"""

import asyncio
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

from sqlalchemy import text

from benchmarks.measure import Row
from benchmarks.year_of_data import fill, opened
from outlay import migrations
from outlay.core.clock import SystemClock
from outlay.database.engine import Database, execute
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.server import MANAGEMENT_KEY
from outlay.fakes.slack.server import FakeSlack
from outlay.fakes.slack.user_driver import UserDriver
from outlay.fakes.slack.workspace import FakeWorkspace
from outlay.settings import DATABASE_FILE_NAME
from outlay.spend import grammar
from outlay.spend.parser import QueryError, parse

A_SECOND = 50
SECONDS = 8
ANSWERS = 40
EXTRA_KEYS = 300
FILLED_KEYS = 10
START_SECONDS = 60
ADMIN, CHANNEL = "U01ALICE", "C01GENERAL"
QUESTIONS = ("2026-10", "2026-10 by model", "2026-10 by key top 10", "2026-10 by day", "2026-10 trend by model",
             "2026-10 vs 2026-09 by owner", "me by day", "help")  # fmt: skip
WORST_WORDS = ("x" * 1_000, "by key " * 142, "<@U" * 333, 'key:"' * 200, "2026-10-01.." * 83, "vs " * 333, "é" * 999)


async def run(scale: float) -> list[Row]:
    """Return the rows of the table."""
    stand_in = FakeSlack(FakeWorkspace(clock=SystemClock()))
    with tempfile.TemporaryDirectory() as folder:
        entries = await _books(Path(folder) / DATABASE_FILE_NAME, round(FILLED_KEYS * scale) or 1)
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
                "live",
                "--set",
                f"base_url={ledger}/api/v1",
                "--secret-env",
                "KEY",
            )
            bot = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", env=environ, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                chat = UserDriver(stand_in)
                await asyncio.wait_for(stand_in.socket.connected(), START_SECONDS)
                answers = [await _answer(chat, place) for place in range(ANSWERS)]
                await _quiet(bot.pid)
                resident = _resident_mib(bot.pid)
                worked = _processor_seconds(bot.pid)
                acks = await _acks(chat)
                await _answered(chat)
                worked = _processor_seconds(bot.pid) - worked
            finally:
                with contextlib.suppress(ProcessLookupError):
                    bot.terminate()
                await bot.wait()
    acks.sort()
    median = statistics.median(acks)
    p99 = acks[int(len(acks) * 0.99) - 1]
    behind = f"{entries:,} entries behind it"
    return [
        Row(f"ack of {len(acks)} commands, {A_SECOND} a second, while polling, p99", p99, "ms", 100, median, "median"),
        Row("processor time of the bot for each of them, ack, answer and polls", worked / len(acks) * 1000, "ms"),
        Row(f"an answer posted, {behind}", statistics.median(answers), "ms", 500, max(answers), "the longest"),
        Row("the idle bot, resident", resident, "MiB", 120),
        Row("any thousand characters understood or refused, the longest", _words(), "ms", 50),
    ]


async def _books(path: Path, keys: int) -> int:
    """Put filled books where the bot looks for its own; return the number of entries.

    Their connection is disconnected, so that nothing polls it.
    """
    if prepared := os.environ.get("BENCH_BOOKS"):
        await asyncio.to_thread(shutil.copyfile, prepared, path)
        database = Database(f"sqlite+aiosqlite:///{path}")
        await migrations.upgrade(database)
    else:
        async with opened(f"sqlite+aiosqlite:///{path}") as made:
            await fill(made, keys)
        database = Database(f"sqlite+aiosqlite:///{path}")
    try:
        async with database.write() as session:
            await execute(session, text("UPDATE connection SET disconnected_at = 1"))
            return int((await execute(session, text("SELECT COUNT(*) FROM entry"))).scalar_one())
    finally:
        await database.close()


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


async def _answer(chat: UserDriver, place: int) -> float:
    """Measure the time from sending a question to its answer, in ms."""
    journal = chat.slack.journal
    before, began = len(journal.of("response_url")), time.perf_counter()
    await chat.command(f"/spend {QUESTIONS[place % len(QUESTIONS)]}", user=ADMIN, wait=False)
    await journal.pulse.until(lambda: len(journal.of("response_url")) > before, START_SECONDS, "an answer")
    return (time.perf_counter() - began) * 1000


async def _acks(chat: UserDriver) -> list[float]:
    """Send commands at a fixed rate; return the time to acknowledge each, in ms."""
    began, asked = time.perf_counter(), []
    for place in range(A_SECOND * SECONDS):
        await asyncio.sleep(max(began + place / A_SECOND - time.perf_counter(), 0))
        asked.append(asyncio.create_task(_ack(chat, place)))
    return await asyncio.gather(*asked)


async def _ack(chat: UserDriver, place: int) -> float:
    began = time.perf_counter()
    await chat.command(f"/spend {QUESTIONS[place % len(QUESTIONS)]}", user=ADMIN, wait=False)
    return (time.perf_counter() - began) * 1000


async def _answered(chat: UserDriver) -> None:
    """Wait until the bot has answered all commands."""
    journal, wanted = chat.slack.journal, ANSWERS + A_SECOND * SECONDS
    await journal.pulse.until(lambda: len(journal.of("response_url")) >= wanted, START_SECONDS, "the answers")


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _words() -> float:
    """Measure the longest time to parse any of the worst texts, in ms."""
    took = []
    grammar.ready()  # as the bot does when it starts
    for words in WORST_WORDS:
        began = time.perf_counter()
        with contextlib.suppress(QueryError):
            parse(words, today=date(2026, 11, 21), me="U01ALICE")
        took.append((time.perf_counter() - began) * 1000)
    return max(took)


async def _quiet(pid: int) -> None:
    """Wait until the bot's memory is stable."""
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
