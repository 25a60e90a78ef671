"""Chart renderer with one worker process, which gets one specification at a time and is replaced when it fails.

The event loop only waits and never draws. A worker that crashes or hangs is killed and replaced, and the image is tried
once more. An idle worker is stopped after a while, because it holds some two hundred megabytes.
"""

import asyncio
import contextlib
import json
import logging
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outlay.core.errors import OutlayError
from outlay.slack import block_kit
from outlay.slack.chart_images.vega import specification

WORKER = (sys.executable, "-I", str(Path(__file__).with_name("render_process.py")))
PNG_SECONDS = 20.0  # the first one of a worker takes one to two
IDLE_SECONDS = 300.0
END_SECONDS = 0.2  # for a worker to exit after its stdin is closed; then it is killed
TRIES_MAX = 2
WAITING_MAX = 8
SPECIFICATION_BYTES_MAX = 500_000
PNG_BYTES_MAX = 5_000_000
_HEAD = struct.Struct(">BI")
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "LD_LIBRARY_PATH")


class RenderFailedError(OutlayError):
    """Error: the image could not be rendered; the text says why, for the log."""


class _WorkerGoneError(OutlayError):
    """Error: the worker has exited, or does not respond."""


class ChartRenderer:
    """Renderer of PNG images, one after the other. `command` starts the worker."""

    def __init__(
        self,
        log: logging.Logger,
        *,
        command: Sequence[str] = WORKER,
        seconds: float = PNG_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._log = log
        self._command = tuple(command)
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._worker: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._letting_go: asyncio.TimerHandle | None = None

    async def chart_png(self, block: block_kit.Block, finding: str = "") -> bytes:
        """Render Slack's chart block as a PNG with an opaque background, `finding` above it.

        Raises RenderFailedError.
        """
        return await self.png(specification(block, finding))

    async def png(self, spec: Mapping[str, Any]) -> bytes:
        """Render a Vega-Lite specification as a PNG. Raises RenderFailedError."""
        said = json.dumps(spec).encode()
        if len(said) > SPECIFICATION_BYTES_MAX:
            raise RenderFailedError(
                f"the specification has {len(said):,} bytes, at most {SPECIFICATION_BYTES_MAX:,} are drawn"
            )
        if self._waiting >= WAITING_MAX:
            raise RenderFailedError(f"{WAITING_MAX} pictures are waiting already")
        self._waiting += 1
        try:
            async with self._lock:
                return await self._drawn(said)
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """Stop the worker."""
        async with self._lock:
            await self._end()

    async def _drawn(self, said: bytes) -> bytes:
        for left in reversed(range(TRIES_MAX)):
            try:
                async with asyncio.timeout(self._seconds):
                    found = await self._ask(said)
            except (_WorkerGoneError, TimeoutError) as error:
                why = str(error) or f"no answer within {self._seconds:g} s"
                self._log.warning("the picture worker failed: %s; %s", why, "once more" if left else "given up")
                await self._end()
                if not left:
                    raise RenderFailedError(f"the worker failed {TRIES_MAX} times: {why}") from None
            else:
                self._rest()
                return found
        raise AssertionError("TRIES_MAX is at least one")

    async def _ask(self, said: bytes) -> bytes:
        sink, source = await self._started()
        try:
            sink.write(struct.pack(">I", len(said)) + said)
            await sink.drain()
            status, length = _HEAD.unpack(await source.readexactly(_HEAD.size))
            if length > PNG_BYTES_MAX:
                raise _WorkerGoneError(f"it answers with {length:,} bytes")
            found = await source.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise _WorkerGoneError(f"it ended ({type(error).__name__})") from None
        if status:
            raise RenderFailedError(found.decode(errors="replace"))
        return found

    async def _started(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None
        if self._worker is None or self._worker.returncode is not None:
            kept = {name: value for name, value in os.environ.items() if name in _KEPT}  # no credentials
            pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
            try:
                self._worker = await asyncio.create_subprocess_exec(
                    *self._command, stdin=pipe, stdout=pipe, stderr=nothing, env=kept
                )
            except OSError as error:
                raise _WorkerGoneError(f"it does not start ({type(error).__name__})") from None
        if self._worker.stdin is None or self._worker.stdout is None:
            raise _WorkerGoneError("it has no pipes")
        return self._worker.stdin, self._worker.stdout

    def _rest(self) -> None:
        """Schedule the stop of the worker for when it has been idle for a while."""
        worker = self._worker

        def let_go() -> None:
            if worker is not None and worker.stdin is not None:
                worker.stdin.close()  # it reads EOF and exits

        self._letting_go = asyncio.get_running_loop().call_later(self._idle_seconds, let_go)

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None
        if worker is None:
            return
        if worker.stdin is not None:
            worker.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await worker.wait()
                return
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        if worker.stdout is not None:
            await worker.stdout.read()  # wait() does not return while output is unread
        await worker.wait()
