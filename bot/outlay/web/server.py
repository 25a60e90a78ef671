"""HTTP server of the bot: health, metrics and incoming webhooks; in HTTP mode the route that Slack posts to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from outlay.core.gauges import Gauge
from outlay.web import webhooks
from outlay.web.prometheus import CONTENT_TYPE, prometheus_text
from outlay.web.request_limits import RequestLimitsMiddleware

GOODBYE_SECONDS = 5
MAX_CONNECTIONS = 500  # at once; more get status 503
MAX_HEAD_BYTES = 32 * 1024
BACKLOG = 128
Health = Callable[[], Awaitable[dict[str, object]]]
Metrics = Callable[[], Awaitable[Iterable[Gauge]]]
Endpoint = Callable[[Request], Awaitable[Response]]


def web_app(
    health: Health,
    slack: tuple[str, Endpoint] | None = None,
    hear: webhooks.WebhookHandler | None = None,
    metrics: Metrics | None = None,
    pages: Iterable[tuple[str, Endpoint]] = (),
) -> RequestLimitsMiddleware:
    """Build the app: health, metrics, webhooks for `hear`, Slack's route in HTTP mode, and `pages`.

    All of it is behind the gate. `/healthz` answers 503 if something is wrong that a person should look at.
    """

    async def healthz(_: Request) -> Response:
        found = await health()
        return JSONResponse(found, status_code=200 if found["ok"] else 503)

    async def exposed(_: Request) -> Response:
        return PlainTextResponse(prometheus_text(await metrics() if metrics else []), media_type=CONTENT_TYPE)

    routes = [Route("/healthz", healthz), Route("/metrics", exposed), *([webhooks.route(hear)] if hear else [])]
    routes += [Route(path, endpoint, methods=["GET"]) for path, endpoint in pages]
    if slack:
        path, endpoint = slack
        routes.append(Route(path, endpoint, methods=["POST"]))
    return RequestLimitsMiddleware(Starlette(routes=routes), signed=(webhooks.ROOT, *([slack[0]] if slack else [])))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the owner of the event loop stops it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: ASGIApp, port: int, host: str) -> AsyncIterator[int]:
    """Serve inside the `async with` block; yield the port (0 took any free one). Raises OSError if it is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # now, so that clients that connect before uvicorn is up wait in the backlog
    except OSError:
        listener.close()
        raise
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
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
