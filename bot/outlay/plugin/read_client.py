"""Guarded client: the only way from a plugin to its vendor, and it can only read.

GET, plus the POST paths that a plugin lists because they only read. One host, no redirects, nothing that may hold a
prompt (`guards`), bodies of a bounded size, exact decimals, the vendor's limits kept (`pacing`), and every failure
raised as one of the five errors (`replies`). A plugin calls `get` or `post` and gets JSON; it never retries by itself.
"""

import asyncio
import hashlib
import random
import ssl
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import metadata
from types import TracebackType
from typing import Any, ClassVar, Self, cast

import httpx

from outlay.core.clock import Clock
from outlay.core.offload import offload
from outlay.plugin import request_guards
from outlay.plugin import responses as plugin_responses
from outlay.plugin.checked_transport import CheckedTransport
from outlay.plugin.errors import NeedsReauth, Permanent, RateLimited, Transient
from outlay.plugin.rate_limits import RateLimit, RequestPacer
from outlay.plugin.reach import Reach

__all__ = ["GuardedClient", "Params", "RateLimit", "RequestPacer"]

MAX_BODY_BYTES = 32 * 1024 * 1024
TOO_LARGE = f"more than {MAX_BODY_BYTES // 1024**2} MiB"  # in the words of the error for such a body
BYTES_A_ROW = 100  # an estimate; a long body is parsed beside the event loop
MAX_ERROR_BODY_BYTES = 64 * 1024  # of a refusal only the message is read
REQUEST_SECONDS = 60.0  # from the first byte sent to the last one read, one try
CONNECT_SECONDS = 10.0
MAX_TRIES = 3  # of a request that met a 5xx, a time-out or a dropped connection
BACKOFF_SECONDS = 0.5  # doubled with each try; the wait is a random part of it
MAX_LIMITED_TRIES = 5  # of a request that met a 429
MAX_WAIT_SECONDS = 30.0  # a longer wait is the host's to plan
MAX_TOTAL_WAIT_SECONDS = 60.0
SHORTEST_WAIT_SECONDS = 1.0  # also after a 429 with "retry after 0"
JOURNAL_ENTRIES = 10_000
MAX_CONNECTIONS = 10

Params = Mapping[str, str | int] | Sequence[tuple[str, str | int]]
_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Lost(str):
    """Reason why no answer came. Not an exception: those of httpx carry the request, and with it the credential."""

    __slots__ = ()


