"""HTTP mode: the same app behind a signature."""

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from outlay.core.rate_limiter import BURST
from outlay.fakes.http_server import serving
from outlay.fakes.slack.server import FakeSlack
from outlay.slack.app import build_app
from outlay.slack.client import one_workspace, web_client
from outlay.slack.http import PATH, endpoint
from outlay.slack.signature import SignatureVerifier
from outlay.slack.tasks import Tasks
from outlay.slack.user_directory import SlackUserDirectory
from tests.slack.fakes import deps_of
from tests.workspace import BEN, Workspace, a_world

LOG = logging.getLogger("outlay.slack")
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def served(slack: FakeSlack, signing_secret: str | None) -> tuple[Starlette, Tasks]:
    """A web app with the route on it."""
    clock, tasks, token_of = slack.world.clock, Tasks(LOG), one_workspace(slack.bot_token)
    people = SlackUserDirectory(token_of, lambda token: web_client(token, slack.api_url, LOG), clock, LOG)
    deps = deps_of(people, clock, LOG, tasks=tasks)
    app = build_app(deps, token_of, signing_secret=signing_secret, api_url=slack.api_url)
    return Starlette(routes=[Route(PATH, endpoint(app, signing_secret), methods=["POST"])]), tasks


@pytest.mark.parametrize(
    ("ours", "theirs", "age_seconds", "taken"),
    [
        (SIGNING_SECRET, SIGNING_SECRET, 0, True),
        (SIGNING_SECRET, "another", 0, False),
        (SIGNING_SECRET, SIGNING_SECRET, 400, False),
        (None, "", 0, False),
    ],
)
async def test_only_what_slack_has_signed_just_now_is_taken(
    ours: str | None, theirs: str, age_seconds: int, taken: bool
) -> None:
    stand_in = FakeSlack(a_world())
    async with serving(stand_in.app) as base_url:
        stand_in.base_url = base_url
        web, tasks = served(stand_in, ours)
        async with serving(web) as url:
            stand_in.over_http(f"{url}{PATH}", theirs, age_seconds=age_seconds)
            chat = Workspace(stand_in, idle=tasks.idle)

            reply = await chat.command("/spend 7d", user=BEN)

            assert reply.acked is taken
            assert ("$412.40" in reply.text) is taken


def signed(body: bytes, at: int, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers that Slack would send."""
    mac = hmac.new(secret.encode(), b"v0:" + str(at).encode() + b":" + body, hashlib.sha256).hexdigest()
    form = {"content-type": "application/x-www-form-urlencoded"}
    return form | {"x-slack-request-timestamp": str(at), "x-slack-signature": f"v0={mac}"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the door of a bot in HTTP mode."""
    web, _ = served(FakeSlack(a_world()), SIGNING_SECRET)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=web), base_url="http://127.0.0.1") as found:
        yield found


async def test_a_request_that_was_taken_is_not_taken_again(client: httpx.AsyncClient) -> None:
    body = b"command=%2Fnothing"
    headers = signed(body, int(time.time()))
    first = await client.post(PATH, content=body, headers=headers)
    again = await client.post(PATH, content=body, headers=headers)
    fresh = await client.post(PATH, content=body, headers=signed(body, int(time.time()) - 1))
    assert (first.status_code, again.status_code, fresh.status_code) == (200, 401, 200)


@pytest.mark.parametrize(
    "change",
    [
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": "v1=" + "0" * 64},
        {"x-slack-request-timestamp": "soon"},
        {"x-slack-request-timestamp": "-1"},
        {"x-slack-request-timestamp": "9" * 400},
    ],
)
async def test_headers_that_cannot_be_right_are_refused_in_good_order(
    client: httpx.AsyncClient, change: dict[str, str]
) -> None:
    body = b"command=%2Fnothing"
    found = await client.post(PATH, content=body, headers=signed(body, int(time.time())) | change)
    assert found.status_code == 401


async def test_a_body_that_is_no_text_is_refused_in_good_order(client: httpx.AsyncClient) -> None:
    body = b"\xff\xfe\x00"
    assert (await client.post(PATH, content=body, headers=signed(body, int(time.time())))).status_code == 400
    assert (await client.post(PATH, content=body)).status_code == 401


async def test_who_is_wrong_too_often_has_to_wait_and_a_good_signature_never_has(client: httpx.AsyncClient) -> None:
    statuses = [(await client.post(PATH, content=b"x")).status_code for _ in range(BURST + 20)]
    assert statuses[:BURST] == [401] * BURST
    assert 429 in statuses[BURST:]
    body = b"command=%2Fnothing"
    assert (await client.post(PATH, content=body, headers=signed(body, int(time.time())))).status_code == 200


def test_signatures_are_remembered_for_the_window_and_no_longer() -> None:
    signatures, now = SignatureVerifier(SIGNING_SECRET), 1_800_000_000
    bodies = [str(number).encode() for number in range(50)]
    for body in bodies:
        assert signatures.verify(signed(body, now), body, now)
        assert not signatures.verify(signed(body, now), body, now + 299)
    late = now + 301
    assert not signatures.verify(signed(bodies[0], now), bodies[0], late)  # too old by now
    assert signatures.verify(signed(b"new", late), b"new", late)
    assert len(signatures) == 1


async def in_pieces() -> AsyncIterator[bytes]:
    """A body whose length nobody says."""
    yield b"{}"


async def test_a_body_without_length_or_too_long_is_not_read() -> None:
    stand_in = FakeSlack(a_world())
    web, _ = served(stand_in, SIGNING_SECRET)
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.post(PATH, content=b"x" * 1_000_001)).status_code == 413
        assert (await client.post(PATH, content=in_pieces())).status_code == 413
        assert (await client.post(PATH, content=b"{}")).status_code == 401
