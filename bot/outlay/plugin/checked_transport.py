"""Transport that looks a host up once, checks where it leads, and connects to exactly that.

If the name were looked up again for the connection, it could lead elsewhere by then, and the credential with it (DNS
rebinding). So the request goes to the address that was checked; the Host header and the name in TLS stay.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

import httpx

SECONDS_KEPT = 60.0  # of a look-up, so that a client that lives for long follows a name that moves


class CheckedTransport(httpx.AsyncBaseTransport):
    """Wrapper of a transport for one host. `check` raises for an address that may not be connected to."""

    def __init__(self, inner: httpx.AsyncBaseTransport, check: Callable[[str], None]) -> None:
        self._inner = inner
        self._check = check
        self._find_own_message: list[str] = []
        self._until = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that takes a connection. Raises OSError if there is no such name."""
        addresses = await self._addresses(request.url)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_sent_to(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent
        try:
            return await self._inner.handle_async_request(_sent_to(request, addresses[-1]))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._find_own_message = []
            raise

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _addresses(self, url: httpx.URL) -> list[str]:
        if _is_address(url.host):
            self._check(url.host)
            return [url.host]
        loop = asyncio.get_running_loop()
        if not self._find_own_message or loop.time() >= self._until:
            found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
            for address in addresses:
                self._check(address)
            if not addresses:
                raise OSError("no address")
            self._find_own_message, self._until = addresses, loop.time() + SECONDS_KEPT
        return self._find_own_message


def _sent_to(request: httpx.Request, address: str) -> httpx.Request:
    """Return the request with an address in the place of the host."""
    more = {} if _is_address(request.url.host) else {"sni_hostname": request.url.host}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions | more,
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
