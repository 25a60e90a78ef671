"""Call log of the fake Slack: every call of the bot and its answer to every envelope, in order, and bounded.

Waiting for the bot means waiting for the log's pulse, which beats at each entry: nothing sleeps and looks again.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]

CALLS_KEPT = 5_000


@dataclass(frozen=True, slots=True)
class WebApiCall:
    """Request of the bot: a Web API method, or `response_url`. `error` is Slack's code, empty on success."""

    number: int
    method: str
    args: Json = field(repr=False)
    status: int
    answer: Json = field(repr=False)
    at: datetime
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Report whether the call succeeded."""
        return bool(self.answer.get("ok"))

    @property
    def error(self) -> str:
        """Return Slack's error code; empty on success."""
        return str(self.answer.get("error", ""))

    @property
    def problems(self) -> list[str]:
        """Return why blocks or a view were refused, in Slack's words."""
        return list((self.answer.get("response_metadata") or {}).get("messages") or [])


@dataclass(frozen=True, slots=True)
class Ack:
    """Answer of the bot to one envelope. `ok` False: the person saw that the app failed; `detail` says why."""

    number: int
    kind: str
    ok: bool
    payload: Json | None = None
    seconds: float = 0.0
    detail: str = ""

    @property
    def text(self) -> str:
        """Return the text of the message that came with the ack."""
        return str((self.payload or {}).get("text", ""))


class ChangeSignal:
    """Signal that beats whenever something changed; `until` waits for a condition, checking it again at each beat."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notify(self) -> None:
        """Wake all who wait."""
        waited, self._next = self._next, asyncio.Event()
        waited.set()

    async def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Wait until `condition()` holds. Raises TimeoutError, naming `what`, after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._next.wait()
        except TimeoutError:
            raise TimeoutError(f"waited {seconds:g} s for {what}") from None

    async def quiet(self, seconds: float) -> bool:
        """Report whether nothing happened for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._next.wait()
        except TimeoutError:
            return True
        return False


class CallLog:
    """Calls and acks of the bot, newest last. `number` counts both, and goes on when old entries are dropped."""

    def __init__(self, pulse: ChangeSignal) -> None:
        self.pulse = pulse
        self.calls: deque[WebApiCall] = deque(maxlen=CALLS_KEPT)
        self.acks: deque[Ack] = deque(maxlen=CALLS_KEPT)
        self.number = 0
        self.in_flight = 0

    def call(self, method: str, args: Json, status: int, answer: Json, at: datetime, warnings: tuple[str, ...]) -> None:
        """Record one finished request."""
        self.number += 1
        self.calls.append(WebApiCall(self.number, method, args, status, answer, at, warnings))
        self.pulse.notify()

    def ack(self, kind: str, *, ok: bool, payload: Json | None = None, seconds: float = 0.0, detail: str = "") -> Ack:
        """Record the outcome of one envelope."""
        self.number += 1
        ack = Ack(self.number, kind, ok, payload, seconds, detail)
        self.acks.append(ack)
        self.pulse.notify()
        return ack

    def of(self, method: str) -> list[WebApiCall]:
        """Return all calls of one method."""
        return [call for call in self.calls if call.method == method]

    def between(self, after: int, until: int | None = None) -> list[WebApiCall]:
        """Return the calls recorded after number `after`, up to `until`."""
        return [call for call in self.calls if call.number > after and (until is None or call.number <= until)]

    def sent_text(self) -> str:
        """Return everything in the log that the bot sent to Slack, as one string, to search it for secrets."""
        return json.dumps(
            [[call.method, call.args] for call in self.calls] + [[ack.kind, ack.payload] for ack in self.acks]
        )
