"""Test workspace: a fake Slack that reads like a chat (`user_driver`), with a bot that the caller starts.

    async with test_workspace(start_bot) as slack:
        reply = await slack.command("/spend 7d", user=ALICE)
        assert reply.ephemeral and "$412" in reply.words

`start_bot(api_url, bot_token, app_token)` returns an async context manager that runs the bot for as long as it is open.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outlay.core.clock import ShiftedClock
from outlay.fakes.http_server import serving
from outlay.fakes.slack.call_log import CallLog, WebApiCall
from outlay.fakes.slack.faults import FakeSlackFaults
from outlay.fakes.slack.screen import HomeTab, Modal, Reply
from outlay.fakes.slack.server import SCOPES, FakeSlack
from outlay.fakes.slack.socket_mode import SocketMode
from outlay.fakes.slack.user_driver import ALICE, GENERAL, Target, UserDriver
from outlay.fakes.slack.workspace import FakeWorkspace

__all__ = [
    "ALICE",
    "BEN",
    "BOARD",
    "BOT",
    "CHIARA",
    "DARIO",
    "FINANCE",
    "GENERAL",
    "GONE",
    "GUEST",
    "RANDOM",
    "SCHEMA",
    "HomeTab",
    "Modal",
    "Reply",
    "Target",
    "Workspace",
    "a_world",
    "test_workspace",
]

BEN, CHIARA, DARIO = "U02BEN", "U03CHIARA", "U04DARIO"  # members; ALICE is the admin and owner
GUEST, GONE, BOT = "U05GUEST", "U06GONE", "U00OUTLAY"
RANDOM, FINANCE, BOARD = "C02RANDOM", "G03FINANCE", "G04BOARD"  # the bot is in GENERAL and FINANCE only

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT.parent / "shared" / "specs" / "block-kit.schema.json"

StartBot = Callable[[str, str, str], AbstractAsyncContextManager[Any]]


class Workspace(UserDriver):
    """A chat with a bot in it. `bot` is what the caller's context manager yielded.

    Besides the chat: `faults` (failures to inject), `world` (people, channels), `journal` (what the bot did), `socket`.
    """

    bot: Any = None

    @property
    def faults(self) -> FakeSlackFaults:
        return self.slack.faults

    @property
    def journal(self) -> CallLog:
        return self.slack.journal

    @property
    def socket(self) -> SocketMode:
        return self.slack.socket

    def calls(self, method: str) -> list[WebApiCall]:
        """Return every call of one method so far."""
        return list(self.slack.journal.of(method))

    async def drop_socket(self) -> None:
        """Break every socket and wait until the bot has opened a new one."""
        before = self.slack.socket.connections
        await self.slack.socket.drop()
        await self.slack.socket.reconnected(before)


def schema() -> Path | None:
    """Return the path of the published Block Kit schema if it exists; without it, only our own limits are checked."""
    return SCHEMA if SCHEMA.is_file() else None


def a_world() -> FakeWorkspace:
    """A workspace of the tests' own day, whose clock runs on from there."""
    return FakeWorkspace(clock=ShiftedClock(NOW))


@asynccontextmanager
async def workspace_around(
    start_bot: StartBot,
    *,
    world: FakeWorkspace | None = None,
    scopes: Iterable[str] = SCOPES,
    idle: Callable[[], Awaitable[None]] | None = None,
    socket_mode: bool = True,
    as_escaped: bool = True,
    ack_seconds: float | None = None,
) -> AsyncIterator[Workspace]:
    """Serve a Slack on loopback, start the bot against it, and yield the chat once the bot's socket is open.

    With `socket_mode` False nothing is waited for; call `slack.slack.over_http(url, signing_secret)` yourself.
    """
    more = {} if ack_seconds is None else {"ack_seconds": ack_seconds}
    stand_in = FakeSlack(world or a_world(), scopes=scopes, schema=schema(), **more)
    async with serving(stand_in.app) as base_url:
        stand_in.base_url = base_url
        slack = Workspace(stand_in, idle=idle, as_escaped=as_escaped)
        async with start_bot(stand_in.api_url, stand_in.bot_token, stand_in.app_token) as bot:
            slack.bot = bot
            try:
                if socket_mode:
                    await stand_in.socket.connected()
                yield slack
            finally:
                stand_in.faults.clear()


workspace_around.__test__ = False  # else pytest would collect `test_workspace` in modules that import it
test_workspace = workspace_around
