"""Socket Mode: started, watched, stopped."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC

import pytest

from outlay.core.clock import Clock, ShiftedClock
from outlay.fakes.http_server import serving
from outlay.fakes.slack.server import FakeSlack
from outlay.slack import socket_mode as socket_module
from outlay.slack.app import build_app, quiet_logger
from outlay.slack.client import one_workspace, web_client
from outlay.slack.socket_mode import SocketModeConnection, SocketRefusedError
from outlay.slack.user_directory import SlackUserDirectory
from tests.slack.fakes import deps_of, eventually
from tests.workspace import BEN, Workspace, a_world

LOG = logging.getLogger("outlay.slack")


class LateClock(ShiftedClock):
    """A clock whose monotonic time can be pushed, and whose sleeps are short."""

    ahead_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 1_000)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    stand_in = FakeSlack(a_world())
    async with serving(stand_in.app) as url:
        stand_in.base_url = url
        yield stand_in


@asynccontextmanager
async def socket_of(
    slack: FakeSlack, clock: Clock | None = None, app_token: str = ""
) -> AsyncIterator[SocketModeConnection]:
    """A socket of an app with fakes behind it, started, and stopped at the end."""
    clock = clock or slack.world.clock
    token_of = one_workspace(slack.bot_token)
    people = SlackUserDirectory(token_of, lambda token: web_client(token, slack.api_url, LOG), clock, LOG)
    deps = deps_of(people, clock, LOG)
    app = build_app(deps, token_of, api_url=slack.api_url)
    socket = SocketModeConnection(app, app_token or slack.app_token, slack.api_url, clock, quiet_logger())
    await socket.start()
    try:
        yield socket
    finally:
        await socket.stop()


async def test_it_connects_with_one_call_hears_hello_and_stops(slack: FakeSlack) -> None:
    async with socket_of(slack) as socket:
        await slack.socket.connected()
        await eventually(lambda: socket.last_seen)

        assert socket.connected()
        assert socket.last_seen
        assert socket.last_seen.tzinfo is UTC
        assert len(slack.journal.of("apps.connections.open")) == 1
    assert not socket.connected()


async def test_a_token_that_can_never_work_stops_the_start_in_words(slack: FakeSlack) -> None:
    with pytest.raises(SocketRefusedError, match="SLACK_APP_TOKEN is not"):
        async with socket_of(slack, app_token="xapp-wrong"):
            pass


async def test_after_two_minutes_of_silence_a_whole_new_connection_is_made(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    clock = LateClock(slack.world.clock.now())
    async with socket_of(slack, clock) as socket:
        await eventually(lambda: socket.last_seen)
        before = slack.socket.connections

        clock.ahead_seconds += socket_module.SILENCE_SECONDS_MAX + 1
        assert not socket.connected()
        await slack.socket.reconnected(before)
        await eventually(socket.connected)

        assert "nothing heard from Slack" in caplog.text


async def test_a_slack_that_is_down_is_waited_for(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "PING_SECONDS", 0.01)
    slack.faults.server_error("apps.connections.open", times=2)

    async with socket_of(slack) as socket:
        assert socket.connected()


async def test_questions_are_answered_after_the_link_broke(monkeypatch: pytest.MonkeyPatch, slack: FakeSlack) -> None:
    monkeypatch.setattr(socket_module, "PING_SECONDS", 0.05)
    async with socket_of(slack):
        chat = Workspace(slack)
        await slack.socket.connected()
        await chat.drop_socket()

        reply = await chat.command("/spend", user=BEN)

        assert "$412.40" in reply.text
