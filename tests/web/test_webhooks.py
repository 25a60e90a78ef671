"""Webhooks come in signed, once and short; everybody else gets a status without a word."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from outlay.plugin.errors import Permanent, Transient
from outlay.web import webhooks
from outlay.web.server import web_app

BODY = b'{"type": "Issue"}'


class Ear:
    """Notes what it hears, unless something shall go wrong."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str, bytes]] = []
        self.trouble: Exception | None = None

    async def hear(self, connection_id: int, headers: Mapping[str, str], body: bytes) -> None:
        if self.trouble:
            raise self.trouble
        self.heard.append((connection_id, headers["linear-signature"], body))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def client(ear: Ear) -> AsyncIterator[httpx.AsyncClient]:
    async def health() -> dict[str, object]:
        return {"ok": True}

    transport = httpx.ASGITransport(app=web_app(health, hear=ear.hear))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://bot.example", headers={"Linear-Signature": "5e"}
    ) as found:
        yield found


@pytest.mark.parametrize("name", ["7", "con_7"])
async def test_the_raw_body_and_the_headers_are_heard(client: httpx.AsyncClient, ear: Ear, name: str) -> None:
    reply = await client.post(f"/hooks/{name}", content=BODY)
    assert (reply.status_code, reply.content) == (200, b"")
    assert ear.heard == [(7, "5e", BODY)]


@pytest.mark.parametrize("name", ["", "x", "con_", "-1", "7/8", "9" * 30, "con_con_7", "\u0667", "..%2fhealthz"])
async def test_an_address_that_is_none_is_not_found(client: httpx.AsyncClient, ear: Ear, name: str) -> None:
    reply = await client.post(f"/hooks/{name}", content=BODY)
    assert reply.status_code in (404, 405)
    assert ear.heard == []


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Permanent("This is not signed with the webhook's secret.", status=401), 401),
        (Permanent("this connection has been removed"), 404),
        (Permanent("Nothing comes in by this connection.", status=404), 404),
        (Transient("the vault is away"), 503),
    ],
)
async def test_a_stranger_is_not_told_why(client: httpx.AsyncClient, ear: Ear, trouble: Exception, status: int) -> None:
    ear.trouble = trouble
    reply = await client.post("/hooks/7", content=BODY)
    assert (reply.status_code, reply.content) == (status, b"")


async def test_only_posts_are_taken(client: httpx.AsyncClient, ear: Ear) -> None:
    assert (await client.get("/hooks/7")).status_code == 405
    assert ear.heard == []


async def test_a_body_that_is_too_long_is_not_heard_whether_it_says_so_or_not(
    client: httpx.AsyncClient, ear: Ear
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * (webhooks.BODY_BYTES_MAX // 16)

    for content in (b"x" * (webhooks.BODY_BYTES_MAX + 1), pieces()):
        assert (await client.post("/hooks/7", content=content)).status_code == 413
    assert (await client.post("/hooks/7", content=b"x" * webhooks.BODY_BYTES_MAX)).status_code == 200
    assert len(ear.heard) == 1
