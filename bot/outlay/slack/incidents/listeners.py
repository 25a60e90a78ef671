"""Slack listeners for the buttons of an incident's message."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from outlay.incidents.service import IncidentView
from outlay.slack.deps import Deps
from outlay.slack.form_fields import InvalidInputError
from outlay.slack.incidents import expect_form, overview_listeners
from outlay.slack.incidents import modals as incident_modals
from outlay.slack.incidents.actions import IncidentActions
from outlay.slack.incidents.ids import Action, View
from outlay.slack.message_poster import ephemeral_response

IncidentHandler = Callable[[str, str, str], Awaitable[IncidentView]]


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the listeners of an incident's message and of the modal that shows one incident."""
    deeds = IncidentActions(deps)

    def bind(action_id: str, deed: IncidentHandler) -> None:
        @app.action(action_id)
        async def pressed(
            ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext,
            client: AsyncWebClient,
        ) -> None:  # fmt: skip
            await ack()
            workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
            await deeds.require_member(workspace_id, user_id)
            await _redraw_modal(client, body, deps, await deed(workspace_id, _value(action), user_id))

    bind(Action.ACKNOWLEDGE, deeds.acknowledge)
    bind(Action.UNDO, deeds.undo)
    bind(Action.SNOOZE, deeds.snooze)

    @app.action(Action.FILE)
    async def file(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id, user = context.team_id or "", body["user"]
        await deeds.require_member(workspace_id, str(user["id"]))
        name = str(user.get("name") or user.get("username") or user["id"])
        await _redraw_modal(
            client, body, deps, await deeds.file_ticket(workspace_id, _value(action), str(user["id"]), name)
        )

    @app.action(Action.LOOK)
    async def look(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, respond: AsyncRespond,
        client: AsyncWebClient,
    ) -> None:  # fmt: skip
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await deeds.require_member(workspace_id, user_id)
        said = await deeds.spend_answer(workspace_id, _value(action), user_id)
        if body.get("view"):
            await client.views_push(trigger_id=body["trigger_id"], view=incident_modals.answer_view(said))
        else:
            await deps.poster.post(workspace_id, said, ephemeral_response(respond))

    def opening(action_id: str) -> None:
        @app.action(action_id)
        async def open_modal(
            ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext,
            client: AsyncWebClient,
        ) -> None:  # fmt: skip
            await ack()
            workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
            await deeds.require_member(workspace_id, user_id)
            view = incident_modals.incident_view(
                await deeds.load_incident(workspace_id, _value(action)), deps.clock.now()
            )
            over_a_modal = (body.get("view") or {}).get("type") == "modal"
            await (client.views_push if over_a_modal else client.views_open)(trigger_id=body["trigger_id"], view=view)

    opening(Action.SHOW)
    opening(Action.PICK)
    _register_expected(app, deps, deeds)
    overview_listeners.register(app, deps)


def _register_expected(app: AsyncApp, deps: Deps, deeds: IncidentActions) -> None:
    @app.action(Action.EXPECT)
    async def expect(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await deeds.require_member(workspace_id, user_id)
        shown_in = str((body.get("view") or {}).get("id") or "")
        view = expect_form.expect_form_view(
            await deeds.load_incident(workspace_id, _value(action)), deps.clock.now(), shown_in
        )
        await (client.views_push if shown_in else client.views_open)(trigger_id=body["trigger_id"], view=view)

    @app.view(View.EXPECT)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await deeds.require_member(workspace_id, user_id)
        known = json.loads(view["private_metadata"])
        number, shown_in = int(known["incident"]), str(known["shown_in"])
        found = await deeds.load_incident(workspace_id, str(number))
        try:
            said = expect_form.parse_expect_form(view["state"]["values"], deps.clock.now(), found)
        except InvalidInputError as error:
            await ack(response_action="errors", errors={error.field: str(error)})
            return
        await deeds.expect(workspace_id, number, said, user_id)
        await ack()
        if shown_in:
            again = incident_modals.incident_view(
                await deeds.load_incident(workspace_id, str(number)), deps.clock.now()
            )
            await client.views_update(view_id=shown_in, view=again)


async def _redraw_modal(client: AsyncWebClient, body: dict[str, Any], deps: Deps, view: IncidentView) -> None:
    """Redraw the modal in which a button was clicked; messages are updated through the outbox."""
    if body.get("view"):
        await client.views_update(
            view_id=body["view"]["id"], view=incident_modals.incident_view(view, deps.clock.now())
        )


def _value(action: dict[str, Any]) -> str:
    """Return the value of the clicked button or of the chosen option; "" for none."""
    return str(action.get("value") or (action.get("selected_option") or {}).get("value") or "")
