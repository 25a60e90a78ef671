"""SMTP server on loopback that keeps a mailbox, and fails when the conformance kit's wire says so."""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import httpx

from outlay.core.clock import FakeClock
from outlay.plugin.testing.ledger_trial import FaultyTransport, InjectedFault
from outlay.plugin.testing.sink_trial import AT

USER, PASSWORD = "outlay", "correct-horse-battery-9"


class MailWire(FaultyTransport):
    """Fault injection of the conformance kit for a mail server: a connection is a request."""

    def weather(self, url: str) -> InjectedFault | None:
        """Return the fault of the next connection."""
        self.seen.append(("MAIL", httpx.URL(url)))
        if self._fault is None or self._left == 0 or self._passing > 0:
            self._passing -= 1
            return None
        if self._left is not None:
            self._left -= 1
        return self._fault


class Mailbox:
    """Received mails. A mail of a known id is accepted and not shown twice, as in most mailboxes."""

    def __init__(self, clock: FakeClock) -> None:
        self.mails: dict[str, EmailMessage] = {}
        self.taken = 0
        self.raw: list[bytes] = []
        self.said: list[bytes] = []
        self.unknown: set[str] = set()
        self.extensions = ["AUTH PLAIN LOGIN", "8BITMIME"]
        self.wire = MailWire(None, clock)
        self.url = ""
        self.tls: ssl.SSLContext | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._talk(reader, writer, self.wire.weather(self.url))
        writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: InjectedFault | None
    ) -> None:
        status = fault.status if fault and not fault.lost else None
        greeting = {429: b"421 4.7.0 Try again later, too many connections", 503: b"421 4.3.0 Not available"}
        if status == 0:
            return
        if status in (429, 500, 503) or status == 200:
            writer.write((fault.body if fault and status == 200 else greeting.get(status, greeting[503])) + b"\r\n")
            await writer.drain()
            return
        writer.write(b"220 mail.example ESMTP\r\n")
        authenticated, sender, to = False, "", list[str]()
        while line := (await reader.readline()).rstrip():
            self.said.append(line)
            verb = line.split(b" ")[0].upper()
            told = b"250 2.0.0 Ok"
            if verb == b"EHLO":
                lines = ["mail.example", *self.extensions]
                told = b"\r\n".join(f"250{'-' if one != lines[-1] else ' '}{one}".encode() for one in lines)
            elif verb == b"STARTTLS" and self.tls:
                writer.write(b"220 2.0.0 Go ahead\r\n")
                await writer.start_tls(self.tls)
                self.extensions = [one for one in self.extensions if one != "STARTTLS"]
                continue
            elif verb == b"AUTH":
                wanted = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
                authenticated = status != 401 and line.split(b" ")[-1] == wanted
                told = (
                    b"235 2.7.0 Ok" if authenticated else b"535 5.7.8 Bad credentials " + (fault.body if fault else b"")
                )
            elif verb == b"MAIL":
                sender = line.decode()
                told = told if authenticated else b"530 5.7.0 Authentication required"
            elif verb == b"RCPT":
                found = re.search(r"<([^<>\s]+)>", line.decode())
                known = found is not None and found[1] not in self.unknown
                to += [found[1]] if found and known else []
                told = told if known else b"550 5.1.1 No such user"
            elif verb == b"DATA":
                writer.write(b"354 Go ahead\r\n")
                content = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
                if status == 400:
                    told = b"554 5.6.0 Refused " + (fault.body if fault else b"")
                else:
                    self._take(content, sender, to)
                if fault and fault.lost:
                    return
            elif verb == b"QUIT":
                return
            writer.write(told + b"\r\n")
            await writer.drain()

    def _take(self, content: bytes, sender: str, to: list[str]) -> None:
        mail = cast(EmailMessage, message_from_bytes(content, policy=policy.SMTP))
        assert sender
        assert to
        self.taken += 1
        self.raw.append(content)
        self.mails.setdefault(str(mail["Message-ID"]), mail)

    def body(self, mail: EmailMessage, kind: str = "plain") -> str:
        """Return one of a mail's two bodies."""
        part = mail.get_body((kind,))
        assert part
        return str(part.get_content())


@asynccontextmanager
async def mailbox(
    tls: ssl.SSLContext | None = None, scheme: str = "smtp", clock: FakeClock | None = None
) -> AsyncIterator[Mailbox]:
    """Run a server; with `smtps`, TLS from the first byte."""
    found = Mailbox(clock or FakeClock(AT))
    found.tls = tls
    server = await asyncio.start_server(found, "127.0.0.1", 0, ssl=tls if scheme == "smtps" else None)
    found.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
