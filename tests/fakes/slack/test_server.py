"""The Slack stand-in, proved with a small but real Bolt app over real sockets: what Slack does, it does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import FakeClock
from outlay.fakes.slack.form_state import ImpossibleUserActionError
from outlay.fakes.slack.workspace import FakeWorkspace
from tests.fakes.slack.sample_bolt_app import SECRET, button, form, little_bot, on_command, over_http, section
from tests.workspace import ALICE, BEN, GENERAL, Workspace, test_workspace


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    async with test_workspace(little_bot) as workspace:
        yield workspace


# Commands and answers


async def test_a_slash_command_is_answered_privately(slack: Workspace) -> None:
    reply = await slack.command("/hello world")
    assert reply.acked
    assert reply.text == "hello world"
    assert reply.ephemeral
    assert slack.messages(GENERAL) == []
    assert slack.messages(GENERAL, user=ALICE) == [reply.message]


async def test_an_answer_inside_the_ack_is_shown(slack: Workspace) -> None:
    reply = await slack.command("/quick")
    assert (reply.text, reply.ephemeral, reply.calls) == ("at once", True, [])


async def test_names_are_escaped_like_slack_escapes_them(slack: Workspace) -> None:
    reply = await slack.command("/hello @ben by model, not me@example.com or @nobody")
    assert reply.text == f"hello <@{BEN}|ben> by model, not me@example.com or @nobody"
    assert "@ben" in reply.words


async def test_a_listener_that_never_acks_is_told_from_one_that_does() -> None:
    async with test_workspace(little_bot, ack_seconds=0.2) as slack:
        reply = await slack.command("/silent", wait=False)
        assert not reply.acked
        assert reply.ack is not None
        assert "no ack" in reply.ack.detail
        with pytest.raises(LookupError, match="said nothing"):
            _ = reply.message


async def test_the_chat_waits_for_work_that_goes_on_after_the_ack(slack: Workspace) -> None:
    async def much_later(client: AsyncWebClient, body: dict[str, Any]) -> None:
        await asyncio.sleep(0.3)  # the work, longer than the chat's quiet period
        await client.chat_postMessage(channel=GENERAL, text="done")

    on_command(slack, "/work", much_later)
    assert (await slack.command("/work")).text == "done"


async def test_a_callers_idle_hook_is_awaited() -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()

    async with test_workspace(little_bot, idle=queue.join) as slack:

        async def enqueue(client: AsyncWebClient, body: dict[str, Any]) -> None:
            await queue.put("work")

        async def worker() -> None:
            await queue.get()
            await asyncio.sleep(0.2)  # the work itself
            await slack.bot.app.client.chat_postMessage(channel=GENERAL, text="from the queue")
            queue.task_done()

        on_command(slack, "/queue", enqueue)
        task = asyncio.create_task(worker())
        assert (await slack.command("/queue")).text == "from the queue"
        await task


async def test_a_response_url_lasts_five_times_and_half_an_hour() -> None:
    clock = FakeClock(datetime(2026, 11, 1, tzinfo=UTC))
    async with test_workspace(little_bot, world=FakeWorkspace(clock=clock)) as slack:
        url = (await slack.command("/hello")).payload["response_url"]
        async with httpx.AsyncClient() as client:
            answers = [(await client.post(url, json={"text": f"answer {n}"})).status_code for n in range(5)]
            assert answers == [200, 200, 200, 200, 404]
            late = (await slack.command("/hello")).payload["response_url"]
            clock.advance(timedelta(minutes=31))
            assert (await client.post(late, json={"text": "late"})).json()["error"] == "expired_url"


async def test_a_response_url_replaces_and_deletes_its_message(slack: Workspace) -> None:
    @slack.bot.app.command("/panel")
    async def panel(ack: Any, respond: Any) -> None:
        await ack()
        await respond(text="panel", blocks=[{"type": "actions", "elements": [button("replace"), button("remove")]}])

    @slack.bot.app.action("replace")
    async def replace(ack: Any, respond: Any) -> None:
        await ack()
        await respond(text="replaced", replace_original=True)

    @slack.bot.app.action("remove")
    async def remove(ack: Any, respond: Any) -> None:
        await ack()
        await respond(delete_original=True)

    first = await slack.command("/panel", user=BEN)
    replaced = await first.click("replace")
    assert replaced.message is first.message
    assert first.message.text == "replaced"
    second = await slack.command("/panel", user=BEN)
    await second.click("remove")
    assert second.messages == []


# Modals


async def test_a_modal_opens_refuses_updates_and_closes(slack: Workspace) -> None:
    reply = await slack.command("/form", user=BEN)
    modal = reply.modal
    assert modal is not None
    assert modal.title == "A form"
    assert slack.modal(ALICE) is None

    outcome = await modal.submit({"name": "wrong"})
    assert outcome.errors == {"name": "This name is taken."}
    assert "This name is taken." in modal.words

    outcome = await modal.submit({"Name": "slow"})
    assert outcome.errors == {}
    assert "Checked." in modal.words
    assert not modal.closed

    outcome = await modal.submit({"typed": "fine"})
    assert outcome.closed
    assert modal.closed
    assert [message.text for message in slack.dms(BEN)] == ["saved fine"]
    with pytest.raises(ImpossibleUserActionError, match="closed"):
        await modal.submit({})


async def test_slack_itself_asks_for_a_required_field(slack: Workspace) -> None:
    modal = (await slack.command("/form")).modal
    assert modal is not None
    outcome = await modal.submit({})
    assert outcome.errors == {"name": "Please complete this required field."}
    assert outcome.ack is None
    with pytest.raises(ImpossibleUserActionError, match="name/typed"):
        await modal.submit({"nmae": "x"})


async def test_a_trigger_is_good_for_three_seconds() -> None:
    clock = FakeClock(datetime(2026, 11, 1, tzinfo=UTC))
    async with test_workspace(little_bot, world=FakeWorkspace(clock=clock)) as slack:

        async def too_late(client: AsyncWebClient, body: dict[str, Any]) -> None:
            clock.advance(timedelta(seconds=4))
            await client.views_open(trigger_id=body["trigger_id"], view=form())

        on_command(slack, "/late", too_late)
        reply = await slack.command("/late")
        assert [call.error for call in reply.calls] == ["expired_trigger_id"]
        assert reply.modal is None


async def test_a_trigger_is_good_once(slack: Workspace) -> None:
    async def twice(client: AsyncWebClient, body: dict[str, Any]) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=form())
        await client.views_open(trigger_id=body["trigger_id"], view=form())

    on_command(slack, "/twice", twice)
    assert [call.error for call in (await slack.command("/twice")).calls] == ["", "exchanged_trigger_id"]


async def test_the_stack_of_modals_holds_three(slack: Workspace) -> None:
    deeper = form(callback_id="deeper")

    @slack.bot.app.command("/deep")
    async def deep(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=deeper)

    @slack.bot.app.view("deeper")
    async def push(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        opened = await slack.bot.attempt(client.views_push(trigger_id=body["trigger_id"], view=deeper))
        await ack(response_action="errors", errors={"name": "pushed" if opened else "full"})

    modal = (await slack.command("/deep")).modal
    for _ in range(3):
        assert modal is not None
        modal = (await modal.submit({"name": "x"})).modal
    assert len(slack.world.stacks[ALICE]) == 3
    assert [call.error for call in slack.calls("views.push")] == ["", "", "push_limit_reached"]


async def test_a_stale_hash_is_a_conflict_and_an_external_id_finds_its_view(slack: Workspace) -> None:
    async def race(client: AsyncWebClient, body: dict[str, Any]) -> None:
        opened = await client.views_open(trigger_id=body["trigger_id"], view=form(external_id="one"))
        old = opened["view"]["hash"]
        await client.views_update(external_id="one", view=form("first", external_id="one"))
        await client.views_update(view_id=opened["view"]["id"], hash=old, view=form("second"))

    on_command(slack, "/race", race)
    reply = await slack.command("/race")
    assert [call.error for call in reply.calls] == ["", "", "hash_conflict"]
    assert "first" in reply.words


async def test_what_was_typed_stays_over_an_update_while_its_ids_do(slack: Workspace) -> None:
    modal = (await slack.command("/form")).modal
    assert modal is not None
    await modal.submit({"name": "wrong"})
    client, view_id = slack.bot.app.client, modal.surface.id
    await client.views_update(view_id=view_id, view=form("the same field"))
    assert "wrong" in modal.words
    other = form()
    other["blocks"][0]["block_id"] = "fresh"
    await client.views_update(view_id=view_id, view=other)
    assert "wrong" not in modal.words


async def test_closing_tells_an_app_that_asked(slack: Workspace) -> None:
    closed: list[str] = []

    @slack.bot.app.view_closed("form")
    async def on_close(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        closed.append(body["user"]["id"])

    async def opens(client: AsyncWebClient, body: dict[str, Any]) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=form(notify_on_close=True))

    on_command(slack, "/open", opens)
    modal = (await slack.command("/open")).modal
    assert modal is not None
    await modal.close()
    assert closed == [ALICE]


# Messages, clicks, Home


async def test_a_click_edits_the_message(slack: Workspace) -> None:
    blocks = [section("new"), {"type": "actions", "elements": [button("take", value="7")]}]
    await slack.bot.app.client.chat_postMessage(channel=GENERAL, text="new", blocks=blocks)
    (message,) = slack.messages(GENERAL)
    reply = await slack.click(message, "take", user=BEN)
    assert reply.payload["actions"][0]["value"] == "7"
    assert message.text == f"taken by <@{BEN}>"
    assert message.edited
    assert "taken by @ben" in reply.words
    with pytest.raises(ImpossibleUserActionError, match="nothing called 'take'"):
        await slack.click(message, "take", user=BEN)


async def test_a_confirmation_that_is_declined_sends_nothing(slack: Workspace) -> None:
    dialog = {name: {"type": "plain_text", "text": "Really?"} for name in ("title", "text", "confirm", "deny")}
    blocks = [{"type": "actions", "elements": [button("take", confirm=dialog)]}]
    await slack.bot.app.client.chat_postMessage(channel=GENERAL, text="new", blocks=blocks)
    reply = await slack.click(slack.messages()[0], "take", confirm=False)
    assert reply.ack is None
    assert (await slack.click(slack.messages()[0], "take")).acked


async def test_choosing_sends_the_option_and_keeps_the_state(slack: Workspace) -> None:
    options = [{"text": {"type": "plain_text", "text": word}, "value": word.lower()} for word in ("Week", "Month")]
    blocks = [{"type": "actions", "elements": [{"type": "static_select", "action_id": "period", "options": options}]}]
    chosen: list[str] = []

    @slack.bot.app.action("period")
    async def period(ack: Any, action: dict[str, Any]) -> None:
        await ack()
        chosen.append(action["selected_option"]["value"])

    await slack.bot.app.client.chat_postMessage(channel=GENERAL, text="period?", blocks=blocks)
    message = slack.messages()[0]
    reply = await slack.choose(message, "period", "Month")
    assert chosen == ["month"]
    (state,) = reply.payload["state"]["values"].values()
    assert state["period"]["selected_option"]["value"] == "month"
    with pytest.raises(ImpossibleUserActionError, match="week, month"):
        await slack.choose(message, "period", "Year")


async def test_the_home_tab_is_published_when_opened(slack: Workspace) -> None:
    home = await slack.home(BEN)
    assert "Hello @ben" in home.words
    assert [call.method for call in home.calls] == ["views.publish"]
    assert slack.world.homes.keys() == {BEN}


async def test_a_redelivered_event_says_so(slack: Workspace) -> None:
    seen: list[Any] = []

    @slack.bot.app.event("tokens_revoked")
    async def revoked(body: dict[str, Any], request: Any) -> None:
        seen.append((body["event_id"], request.headers.get("x-slack-retry-num")))

    await slack.event("tokens_revoked", event_id="Ev1")
    await slack.event("tokens_revoked", event_id="Ev1", retry=1)
    assert [event_id for event_id, _ in seen] == ["Ev1", "Ev1"]
    assert seen[0][1] != seen[1][1]


async def test_a_thread_an_edit_and_a_deletion(slack: Workspace) -> None:
    client = slack.bot.app.client
    parent = await client.chat_postMessage(
        channel=GENERAL, text="parent", metadata={"event_type": "x", "event_payload": {}}
    )
    child = await client.chat_postMessage(channel=GENERAL, text="child", thread_ts=parent["ts"])
    await client.chat_delete(channel=GENERAL, ts=child["ts"])
    assert [message.text for message in slack.messages()] == ["parent"]
    link = await client.chat_getPermalink(channel=GENERAL, message_ts=parent["ts"])
    assert parent["ts"].replace(".", "") in link["permalink"]
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client.chat_update(channel=GENERAL, ts=child["ts"], text="too late")


async def test_files_go_up_in_three_steps() -> None:
    async with test_workspace(little_bot, scopes=["chat:write", "files:write"]) as slack:
        await slack.bot.app.client.files_upload_v2(
            filename="a.csv", content="a,b", channel=GENERAL, initial_comment="here"
        )
        assert [message.text for message in slack.messages()] == ["here"]
        assert [file["bytes"] for file in slack.world.files.values()] == [b"a,b"]


# HTTP mode


async def test_http_mode_takes_the_same_conversation() -> None:
    async with test_workspace(over_http, socket_mode=False) as slack:
        slack.slack.over_http("http://bot.example/slack/events", SECRET, client=slack.bot)
        assert (await slack.command("/hello http")).text == "hello http"
        assert (await slack.command("/quick")).text == "at once"
        modal = (await slack.command("/form")).modal
        assert modal is not None
        assert (await modal.submit({"name": "wrong"})).errors == {"name": "This name is taken."}
        assert (await modal.submit({"name": "fine"})).closed
        assert "Hello @alice" in (await slack.home()).words


@pytest.mark.parametrize(("secret", "age_seconds"), [("another-secret", 0), (SECRET, 400)])
async def test_http_mode_with_a_bad_signature_is_turned_away(secret: str, age_seconds: int) -> None:
    async with test_workspace(over_http, socket_mode=False) as slack:
        slack.slack.over_http("http://bot.example/slack/events", secret, client=slack.bot, age_seconds=age_seconds)
        reply = await slack.command("/hello http")
        assert reply.ack is not None
        assert (reply.acked, reply.ack.detail, reply.messages) == (False, "HTTP 401", [])
