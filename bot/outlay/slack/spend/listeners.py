"""Slack listeners for `/spend` and app mentions: the asker alone sees the answer and can share it."""

import asyncio
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.offload import offload
from outlay.slack import block_kit
from outlay.slack.deps import Deps
from outlay.slack.errors import PermissionRefusedError, UserFacingError
from outlay.slack.message_poster import (
    RenderedMessage,
    ephemeral_post,
    ephemeral_response,
    in_channel_response,
    replace_original,
)
from outlay.slack.spend import blocks, help_blocks
from outlay.slack.spend.command_text import COMMAND, first_word, strip_app_mention, unescape_text
from outlay.slack.spend.ids import Action, Event
from outlay.slack.spend.sharing import SharedAnswers, buttons, send_csv, shared_by_line, thread_of
from outlay.spend import grammar
from outlay.spend.answer import Answer

ANSWERS_AT_ONCE = 4  # more would not finish sooner, and would delay the acks of other questions
_FORMS = (
    "connect",
    "owners",
    "alerts",
    "digest",
    "budget",
    "settings",
)  # forms, which need the trigger of a command: a mention has none


def register(app: AsyncApp, deps: Deps) -> None:
    """Bind the command, the mention and the buttons of an answer."""
    shares, turns = SharedAnswers(), asyncio.Semaphore(ANSWERS_AT_ONCE)
    grammar.ready()

    @app.command(COMMAND)
    async def spend(ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, respond: AsyncRespond) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(command["user_id"])
        message = await _answer(workspace_id, user_id, str(command.get("text") or ""), str(command.get("channel_id")))
        await deps.poster.post(workspace_id, message, ephemeral_response(respond))

    @app.event(Event.MENTIONED)
    async def mentioned(
        event: dict[str, Any], body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id, user_id, channel = context.team_id or "", str(event.get("user") or ""), str(event["channel"])
        if not user_id or event.get("bot_id"):
            return  # another app's mention is no question
        text, thread_ts = strip_app_mention(str(event.get("text") or ""), body), str(event.get("thread_ts") or "")
        if (word := first_word(text)) in _FORMS:
            raise UserFacingError(f"That is a form, and a mention cannot open one. Type `{COMMAND} {word}`.")
        message = await _answer(workspace_id, user_id, text, channel, thread_ts)
        await deps.poster.post(workspace_id, message, ephemeral_post(client, channel, user_id, thread_ts))

    @app.action(Action.SHARE)
    async def share(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, respond: AsyncRespond
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        question, pressed_in = str(action.get("value") or ""), body.get("container") or {}
        found = await _ask(workspace_id, user_id, question)
        name = str(pressed_in.get("message_ts") or action.get("action_ts"))
        shares.mark_shared(workspace_id, name)
        try:
            public = in_channel_response(respond, thread_of(action))
            await deps.poster.post(workspace_id, await _drawn(found, shared_by_line(user_id, question)), public)
        except BaseException:
            shares.unmark_shared(workspace_id, name)
            raise
        below = (block_kit.context("You have shared this."), buttons(question, in_channel=True, shared=True))
        await deps.poster.post(workspace_id, await _drawn(found, *below), replace_original(respond))

    @app.action(Action.CSV)
    async def as_csv(
        ack: AsyncAck,
        body: dict[str, Any],
        action: dict[str, Any],
        context: AsyncBoltContext,
        client: AsyncWebClient,
        respond: AsyncRespond,
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await send_csv(client, user_id, await _ask(workspace_id, user_id, str(action.get("value") or "")))
        await ephemeral_response(respond)("The file is in your messages with Outlay.", [])

    async def _answer(workspace_id: str, user_id: str, text: str, channel: str, thread_ts: str = "") -> RenderedMessage:
        """Build the reply to a question, for the asker alone."""
        if first_word(text) in ("help", "?"):
            await _admit(workspace_id, user_id)
            return help_blocks.help_message(is_admin=await deps.admitting.is_admin(workspace_id, user_id))
        question = unescape_text(text)
        found = await _ask(workspace_id, user_id, question)
        if found.fresh_until:
            below = buttons(question, in_channel=channel[:1] in ("C", "G"), thread_ts=thread_ts)
            return await _drawn(found, below)
        return blocks.nothing_connected(is_admin=await deps.admitting.is_admin(workspace_id, user_id))

    async def _drawn(found: Answer, *below: block_kit.Block) -> RenderedMessage:
        return await offload(lambda: blocks.answer(found, *below), len(found.lines))

    async def _ask(workspace_id: str, user_id: str, question: str) -> Answer:
        """Ask the books as this user, who has to be a member now. Every question of the feature goes through here."""
        await _admit(workspace_id, user_id)
        async with turns:
            return await deps.asking.spend(workspace_id, question, me=user_id)

    async def _admit(workspace_id: str, user_id: str) -> None:
        if await deps.admitting.is_guest(workspace_id, user_id):
            raise PermissionRefusedError(blocks.FOR_MEMBERS)
