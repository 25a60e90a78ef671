"""Slack listeners of owners: `/spend owners` lists the keys, a button opens the form that assigns an owner.

Only for admins, which is checked at each step.
"""

import json
from datetime import date
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from outlay.books.ownership import OwnerError
from outlay.slack import block_kit
from outlay.slack.deps import Deps
from outlay.slack.errors import PermissionRefusedError, UserFacingError
from outlay.slack.home.publish import publish_home_soon
from outlay.slack.owners import blocks
from outlay.slack.owners.blocks import KeyListPosition
from outlay.slack.owners.ids import Action, Input, View
from outlay.slack.spend.command_text import COMMAND, subcommand_matcher

SUBCOMMAND = "owners"
_GONE = "That key is not in the books any more. Open `/spend owners` again."


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the subcommand, the buttons of the list, and the form."""
    _register_list(app, deps)
    _register_form(app, deps)


async def _admit(deps: Deps, workspace_id: str, user_id: str, *, fresh: bool = False) -> None:
    if not await deps.admitting.is_admin(workspace_id, user_id, fresh=fresh):
        raise PermissionRefusedError(blocks.FOR_ADMINS)


async def _list(deps: Deps, workspace_id: str, place: KeyListPosition) -> block_kit.View:
    return blocks.list_view(await deps.owning.keys(workspace_id), place)


def _register_list(app: AsyncApp, deps: Deps) -> None:
    @app.command(COMMAND, matchers=[subcommand_matcher(SUBCOMMAND)])
    async def by_command(
        ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        await _admit(deps, context.team_id or "", str(command["user_id"]))
        view = await _list(deps, context.team_id or "", KeyListPosition())
        await client.views_open(trigger_id=command["trigger_id"], view=view)

    @app.action(Action.OPEN)
    async def by_button(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        await _admit(deps, context.team_id or "", body["user"]["id"])
        view = await _list(deps, context.team_id or "", KeyListPosition())
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    async def again(body: dict[str, Any], workspace_id: str, client: AsyncWebClient, place: KeyListPosition) -> None:
        await _admit(deps, workspace_id, body["user"]["id"])
        await client.views_update(view_id=body["view"]["id"], view=await _list(deps, workspace_id, place))

    @app.view(View.LIST)
    async def find(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext) -> None:
        await _admit(deps, context.team_id or "", body["user"]["id"])
        wanted = str(view["state"]["values"][Input.FIND][Input.FIND].get("value") or "").strip()
        await ack(response_action="update", view=await _list(deps, context.team_id or "", KeyListPosition(0, wanted)))

    @app.action(Action.EARLIER)
    async def earlier(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        place = _place(body["view"])
        await again(body, context.team_id or "", client, KeyListPosition(place.page - 1, place.find))

    @app.action(Action.MORE)
    async def more(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        place = _place(body["view"])
        await again(body, context.team_id or "", client, KeyListPosition(place.page + 1, place.find))


def _register_form(app: AsyncApp, deps: Deps) -> None:
    @app.action(Action.CHANGE)
    async def update_view(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, body["user"]["id"])
        keys = {str(key.number): key for key in await deps.owning.keys(workspace_id)}
        key = keys.get(str(action.get("value")))
        if key is None:
            raise UserFacingError(_GONE)
        view = blocks.form_view(key, body["view"]["id"], _place(body["view"]))
        await client.views_push(trigger_id=body["trigger_id"], view=view)

    @app.view(View.FORM)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id = context.team_id or ""
        await _admit(deps, workspace_id, body["user"]["id"], fresh=True)
        owner_id, errors = _parse_owner(view["state"]["values"])
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        known = json.loads(view["private_metadata"])
        start = view["state"]["values"][Input.START][Input.START].get("selected_date")
        try:
            found = await deps.owning.own(
                workspace_id, int(known["key"]), owner_id, date.fromisoformat(start) if start else None
            )
        except OwnerError as error:
            await ack(response_action="errors", errors={Input.NAME: str(error)})
            return
        if not found:
            raise UserFacingError(_GONE)
        await ack()
        place = KeyListPosition(int(known["page"]), str(known["find"]))
        await client.views_update(view_id=known["list"], view=await _list(deps, workspace_id, place))
        publish_home_soon(deps, client, workspace_id, body["user"]["id"])


def _place(view: dict[str, Any]) -> KeyListPosition:
    known = json.loads(view.get("private_metadata") or "{}")
    return KeyListPosition(int(known.get("page", 0)), str(known.get("find", "")))


def _parse_owner(values: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Parse the owner's id from the form, or the errors by field."""
    kind = str(values[Input.KIND][Input.KIND]["selected_option"]["value"])
    person = str(values[Input.PERSON][Input.PERSON].get("selected_user") or "")
    name = " ".join(str(values[Input.NAME][Input.NAME].get("value") or "").split())
    if kind == "unattributed":
        return kind, {}
    if kind == "person":
        return person, {} if person else {Input.PERSON: "Choose who it is."}
    return f"{kind}:{name}", {} if name else {Input.NAME: f"Say what the {kind} is called."}
