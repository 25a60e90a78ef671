"""Delivery to sinks: opens the connection, passes the plugin an event, and validates what it returns.

The host calls `opened` first, whatever a message is called, and the other two only with a receipt: so an incident whose
first message was given up still becomes a ticket with the next one. With a receipt it is called when an incident which
was over has come back, and not when its first message is sent again. A client stays open between deliveries, as long as
the connection's settings and credential stay as they were.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from outlay.connections.service import ConnectionService
from outlay.core.clock import Clock
from outlay.database.tables import Connection
from outlay.delivery.worker import LeasedMessage, PluginCrashedError, UndeliverableError
from outlay.plugin.contract import Config, Sink, TokenStore
from outlay.plugin.errors import Permanent, PluginError, Transient
from outlay.plugin.events import Event, Finding, Receipt
from outlay.plugin.rate_limits import RequestPacer
from outlay.plugin.read_client import GuardedClient
from outlay.plugin.session import build_plugin, client_for
from outlay.vault.errors import VaultError

MAX_STATE_CHARACTERS = 16 * 1024
MAX_NOTES = 5
MAX_URL_CHARACTERS = 2_000
MAX_OPEN = 100  # clients kept open
log = logging.getLogger("outlay.clock")
FINDINGS: TypeAdapter[Finding] = TypeAdapter(Finding)


@dataclass(slots=True)
class OpenSink:
    """Connection's plugin with everything it works with. `sign`: tells whether its settings are unchanged.

    `users`: deliveries that work with it now. One that is no longer wanted is closed by the last of them.
    """

    sign: tuple[str, ...]
    plugin: type[Sink[Any]]
    config: Config
    client: GuardedClient
    kept: TokenStore
    users: int = 0
    wanted: bool = True

    def sink(self, clock: Clock) -> Sink[Any]:
        """Return an instance for one delivery."""
        return build_plugin(self.plugin, self.config, self.client, clock=clock, kept=self.kept)


class SinkDispatcher:
    """Open clients of the connected sinks of all workspaces."""

    def __init__(self, connections: ConnectionService, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._pacer = RequestPacer(clock)
        self._open: dict[int, OpenSink] = {}
        self._opening = asyncio.Lock()  # ten deliveries that begin at once share one client

    async def deliver(self, taken: LeasedMessage) -> Receipt | None:
        """Deliver one message; None: nothing had to be sent. Raises a PluginError, Undeliverable or Broke."""
        connection = taken.connection
        if connection is None or connection.disconnected_at is not None:
            return None  # disconnected meanwhile: nothing more is sent to it
        event = event_of(taken, connection)
        async with self._using(connection) as opened:
            return await self._tell(opened, event, connection, bool(taken.message.payload.get("again")))

    async def _tell(self, opened: OpenSink, event: Event, connection: Connection, again: bool) -> Receipt | None:
        try:
            receipt = await dispatch_event(opened.sink(self._clock), event, again=again)
        except PluginError:
            raise
        except Exception as error:
            log.exception("sink broke", extra={"connection": connection.name, "what": event.what})
            raise PluginCrashedError(f"the plugin {opened.plugin.meta.slug} broke ({type(error).__name__})") from None
        return None if receipt is None else _checked(receipt, opened.plugin.meta.slug)

    async def aclose(self) -> None:
        """Close all clients."""
        for opened in self._open.values():
            await opened.client.aclose()
        self._open.clear()

    @asynccontextmanager
    async def _using(self, connection: Connection) -> AsyncIterator[OpenSink]:
        async with self._opening:
            opened = await self._opened(connection)
            opened.users += 1
        try:
            yield opened
        finally:
            opened.users -= 1
            if not opened.wanted and not opened.users:
                await opened.client.aclose()

    async def _opened(self, connection: Connection) -> OpenSink:
        sign = (
            connection.ledger, connection.settings, connection.fingerprint, connection.workspace_id,
            connection.connected_by,
        )  # fmt: skip
        known = self._open.get(connection.id or 0)
        if known is not None and known.sign == sign:
            return known
        try:
            plugin, config, kept = await self._connections.equipped(connection)
        except VaultError as error:
            raise Transient(str(error)) from None
        if not issubclass(plugin, Sink):
            raise UndeliverableError(f"«{connection.name}» is no sink")
        client = client_for(
            plugin, config, clock=self._clock, pacer=self._pacer, reach=self._connections.reach_of(connection)
        )
        if known is not None:
            await self._drop(connection.id or 0)
        while len(self._open) >= MAX_OPEN:
            await self._drop(next(iter(self._open)))
        opened = self._open[connection.id or 0] = OpenSink(sign, plugin, config, client, kept)
        return opened

    async def _drop(self, connection_id: int) -> None:
        opened = self._open.pop(connection_id)
        opened.wanted = False
        if not opened.users:
            await opened.client.aclose()


async def dispatch_event(sink: Sink[Any], event: Event, *, again: bool = False) -> Receipt | None:
    """Call the sink's method for an event, as the contract says; None: the sink does not want it.

    An incident without a receipt is opened, and so is one that was over and has come back (`again`).
    """
    if event.receipt is None:
        if event.what == "resolved" or not (event.asked_by or sink.should_file(event)):
            return None
        return await sink.opened(replace(event, what="opened"))
    if event.what == "resolved":
        return await sink.resolved(event)
    if event.what == "opened" and again:
        return await sink.opened(event)
    return await sink.updated(replace(event, what="updated"))


def event_of(taken: LeasedMessage, connection: Connection) -> Event:
    """Build the event that a message stands for. Raises Undeliverable for an unreadable payload."""
    payload: Mapping[str, Any] = taken.message.payload
    try:
        return Event(
            key=taken.message.key,
            what=payload["what"],
            incident=str(payload["incident"]),
            at=datetime.fromisoformat(payload["at"]),
            finding=FINDINGS.validate_python(payload["finding"], strict=False),
            scope=f"{connection.id}/{connection.created_at}/{connection.account_id}",
            receipt=taken.receipt,
            before=taken.before,
            asked_by=str(payload.get("asked_by") or ""),
        )
    except (KeyError, TypeError, ValueError):
        raise UndeliverableError("this message is not one that a sink can be told") from None


def _checked(receipt: object, slug: str) -> Receipt:
    """Validate what a plugin returned as a receipt, without a URL that is not http(s). Raises Permanent."""
    if not isinstance(receipt, Receipt):
        raise Permanent(f"the plugin {slug} gave back a {type(receipt).__name__} instead of a Receipt")
    try:
        state = json.dumps(dict(receipt.state), allow_nan=False)
    except (TypeError, ValueError):
        raise Permanent(f"the plugin {slug} gave back a state that is no plain JSON") from None
    if len(state) > MAX_STATE_CHARACTERS:
        raise Permanent(f"the plugin {slug} wants to keep more than {MAX_STATE_CHARACTERS:,} characters")
    texts = (receipt.url, receipt.external_id, *receipt.notes)
    if not all(isinstance(text, str) for text in texts) or len(receipt.url) > MAX_URL_CHARACTERS:
        raise Permanent(f"the plugin {slug} gave back a receipt that is not made of short texts")
    safe = urlsplit(receipt.url).scheme in ("http", "https")
    return replace(receipt, url=receipt.url if safe else "", notes=tuple(receipt.notes[:MAX_NOTES]))
