"""What the client tries again, and what never."""

import logging
from collections.abc import AsyncIterator

import pytest
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError

from outlay.fakes.http_server import serving
from outlay.fakes.slack.server import FakeSlack
from outlay.slack import block_kit
from outlay.slack.client import one_workspace, web_client
from outlay.slack.message_poster import Poster, RenderedMessage, channel_post, open_direct_channel
from tests.slack.app_without_slack import an_app
from tests.workspace import BEN, GENERAL, a_world

LOG = logging.getLogger("outlay.slack")


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    stand_in = FakeSlack(a_world())
    async with serving(stand_in.app) as url:
        stand_in.base_url = url
        yield stand_in


@pytest.mark.parametrize("tail", ["", "/"])
async def test_the_last_slash_of_the_address_does_not_matter(slack: FakeSlack, tail: str) -> None:
    client = web_client(slack.bot_token, slack.api_url.rstrip("/") + tail, LOG)

    assert (await client.auth_test())["ok"]


async def test_a_message_is_never_sent_again_by_the_client(slack: FakeSlack) -> None:
    client = web_client(slack.bot_token, slack.api_url, LOG)
    slack.faults.lose("chat.postMessage", performed=True)

    with pytest.raises(Exception):  # noqa: B017, PT011 (whichever way a broken connection shows)
        await client.chat_postMessage(channel=GENERAL, text="once")
    slack.faults.rate_limit("chat.postMessage", retry_after_seconds=0)
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=GENERAL, text="once")

    assert len(slack.world.messages) == 1
    assert len(slack.journal.of("chat.postMessage")) == 2


async def test_a_question_is_asked_again_when_slack_says_wait_a_little(slack: FakeSlack) -> None:
    client = web_client(slack.bot_token, slack.api_url, LOG)
    slack.faults.rate_limit("users.info", retry_after_seconds=0)

    assert (await client.users_info(user=BEN))["ok"]
    slack.faults.rate_limit("users.info", retry_after_seconds=3_600)
    with pytest.raises(SlackApiError):
        await client.users_info(user=BEN)


async def test_one_workspaces_token_is_not_anothers() -> None:
    assert await one_workspace("xoxb", "T1")("T1") == "xoxb"
    assert await one_workspace("xoxb", "T1")("T2") is None
    assert await one_workspace("xoxb")("T2") == "xoxb"


async def test_a_message_whose_blocks_are_refused_goes_out_in_a_plainer_form(slack: FakeSlack) -> None:
    client = web_client(slack.bot_token, slack.api_url, LOG)
    slack.faults.refuse("chat.postMessage", "invalid_blocks")
    message = RenderedMessage("$5", (("rich", [block_kit.section("rich")]), ("plain", [block_kit.section("plain")])))

    channel = await open_direct_channel(client, BEN)
    sent = await Poster(slack.world.clock, LOG).post("T1", message, channel_post(client, channel))

    assert slack.world.messages[sent].blocks[0]["text"]["text"] == "plain"
    slack.faults.refuse("chat.postMessage", "is_archived")
    with pytest.raises(SlackApiError):
        await Poster(slack.world.clock, LOG).post("T1", message, channel_post(client, channel))


async def test_another_workspace_is_answered_by_nobody() -> None:
    body = {"type": "event_callback", "team_id": "T2", "event": {"type": "app_home_opened", "user": "U1"}}
    app = an_app(one_workspace("xoxb", "T1"))

    response = await app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))

    assert "Outlay is not set up for this workspace." in response.body
