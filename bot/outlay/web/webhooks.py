"""Incoming webhooks: `POST /hooks/CONNECTION`, signed as the connection's plugin requires.

A refusal is a bare status, so that a stranger learns nothing; the log has the reason.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from outlay.plugin.errors import PluginError, Transient

ROOT = "/hooks/"
PATH = ROOT + "{connection}"
BODY_BYTES_MAX = 1024 * 1024
AT_ONCE = 8
READ_SECONDS = 5.0  # for the whole body; a slower sender is not legitimate
_CONNECTION = re.compile(r"(?:con_)?([0-9]{1,9})")
_TOLD = frozenset({400, 401, 413})
log = logging.getLogger("outlay.web")

WebhookHandler = Callable[[int, Mapping[str, str], bytes], Awaitable[object]]


def route(hear: WebhookHandler) -> Route:
    """Build the webhook route.

    `hear` takes the connection's number, the headers and the raw body. It raises a PluginError for a body that is
    unsigned, too old, or not for any connection here.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def receive(request: Request) -> Response:
        found = _CONNECTION.fullmatch(request.path_params["connection"])
        if found is None:
            return Response(status_code=404)
        if places.locked():
            return Response(status_code=503)
        async with places:
            body = await _body(request)
            if body is None:
                return Response(status_code=413)
            try:
                await hear(int(found[1]), dict(request.headers), body)
            except Transient as error:
                log.warning("a webhook could not be taken", extra={"connection_id": int(found[1]), "why": str(error)})
                return Response(status_code=503)
            except PluginError as error:
                log.info("a webhook was refused", extra={"connection_id": int(found[1]), "why": str(error)})
                return Response(status_code=error.status if error.status in _TOLD else 404)
        return Response(status_code=200)

    return Route(PATH, receive, methods=["POST"])


async def _body(request: Request) -> bytes | None:
    """Read the raw body; None if it is too long or takes too long."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:12]) > BODY_BYTES_MAX:
        return None
    parts, size = [], 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > BODY_BYTES_MAX:
                    return None
                parts.append(part)
    except (TimeoutError, ClientDisconnect):
        return None
    return b"".join(parts)
