"""What stand-ins of HTTP services share: money in JSON to the nano-dollar, a journal, and faults to order.

A stand-in answers like the vendor. A test then says what shall go wrong, and the next answers of a path do:

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
    """Dollars as a number for JSON: exact, at most nine decimals, no zeros at the end."""
    return Decimal(exact(nano_usd).rstrip("0").removesuffix("."))


def exact_json(value: Json) -> str:
    """JSON in which a Decimal is written as the number it is. Floats have no place in it."""
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
    """A JSON answer that keeps every nano-dollar."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        return exact_json(content).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the stand-in saw it, and what it answered; 0 if it hung up. Credentials are not kept."""

    method: str
    path: str
    query: str
    at: datetime
    status: int


@dataclass(frozen=True, slots=True)
class _Fault:
    trouble: Trouble
    status: int = 500
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Faults:
    """What shall go wrong on the wire. A path is one below the API's root, or `*` for whichever is asked next."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Fault]] = {}

    def status(
        self, path: str, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None, message: str = ""
    ) -> None:
        """The next answers have this status, and an error body as the vendor writes it."""
        body = exact_json({"error": {"code": status, "message": message or f"Fault {status} was ordered"}})
        self._add(path, times, _Fault("instead", status, body.encode(), headers or {}))

    def half_json(self, path: str, *, times: int = 1) -> None:
        """The right answer, well formed as HTTP, but half its text is missing."""
        self._add(path, times, _Fault("half_json"))

    def html(self, path: str, *, status: int = 200, times: int = 1) -> None:
        """A web page where JSON should be, as a proxy in between sends."""
        self._add(path, times, _Fault("instead", status, _HTML, {"content-type": "text/html"}))

    def body(
        self, path: str, text: str, *, status: int = 200, times: int = 1, headers: Mapping[str, str] | None = None
    ) -> None:
        """Exactly this text, called JSON."""
        self._add(path, times, _Fault("instead", status, text.encode(), headers or {}))

    def drop(self, path: str, *, times: int = 1) -> None:
        """The connection closes before a single byte of an answer."""
        self._add(path, times, _Fault("drop"))

    def cut(self, path: str, *, times: int = 1) -> None:
        """The connection closes in the middle of the answer."""
        self._add(path, times, _Fault("cut"))

    def slow(self, path: str, seconds: float, *, times: int = 1) -> None:
        """The right answer, after so many real seconds."""
        self._add(path, times, _Fault("slow", seconds=seconds))

    def clear(self) -> None:
        """Nothing more goes wrong on the wire."""
        self._waiting.clear()

    def take(self, path: str) -> _Fault | None:
        """The fault for this request, if one is waiting."""
        for name in (path, "*"):
            if waiting := self._waiting.get(name):
                return waiting.popleft()
        return None

    def _add(self, path: str, times: int, fault: _Fault) -> None:
        self._waiting.setdefault(path, deque()).extend([fault] * times)


class Journal:
    """What was asked, newest last, and what never should have been."""

    def __init__(self) -> None:
        self.asked: deque[Asked] = deque(maxlen=JOURNAL_SIZE)
        self.violations: deque[Asked] = deque(maxlen=VIOLATIONS_SIZE)

    def paths(self) -> list[str]:
        """`METHOD /path` of everything asked."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]


class Wire:
    """ASGI middleware between the socket and a stand-in: notes every request, and lets go wrong what shall.

    `forbidden` says of a method and a path whether a reader of bills has no business there: it answers 403 and keeps
    the request among the violations.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        root: str,
        clock: Clock,
        faults: Faults,
        journal: Journal,
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
            asked = Asked(method, path, scope["query_string"].decode("latin-1"), self.clock.now(), status)
            self.journal.asked.append(asked)
            if forbidden:
                self.journal.violations.append(asked)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.faults.take(path)
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
    """Half of the app's answer: said to be all of it, or cut off by the end of the connection."""
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
