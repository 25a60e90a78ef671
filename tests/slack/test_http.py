"""HTTP mode: the same app behind a signature."""

import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from bot.core.clock import SystemClock
from bot.demo.serve import serving
from bot.demo.slack import SlackStandIn
from bot.slack.app import build
from bot.slack.client import one_workspace, web_client
from bot.slack.http import PATH, endpoint
from bot.slack.people import SlackPeople
from bot.slack.tasks import Tasks
from tests.slack.fakes import deps_of
from tests.workspace import BEN, Workspace

LOG = logging.getLogger("bot.slack")
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def served(slack: SlackStandIn, signing_secret: str | None) -> tuple[Starlette, Tasks]:
    """A web app with the route on it."""
    clock, tasks, token_of = SystemClock(), Tasks(LOG), one_workspace(slack.bot_token)
    people = SlackPeople(token_of, lambda token: web_client(token, slack.api_url, LOG), clock, LOG)
    deps = deps_of(people, clock, LOG, tasks=tasks)
    app = build(deps, token_of, signing_secret=signing_secret, api_url=slack.api_url)
    return Starlette(routes=[Route(PATH, endpoint(app), methods=["POST"])]), tasks


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
    stand_in = SlackStandIn()
    async with serving(stand_in.app) as base_url:
        stand_in.base_url = base_url
        web, tasks = served(stand_in, ours)
        async with serving(web) as url:
            stand_in.over_http(f"{url}{PATH}", theirs, age_seconds=age_seconds)
            chat = Workspace(stand_in, idle=tasks.idle)

            reply = await chat.command("/spend 7d", user=BEN)

            assert reply.acked is taken
            assert ("$412.40" in reply.text) is taken


async def test_a_body_without_length_or_too_long_is_not_read() -> None:
    stand_in = SlackStandIn()
    web, _ = served(stand_in, SIGNING_SECRET)
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.post(PATH, content=b"x" * 1_000_001)).status_code == 413
        assert (await client.post(PATH, content=b"{}")).status_code == 401
