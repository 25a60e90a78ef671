"""Write client: how a sink writes, to the one host that its `base_url` names and to no other.

It has the guards of the reading one (no redirects, no private address unless it is named, bounded bodies, time-outs,
the vendor's pace) and its words for what went wrong. It never tries twice: whether a write whose answer was lost may be
repeated is known to the outbox alone, which repeats the whole event. A 429 is never waited out, but handed to the host.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from outlay.plugin import request_guards
from outlay.plugin import responses as plugin_responses
from outlay.plugin.errors import Permanent, RateLimited
from outlay.plugin.read_client import SHORTEST_WAIT_SECONDS, GuardedClient, Params, query_params

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
MAX_SENT_BYTES = 1024 * 1024
SENDING_SECONDS = 20.0  # one request; several have to fit into one delivery
DEFAULT_WAIT_SECONDS = 60.0  # after a 429 that does not say how long


@dataclass(frozen=True, slots=True)
class Sent:
    """Answer to a request. Names of headers are in lower case; `body` is as it came, at most 32 MiB."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self, who: str) -> Any:
        """Parse it as a JSON object or list, fractions as Decimal. Raises Transient if cut off, else Permanent."""
        return plugin_responses.parse(self.body, who)


class SendingClient(GuardedClient):
    """Write client of one sink with one credential. It also has the reading client's `get` and `post`, with retries."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Sent:
        """Send one request, once; return its answer, whatever the status. `secrets` never show in an error.

        Raises Transient where no answer came: it may have been done all the same.
        """
        if method not in METHODS:
            raise Permanent(f"The plugin asked to send {method[:20]!r}, which is none of {', '.join(sorted(METHODS))}.")
        self.keep_secret(*secrets)
        tidy, url = request_guards.resolve_path(self._base, path)
        request = self._http.build_request(
            method, url, params=query_params(params), json=json, content=content, headers=headers
        )
        if len(str(request.url)) > request_guards.MAX_URL_CHARACTERS:
            raise Permanent("The plugin asked with a longer URL than the client takes.")
        if len(request.content) > MAX_SENT_BYTES:
            raise Permanent(f"The plugin sent more than {MAX_SENT_BYTES // 1024:,} KiB at once.")
        reply = await self._send(request, tidy)
        if isinstance(reply, str):
            raise self.lost(reply)
        return Sent(reply.status, reply.headers, reply.body)

    async def ask(self, method: str, path: str, **how: Any) -> Any:
        """Return the JSON of a successful answer, None for an empty one. Raises one of the five errors for others."""
        sent = await self.send(method, path, **how)
        self.raise_for(sent)
        return sent.json(self.who) if sent.body.strip() else None

    def now(self) -> datetime:
        """Return the host's time."""
        return self._clock.now()

    def raise_for(self, sent: Sent) -> None:
        """Raise the error that a status stands for; nothing for 2xx."""
        if sent.status == 429:
            raise self.limited(sent)
        if not 200 <= sent.status < 300:
            raise plugin_responses.error_for(sent.status, sent.body, self.who, self._secrets)

    def limited(self, sent: Sent, wait_seconds: float | None = None) -> RateLimited:
        """Build the error for an answer that asks us to wait: so long, or as its headers say, or a minute."""
        if wait_seconds is None:
            wait_seconds = plugin_responses.wait_hint(sent.headers, self._clock.now())
        wait_seconds = DEFAULT_WAIT_SECONDS if wait_seconds is None else wait_seconds
        return self.limited_for(wait_seconds, status=sent.status)

    def limited_for(self, wait_seconds: float, *, status: int | None = None) -> RateLimited:
        """Build the error for a request to wait so long; a second at least."""
        retry_at = self._clock.now() + timedelta(seconds=max(wait_seconds, SHORTEST_WAIT_SECONDS))
        words = f"{self.who} asks us to wait until {retry_at:%Y-%m-%d %H:%M:%S} UTC."
        return RateLimited(retry_at, words, status=status)

    def tidy_words(self, text: str) -> str:
        """Shorten what the other side said to one line without secrets, for people."""
        return plugin_responses.redacted_line(text, self._secrets)
