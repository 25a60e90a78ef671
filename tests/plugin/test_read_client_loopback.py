"""The guarded client over real sockets: connections that drop, servers that dawdle, bodies that do not end."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from outlay.core.clock import FakeClock
from outlay.plugin import GuardedClient, Permanent, Transient, read_client
from outlay.plugin.checked_transport import CheckedTransport

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def serving(
    talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that reads a request's head and then does as it likes."""
    heads: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await talk(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def reading(port: int, host: str = "127.0.0.1", seconds: float = 5.0, private_ok: bool | None = None) -> GuardedClient:
    return GuardedClient(
        base_url=f"http://{host}:{port}/v1/",
        headers={"Authorization": "Bearer sk-test-123456"},
        clock=FakeClock(NOW),
        request_seconds=seconds,
        private_ok=private_ok,
    )


async def says_hello(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 8\r\n\r\n" + b'{"a": 1}')


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_is_reached_where_the_base_url_names_it(host: str) -> None:
    async with serving(says_hello) as (port, heads), reading(port, host) as http:
        assert await http.get("/keys", {"limit": 5}) == {"a": 1}
    assert heads[0].startswith(b"GET /v1/keys?limit=5 HTTP/1.1\r\n")
    assert b"Accept-Encoding: gzip\r\n" in heads[0]


async def test_a_public_name_that_leads_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(says_hello) as (port, heads):
        asked = _resolve_to(monkeypatch, "127.0.0.1")
        async with reading(port, "ledger.example", private_ok=True) as http:
            assert await http.get("/keys") == {"a": 1}
        public = GuardedClient(base_url=f"https://ledger.example:{port}", headers={}, clock=FakeClock(NOW))
        async with public:
            with pytest.raises(Permanent, match=r"ledger\.example leads to the private address 127\.0\.0\.1"):
                await public.get("/keys")
        assert len(heads) == 1
        assert "ledger.example" in asked


async def test_a_name_that_changes_in_between_is_caught_by_the_peer_s_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(says_hello) as (port, heads):
        _resolve_to(monkeypatch, "127.0.0.1")
        async with reading(port, "db.internal") as http:
            transport = http._http._transport
            assert isinstance(transport, CheckedTransport)
            transport._check = lambda _: None  # as if the first check had seen another address
            http._named = "public name"
            with pytest.raises(Permanent, match="private address"):
                await http.get("/keys")
        assert len(heads) == 1


async def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(says_hello) as (port, heads), serving(says_hello, host="127.0.0.2", port=port) as (_, elsewhere):
        asked = _resolve_in_turn(monkeypatch, "127.0.0.1", "127.0.0.2")
        async with reading(port, "ledger.internal") as http:
            assert await http.get("/keys") == {"a": 1}
            assert await http.get("/keys") == {"a": 1}
    assert elsewhere == []  # no credential went to the second address
    assert len(heads) == 2
    assert f"Host: ledger.internal:{port}\r\n".encode() in heads[0]
    assert asked.count("ledger.internal") == 1


async def test_a_name_is_looked_up_again_after_nobody_answered_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(says_hello) as (port, heads):
        _resolve_in_turn(monkeypatch, "127.0.0.3", "127.0.0.1")
        async with reading(port, "ledger.internal") as http:
            assert await http.get("/keys") == {"a": 1}
    assert len(heads) == 1


async def test_an_address_that_takes_no_connection_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(says_hello) as (port, heads):
        _resolve_to(monkeypatch, "127.0.0.3", "127.0.0.1")
        async with reading(port, "ledger.internal") as http:
            assert await http.get("/keys") == {"a": 1}
            assert http.requests == 1
    assert len(heads) == 1


async def test_the_name_stays_in_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    named: list[str | None] = []
    context.sni_callback = lambda _, name, __: named.append(name)
    async with serving(says_hello, context) as (port, _):
        _resolve_to(monkeypatch, "127.0.0.1")
        async with GuardedClient(base_url=f"https://a.internal:{port}", headers={}, clock=FakeClock(NOW)) as http:
            with pytest.raises(Transient, match="certificate is not trusted"):
                await http.get("/keys")
    assert set(named) == {"a.internal"}


async def test_a_name_that_does_not_resolve_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nowhere(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    async with GuardedClient(base_url="https://nowhere.example", headers={}, clock=FakeClock(NOW)) as http:
        with pytest.raises(Transient, match="does not resolve"):
            await http.get("/keys")


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Makes every name lead to these addresses; gives the names that were asked for."""
    asked: list[str] = []

    async def answer(host: str | bytes, port: int, **_: object) -> list[object]:
        asked.append(host.decode() if isinstance(host, bytes) else host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    return asked


def _resolve_in_turn(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Makes each look-up lead to the next address, and all after it to the last; gives the names asked for."""
    asked: list[str] = []

    async def answer(host: str | bytes, port: int, **_: object) -> list[object]:
        name = host.decode() if isinstance(host, bytes) else host
        address = name
        if not name[0].isdigit():
            address = addresses[min(len(asked), len(addresses) - 1)]
            asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    return asked


async def test_a_port_where_nobody_listens_is_transient() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with reading(port) as http:
        with pytest.raises(Transient, match="cannot be reached"):
            await http.get("/keys")
        assert http.requests == read_client.MAX_TRIES


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 20",
        b"not http at all\r\n\r\n",
        HEAD + b"Content-Length: 900\r\n\r\n" + b'{"data": [',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b'a\r\n{"data": [\r\n',
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n" + b"oops",
    ],
)
async def test_an_answer_that_breaks_off_is_tried_again_and_then_transient(sent: bytes) -> None:
    async def breaks_off(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    async with serving(breaks_off) as (port, heads), reading(port) as http:
        with pytest.raises(Transient):
            await http.get("/keys")
        assert len(heads) == read_client.MAX_TRIES


async def test_a_server_that_dawdles_is_left_after_the_time_given() -> None:
    done = asyncio.Event()

    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 900\r\n\r\n" + b'{"data"')
        await writer.drain()
        await done.wait()

    async with serving(drips) as (port, heads), reading(port, seconds=0.05) as http:
        with pytest.raises(Transient, match=r"did not answer within 0\.05 seconds"):
            await http.get("/keys")
        assert len(heads) == read_client.MAX_TRIES
        done.set()


async def test_a_body_that_drips_has_no_more_time_than_one_that_stands_still() -> None:
    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while not writer.is_closing():  # each byte comes well within any time-out between two bytes
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.002)

    async with serving(drips) as (port, heads), reading(port, seconds=0.05) as http:
        with pytest.raises(Transient, match=r"did not answer within 0\.05 seconds"):
            await http.get("/keys")
        assert len(heads) == read_client.MAX_TRIES


async def test_a_body_that_does_not_end_is_left_at_the_bound() -> None:
    sent = 0

    async def pours(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"\r\n")
        while sent < 4 * read_client.MAX_BODY_BYTES:
            writer.write(b" " * 1024**2)
            sent += 1024**2
            await writer.drain()

    async with serving(pours) as (port, _), reading(port) as http:
        with pytest.raises(Permanent, match="more than 32 MiB"):
            await http.get("/keys")
    assert sent < 2 * read_client.MAX_BODY_BYTES


async def test_of_a_long_refusal_only_the_beginning_is_read() -> None:
    async def pours(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n" + b"<p>" * 1024**2)

    async with serving(pours) as (port, _), reading(port) as http:
        with pytest.raises(Permanent) as caught:
            await http.get("/keys")
    assert caught.value.status == 403
    assert "<p>" not in str(caught.value)


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    async with serving(says_hello, context) as (port, heads):
        async with GuardedClient(base_url=f"https://127.0.0.1:{port}", headers={}, clock=FakeClock(NOW)) as http:
            with pytest.raises(Transient, match="certificate is not trusted"):
                await http.get("/keys")
        assert heads == []


def self_signed(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, begin + timedelta(9))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