class GuardedClient:
    """Read-only client of one vendor with one credential. Use as `async with`, or call `aclose`.

    `title` is what people read in errors. `private_ok` None: private addresses only if `base_url` names one; False:
    never; True: this name may resolve to one. `reach`: which addresses this connection may lead to at all. `pacer` is
    shared by all clients of a process.
    """

    schemes: ClassVar[tuple[str, ...]] = request_guards.WEB

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        reading_posts: Sequence[str] = (),
        paces: Sequence[RateLimit] = (),
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        private_ok: bool | None = None,
        pacer: RequestPacer | None = None,
        title: str = "",
        request_seconds: float = REQUEST_SECONDS,
        reach: Reach | None = None,
    ) -> None:
        self._reach = reach or Reach()
        self._base, named = request_guards.parse_base_url(base_url, private_ok, self.schemes)
        self._named = self._reach.check(self._base.host, named)
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise NeedsReauth("The credential holds characters that no credential has. Was it pasted whole, and alone?")
        self._reading_posts = frozenset("/" + path.removeprefix("/") for path in reading_posts)
        self._paces = tuple(paces)
        self._clock = clock
        self._pacer = pacer or RequestPacer(clock)
        self._who = title or self._base.host
        self._secrets = plugin_responses.secrets_in(headers)
        self._identity = _identity(str(self._base), headers)
        self._request_seconds = request_seconds
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
        self._http = httpx.AsyncClient(
            transport=transport
            or CheckedTransport(httpx.AsyncHTTPTransport(verify=tls_context(), limits=limits), self._check_address),
            headers={"User-Agent": _user_agent(), "Accept": "application/json", "Accept-Encoding": "gzip"}
            | dict(headers),
            timeout=httpx.Timeout(request_seconds, connect=min(CONNECT_SECONDS, request_seconds)),
            follow_redirects=False,
            trust_env=False,
        )
        self.journal: deque[tuple[str, str]] = deque(maxlen=JOURNAL_ENTRIES)
        self.requests = 0

    def __repr__(self) -> str:
        return f"GuardedClient({str(self._base)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, params: Params | None = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """Return the JSON at a path below the base URL. `headers`: extra ones. Raises one of the five errors."""
        return await self._read("GET", path, params=params, headers=headers)

    async def post(self, path: str, body: Any) -> Any:
        """Return the JSON that a reading POST answers with; only for listed paths. Raises as `get` does."""
        return await self._read("POST", path, body=body)

    async def _read(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        tidy, url = request_guards.resolve_path(self._base, path)
        if method == "POST" and tidy not in self._reading_posts:
            raise Permanent(f"POST {tidy} is not on the plugin's list of requests that only read.")
        request = self._http.build_request(
            method, url, params=query_params(params), json=body if method == "POST" else None, headers=headers
        )
        if len(str(request.url)) > request_guards.MAX_URL_CHARACTERS:
            raise Permanent("The plugin asked with a longer URL than the client takes.")
        return await self._persist(request, tidy)

    async def _persist(self, request: httpx.Request, path: str) -> Any:
        """Send until there is an answer, or a reason to stop trying."""
        failures = limited = 0
        waited_seconds = 0.0
        while True:
            reply = await self._send(request, path)
            if isinstance(reply, _Reply) and reply.status == 429:
                limited += 1
                wait_seconds = self._limited_wait(reply, limited, waited_seconds)
            else:
                failures += 1
                outcome = await self._outcome(reply)
                if not isinstance(outcome, Transient):
                    return outcome
                if failures >= MAX_TRIES:
                    raise outcome
                wait_seconds = _chance.uniform(0, BACKOFF_SECONDS * 2**failures)
            waited_seconds += wait_seconds
            await self._clock.sleep(wait_seconds)

    @property
    def who(self) -> str:
        """Return what people call the other side."""
        return self._who

    def keep_secret(self, *secrets: str) -> None:
        """Redact these values in all errors from now on."""
        self._secrets = (*self._secrets, *(secret for secret in secrets if secret and secret not in self._secrets))

    def lost(self, why: str) -> Transient:
        """Build the error for a request that got no answer."""
        return Transient(f"{self._who} {why}.")

    async def _outcome(self, reply: _Reply | _Lost) -> Any:
        """Return the JSON, or the Transient that a retry may cure. Raises errors that it will not."""
        if isinstance(reply, _Lost):
            return self.lost(reply)
        try:
            if 200 <= reply.status < 300:
                return await offload(
                    lambda: plugin_responses.parse(reply.body, self._who), len(reply.body) // BYTES_A_ROW
                )
            raise plugin_responses.error_for(reply.status, reply.body, self._who, self._secrets)
        except Transient as error:
            return error

    def _limited_wait(self, reply: _Reply, limited: int, waited_seconds: float) -> float:
        """Return the seconds to wait after a 429. Raises RateLimited if that is for the host to plan."""
        now = self._clock.now()
        hint = plugin_responses.wait_hint(reply.headers, now)
        if hint is None:
            hint = _chance.uniform(SHORTEST_WAIT_SECONDS, SHORTEST_WAIT_SECONDS * 2**limited)
        wait_seconds = max(hint, SHORTEST_WAIT_SECONDS)
        too_long = wait_seconds > MAX_WAIT_SECONDS or waited_seconds + wait_seconds > MAX_TOTAL_WAIT_SECONDS
        if too_long or limited >= MAX_LIMITED_TRIES:
            retry_at = now + timedelta(seconds=wait_seconds)
            raise RateLimited(
                retry_at, f"{self._who} asks us to wait (429) until {retry_at:%Y-%m-%d %H:%M:%S} UTC.", status=429
            )
        return wait_seconds

    async def _send(self, request: httpx.Request, path: str) -> _Reply | _Lost:
        """Try once. Exceptions of httpx end here."""
        await self._pacer.acquire(self._identity, [pace for pace in self._paces if pace.covers(request.method, path)])
        self.requests += 1
        self.journal.append((request.method, path))
        try:
            async with asyncio.timeout(self._request_seconds):
                response = await self._http.send(request, stream=True)
                try:
                    self._check_peer(response)
                    return await self._receive(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            return _Lost(f"did not answer within {self._request_seconds:g} seconds")
        except httpx.ConnectError:
            return _Lost("cannot be reached (no connection, or its certificate is not trusted)")
        except httpx.TransportError:
            return _Lost("dropped the connection in the middle of an answer")
        except OSError:
            return _Lost("cannot be found: its name does not resolve")

    def _check_peer(self, response: httpx.Response) -> None:
        stream = response.extensions.get("network_stream")
        peer = stream.get_extra_info("server_addr") if stream else None
        if peer:
            self._check_address(str(peer[0]))

    def _check_address(self, address: str) -> None:
        if problem := request_guards.address_problem(self._base.host, address, self._named, self._reach):
            raise Permanent(problem + ".")

    async def _receive(self, response: httpx.Response) -> _Reply | _Lost:
        """Read the body, decompressed here so that not even a zip bomb grows beyond the bound."""
        packing = response.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", ""):
            raise Permanent(f"{self._who} packed its answer in a way nobody asked for ({packing[:20]!r}).")
        unpack = zlib.decompressobj(wbits=31) if packing == "gzip" else None
        good = 200 <= response.status_code < 300
        bound = MAX_BODY_BYTES if good else MAX_ERROR_BODY_BYTES
        body = bytearray()
        async for chunk in cast(httpx.AsyncByteStream, response.stream):  # as it came: httpx would unpack unbounded
            try:
                body += unpack.decompress(chunk, bound + 1 - len(body)) if unpack else chunk
            except zlib.error:
                return _Lost("packed its answer so that it does not unpack")
            if len(body) > bound:
                if good:
                    raise Permanent(f"{self._who} answered with {TOO_LARGE}.")
                break
        headers = {name.lower(): value for name, value in response.headers.items()}
        return _Reply(response.status_code, headers, bytes(body[:bound]))


def query_params(params: Params | None) -> httpx.QueryParams | None:
    """Convert the parameters of a query to the type that httpx takes."""
    if params is None:
        return None
    pairs = params.items() if isinstance(params, Mapping) else params
    return httpx.QueryParams([(name, str(value)) for name, value in pairs])


def _identity(base_url: str, headers: Mapping[str, str]) -> str:
    """Return a hash that tells credentials apart and reveals none."""
    return hashlib.sha256(repr((base_url, sorted(headers.items()))).encode()).hexdigest()


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context: always verifying; SSL_CERT_FILE may name a company's own roots."""
    return httpx.create_ssl_context()


@cache
def _user_agent() -> str:
    try:
        return f"outlay/{metadata.version('outlay')}"
    except metadata.PackageNotFoundError:
        return "outlay/0"
