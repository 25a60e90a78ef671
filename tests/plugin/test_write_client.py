"""The sending client: once, to its own host, with every answer told as one of the five errors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from outlay.core.clock import FakeClock
from outlay.plugin import BadConfig, NeedsReauth, Permanent, PluginError, RateLimited, SendingClient, Transient

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "lin_api_0123456789abcdef0123456789"
Answer = httpx.Response | Exception


class Server:
    """Answers with one thing, and keeps what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def client(server: Callable[[httpx.Request], httpx.Response], base_url: str = "https://s.example/v1") -> SendingClient:
    return SendingClient(
        base_url=base_url,
        headers={"Authorization": SECRET},
        clock=FakeClock(NOW),
        transport=httpx.MockTransport(server),
        title="Horn",
    )


async def test_it_sends_what_it_is_given_to_its_own_host() -> None:
    server = Server(httpx.Response(201, json={"id": "1"}))
    async with client(server) as horn:
        assert await horn.ask("POST", "/alarms", json={"title": "a"}, headers={"X-Id": "7"}) == {"id": "1"}
    (sent,) = server.sent

    assert (sent.method, str(sent.url)) == ("POST", "https://s.example/v1/alarms")
    assert (sent.headers["authorization"], sent.headers["x-id"], sent.content) == (SECRET, "7", b'{"title":"a"}')


@pytest.mark.parametrize("path", ["https://evil.example/", "/../x", "//evil.example/x", "/a?b=c"])
async def test_it_leaves_its_own_host_for_nothing(path: str) -> None:
    server = Server(httpx.Response(200))
    async with client(server) as horn:
        for attempt in (path, f"/{path}"):
            try:
                await horn.ask("POST", attempt, json={})
            except Permanent:
                continue
    assert {request.url.host for request in server.sent} <= {"s.example"}


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (httpx.Response(302, headers={"Location": "https://evil.example"}), Permanent),
        (httpx.Response(400, json={"message": f"no {SECRET}"}), Permanent),
        (httpx.Response(401), NeedsReauth),
        (httpx.Response(404), Permanent),
        (httpx.Response(429), RateLimited),
        (httpx.Response(500), Transient),
        (httpx.Response(200, text="<html>"), Permanent),
        (httpx.Response(200, text='{"half'), Transient),
        (httpx.ReadTimeout("slow"), Transient),
        (httpx.ConnectError("gone"), Transient),
        (httpx.RemoteProtocolError("cut"), Transient),
    ],
)
async def test_whatever_is_answered_it_is_sent_once_and_told_as_one_of_the_five(
    answer: Answer, wanted: type[PluginError]
) -> None:
    server = Server(answer)
    async with client(server) as horn:
        with pytest.raises(wanted) as told:
            await horn.ask("POST", "/alarms", json={})

    assert type(told.value) is wanted
    assert len(server.sent) == 1
    assert SECRET not in f"{told.value!r} {told.value}"


async def test_a_429_is_handed_to_the_host_with_its_time() -> None:
    for headers, seconds in (({"Retry-After": "7"}, 7), ({}, 60), ({"Retry-After": "0"}, 1)):
        async with client(Server(httpx.Response(429, headers=headers))) as horn:
            with pytest.raises(RateLimited) as told:
                await horn.ask("POST", "/alarms", json={})
        assert told.value.retry_at == NOW + timedelta(seconds=seconds)


async def test_an_empty_yes_is_a_yes_and_too_much_is_not_sent() -> None:
    server = Server(httpx.Response(204))
    async with client(server) as horn:
        assert await horn.ask("DELETE", "/alarms/1") is None
        with pytest.raises(Permanent, match="more than"):
            await horn.send("POST", "/alarms", content=b"x" * (1024 * 1024 + 1))
        with pytest.raises(Permanent, match="none of"):
            await horn.send("TRACE", "/alarms")
    assert len(server.sent) == 1


def test_a_public_host_is_never_told_anything_in_clear_text() -> None:
    with pytest.raises(BadConfig, match="clear text"):
        client(Server(httpx.Response(200)), "http://s.example")


async def test_a_token_that_came_later_shows_in_no_error() -> None:
    token = "tok-77777777-later"
    async with client(Server(httpx.Response(400, json={"message": f"bad {token}"}))) as horn:
        with pytest.raises(Permanent) as told:
            await horn.ask("POST", "/a", json={}, headers={"Authorization": f"Bearer {token}"}, secrets=(token,))
    assert token not in str(told.value)
