"""Slack listeners of the settings feature. Every step checks that the user is an admin.

`/spend settings` opens the form, and a team's form over it.
"""

import json
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from outlay.access.policy import TeamAccess
from outlay.plugin.errors import BadConfig
from outlay.slack.access import blocks
from outlay.slack.access.ids import Action, Input, View
from outlay.slack.deps import Deps
from outlay.slack.errors import PermissionRefusedError
from outlay.slack.spend.command_text import COMMAND, subcommand_matcher

SUBCOMMAND = "settings"
_FIELDS = {"name": Input.NAME, "managers": Input.MANAGERS, "members": Input.MEMBERS, "admins": Input.ADMINS}


def register(app: AsyncApp, deps: Deps) -> None:
    """Bind the subcommand, the buttons and both forms."""

    @app.command(COMMAND, matchers=[subcommand_matcher(SUBCOMMAND)])
    async def by_command(
        ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, str(command["user_id"]))
        shown = blocks.form(await deps.ruling.rights(workspace_id))
        await client.views_open(trigger_id=command["trigger_id"], view=shown)

    @app.view(View.FORM)
    async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext) -> None:
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, str(body["user"]["id"]), fresh=True)
        open_, admins = blocks.parse_form(view["state"]["values"])
        try:
            rights = await deps.ruling.choose(workspace_id, open_=open_, admins=admins)
        except BadConfig as error:
            await ack(response_action="errors", errors={_FIELDS.get(error.field, Input.ADMINS): str(error)})
            return
        await ack(response_action="update", view=blocks.saved(rights))

    _register_team(app, deps)


async def _admit(deps: Deps, workspace_id: str, user_id: str, *, fresh: bool = False) -> None:
    if not await deps.admitting.is_admin(workspace_id, user_id, fresh=fresh):
        raise PermissionRefusedError(blocks.FOR_ADMINS)


def _register_team(app: AsyncApp, deps: Deps) -> None:
    async def push(body: dict[str, Any], client: AsyncWebClient, name: str, team: TeamAccess) -> None:
        view = blocks.team_form(name, team, str(body["view"]["id"]))
        await client.views_push(trigger_id=body["trigger_id"], view=view)

    @app.action(Action.ADD)
    async def add(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        await _admit(deps, context.team_id or "", body["user"]["id"])
        await push(body, client, "", TeamAccess())

    @app.action(Action.CHANGE)
    async def update_view(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id, name = context.team_id or "", str(action.get("value"))
        await _admit(deps, workspace_id, body["user"]["id"])
        teams = (await deps.ruling.rights(workspace_id)).teams or {}
        await push(body, client, name, teams.get(name, TeamAccess()))

    @app.view(View.TEAM)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, body["user"]["id"], fresh=True)
        name, team = blocks.team(view)
        try:
            rights = await deps.ruling.set_team(workspace_id, name, team)
        except BadConfig as error:
            field = _FIELDS.get(error.field, Input.NAME)
            shown = Input.MANAGERS if field == Input.NAME and field not in view["state"]["values"] else field
            await ack(response_action="errors", errors={shown: str(error)})
            return
        await ack()
        shown_in = str(json.loads(view["private_metadata"])["shown_in"])
        await client.views_update(view_id=shown_in, view=blocks.form(rights))
