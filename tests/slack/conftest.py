"""Fixtures for a bot with a real Bolt app on a real socket, in the test workspace, with fakes behind it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from outlay.core.clock import Clock
from outlay.slack import app as slack_app
from outlay.slack.client import one_workspace, web_client
from outlay.slack.deps import FormTimeouts
from outlay.slack.socket_mode import SocketModeConnection
from outlay.slack.tasks import Tasks
from outlay.slack.user_directory import SlackUserDirectory
from tests.slack.fake_digests_budgets import FakeBudgets, FakeDigests, FakeHomes
from tests.slack.fakes import FakeAsking, FakeConnecting, FakeDesk, FakeOwning, FakeRuling, FakeUndelivered, deps_of
from tests.workspace import Workspace, a_world, test_workspace

LOG = logging.getLogger("outlay.slack")
QUICK = FormTimeouts(settle_seconds=0)


@dataclass
class Bot:
    """The bot under test and the fakes behind it."""

    asking: FakeAsking
    connecting: FakeConnecting
    owning: FakeOwning
    desk: FakeDesk
    digests: FakeDigests
    budgets: FakeBudgets
    homes: FakeHomes
    undelivered: FakeUndelivered
    ruling: FakeRuling
    people: SlackUserDirectory
    tasks: Tasks
    socket: SocketModeConnection
    removed: list[tuple[str, bool]]


@asynccontextmanager
async def running(
    api_url: str,
    bot_token: str,
    app_token: str,
    connecting: FakeConnecting,
    patience: FormTimeouts,
    admins: tuple[str, ...],
    clock: Clock,
) -> AsyncIterator[Bot]:
    """Run the bot for the duration of the block."""
    tasks, removed = Tasks(LOG), list[tuple[str, bool]]()
    token_of = one_workspace(bot_token)
    people = SlackUserDirectory(token_of, lambda token: web_client(token, api_url, LOG), clock, LOG, admins)

    async def gone(workspace_id: str, uninstalled: bool) -> None:
        removed.append((workspace_id, uninstalled))

    asking = FakeAsking()
    owning = FakeOwning()
    ruling = FakeRuling()
    desk = FakeDesk()
    digests, budgets, homes = FakeDigests(), FakeBudgets(), FakeHomes()
    undelivered = FakeUndelivered()
    deps = deps_of(
        people,
        clock,
        LOG,
        asking=asking,
        connecting=connecting,
        owning=owning,
        desk=desk,
        digests=digests,
        budgets=budgets,
        homes=homes,
        undelivered=undelivered,
        ruling=ruling,
        tasks=tasks,
        admins=admins,
        patience=patience,
        removed=gone,
    )
    app = slack_app.build_app(deps, token_of, api_url=api_url)
    socket = SocketModeConnection(app, app_token, api_url, clock, slack_app.quiet_logger())
    await socket.start()
    try:
        yield Bot(
            asking,
            connecting,
            owning,
            desk,
            digests,
            budgets,
            homes,
            undelivered,
            ruling,
            people,
            tasks,
            socket,
            removed,
        )
    finally:
        await socket.stop()
        await tasks.drain(2)


Start = Callable[..., AbstractAsyncContextManager[Workspace]]


@pytest.fixture
def start() -> Start:
    """Return a function that opens a workspace with the bot in it; `async with start(…) as slack:`."""

    @asynccontextmanager
    async def opened(
        *,
        connecting: FakeConnecting | None = None,
        patience: FormTimeouts = QUICK,
        admins: tuple[str, ...] = (),
    ) -> AsyncIterator[Workspace]:
        behind, world = connecting or FakeConnecting(), a_world()
        async with test_workspace(
            lambda api_url, bot, app: running(api_url.rstrip("/"), bot, app, behind, patience, admins, world.clock),
            world=world,
        ) as slack:
            slack.idle = slack.bot.tasks.idle
            yield slack

    return opened


@pytest.fixture
async def slack(start: Start) -> AsyncIterator[Workspace]:
    """Open a workspace with the bot in it, one ledger to connect, and books that have an answer."""
    async with start() as opened:
        yield opened
