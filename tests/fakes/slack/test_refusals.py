"""What the Slack stand-in refuses, and the bad weather it makes on request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack.sample_bolt_app import form, little_bot, on_command, section
from tests.workspace import ALICE, BEN, BOARD, FINANCE, GENERAL, GONE, RANDOM, Workspace, test_workspace


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    async with test_workspace(little_bot) as workspace:
        yield workspace


# What Slack refuses


@pytest.mark.parametrize(
    ("channel", "error"), [(RANDOM, "not_in_channel"), (BOARD, "channel_not_found"), ("C9", "channel_not_found")]
)
async def test_the_bot_writes_only_where_it_is(slack: Workspace, channel: str, error: str) -> None:
    with pytest.raises(SlackApiError, match=error):
        await slack.bot.app.client.chat_postMessage(channel=channel, text="hello")
    await slack.bot.app.client.chat_postMessage(channel=FINANCE, text="hello")
    assert len(slack.messages(FINANCE)) == 1


async def test_people_are_shown_as_the_scopes_allow(slack: Workspace) -> None:
    client = slack.bot.app.client
    alice = (await client.users_info(user=ALICE))["user"]
    assert (alice["is_admin"], alice["is_restricted"], alice["tz"]) == (True, False, "Europe/Berlin")
    assert alice["profile"]["email"] == "alice@example.com"
    assert (await client.users_lookupByEmail(email="BEN@example.com"))["user"]["id"] == BEN
    assert (await client.users_info(user=GONE))["user"]["deleted"]
    slack.slack.grant("users:read")
    assert "email" not in (await client.users_info(user=ALICE))["user"]["profile"]
    slack.world.change_person(BEN, is_guest=True)
    assert (await client.users_info(user=BEN))["user"]["is_restricted"]


@pytest.mark.parametrize(
    ("method", "args", "needed"),
    [
        ("chat.postMessage", {"channel": GENERAL, "text": "x"}, "chat:write"),
        ("users.info", {"user": ALICE}, "users:read"),
        ("users.lookupByEmail", {"email": "alice@example.com"}, "users:read.email"),
        ("conversations.open", {"users": ALICE}, "im:write"),
        ("conversations.info", {"channel": GENERAL}, "channels:read"),
        ("files.getUploadURLExternal", {"filename": "x", "length": 1}, "files:write"),
        ("conversations.history", {"channel": GENERAL}, "channels:history"),
    ],
)
async def test_a_method_needs_its_scope(slack: Workspace, method: str, args: dict[str, Any], needed: str) -> None:
    client = slack.bot.app.client
    slack.slack.grant("commands")
    with pytest.raises(SlackApiError) as refusal:
        await client.api_call(method, params=args)
    assert (refusal.value.response["error"], refusal.value.response["needed"]) == ("missing_scope", needed)
    slack.slack.grant(needed)
    assert (await client.api_call(method, params=args))["ok"]


async def test_tokens_are_told_apart(slack: Workspace) -> None:
    url = slack.slack.api_url
    for token, error in (
        ("", "not_authed"),
        ("xoxb-other", "invalid_auth"),
        (slack.slack.app_token, "not_allowed_token_type"),
    ):
        with pytest.raises(SlackApiError, match=error):
            await AsyncWebClient(token=token, base_url=url).auth_test()
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}auth.test", data={"token": slack.slack.bot_token})
    assert answer.json()["user_id"] == "U00OUTLAY"
    slack.slack.revoke()
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await slack.bot.app.client.auth_test()


async def test_fifty_one_blocks_are_one_too_many(slack: Workspace) -> None:
    client = slack.bot.app.client
    await client.chat_postMessage(channel=GENERAL, text="x", blocks=[{"type": "divider"}] * 50)
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel=GENERAL, text="x", blocks=[{"type": "divider"}] * 51)
    assert refusal.value.response["error"] == "invalid_blocks"
    assert slack.calls("chat.postMessage")[-1].problems == [
        "[ERROR] no more than 50 items allowed [json-pointer:/blocks]"
    ]


async def test_blocks_that_are_too_long_together(slack: Workspace) -> None:
    client = slack.bot.app.client
    await client.chat_postMessage(channel=GENERAL, text="x", blocks=[section("y" * 2_900)] * 4)
    assert slack.calls("chat.postMessage")[-1].warnings == ("blocks_over_budget",)
    with pytest.raises(SlackApiError, match="msg_blocks_too_long"):
        await client.chat_postMessage(channel=GENERAL, text="x", blocks=[section("y" * 2_900)] * 5)


async def test_a_bad_view_is_refused_as_invalid_arguments(slack: Workspace) -> None:
    async def opens(client: AsyncWebClient, body: dict[str, Any]) -> None:
        view = form(title={"type": "plain_text", "text": "x" * 25})
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    on_command(slack, "/bad", opens)
    (call,) = (await slack.command("/bad")).calls
    assert call.error == "invalid_arguments"
    assert call.problems == ["[ERROR] must be less than 25 characters [json-pointer:/view/title/text]"]


# Bad weather


async def test_429_is_waited_for_and_tried_again(slack: Workspace) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after_seconds=0)
    await slack.bot.app.client.chat_postMessage(channel=GENERAL, text="at last")
    assert [call.status for call in slack.calls("chat.postMessage")] == [429, 200]
    assert len(slack.messages()) == 1


async def test_refused_blocks_and_unknown_block_types(slack: Workspace) -> None:
    client = slack.bot.app.client
    cell = {"type": "raw_text", "text": "x"}
    blocks = [{"type": "data_table", "caption": "c", "rows": [[cell], [cell]]}]
    slack.faults.refuse("chat.postMessage", "invalid_blocks")
    slack.faults.forget_blocks("data_table", "data_visualization")
    for _ in range(2):
        with pytest.raises(SlackApiError, match="invalid_blocks"):
            await client.chat_postMessage(channel=GENERAL, text="x", blocks=blocks)
    assert slack.calls("chat.postMessage")[-1].problems == [
        "[ERROR] unsupported type: data_table [json-pointer:/blocks/0/type]"
    ]
    slack.faults.clear()
    await client.chat_postMessage(channel=GENERAL, text="x", blocks=blocks)


async def test_500_and_a_lost_answer(slack: Workspace) -> None:
    client = slack.bot.app.client
    slack.faults.server_error("chat.postMessage")
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=GENERAL, text="never written")
    slack.faults.lose("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=GENERAL, text="written")
    assert [message.text for message in slack.messages()] == ["written"]


@pytest.mark.parametrize("performed", [True, False])
async def test_a_response_url_has_its_weather_too(slack: Workspace, performed: bool) -> None:
    url = (await slack.command("/hello")).payload["response_url"]
    slack.faults.lose("response_url", performed=performed)
    slack.faults.rate_limit("response_url", retry_after_seconds=7)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            await client.post(url, json={"text": "lost"})
        limited = await client.post(url, json={"text": "limited"})
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    texts = [message.text for message in slack.messages(GENERAL, user=ALICE)]
    assert texts == ["hello ", "lost"] if performed else ["hello "]


async def test_a_call_that_hangs_until_released(slack: Workspace) -> None:
    slack.faults.hang("chat.postMessage")
    call = asyncio.create_task(slack.bot.app.client.chat_postMessage(channel=GENERAL, text="x"))
    await slack.slack.pulse.until(lambda: slack.calls("chat.postMessage"), 5, "the call")
    assert not call.done()
    slack.faults.release()
    with pytest.raises(aiohttp.ClientError):
        await call
    assert slack.messages() == []


async def test_a_dropped_socket_comes_back(slack: Workspace) -> None:
    await slack.drop_socket()
    assert (await slack.command("/hello again")).text == "hello again"


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_bot_that_is_asked_to_reconnect_does(slack: Workspace, reason: str) -> None:
    before = slack.socket.connections
    await slack.socket.ask_to_reconnect(reason)
    await slack.socket.reconnected(before)
    assert (await slack.command("/hello again")).text == "hello again"


async def test_a_socket_that_breaks_before_the_ack_loses_the_command(slack: Workspace) -> None:
    command = asyncio.create_task(slack.command("/silent", wait=False))
    await slack.slack.pulse.until(lambda: any(link.pending for link in slack.socket.links), 5, "the command to be sent")
    await slack.socket.drop()
    reply = await command
    assert not reply.acked
    assert reply.ack is not None
    assert "broke" in reply.ack.detail


async def test_what_the_bot_said_can_be_searched_for_a_secret(slack: Workspace) -> None:
    modal = (await slack.command("/form")).modal
    assert modal is not None
    await modal.submit({"name": "sk-planted"})
    assert "saved sk-planted" in slack.journal.sent_text()
    assert "sk-other" not in slack.journal.sent_text()
