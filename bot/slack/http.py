"""HTTP mode: one route, where Slack posts what Socket Mode would have sent. Bolt checks each signature."""

from collections.abc import Awaitable, Callable

from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from starlette.requests import Request
from starlette.responses import Response

PATH = "/slack/events"
BODY_BYTES_MAX = 1_000_000  # Slack's own are below 300 KB


def endpoint(app: AsyncApp) -> Callable[[Request], Awaitable[Response]]:
    """What to mount at PATH, for POST."""
    handler = AsyncSlackRequestHandler(app)

    async def receive(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            return Response(status_code=413)
        return await handler.handle(request)

    return receive
