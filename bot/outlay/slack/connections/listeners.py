"""Slack listeners for connecting: open the form, redraw it, submit it.

Only for admins, which is checked when the form opens and again when it is submitted.
"""

from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.slack import block_kit
from outlay.slack.connections import blocks, form
from outlay.slack.connections.credential_check import CredentialCheck
from outlay.slack.connections.form import ConnectFormDraft, SubmittedConnectForm
from outlay.slack.connections.ids import Action, View
from outlay.slack.connections.service import ConnectFlow
from outlay.slack.deps import Deps
from outlay.slack.home.publish import publish_home_soon
from outlay.slack.message_poster import channel_post, open_direct_channel
from outlay.slack.spend.command_text import COMMAND, subcommand_matcher, unescape_text

SUBCOMMAND = "connect"


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the subcommand, the buttons, the choices in the form, and its submission."""
    connect = ConnectFlow(deps)
    _register_opening(app, connect)
    _register_choices(app, connect, deps)
    _register_submission(app, connect, deps)


def _register_opening(app: AsyncApp, connect: ConnectFlow) -> None:
    @app.command(COMMAND, matchers=[subcommand_matcher(SUBCOMMAND)])
    async def by_command(
        ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        await connect.require_admin(context.team_id or "", str(command["user_id"]))
        slug = unescape_text(command["text"])[len(SUBCOMMAND) :].strip().lower()
        await client.views_open(
            trigger_id=command["trigger_id"], view=await connect.first_form(context.team_id or "", slug)
        )

    @app.action(Action.OPEN)
    async def by_button(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        await connect.require_admin(context.team_id or "", body["user"]["id"])
        await client.views_open(trigger_id=body["trigger_id"], view=await connect.first_form(context.team_id or ""))

    @app.action(Action.RECONNECT)
    async def to_renew(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        await connect.require_admin(context.team_id or "", body["user"]["id"])
        view = await connect.renewal_form(context.team_id or "", str(action.get("value", "")))
        await client.views_open(trigger_id=body["trigger_id"], view=view)


def _register_choices(app: AsyncApp, connect: ConnectFlow, deps: Deps) -> None:
    @app.action(Action.LEDGER)
    async def another_ledger(
        ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        await _redraw(body, client, await connect.redrawn_form(context.team_id or "", body["view"]))

    @app.action(Action.ADVANCED)
    async def advanced(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        view = await connect.redrawn_form(context.team_id or "", body["view"], toggle_advanced=True)
        await _redraw(body, client, view)

    async def _redraw(body: dict[str, Any], client: AsyncWebClient, view: dict[str, Any]) -> None:
        try:
            await client.views_update(view_id=body["view"]["id"], hash=body["view"]["hash"], view=view)
        except SlackApiError as error:
            if error.response.get("error") != "hash_conflict":
                raise
            deps.log.info("the form has moved on since that click; the later one counts")


def _register_submission(app: AsyncApp, connect: ConnectFlow, deps: Deps) -> None:
    patience = deps.patience

    @app.view(View.FORM)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        began = deps.clock.monotonic()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await connect.require_admin(workspace_id, user_id, fresh=True)
        filled = form.parse_form(view)
        draft = await connect.draft_of(workspace_id, filled)
        check, is_new = connect.start_check(workspace_id, view["id"], filled, draft, user_id)
        left_seconds = patience.answer_seconds - (deps.clock.monotonic() - began)
        if await connect.checks.wait(check, min(patience.wait_seconds, left_seconds)):
            await ack(**connect.answer(connect.outcome(check, filled, draft), draft))
            publish_home_soon(deps, client, workspace_id, user_id)
            return
        await ack(response_action="update", view=blocks.checking_view(draft.ledger.title))
        if is_new:
            work = _finish(check, filled, draft, client, view["id"], workspace_id, user_id)
            deps.tasks.start(work, "finish connecting", awaited=False)

    async def _finish(
        check: CredentialCheck,
        filled: SubmittedConnectForm,
        draft: ConnectFormDraft,
        client: AsyncWebClient,
        view_id: str,
        workspace_id: str,
        user_id: str,
    ) -> None:
        """Show the outcome of a slow check in its modal, or by direct message if the user has closed it."""
        await deps.clock.sleep(patience.settle_seconds)
        await connect.checks.wait(check, patience.check_seconds + patience.answer_seconds)
        outcome = connect.outcome(check, filled, draft)
        publish_home_soon(deps, client, workspace_id, user_id)
        try:
            await client.views_update(view_id=view_id, view=connect.view_of(outcome, draft))
        except SlackApiError as error:
            deps.log.info(
                "the view of a slow check is gone (%s); a direct message goes out", error.response.get("error")
            )
            await _tell_directly(client, user_id, connect.text_of(outcome, draft))
        except (SlackClientError, aiohttp.ClientError, OSError) as error:
            deps.log.warning("the outcome of a check did not reach its view: %s", type(error).__name__)

    async def _tell_directly(client: AsyncWebClient, user_id: str, text: str) -> None:
        await channel_post(client, await open_direct_channel(client, user_id))(text, [block_kit.section(text)])
