"""The e-mail sink keeps every promise of the contract, against a server that speaks SMTP."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, Config, MailingClient, NeedsReauth, Permanent, Transient, forms, mail_client
from outlay.plugin.session import plugin_session
from outlay.plugin.testing.sink_tests import SinkTrial, sink_conformance
from outlay.plugin.testing.sink_trial import AT, SinkBench, event_at, sample_finding
from outlay_plugins.email import Email, EmailConfig
from tests.plugin.test_read_client_loopback import self_signed
from tests.plugins.smtp_server import PASSWORD, USER, Mailbox, mailbox

BARE = re.compile(r"(?i)\bhttps?://[^\s\"<>]+|\bwww\.\S+|@\w+|<!\w+|\b[\w-]+\.example\b")
SENDER, OPS, BOSS = "outlay@acme.example", "ops@acme.example", "boss@acme.example"


def config(url: str, **more: Any) -> EmailConfig:
    plain = {"base_url": url, "sender": SENDER, "to": f"{OPS}, {BOSS}", "user": USER, "password": SecretStr(PASSWORD)}
    return EmailConfig(**{**plain, **more})


@asynccontextmanager
async def bench_of(found: Mailbox) -> AsyncIterator[SinkBench]:
    def texts() -> list[str]:
        return [f"{mail['Subject']}\n{found.body(mail)}" for mail in found.mails.values()]

    def live() -> list[str]:
        """What a program makes links of: addresses in text, and what HTML says is one."""
        html = [found.body(mail, "html") for mail in found.mails.values()]
        hrefs = [href for text in html for href in re.findall(r'href="([^"]*)"', text)]
        shown = [re.sub(r"<[^>]*>", " ", text).replace("&lt;", "<") for text in html]
        return hrefs + [one for text in (*texts(), *shown) for one in BARE.findall(text)]

    def made() -> list[str]:
        return [name for name, mail in found.mails.items() if mail["References"] is None]

    trial = SinkTrial(
        good=config(found.url),
        wrong=config(found.url, password=SecretStr("of-somebody-else")),
        secret=PASSWORD,
        made=made,
        told=texts,
        live=live,
        clock=FakeClock(AT),
        wire=found.wire,
    )
    yield SinkBench(Email, trial)


@asynccontextmanager
async def post() -> AsyncIterator[tuple[Mailbox, SinkBench]]:
    async with mailbox() as found, bench_of(found) as bench:
        yield found, bench


@asynccontextmanager
async def trial() -> AsyncIterator[SinkTrial]:
    async with post() as (_, bench):
        yield bench.trial


TestEmail = sink_conformance(Email, make=trial)


def with_(bench: SinkBench, **more: Any) -> Config:
    return bench.trial.good.model_copy(update=more)


async def test_an_episode_is_one_thread() -> None:
    async with post() as (found, bench):
        await bench.live_through()
    first, *rest = found.mails.values()
    assert len(rest) == 3
    assert {(mail["In-Reply-To"], mail["References"]) for mail in rest} == {(first["Message-ID"], first["Message-ID"])}
    assert {mail["Subject"] for mail in rest} == {f"Re: {first['Subject']}"}
    assert (first["To"], first["Auto-Submitted"]) == (f"{OPS}, {BOSS}", "auto-generated")


async def test_soon_again_goes_on_in_the_thread_and_later_is_another() -> None:
    async with post() as (found, bench):
        receipt = await bench.tell(event_at(0))
        over = await bench.tell(event_at(3, receipt=receipt))
        soon = replace(event_at(0, incident="U1/8"), at=event_at(3).at + timedelta(hours=71), before=over)
        assert (await bench.tell(soon)).external_id == receipt.external_id
        assert list(found.mails.values())[-1]["References"] == receipt.external_id
        later = replace(event_at(0, incident="U1/9"), at=event_at(3).at + timedelta(hours=73), before=over)
        assert (await bench.tell(later)).external_id != receipt.external_id


async def test_a_long_domain_is_never_folded_into_a_header_that_nobody_knows_again() -> None:
    async with post() as (found, bench), bench.sink(with_(bench, sender=f"outlay@{'a' * 60}.example")) as sink:
        receipt = await sink.opened(event_at(0))
        await sink.resolved(event_at(3, receipt=receipt))
    first, last = found.raw
    assert f"Message-ID: {receipt.external_id}\r\n".encode() in first
    assert f"In-Reply-To: {receipt.external_id}\r\n".encode() in last
    assert f"References: {receipt.external_id}\r\n".encode() in last


async def test_a_mail_comes_at_each_doubling_and_not_between() -> None:
    async with post() as (found, bench):
        receipt = await bench.tell(event_at(0))
        for spent, mails in (("150", 1), ("250", 2), ("390", 2), ("410", 3)):
            receipt = await bench.tell(replace(event_at(1, receipt=receipt), finding=sample_finding(spent)))
            assert found.taken == mails


@pytest.mark.parametrize(
    "name", ["ana\r\nBcc: evil@evil.example", "ana\n\n<script>alert(1)</script>", "ana\r\n.\r\nQUIT"]
)
async def test_a_name_can_neither_make_a_header_nor_end_the_mail_nor_be_html(name: str) -> None:
    async with post() as (found, bench):
        await bench.tell(replace(event_at(0), finding=sample_finding("100", name), asked_by=name))
    (mail,) = found.mails.values()
    assert mail["Bcc"] is None
    assert "Sent by Outlay" in found.body(mail)
    assert "<script" not in found.body(mail, "html")
    assert "evil@evil" not in "".join(line.decode() for line in found.said)


async def test_a_recipient_that_is_not_there_is_a_note_and_all_of_them_an_error() -> None:
    async with post() as (found, bench):
        found.unknown = {BOSS}
        receipt = await bench.tell(event_at(0))
        found.unknown = {BOSS, OPS}
        error = await bench.outcome(event_at(1, receipt=receipt))
    assert BOSS in receipt.notes[0]
    assert isinstance(error, BadConfig)
    assert error.field == "to"


async def test_the_check_tells_a_wrong_recipient_on_its_field_and_sends_nothing() -> None:
    async with post() as (found, bench), bench.sink() as sink:
        found.unknown = {BOSS}
        with pytest.raises(BadConfig) as told:
            await sink.check()
    assert told.value.field == "to"
    assert not found.taken


async def test_a_server_without_passwords_is_told_on_the_field() -> None:
    async with post() as (found, bench):
        found.extensions = []
        error = await bench.outcome(event_at(0))
    assert isinstance(error, BadConfig)
    assert error.field == "user"


async def test_a_server_that_wants_a_password_says_so() -> None:
    async with post() as (_, bench), bench.sink(with_(bench, user="", password=None)) as sink:
        with pytest.raises(NeedsReauth):
            await sink.check()


async def test_a_server_that_says_nothing_holds_nobody_up() -> None:
    hung = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with MailingClient(base_url=url, headers={}, clock=FakeClock(AT), request_seconds=0.1) as client:
        with pytest.raises(Transient, match="did not answer"):
            await client.greet(SENDER, [OPS])
    hung.set()
    server.close()


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side of a certificate for 127.0.0.1 that it signed itself, and a client's that trusts it."""
    path = self_signed(tmp_path)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=path)
    server.load_cert_chain(path)
    return server, client


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the server were on another machine."""
    monkeypatch.setattr(mail_client, "on_this_machine", lambda address: False)


async def test_nothing_is_said_to_another_machine_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(monkeypatch)
    async with post() as (found, bench):
        error = await bench.outcome(event_at(0))
    assert isinstance(error, BadConfig)
    assert error.field == "base_url"
    assert {line.split()[0] for line in found.said} <= {b"ehlo", b"QUIT"}


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_only_a_certificate_that_is_trusted_is_talked_to(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[ssl.SSLContext, ssl.SSLContext], scheme: str, trusted: bool
) -> None:
    elsewhere(monkeypatch)
    server, client = certificate
    if trusted:
        monkeypatch.setattr(mail_client, "tls_context", lambda: client)
    async with mailbox(server, scheme) as found, bench_of(found) as bench:
        found.extensions += ["STARTTLS"] if scheme == "smtp" else []
        error = await bench.outcome(event_at(0))
    if trusted:
        assert error is None
        assert found.taken == 1
    else:
        assert isinstance(error, Transient)
        assert "certificate" in str(error)
        assert not [line for line in found.said if line.upper().startswith((b"AUTH", b"MAIL"))]


@pytest.mark.parametrize("looked_up", ["127.0.0.1", "93.184.216.34"], ids=["by its name", "once connected"])
async def test_a_public_name_that_leads_to_a_private_address_is_refused(
    looked_up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mailbox() as found:
        port = found.url.rpartition(":")[2]
        real = mail_client.socket.create_connection
        monkeypatch.setattr(
            mail_client.socket, "create_connection", lambda address, *more: real(("127.0.0.1", address[1]), *more)
        )
        names = mail_client.socket.getaddrinfo
        monkeypatch.setattr(
            mail_client.socket,
            "getaddrinfo",
            lambda host, *more, **named: names(looked_up if host == "mail.acme.com" else host, *more, **named),
        )
        public = config(f"smtp://mail.acme.com:{port}")
        async with plugin_session(Email, public, clock=FakeClock(AT)) as sink:
            with pytest.raises(Permanent, match="private address"):
                await sink.opened(event_at(0))
    assert found.said == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "https://mail.acme.com"), ("base_url", "mail.acme.com"), ("sender", "Outlay <a@b.example>"),
        ("sender", "a@b.example\r\nBcc: c@d.example"), ("to", "ops"), ("to", ""),
        ("to", ",".join(f"a{number}@b.example" for number in range(21))),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_on_its_field(field: str, value: str) -> None:
    plain = {"base_url": "smtps://mail.acme.com", "sender": SENDER, "to": OPS}
    assert forms.build(Email, plain)
    with pytest.raises(BadConfig) as told:
        forms.build(Email, {**plain, field: value})
    assert told.value.field == field
