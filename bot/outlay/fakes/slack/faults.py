"""Faults of the fake Slack: what the next calls of a method meet instead of an answer.

slack.faults.rate_limit("chat.postMessage", retry_after_seconds=1)
slack.faults.refuse("chat.postMessage", "invalid_blocks", times=2)
slack.faults.lose("chat.postMessage")            # done, but the bot never hears of it
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

FAULTS_MAX = 1_000
HANG_SECONDS = 60.0

Kind = Literal["rate_limit", "server_error", "refuse", "hang", "lose"]


@dataclass(frozen=True, slots=True)
class FakeSlackFault:
    """Fault of one answer. `performed`: the work is done nevertheless."""

    kind: Kind
    error: str = ""
    retry_after_seconds: int = 0
    performed: bool = False


class FakeSlackFaults:
    """Queue of faults for each method, `*` for any; taken in order, one a call."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[FakeSlackFault]] = {}
        self.unknown_blocks: set[str] = set()
        self.released = asyncio.Event()

    def rate_limit(self, method: str, *, retry_after_seconds: int = 1, times: int = 1) -> None:
        """Answer 429 with `Retry-After`."""
        self._add(method, FakeSlackFault("rate_limit", "ratelimited", retry_after_seconds), times)

    def server_error(self, method: str, *, times: int = 1) -> None:
        """Answer 500 with a page of HTML, as a broken front-end server does."""
        self._add(method, FakeSlackFault("server_error", "internal_error"), times)

    def refuse(self, method: str, error: str, *, times: int = 1) -> None:
        """Answer `ok: false` with this error code, e.g. `invalid_blocks` or `channel_not_found`."""
        self._add(method, FakeSlackFault("refuse", error), times)

    def hang(self, method: str, *, times: int = 1, performed: bool = False) -> None:
        """Give no answer until `release()`, or for a minute."""
        self._add(method, FakeSlackFault("hang", "hung", performed=performed), times)

    def lose(self, method: str, *, times: int = 1, performed: bool = True) -> None:
        """Break the connection in the middle of the answer; by default after the work was done."""
        self._add(method, FakeSlackFault("lose", "lost", performed=performed), times)

    def forget_blocks(self, *kinds: str) -> None:
        """Make these block types, e.g. `data_table`, unknown to this workspace; without any, all are known again."""
        self.unknown_blocks = set(kinds)

    def release(self) -> None:
        """Let every hanging call go on."""
        self.released.set()
        self.released = asyncio.Event()

    def clear(self) -> None:
        """Remove all faults that wait, and what `forget_blocks` and `hang` have done."""
        self._waiting.clear()
        self.unknown_blocks.clear()
        self.release()

    def pop(self, method: str) -> FakeSlackFault | None:
        """Remove and return the fault that this call meets; None if none waits."""
        for name in (method, "*"):
            if waiting := self._waiting.get(name):
                return waiting.popleft()
        return None

    def _add(self, method: str, fault: FakeSlackFault, times: int) -> None:
        waiting = self._waiting.setdefault(method, deque())
        if len(waiting) + times > FAULTS_MAX:
            raise ValueError(f"more than {FAULTS_MAX} faults wait for {method}")
        waiting.extend([fault] * times)
