"""Slack listeners of budgets: `/spend budget` lists them; admins add, change and remove them in a form."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.budgets.service import BudgetError, with_name
from outlay.slack.budgets import blocks, form
from outlay.slack.budgets.ids import Action, View
from outlay.slack.deps import Deps
from outlay.slack.errors import PermissionRefusedError, UserFacingError
from outlay.slack.home.publish import publish_home_soon
from outlay.slack.message_poster import ephemeral_response
from outlay.slack.spend.blocks import FOR_MEMBERS
from outlay.slack.spend.command_text import COMMAND, subcommand_matcher

SUBCOMMANDS = ("budget", "budgets")
FOR_ADMINS = "Setting a budget is for workspace admins and owners."
_GONE = "That budget is gone; somebody has removed it. `/spend budget` lists what there is."


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the subcommand, the buttons and the form."""

    @app.command(COMMAND, matchers=[subcommand_matcher(*SUBCOMMANDS)])
    async def by_command(
        ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, respond: AsyncRespond
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(command["user_id"])
        if await deps.admitting.is_guest(workspace_id, user_id):
            raise PermissionRefusedError(FOR_MEMBERS)
        standings = await deps.budgets.standings(workspace_id)
        said = blocks.list_message(standings, is_admin=await deps.admitting.is_admin(workspace_id, user_id))
        await deps.poster.post(workspace_id, said, ephemeral_response(respond))

    _register_form(app, deps)


async def _admit(deps: Deps, workspace_id: str, user_id: str, *, fresh: bool = False) -> None:
    if not await deps.admitting.is_admin(workspace_id, user_id, fresh=fresh):
        raise PermissionRefusedError(FOR_ADMINS)


def _register_form(app: AsyncApp, deps: Deps) -> None:
    @app.action(Action.ADD)
    async def add(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, body["user"]["id"])
        shown = form.view(await deps.budgets.subjects(workspace_id), None)
        await client.views_open(trigger_id=body["trigger_id"], view=shown)

    @app.action(Action.CHANGE)
    async def update_view(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, body["user"]["id"])
        known = {str(one.budget.id): one.budget for one in await deps.budgets.standings(workspace_id)}
        budget = known.get(str(action.get("value")))
        if budget is None:
            raise UserFacingError(_GONE)
        shown = form.view(await deps.budgets.subjects(workspace_id), budget)
        await client.views_open(trigger_id=body["trigger_id"], view=shown)

    @app.action(Action.SCOPE)
    async def scope(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        workspace_id, view = context.team_id or "", body["view"]
        await _admit(deps, workspace_id, body["user"]["id"])
        number = form.budget_id_of(view)
        known = {one.budget.id: one.budget for one in await deps.budgets.standings(workspace_id)} if number else {}
        if number and number not in known:
            raise UserFacingError(_GONE)
        shown = form.view(await deps.budgets.subjects(workspace_id), known.get(number), form.scope_of(view))
        try:  # Slack keeps what was typed in the other fields, since their ids stay the same
            await client.views_update(view_id=view["id"], hash=view["hash"], view=shown)
        except SlackApiError as error:
            if error.response.get("error") != "hash_conflict":
                raise
            deps.log.info("the form has moved on since that choice; the later one counts")

    @app.view(View.FORM)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await _admit(deps, workspace_id, user_id, fresh=True)
        budget, errors = form.parse_form(view)
        if budget is None:
            await ack(response_action="errors", errors=errors)
            return
        named = with_name(budget, await deps.budgets.subjects(workspace_id))
        try:
            kept = await deps.budgets.keep(workspace_id, named, by=user_id)
        except BudgetError as error:
            await ack(response_action="errors", errors={form.field_of(error): str(error)})
            return
        await ack(response_action="update", view=form.saved(kept))
        publish_home_soon(deps, client, workspace_id, user_id)

    @app.action(Action.REMOVE)
    async def remove(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, body["user"]["id"], fresh=True)
        number = str(action.get("value"))
        gone = number.isdigit() and await deps.budgets.remove(workspace_id, int(number))
        await client.views_update(view_id=body["view"]["id"], view=form.done("Removed." if gone else _GONE))
        publish_home_soon(deps, client, workspace_id, body["user"]["id"])
