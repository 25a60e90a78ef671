"""Fake vendor in a few lines: a function that answers requests, served over real HTTP on loopback."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from outlay.fakes.http_server import serving


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a vendor sees it. Names of headers are in lower case; `query` has the last of equal names."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """The vendor's answer. `body` None: an answer without one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] | None = None


@asynccontextmanager
async def vendor(answer: Callable[[Asked], Answer]) -> AsyncIterator[str]:
    """Serve the function, and yield its base URL."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = Asked(
            request.method,
            request.url.path,
            dict(request.query_params),
            {name.lower(): value for name, value in request.headers.items()},
            await request.body(),
        )
        told = answer(asked)
        content = b"" if told.body is None else json.dumps(told.body).encode()
        headers = {"Content-Type": "application/json", **(told.headers or {})}
        await Response(content, told.status, headers)(scope, receive, send)

    async with serving(app) as base_url:
        yield base_url
