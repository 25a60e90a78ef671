"""The bot's own small HTTP server: health for whoever watches it, where other sides say something by themselves, and in
HTTP mode the route that Slack posts to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.web import hooks

GOODBYE_SECONDS = 5
EVERYWHERE = "0.0.0.0"  # noqa: S104  a container's health check comes from outside it
Health = Callable[[], Awaitable[dict[str, object]]]
Endpoint = Callable[[Request], Awaitable[Response]]


def web_app(health: Health, slack: tuple[str, Endpoint] | None = None, hear: hooks.Hear | None = None) -> Starlette:
    """`/healthz`, webhooks for `hear`, and where Slack posts to in HTTP mode. 503 of the first says that something a
    person should see to is wrong."""

    async def healthz(_: Request) -> Response:
        found = await health()
        return JSONResponse(found, status_code=200 if found["ok"] else 503, headers={"Cache-Control": "no-store"})

    routes = [Route("/healthz", healthz), *([hooks.route(hear)] if hear else [])]
    if slack:
        path, endpoint = slack
        routes.append(Route(path, endpoint, methods=["POST"]))
    return Starlette(routes=routes)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: who runs the loop stops it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: Starlette, port: int, host: str = EVERYWHERE) -> AsyncIterator[int]:
    """Serves while the block lasts, and gives the port (0 took any free one). Raises OSError if it is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=GOODBYE_SECONDS
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task
        listener.close()
