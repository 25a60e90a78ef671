"""`outlay demo --serve`: the environment stays open, and the user at the terminal types the slash commands.

Lines are read by a thread straight from the file descriptor, so that a terminal, a pipe and a file all work, and the
end of the process never waits for the user to press Enter.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from threading import Thread

from outlay.demo.console import DemoConsole
from outlay.demo.environment import DemoEnvironment
from outlay.fakes.slack.workspace import FakeSlackError

LINES_WAITING_MAX = 100
READ_BYTES = 4_096
LINE_BYTES_MAX = 4_000
USUALLY = "alice"
PROMPT = "› "
_AS = re.compile(r"as\s+@?(\w+)\s*:\s*(.*)", re.IGNORECASE)


async def serve(on: DemoEnvironment, tell: DemoConsole) -> None:
    """Run what is typed until `quit` or the end of input. Time runs on, and the bot goes on polling."""
    names = [person.name for person in on.slack.world.people.values() if not person.is_bot]
    tell.line(f"The stage stays open; its clock says {on.clock.now():%H:%M} UTC and runs on, and so does the runaway")
    tell.line("agent: the bot reads it anew every minute. Type, for example:")
    for example in ("/spend 7d by model", "as dana: /spend me by day", "home", "help", "quit"):
        tell.line(f"  {example}")
    tell.line(f"You are {USUALLY}; there are also {', '.join(name for name in names if name != USUALLY)}.")
    async for line in _lines(tell):
        if line.lower() in ("quit", "exit"):
            break
        if line:
            await _play(on, tell, line)
    tell.line("Goodbye.")


async def _play(on: DemoEnvironment, tell: DemoConsole, line: str) -> None:
    said_by = _AS.fullmatch(line)
    name, words = (said_by[1], said_by[2].strip()) if said_by else (USUALLY, line)
    try:
        user = on.user(name)
    except LookupError:
        tell.line(f"Nobody here is called {name}.")
        return
    if not _somebody_types():
        tell.typed(name.lower(), words)
    try:
        await _do(on, tell, user, words)
    except (FakeSlackError, TimeoutError) as error:
        tell.line(f"That did not work: {error}")


async def _do(on: DemoEnvironment, tell: DemoConsole, user: str, line: str) -> None:
    if line.lower() == "home":
        tell.shows(await on.chat.home(user))
        return
    if line.lower() == "help":
        line = "/spend help"
    if line.partition(" ")[0] != "/spend":
        tell.line(f"«{line}» is not played here. Type a line that begins with /spend, or home, help, quit.")
        return
    reply = await on.chat.command(line, user=user)
    tell.shows(reply)
    if reply.modal:
        await reply.modal.close()
        tell.line("(A modal wants a mouse; it has been closed again. The story above shows one filled in.)")
    elif not reply.acked:
        tell.line("(Slack would say that the app did not respond.)")


async def _lines(tell: DemoConsole) -> AsyncIterator[str]:
    """Yield the lines of standard input until its end."""
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue[str | None](LINES_WAITING_MAX)

    def hand_over(line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(waiting.put(line), loop).result()

    def read() -> None:
        rest = b""
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            with suppress(OSError):  # there is no standard input, or its terminal was closed
                while chunk := os.read(0, READ_BYTES):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        hand_over(line.decode(errors="replace").strip())
                    rest = rest[-LINE_BYTES_MAX:]
                hand_over(rest.decode(errors="replace").strip())
            hand_over(None)

    Thread(target=read, name="standard input", daemon=True).start()
    while True:
        if _somebody_types():
            tell.prompt(PROMPT)
        line = await waiting.get()
        if line is None:
            return
        yield line


def _somebody_types() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()
