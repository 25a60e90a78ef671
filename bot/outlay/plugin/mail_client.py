"""Mail client: how a sink hands messages to the one mail server that its `base_url` names.

`smtps://` is TLS from the first byte, `smtp://` is STARTTLS before anything is said; there is no setting to go without.
Only a server on the machine itself is spoken to in plain text. The guards are those of the other clients: no private
address unless it is named, bounded time and size, no secret in an error, one try.

The library's client blocks, so it talks in a thread of a small pool of its own; a caller that stops waiting shuts its
socket, which ends the thread too.
"""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from ipaddress import ip_address
from typing import ClassVar, Final

from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, PluginError, Transient
from outlay.plugin.read_client import tls_context
from outlay.plugin.write_client import MAX_SENT_BYTES, SendingClient

MAIL: Final = ("smtps", "smtp")
PORTS = {"smtps": 465, "smtp": 587}
MOST_AT_ONCE = 4
STEP_SECONDS = 10.0  # one step of the conversation; all of it has the time of one request
HELD_SECONDS = 300.0  # the wait after a server says that it is too much
_TOO_MUCH = ("4.7.", "throttl", "too many", "rate limit", "try again later")


class _Line(smtplib.SMTP):
    """SMTP conversation with one server, whose address is checked before a byte is sent."""

    def __init__(
        self, host: str, port: int, name: str, tls: ssl.SSLContext | None, look: Callable[[str], None]
    ) -> None:
        self._tls, self._look = tls, look
        self.plain_text = False
        super().__init__(host, port, local_hostname=name, timeout=STEP_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = list(
            dict.fromkeys(str(where[0]) for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        )
        for address in found:
            self._look(address)
        plain = _connected(found, port, timeout)
        try:
            peer = str(plain.getpeername()[0])
            self._look(peer)
            self.plain_text = on_this_machine(peer)
            return self._tls.wrap_socket(plain, server_hostname=host) if self._tls else plain
        except BaseException:
            plain.close()
            raise


class MailingClient(SendingClient):
    """Client of one mail server. A sink that uses it has the settings `sender`, `to` and `user`."""

    schemes: ClassVar[tuple[str, ...]] = MAIL

    async def greet(self, sender: str, to: Sequence[str], *, user: str = "", password: str = "") -> None:
        """Check that the server would take a message, without sending one. Raises as `mail` does."""
        await self._in_time(partial(self._talk, sender, to, None, user, password))

    async def mail(
        self, message: bytes, sender: str, to: Sequence[str], *, user: str = "", password: str = ""
    ) -> tuple[str, ...]:
        """Send a message; return the recipients that the server does not take.

        Raises BadConfig on `sender`, `to`, `user` or `base_url`, NeedsReauth for a password, and the other three. After
        a Transient it may have been sent all the same.
        """
        if len(message) > MAX_SENT_BYTES:
            raise Permanent(f"The plugin sent more than {MAX_SENT_BYTES // 1024:,} KiB at once.")
        return await self._in_time(partial(self._talk, sender, to, message, user, password))

    async def _in_time(self, talk: Callable[[list[_Line]], tuple[str, ...]]) -> tuple[str, ...]:
        self.requests += 1
        self.journal.append(("MAIL", "/"))
        lines: list[_Line] = []
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._request_seconds):
                return await loop.run_in_executor(_threads(), talk, lines)
        except TimeoutError:
            raise self.lost(f"did not answer within {self._request_seconds:g} seconds") from None
        finally:
            for line in lines:
                _cut(line)

    def _talk(
        self, sender: str, to: Sequence[str], message: bytes | None, user: str, password: str, lines: list[_Line]
    ) -> tuple[str, ...]:
        """Hold the whole conversation, in its thread. Exceptions of smtplib end here."""
        if password:
            self.keep_secret(password)
        try:
            line = self._open(sender.rpartition("@")[2])
            lines.append(line)
            if user:
                self._log_in(line, user, password)
            if message is None:
                self._try_out(line, sender, to)
                return ()
            return tuple(line.sendmail(sender, list(to), message))
        except PluginError:
            raise
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise self._refusal(code, words, "to") from None
        except smtplib.SMTPSenderRefused as error:
            raise self._refusal(error.smtp_code, error.smtp_error, "sender") from None
        except smtplib.SMTPResponseException as error:
            raise self._refusal(error.smtp_code, error.smtp_error) from None
        except ssl.SSLError:
            raise self.lost("cannot be spoken to (its certificate is not trusted, or it speaks no TLS there)") from None
        except socket.gaierror:
            raise self.lost("cannot be found: its name does not resolve") from None
        except TimeoutError:
            raise self.lost(f"did not answer within {STEP_SECONDS:g} seconds") from None
        except (OSError, smtplib.SMTPException):
            raise self.lost("cannot be reached, or dropped the connection") from None
        except ValueError:
            raise Permanent("The plugin gave an address that no mail can be sent to.") from None
        finally:
            for line in lines:
                _hang_up(line)

    def _open(self, name: str) -> _Line:
        """Open a line on which a password may be sent. Raises BadConfig where the server offers no TLS."""
        scheme, host = self._base.scheme, self._base.host
        tls = tls_context() if scheme == "smtps" else None
        line = _Line(host, self._base.port or PORTS[scheme], name, tls, self._check_address)
        try:
            line.ehlo()
            if tls is None and not line.plain_text:
                if not line.has_extn("starttls"):
                    raise BadConfig("base_url", f"{host} offers no TLS (STARTTLS), and nothing is sent without it.")
                line.starttls(context=tls_context())
                line.ehlo()
        except BaseException:
            _hang_up(line)
            raise
        return line

    def _log_in(self, line: _Line, user: str, password: str) -> None:
        try:
            line.login(user, password)
        except smtplib.SMTPNotSupportedError:
            raise BadConfig("user", f"{self.who} takes no user and password there.") from None
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code < 500:
                raise
            words = self.tidy_words(_readable(error.smtp_error))
            raise NeedsReauth(
                f"{self.who} does not accept the user and password ({error.smtp_code}): {words}"
            ) from None

    def _try_out(self, line: _Line, sender: str, to: Sequence[str]) -> None:
        code, words = line.mail(sender)
        if code != 250:
            raise self._refusal(code, words, "sender")
        for address in to:
            code, words = line.rcpt(address)
            if code not in (250, 251):
                raise self._refusal(code, words, "to")
        line.rset()

    def _refusal(self, code: int, said: bytes | str, field: str = "") -> PluginError:
        """Return the error that a server's answer stands for."""
        plain = _readable(said)
        words = self.tidy_words(plain)
        if 400 <= code < 500:
            if any(sign in plain.casefold() for sign in _TOO_MUCH):
                return self.limited_for(HELD_SECONDS)
            return Transient(f"{self.who} does not take the message for now ({code}): {words}")
        if code in (530, 534, 535, 538):
            return NeedsReauth(f"{self.who} wants a user and password that it accepts ({code}): {words}")
        if code < 500:
            return Transient(f"{self.who} said something that no mail server says ({code}).")
        refused = f"{self.who} refused the message ({code}): {words}"
        return BadConfig(field, refused) if field else Permanent(refused)


def on_this_machine(address: str) -> bool:
    """Report whether an address is the machine's own, so that nothing crosses a network."""
    return ip_address(address.partition("%")[0]).is_loopback


def _connected(addresses: Sequence[str], port: int, timeout: float) -> socket.socket:
    """Connect to the first address that answers; the name is not looked up again."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout)
    return socket.create_connection((addresses[-1], port), timeout)


def _hang_up(line: _Line) -> None:
    """End the conversation, without waiting for an answer."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        line.putcmd("QUIT")
    line.close()


def _cut(line: _Line) -> None:
    """Shut the socket under a conversation that no caller waits for any more; its thread then hangs up."""
    if (plain := line.sock) is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(plain, socket.SHUT_RDWR)  # not TLS's own goodbye, which is the thread's


def _readable(said: bytes | str) -> str:
    return said.decode("ascii", "replace") if isinstance(said, bytes) else said


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="outlay-mail")
