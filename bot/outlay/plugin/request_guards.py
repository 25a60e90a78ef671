"""Request guards: what the client refuses, whatever a plugin asks for: other hosts, unnamed private addresses, prompts.

Outlay's promise is that it reads ledgers and never sees a prompt. So the paths of known vendors that could return one
are refused here, in one list, and not by every plugin's good will.

Private addresses are reached only where a `base_url` names them: an IP address, `localhost`, or a name that is private
by its form (one label, `.internal`, `.local` …); which of them a connection may name at all is `reach`'s to say. A
public name that resolves to a private address is refused. What was looked up and checked is what is connected to
(`checked_transport`), and the peer's address is checked once more before the answer is read.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import httpx

from outlay.plugin.errors import BadConfig, Permanent
from outlay.plugin.reach import Named, Reach, unnameable

MAX_URL_CHARACTERS = 8_192
_UNQUOTE_ROUNDS = 5
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".intranet", ".private")
_PROMPT_PATHS = tuple(
    re.compile(pattern)
    for pattern in (
        r"/generation/content(/|$)",  # OpenRouter
        r"/spend/logs(?!/v2$)(/|$)",  # LiteLLM: all but v2, whose columns leave the messages out
        r"/lens(/|$)",  # LiteLLM's traces
        r"/v1/request(/|$)",  # Helicone
        r"/logs/[^/]+/(request|response)(/|$)",  # Cloudflare AI Gateway
        r"/logs/exports?(/|$)",  # Portkey
        r"/api/public/(v\d+/)?(traces|observations|generations|sessions|events)(/|$)",  # Langfuse
        r"/api/public/(v\d+/)?(datasets?|dataset-items|dataset-run-items|media)(/|$)",
        r"/(chat/completions|responses|conversations|threads|messages/batches)(/|$)",  # stored traffic
        r"/files/[^/]+/content(/|$)",  # OpenAI, Anthropic: batches in and out
    )
)

WEB = ("https", "http")


def parse_base_url(base_url: str, private_ok: bool | None, schemes: Sequence[str] = WEB) -> tuple[httpx.URL, Named]:
    """Parse the base URL that all paths are relative to, and classify its host. Raises BadConfig on `base_url`."""
    first = schemes[0]
    wanted = "https://" if tuple(schemes) == WEB else " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        url = httpx.URL(base_url.strip().rstrip("/"))
        parts = urlsplit(str(url))
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port
    except (httpx.InvalidURL, ValueError):
        raise BadConfig("base_url", f"That is not an address; it looks like {first}://api.example.com.") from None
    if url.scheme not in schemes or not host:
        raise BadConfig("base_url", f"The base URL begins with {wanted} and names a host.")
    if url.userinfo or url.query or url.fragment:
        raise BadConfig("base_url", "The base URL holds no user, password, query or fragment: only host and path.")
    named = _named(host, private_ok)
    if url.scheme == "http" and named == "public name":
        raise BadConfig("base_url", f"A credential does not travel in clear text: use https:// for {host}.")
    return url, named


def _named(host: str, private_ok: bool | None) -> Named:
    if private_ok is not None:
        return "private name" if private_ok else "public name"
    try:
        address = ip_address(host)
    except ValueError:
        host = host.lower()
        private = "." not in host or host.endswith(_PRIVATE_SUFFIXES)
        return "private name" if private else "public name"
    return "public name" if address.is_global and not unnameable(address) else "address"


def address_problem(host: str, address: str, named: Named, reach: Reach | None = None) -> str | None:
    """Return why this address may not be used under this name, in words, or None."""
    reach = reach or Reach()
    found = ip_address(address.partition("%")[0])
    if reach.lists(found):
        return None
    if unnameable(found):
        return f"{host} leads to {found}, which is reached only if OUTLAY_PRIVATE_HOSTS lists it"
    if named == "address" or (found.is_global and not found.is_multicast):
        return None
    if named == "private name" and (found.is_private or found.is_loopback):
        return None
    return (
        f"{host} leads to the private address {found}, which is reached only where the base URL itself names it; "
        "put the address there if that is meant"
    )


def resolve_path(base_url: httpx.URL, path: str) -> tuple[str, httpx.URL]:
    """Return the path, tidied, and its URL. Raises Permanent if it leaves the base or may return prompts."""
    tidy = "/" + path.removeprefix("/")
    plain = _plain(tidy)
    if (
        not plain.isprintable()
        or any(mark in plain for mark in ("\\", "?", "#", "//"))
        or {".", ".."} & set(plain.split("/"))
        or len(tidy) > MAX_URL_CHARACTERS
    ):
        raise Permanent(f"The plugin asked for a path that the client does not take: {plain[:80]!r}.")
    try:
        url = httpx.URL(str(base_url).rstrip("/") + tidy)
    except httpx.InvalidURL:
        raise Permanent(f"The plugin asked for a path that is not one: {plain[:80]!r}.") from None
    if (url.scheme, url.host, url.port) != (base_url.scheme, base_url.host, base_url.port):
        raise Permanent("The plugin asked for another host than its own.")
    whole = _plain(url.path).lower().rstrip("/")
    if any(pattern.search(whole) for pattern in _PROMPT_PATHS):
        raise Permanent(f"{tidy} may return prompts; Outlay never asks for those.")
    return tidy, url


def _plain(path: str) -> str:
    """Undo the percent-encoding of a path, however often it was applied."""
    for _ in range(_UNQUOTE_ROUNDS):
        undone = unquote(path)
        if undone == path:
            break
        path = undone
    return path
