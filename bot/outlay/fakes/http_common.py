"""Common parts of the fake HTTP services: money in JSON to the nano-dollar, a journal of requests, injected faults.

A fake answers like the vendor, unless a test has ordered a fault for the next requests of a path:

    faults.status("/credits", 500, times=3)
    faults.half_json("/activity")
    faults.drop("*")
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlay.core.clock import Clock
from outlay.core.money import exact
from outlay.fakes.http_server import HANG_UP

JOURNAL_SIZE = 20_000
VIOLATIONS_SIZE = 1_000
_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"

Json = dict[str, "Json"] | list["Json"] | str | int | Decimal | bool | None
Trouble = Literal["instead", "half_json", "drop", "cut", "slow"]


def usd(nano_usd: int) -> Decimal:
    """Return dollars as a number for JSON: exact, at most nine decimals, no zeros at the end."""
    return Decimal(exact(nano_usd).rstrip("0").removesuffix("."))


def exact_json(value: Json) -> str:
    """Return JSON in which a Decimal is written as the number it is; raise TypeError for a float."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{exact_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact_json, value)) + "]"
    if isinstance(value, float):
        raise TypeError("money and counts are no floats")
    return json.dumps(value)


class ExactJSONResponse(Response):
    """JSON response that keeps every nano-dollar."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """Return the content as exact JSON."""
        return exact_json(content).encode()


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """Request as the fake saw it, and the status of the answer; 0 if it hung up. Credentials are not recorded."""

    method: str
    path: str
    query: str
    at: datetime
    status: int


@dataclass(frozen=True, slots=True)
class _Fault:
    """Fault of one answer on the wire."""

    trouble: Trouble
    status: int = 500
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class HttpFaults:
    """Faults on the wire, queued by path: one below the API's root, or `*` for the next request of any path."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Fault]] = {}

    def status(
        self, path: str, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None, message: str = ""
    ) -> None:
        """Give the next answers this status and an error body."""
        body = exact_json({"error": {"code": status, "message": message or f"Fault {status} was ordered"}})
        self._add(path, times, _Fault("instead", status, body.encode(), headers or {}))

    def half_json(self, path: str, *, times: int = 1) -> None:
        """Send the right answer as well-formed HTTP, but with half its text."""
        self._add(path, times, _Fault("half_json"))

    def html(self, path: str, *, status: int = 200, times: int = 1) -> None:
        """Send a web page where JSON should be, as a proxy in between does."""
        self._add(path, times, _Fault("instead", status, _HTML, {"content-type": "text/html"}))

    def body(
        self, path: str, text: str, *, status: int = 200, times: int = 1, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send exactly this text, declared as JSON."""
        self._add(path, times, _Fault("instead", status, text.encode(), headers or {}))

    def drop(self, path: str, *, times: int = 1) -> None:
        """Close the connection before a single byte of an answer."""
        self._add(path, times, _Fault("drop"))

    def cut(self, path: str, *, times: int = 1) -> None:
        """Close the connection in the middle of the answer."""
        self._add(path, times, _Fault("cut"))

    def slow(self, path: str, seconds: float, *, times: int = 1) -> None:
        """Send the right answer after so many real seconds."""
        self._add(path, times, _Fault("slow", seconds=seconds))

    def clear(self) -> None:
        """Remove all faults that wait."""
        self._waiting.clear()

    def pop(self, path: str) -> _Fault | None:
        """Remove and return the fault for this request; None if none waits."""
        for name in (path, "*"):
            if waiting := self._waiting.get(name):
                return waiting.popleft()
        return None

    def _add(self, path: str, times: int, fault: _Fault) -> None:
        self._waiting.setdefault(path, deque()).extend([fault] * times)


class RequestLog:
    """Requests, newest last, and violations among them: those that should never have been made."""

    def __init__(self) -> None:
        self.asked: deque[RecordedRequest] = deque(maxlen=JOURNAL_SIZE)
        self.violations: deque[RecordedRequest] = deque(maxlen=VIOLATIONS_SIZE)

    def paths(self) -> list[str]:
        """Return `METHOD /path` of every request."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]


class FaultMiddleware:
    """ASGI middleware between the socket and a fake: records every request, and applies the faults.

    `forbidden` says of a method and a path whether a reader of bills must never request it: such a request is answered
    with 403 and recorded as a violation.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        root: str,
        clock: Clock,
        faults: HttpFaults,
        journal: RequestLog,
        forbidden: Callable[[str, str], bool],
    ) -> None:
        self.app, self.root, self.clock = app, root, clock
        self.faults, self.journal, self.forbidden = faults, journal, forbidden

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = str(scope["path"]).removeprefix(self.root), str(scope["method"])
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        forbidden = self.forbidden(method, path)
        try:
            if forbidden:
                refusal = {"error": {"code": 403, "message": f"{method} {path} is not for a reader of bills"}}
                await ExactJSONResponse(refusal, 403)(scope, receive, noting)
            else:
                await self._answer(path, scope, receive, noting)
        finally:
            asked = RecordedRequest(method, path, scope["query_string"].decode("latin-1"), self.clock.now(), status)
            self.journal.asked.append(asked)
            if forbidden:
                self.journal.violations.append(asked)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.faults.pop(path)
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.trouble == "instead":
            headers = {"content-type": "application/json", **fault.headers}
            await Response(fault.body, fault.status, headers)(scope, receive, send)
        elif fault.trouble == "drop":
            await _hang_up(scope)
        elif fault.trouble == "slow":
            await asyncio.sleep(fault.seconds)
            await self.app(scope, receive, send)
        else:
            await _halved(self.app, fault.trouble, scope, receive, send)


async def _halved(app: ASGIApp, trouble: Trouble, scope: Scope, receive: Receive, send: Send) -> None:
    """Send half of the app's answer: declared as all of it, or cut off by the end of the connection."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    start = messages[0]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    half = body[: len(body) // 2]
    length = len(half) if trouble == "half_json" else len(body)
    others = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    await send({**start, "headers": [*others, (b"content-length", str(length).encode())]})
    await send({"type": "http.response.body", "body": half, "more_body": trouble == "cut"})
    if trouble == "cut":
        await _hang_up(scope)


async def _hang_up(scope: Scope) -> None:
    hang_up: Callable[[], Awaitable[None]] | None = scope.get("extensions", {}).get(HANG_UP)
    if hang_up is None:
        raise ConnectionResetError("the stand-in hung up")
    await hang_up()
