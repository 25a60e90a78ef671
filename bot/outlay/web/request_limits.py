"""ASGI middleware for every request: body size limit, rate limit for unsigned requests, and security headers.

Paths under `signed` do their own rate limiting: a request with a good signature is never counted against an address,
because all of Slack may come from one proxy's address.
"""

import time
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlay.core.rate_limiter import RateLimiter

BODY_BYTES_MAX = 1024 * 1024  # no route takes more; routes that accept a body without a length count its bytes
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class RequestLimitsMiddleware:
    """Middleware around the whole app. `monotonic` returns seconds."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        signed: Iterable[str] = (),
        quota: RateLimiter | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._signed = tuple(signed)
        self._quota = quota or RateLimiter()
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        closing = {"Connection": "close"}  # do not wait for the rest of the body
        if not (length.isascii() and length.isdigit()) or len(length) > 12 or int(length) > BODY_BYTES_MAX:
            return PlainTextResponse("too long\n", 413, headers=closing)
        if not scope["path"].startswith(self._signed):
            wait_seconds = self._quota.take_token((scope.get("client") or ("",))[0], self._monotonic())
            if wait_seconds:
                return PlainTextResponse("too often\n", 429, headers=closing | {"Retry-After": str(wait_seconds)})
        return None
