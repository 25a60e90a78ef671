"""HTTP mode: one route to which Slack posts what Socket Mode would have sent, each request signed.

Failed attempts are rate-limited by address; a request with a good signature is never refused for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncApp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from outlay.core.rate_limiter import RateLimiter
from outlay.slack.signature import SignatureVerifier

PATH = "/slack/events"
BODY_BYTES_MAX = 1_000_000  # Slack's own are below 300 KB
BODY_SECONDS = 10  # for all of the body to arrive
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)  # raised by Bolt for a body that is not shaped like Slack's

_OBJECTS = ("event", "view", "user", "team", "enterprise", "channel", "container", "message", "state")


def endpoint(
    app: AsyncApp,
    signing_secret: str | None,
    *,
    quota: RateLimiter | None = None,
    time_of_day: Callable[[], float] = time.time,
) -> Callable[[Request], Awaitable[Response]]:
    """Build the handler to mount at PATH, for POST.

    413: no length or too long; 429: too many bad signatures from this address; 408: too slow; 401: bad signature; 400:
    not shaped like Slack's.
    """
    signatures, strangers = SignatureVerifier(signing_secret), quota or RateLimiter()

    async def receive(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or len(length) > 12 or int(length) > BODY_BYTES_MAX:
            return Response(status_code=413, headers={"Connection": "close"})
        address = request.client.host if request.client else ""
        wait_seconds = strangers.wait_seconds(address, time.monotonic())
        if wait_seconds and not signatures.headers_plausible(request.headers, time_of_day()):
            return Response(status_code=429, headers={"Retry-After": str(wait_seconds), "Connection": "close"})
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.body()
        except TimeoutError:
            return Response(status_code=408, headers={"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        if not signatures.verify(request.headers, body, time_of_day()):
            strangers.take_token(address, time.monotonic())
            return Response(status_code=401)  # no explanation: no legitimate caller needs one
        try:
            asked = to_async_bolt_request(request, body)
        except UNREADABLE:
            return Response(status_code=400)
        if not _shaped(asked.body):
            return Response(status_code=400)
        return to_starlette_response(await app.async_dispatch(asked))

    return receive


def _shaped(body: object) -> bool:
    """Check that the body has the structure of Slack's, which Bolt takes for granted before any listener runs."""
    if not isinstance(body, dict) or not all(isinstance(body.get(name) or {}, dict) for name in _OBJECTS):
        return False
    actions = body.get("actions") or []
    return isinstance(actions, list) and all(isinstance(action, dict) for action in actions)
