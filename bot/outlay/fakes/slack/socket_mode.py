"""Socket Mode from the server's side: how an envelope reaches the app, and how its acknowledgement comes back.

Slack waits three seconds for the acknowledgement. A slash command or a click that reached no socket is not sent again.
"""

import asyncio
import itertools
import json
import time
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from outlay.fakes.slack.call_log import Ack, CallLog

Json = dict[str, Any]

ACK_SECONDS = 3.0
LINKS_MAX = 10
CONNECT_SECONDS = 15.0


class Delivery(Protocol):
    """Transport of envelopes to the app."""

    async def deliver(self, kind: str, payload: Json, *, retry: int = 0) -> Ack:
        """Send one envelope (`slash_commands`, `interactive` or `events_api`) and return its outcome."""
        ...


class SocketConnection:
    """WebSocket that the app opened."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.pending: dict[str, asyncio.Future[Json]] = {}

    async def send(self, what: Json) -> None:
        """Send a message as JSON."""
        await self.websocket.send_text(json.dumps(what))


class SocketMode:
    """Server's side of Socket Mode: hello, envelopes, acks, disconnects. Each envelope goes to one link, in turn."""

    def __init__(self, journal: CallLog, *, app_id: str, ack_seconds: float = ACK_SECONDS) -> None:
        self.links: list[SocketConnection] = []
        self.connections = 0
        self._journal = journal
        self._app_id = app_id
        self._ack_seconds = ack_seconds
        self._tickets: set[str] = set()
        self._count = itertools.count(1)

    def ticket(self) -> str:
        """Return the secret part of a new WebSocket address, which is valid for one connection."""
        ticket = f"ticket-{next(self._count)}"
        self._tickets.add(ticket)
        return ticket

    async def endpoint(self, websocket: WebSocket) -> None:
        """Serve one connection until either side closes it."""
        ticket = websocket.query_params.get("ticket", "")
        if ticket not in self._tickets or len(self.links) >= LINKS_MAX:
            await websocket.close(4001)
            return
        self._tickets.discard(ticket)
        await websocket.accept()
        link = SocketConnection(websocket)
        self.links.append(link)
        self.connections += 1
        try:
            await link.send(self._hello())
            self._journal.pulse.notify()
            while True:
                self._heard(link, json.loads(await websocket.receive_text()))
        except WebSocketDisconnect:
            pass  # either side closed the socket, which ends the link
        finally:
            self._forget(link)

    async def deliver(self, kind: str, payload: Json, *, retry: int = 0) -> Ack:
        """Send one envelope through the next link and return its outcome."""
        if not self.links:
            return self._journal.ack(kind, ok=False, detail="no socket is open")
        link = self.links.pop(0)
        self.links.append(link)
        envelope_id = f"{next(self._count):08d}-envelope"
        answer = link.pending[envelope_id] = asyncio.get_running_loop().create_future()
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
        started = time.monotonic()
        try:
            await link.send(envelope)
            async with asyncio.timeout(self._ack_seconds):
                heard = await answer
        except TimeoutError:
            return self._journal.ack(kind, ok=False, detail=f"no ack within {self._ack_seconds:g} s")
        except (ConnectionError, WebSocketDisconnect, RuntimeError):
            return self._journal.ack(kind, ok=False, detail="the socket broke before the ack")
        finally:
            link.pending.pop(envelope_id, None)
        return self._journal.ack(kind, ok=True, payload=heard.get("payload"), seconds=time.monotonic() - started)

    async def connected(self, links: int = 1) -> None:
        """Wait until so many sockets are open."""
        what = f"{links} open socket(s); there are {len(self.links)}"
        await self._journal.pulse.until(lambda: len(self.links) >= links, CONNECT_SECONDS, what)

    async def ask_to_reconnect(self, reason: str = "refresh_requested") -> None:
        """Announce to every link that it will be closed: `warning`, `refresh_requested`, `link_disabled`."""
        for link in list(self.links):
            await link.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}})

    async def drop(self) -> None:
        """Close every socket without an announcement."""
        for link in list(self.links):
            self._forget(link)
            await link.websocket.close(1011)

    async def reconnected(self, after: int) -> None:
        """Wait until a socket was opened after `connections` was at `after`."""
        await self._journal.pulse.until(
            lambda: self.connections > after and self.links, CONNECT_SECONDS, "a new socket"
        )

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.links),
            "debug_info": {"host": "stand-in", "approximate_connection_time": 18060},
            "connection_info": {"app_id": self._app_id},
        }

    def _heard(self, link: SocketConnection, said: Json) -> None:
        answer = link.pending.get(str(said.get("envelope_id")))
        if answer is not None and not answer.done():
            answer.set_result(said)

    def _forget(self, link: SocketConnection) -> None:
        if link in self.links:
            self.links.remove(link)
        for answer in link.pending.values():
            if not answer.done():
                answer.set_exception(ConnectionError("socket closed"))
        self._journal.pulse.notify()
