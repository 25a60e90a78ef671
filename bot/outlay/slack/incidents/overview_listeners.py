"""Slack listeners of `/spend alerts`: the overview, planned work, and the settings for admins."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.owner import Owner
from outlay.incidents.service import IncidentNotFoundError
from outlay.slack import block_kit
from outlay.slack.deps import Deps
from outlay.slack.errors import UserFacingError
from outlay.slack.form_fields import InvalidInputError
from outlay.slack.incidents import overview_modal
from outlay.slack.incidents import settings_form as incident_settings_form
from outlay.slack.incidents.actions import IncidentActions
from outlay.slack.incidents.dead_letters import ALL
from outlay.slack.incidents.ids import Action, View
from outlay.slack.spend.command_text import COMMAND, subcommand_matcher

SUBCOMMAND = "alerts"
Form = Callable[[str, str, str], Awaitable[block_kit.View]]  # workspace, user, id of the modal that it is opened from
Save = Callable[[str, str, dict[str, Any]], Awaitable[None]]  # workspace, user, submitted values; raises Wrong


class AlertsOverview:
    """Controller of the overview: builds its modals and saves what is submitted in them."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self.deeds = IncidentActions(deps)

    async def modal(self, workspace_id: str, user_id: str) -> block_kit.View:
        """Build the overview of a user.

        Admins and members see the same incidents; admins can choose more, and see undelivered messages.
        """
        alerting = await self._deps.desk.alerting(workspace_id)
        names = {owner.id: owner.name for owner in await self._owners(workspace_id)}
        is_admin = await self.deeds.is_admin(workspace_id, user_id)
        return overview_modal.modal(
            await self._deps.desk.recent(workspace_id),
            await self._deps.desk.expected(workspace_id),
            names,
            self._deps.clock.now(),
            zone=alerting.zone,
            wants_direct=user_id in alerting.direct,
            is_admin=is_admin,
            given_up=await self._deps.undelivered.given_up(workspace_id) if is_admin else (),
        )

    async def plan_form(self, workspace_id: str, user_id: str, shown_in: str) -> block_kit.View:
        """Build the form that declares planned work; open to every member."""
        zone = (await self._deps.desk.alerting(workspace_id)).zone
        today = self._deps.clock.now().astimezone(zone).date()
        is_admin = await self.deeds.is_admin(workspace_id, user_id)
        return overview_modal.plan_form(await self._owners(workspace_id), today, shown_in, is_admin=is_admin)

    async def settings_form(self, workspace_id: str, user_id: str, shown_in: str) -> block_kit.View:
        """Build the form with the alert settings. Raises Refused for everyone but admins."""
        await self.deeds.require_admin(workspace_id, user_id)
        return incident_settings_form.settings_form(await self._deps.desk.alerting(workspace_id), shown_in)

    async def channel_form(self, workspace_id: str, user_id: str, shown_in: str) -> block_kit.View:
        """Build the form that sets one owner's channel. Raises Refused for everyone but admins."""
        await self.deeds.require_admin(workspace_id, user_id)
        alerting = await self._deps.desk.alerting(workspace_id)
        return incident_settings_form.channel_form(alerting, await self._owners(workspace_id), shown_in)

    async def save_plan(self, workspace_id: str, user_id: str, values: dict[str, Any]) -> None:
        """Save submitted planned work. Raises Wrong."""
        is_admin = await self._deps.admitting.is_admin(workspace_id, user_id, fresh=True)
        zone = (await self._deps.desk.alerting(workspace_id)).zone
        said = overview_modal.parse_plan_form(values, self._deps.clock.now(), zone, is_admin=is_admin)
        await self._deps.desk.plan(
            workspace_id, said.subject, who=user_id, reason=said.reason, start=said.start, until=said.until
        )

    async def save_settings(self, workspace_id: str, user_id: str, values: dict[str, Any]) -> None:
        """Save submitted alert settings. Raises Wrong, and Refused for everyone but admins."""
        await self.deeds.require_admin(workspace_id, user_id, fresh=True)
        before = await self._deps.desk.alerting(workspace_id)
        await self._deps.desk.choose(workspace_id, incident_settings_form.parse_settings_form(values, before))

    async def save_channel(self, workspace_id: str, user_id: str, values: dict[str, Any]) -> None:
        """Save the channel of one owner. Raises Refused for everyone but admins."""
        await self.deeds.require_admin(workspace_id, user_id, fresh=True)
        before = await self._deps.desk.alerting(workspace_id)
        await self._deps.desk.choose(workspace_id, incident_settings_form.parse_channel_form(values, before))

    async def save_direct(self, workspace_id: str, user_id: str, values: dict[str, Any]) -> None:
        """Save whether the user wants direct messages."""
        await self._deps.desk.want_direct(workspace_id, user_id, overview_modal.wants_direct(values))

    async def withdraw_expectation(self, workspace_id: str, user_id: str, number: str) -> None:
        """Withdraw an expectation.

        One without end and without an amount needs an admin, unless it is the user's own.
        """
        rows = {str(row.id): row for row in await self._deps.desk.expected(workspace_id)}
        row = rows.get(number)
        if row is not None and row.until is None and row.below_nano_usd is None and row.who != user_id:
            await self.deeds.require_admin(workspace_id, user_id, fresh=True)
        try:
            await self._deps.desk.take_back(workspace_id, int(number) if number.isdigit() else 0)
        except IncidentNotFoundError as error:
            raise UserFacingError(str(error)) from None

    async def send_again(self, workspace_id: str, user_id: str, number: str) -> None:
        """Requeue one undelivered message or all of them. Raises Refused for everyone but admins."""
        await self.deeds.require_admin(workspace_id, user_id, fresh=True)
        chosen = [int(number)] if number.isdecimal() and len(number) < 16 else None if number == ALL else []
        await self._deps.undelivered.send_again(workspace_id, chosen)
        self._deps.deliver_soon()

    async def _owners(self, workspace_id: str) -> list[Owner]:
        """Return the owners of all keys, the biggest spenders of this month first; `unattributed` is left out."""
        spent: dict[Owner, int] = {}
        for key in await self._deps.owning.keys(workspace_id):
            if key.owner.kind != "unattributed":
                spent[key.owner] = spent.get(key.owner, 0) + key.spent_nano_usd
        return sorted(spent, key=lambda owner: -spent[owner])


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the subcommand, the buttons of the overview, and its forms."""
    face = AlertsOverview(deps)

    @app.command(COMMAND, matchers=[subcommand_matcher(SUBCOMMAND)])
    async def by_command(
        ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(command["user_id"])
        await face.deeds.require_member(workspace_id, user_id)
        await client.views_open(trigger_id=command["trigger_id"], view=await face.modal(workspace_id, user_id))

    @app.action(Action.OPEN)
    async def by_button(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await face.deeds.require_member(workspace_id, user_id)
        await client.views_open(trigger_id=body["trigger_id"], view=await face.modal(workspace_id, user_id))

    @app.action(Action.TAKE_BACK)
    async def take_back(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await face.deeds.require_member(workspace_id, user_id)
        await face.withdraw_expectation(workspace_id, user_id, str(action.get("value") or ""))
        await client.views_update(view_id=body["view"]["id"], view=await face.modal(workspace_id, user_id))

    for action_id in (Action.SEND_AGAIN, Action.SEND_ALL_AGAIN):
        _bind_resend(app, face, action_id)
    _bind_form(app, face, Action.PLAN, face.plan_form)
    _bind_form(app, face, Action.SETTINGS, face.settings_form)
    _bind_form(app, face, Action.CHANNEL, face.channel_form)
    _bind_submission(app, face, View.OVERVIEW, face.save_direct)
    _bind_submission(app, face, View.PLAN, face.save_plan)
    _bind_submission(app, face, View.SETTINGS, face.save_settings)
    _bind_submission(app, face, View.CHANNEL, face.save_channel)


def _bind_resend(app: AsyncApp, face: AlertsOverview, action_id: str) -> None:
    @app.action(action_id)
    async def pressed(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await face.send_again(workspace_id, user_id, str(action.get("value") or ""))
        await client.views_update(view_id=body["view"]["id"], view=await face.modal(workspace_id, user_id))


def _bind_form(app: AsyncApp, face: AlertsOverview, action_id: str, form: Form) -> None:
    @app.action(action_id)
    async def opened(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await face.deeds.require_member(workspace_id, user_id)
        view = await form(workspace_id, user_id, str(body["view"]["id"]))
        await client.views_push(trigger_id=body["trigger_id"], view=view)


def _bind_submission(app: AsyncApp, face: AlertsOverview, view_id: str, save: Save) -> None:
    @app.view(view_id)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await face.deeds.require_member(workspace_id, user_id)
        try:
            await save(workspace_id, user_id, view["state"]["values"])
        except InvalidInputError as error:
            await ack(response_action="errors", errors={error.field: str(error)})
            return
        await ack()
        shown_in = json.loads(view.get("private_metadata") or "{}").get("shown_in")
        if shown_in:
            await client.views_update(view_id=shown_in, view=await face.modal(workspace_id, user_id))
