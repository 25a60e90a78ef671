"""Real server on a real loopback port for a fake, for the duration of a `with` block, in the current event loop.

    async with serving(app) as base_url:
        ...

Leaving the block stops it at once, whatever sockets are still open. So uvicorn's own main loop is left out, which
watches for signals and rounds a shutdown up to tenths of a second.

An app may close the socket under a request, as broken networks do: `await scope["extensions"][HANG_UP]()`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn import Config, Server

HANG_UP = "outlay.hang_up"
_BACKLOG = 128
_TURNS_TO_CLOSE = 100  # turns of the loop until a closed socket is deregistered; one or two are usual


@asynccontextmanager
async def serving(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `app`, WebSockets included, and yield its base URL without a slash at the end. Port 0 takes any free one.

    Raises OSError at once if the port is taken.
    """
    interruptible = _Interruptible(app)
    listener = _listen(host, port)
    try:
        address = f"[{host}]" if ":" in host else host
        base_url = f"http://{address}:{listener.getsockname()[1]}"
        server = interruptible.server = await _start(interruptible, listener)
        try:
            yield base_url
        finally:
            interruptible.closing = True
            await _stop(server)
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With IPPROTO_TCP asyncio sends without delay; else each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def _start(app: ASGIApp, listener: socket.socket) -> Server:
    config = Config(app, lifespan="off", log_config=None, log_level="warning", access_log=False, ws="websockets-sansio")
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    return server


async def _stop(server: Server) -> None:
    for listening in server.servers:
        listening.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()  # a WebSocket gets its close frame
    await asyncio.sleep(0)
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)
    unfinished = list(state.tasks)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)


class _Interruptible:
    """Wrapper of an app that gives it HANG_UP and keeps uvicorn from logging requests that the shutdown cuts off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.closing = False
        self.server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[HANG_UP] = partial(self._hang_up, scope)
        try:
            await self._app(scope, receive, send)
        except (asyncio.CancelledError, WebSocketDisconnect):
            if not self.closing:
                raise

    async def _hang_up(self, scope: Scope) -> None:
        """Send what was written so far, then close the socket of this request."""
        open_now = self.server.server_state.connections if self.server else set()
        for connection in [one for one in open_now if getattr(one, "client", None) == scope["client"]]:
            connection.transport.close()
            for _ in range(_TURNS_TO_CLOSE):
                if connection not in open_now:
                    break
                await asyncio.sleep(0)
