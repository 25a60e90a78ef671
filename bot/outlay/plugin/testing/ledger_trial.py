"""Trial of a ledger for the conformance kit: a `Trial` from its author, and a wire between client and server.

The author brings a server with some data in it (a stand-in, recorded answers, anything that speaks HTTP or is an httpx
transport) and says where to look. The faults are the kit's own: it sits on the wire and answers in the server's place,
so that every plugin is tested with the same ones.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from outlay.core.clock import Clock
from outlay.plugin.contract import Config, Ledger, Page, Report, Row, Window
from outlay.plugin.rate_limits import RequestPacer
from outlay.plugin.session import plugin_session

MAX_PAGES = 1_000  # of one poll; a cursor that never ends is a bug
MAX_WIRE_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class Trial:
    """Set-up that a ledger is tested with. A fresh one for each check.

    good      settings that work; `secret` is the credential in it, as typed.
    wrong     the same settings with a credential that the server does not accept.
    window    a span of time, long past its settling if possible, in which the server has figures.
    empty     one in which it has none.
    clock     what the plugin takes for now; a FakeClock, unless time must pass by itself.
    transport where requests go; None: over the network, to the base URL of `good`.
    """

    good: Config
    wrong: Config
    secret: str
    window: Window
    empty: Window
    clock: Clock
    transport: httpx.AsyncBaseTransport | None = None


Make = Callable[[], AbstractAsyncContextManager[Trial]]
Bend = Callable[[httpx.Request, Any], Any]


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """Answer in the server's place. `status` 0: the connection drops; `lost`: it drops after the server did it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None  # None: from now on
    lost: bool = False


class FaultyTransport(httpx.AsyncBaseTransport):
    """Transport that passes requests on, records what they were and when, and injects faults when set to.

    `bend` is given each good answer of JSON before the plugin is; `refused` are paths that get a 403.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport | None, clock: Clock) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._clock = clock
        self.bend: Bend | None = None
        self.refused: frozenset[tuple[str, str]] = frozenset()
        self.times: list[float] = []
        self._fault: InjectedFault | None = None
        self._passing = 0
        self._left: int | None = None
        self.seen: list[tuple[str, httpx.URL]] = []

    def fail(self, fault: InjectedFault, *, after: int = 0) -> None:
        """Set a fault that answers once `after` more requests have passed, `fault.times` times."""
        self._fault, self._passing, self._left = fault, after, fault.times

    def mend(self) -> None:
        """Let the server answer again."""
        self._fault = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if len(self.seen) >= MAX_WIRE_REQUESTS:
            raise AssertionError(f"The plugin sent more than {MAX_WIRE_REQUESTS:,} requests.")
        self.seen.append((request.method, request.url))
        self.times.append(self._clock.monotonic())
        if (request.method, request.url.path) in self.refused:
            return httpx.Response(403, content=b'{"error":{"message":"not for this credential"}}')
        fault = self._fault
        if fault is None or self._left == 0 or self._passing > 0:
            self._passing -= 1
            return await self._passed_on(request)
        if self._left is not None:
            self._left -= 1
        if fault.lost:
            await (await self._inner.handle_async_request(request)).aread()
        if fault.status == 0 or fault.lost:
            raise httpx.RemoteProtocolError("the peer closed the connection")
        return httpx.Response(fault.status, headers=dict(fault.headers), content=fault.body)

    async def _passed_on(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if self.bend is None or response.status_code != 200:
            return response
        answer = json.loads(await response.aread(), parse_float=Decimal)
        return httpx.Response(200, content=written(self.bend(request, answer)).encode())

    async def aclose(self) -> None:
        """Close the connections; the next client's request opens them again."""
        await self._inner.aclose()


class LedgerBench:
    """Ledger and its trial, with the wire between. `clock`: the plugin's, where it is not the trial's."""

    def __init__(self, plugin: type[Ledger[Any]], trial: Trial, *, clock: Clock | None = None) -> None:
        self.plugin = plugin
        self.trial = trial
        self._clock = clock or trial.clock
        self.wire = FaultyTransport(trial.transport, trial.clock)
        self._pacer = RequestPacer(self._clock)

    @asynccontextmanager
    async def ledger(self, config: Config | None = None) -> AsyncIterator[Ledger[Any]]:
        """Open a fresh instance with a client of its own."""
        async with plugin_session(
            self.plugin, config or self.trial.good, clock=self._clock, pacer=self._pacer, transport=self.wire
        ) as ledger:
            yield ledger

    async def drain(self, report: Report, window: Window, cursor: str | None = None) -> list[Page]:
        """Return all pages of a poll, by a fresh instance."""
        pages: list[Page] = []
        async with self.ledger() as ledger:
            while True:
                page = await ledger.poll(report.name, aligned(window, report), cursor)
                pages.append(page)
                if page.cursor is None:
                    return pages
                if page.cursor == cursor or len(pages) >= MAX_PAGES:
                    raise AssertionError(
                        f"The poll of {report.name} does not end: its cursor stays {page.cursor[:40]!r}."
                    )
                cursor = page.cursor

    @property
    def calls(self) -> tuple[str, ...]:
        """Return the names of all calls: check, keys, and the first page of each report."""
        return ("check", "keys", *(report.name for report in self.plugin.reports))

    async def outcome(self, name: str) -> Exception | None:
        """Make one of the calls, by a fresh instance; return what it raised, or None."""
        report = next((report for report in self.plugin.reports if report.name == name), None)
        try:
            async with self.ledger() as ledger:
                if report:
                    await ledger.poll(report.name, aligned(self.trial.window, report), None)
                else:
                    await (ledger.check() if name == "check" else ledger.keys())
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what the kit judges
            return error
        return None


def written(value: Any) -> str:
    """Serialize to JSON with Decimals as numbers, digit by digit."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def aligned(window: Window, report: Report) -> Window:
    """Widen a window to whole buckets, as the host asks for it."""
    if report.grain is None:
        return window
    start, end = bucket_start(window.start, report.grain), bucket_start(window.end, report.grain)
    return Window(start, end if end == window.end else end + report.grain)


def bucket_start(moment: datetime, grain: timedelta) -> datetime:
    """Return the start of the bucket that a moment is in."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // grain * grain


def bucket(row: Row) -> tuple[object, ...]:
    """Return the identity of a row's bucket, without its figures."""
    return row.start, row.key, row.model, row.requested, row.project, tuple(sorted(row.detail))


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Collect what all loggers say meanwhile, at DEBUG, tracebacks included."""
    lines: list[str] = []
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record))

    root, handler = logging.getLogger(), Keep(logging.DEBUG)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
