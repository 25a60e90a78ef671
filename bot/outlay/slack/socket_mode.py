"""Socket Mode connection: outgoing only, so no public address is needed; with a watchdog and an orderly stop.

The SDK reconnects by itself, mostly. Sometimes a connection dies in silence, so a watchdog checks when Slack was last
heard (a message, or the reply to a ping) and makes a whole new connection after two minutes without either.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError, SlackClientError

from outlay.core.clock import Clock
from outlay.core.errors import OutlayError
from outlay.slack.client import web_client

SILENCE_SECONDS_MAX = 120.0
WATCH_SECONDS = 10.0
PING_SECONDS = 10.0
CLOSE_SECONDS = 5.0
CONNECT_SECONDS = 20.0
_HOPELESS = {
    "invalid_auth": "is not valid",
    "not_authed": "is not valid",
    "account_inactive": "belongs to an account that is no longer active",
    "token_revoked": "was revoked",
    "token_expired": "has expired",
    "not_allowed_token_type": "is not an app-level token (those begin with xapp-)",
    "missing_scope": "lacks the scope connections:write",
}


class SocketRefusedError(OutlayError):
    """Error: Slack will never open a socket for this token; the text says why."""


class SocketModeConnection:
    """Socket Mode connection of one app."""

    def __init__(self, app: AsyncApp, app_token: str, api_url: str, clock: Clock, log: logging.Logger) -> None:
        self._app = app
        self._app_token = app_token
        self._web = web_client(app_token, api_url, log)
        self._clock = clock
        self._log = log
        self._handler: AsyncSocketModeHandler | None = None
        self._watch: asyncio.Task[None] | None = None
        self._heard_monotonic = clock.monotonic()
        self._pong: float | None = None
        self.last_seen: datetime | None = None

    async def start(self) -> None:
        """Connect. Raises SocketRefusedError for a token that can never work; any other failure is retried forever."""
        url: str | None = None
        try:
            url = (await self._web.apps_connections_open(app_token=self._app_token))["url"]
        except SlackApiError as error:
            if (why := _HOPELESS.get(str(error.response.get("error")))) is not None:
                raise SocketRefusedError(f"SLACK_APP_TOKEN {why}.") from None
            self._log.warning("Slack opens no socket yet: %s", error.response.get("error"))
        except (SlackClientError, aiohttp.ClientError, OSError) as error:
            self._log.warning("Slack cannot be reached yet: %s", type(error).__name__)
        await self._connect(url)
        self._watch = asyncio.create_task(self._watching(), name="slack socket watchdog")

    async def stop(self) -> None:
        """Stop receiving from Slack. Running tasks go on; their owner drains them."""
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._close()

    def connected(self) -> bool:
        """Report whether there is a connection on which Slack was heard recently."""
        session = self._handler.client.current_session if self._handler else None
        return session is not None and not session.closed and self._silence_seconds() < SILENCE_SECONDS_MAX

    async def _watching(self) -> None:
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            self._look_for_pong()
            if self._silence_seconds() >= SILENCE_SECONDS_MAX:
                self._log.warning("nothing heard from Slack for %d s; connecting anew", self._silence_seconds())
                await self._connect()

    async def _connect(self, url: str | None = None) -> None:
        """Replace the whole client, because the old one's locks and tasks may be what is stuck.

        `url`: a socket address that Slack has just given, else the SDK asks for one.
        """
        await self._close()
        self._handler = AsyncSocketModeHandler(
            self._app, self._app_token, logger=self._log, web_client=self._web, ping_interval=PING_SECONDS
        )
        self._handler.client.on_message_listeners.append(self._heard)
        self._handler.client.wss_uri = url
        self._heard_monotonic = self._clock.monotonic()  # the new connection gets its own SILENCE_SECONDS_MAX
        self._pong = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await _untyped(self._handler.connect_async)
        except TimeoutError:
            self._log.warning("Slack did not take the connection within %d s; it is tried again", CONNECT_SECONDS)
            self._heard_monotonic = self._clock.monotonic() - SILENCE_SECONDS_MAX

    async def _close(self) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await _untyped(handler.close_async)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._log.warning("the old link to Slack did not close: %s", type(error).__name__)

    async def _heard(self, _message: Any) -> None:
        self._heard_monotonic = self._clock.monotonic()
        self.last_seen = self._clock.now()

    def _look_for_pong(self) -> None:
        """Count an answered ping as a sign of life.

        The SDK records the time of a pong but calls nobody. Its first record only says that a ping was sent.
        """
        pong = self._handler.client.last_ping_pong_time if self._handler else None
        if pong is not None and self._pong is not None and pong != self._pong:
            self._heard_monotonic = self._clock.monotonic()
            self.last_seen = self._clock.now()
        self._pong = pong

    def _silence_seconds(self) -> float:
        return self._clock.monotonic() - self._heard_monotonic


async def _untyped(call: Callable[[], Awaitable[Any]]) -> None:
    """Await a coroutine function for which Bolt has no types."""
    await call()
