"""Slack listeners of digests: `/spend digest` sets them up, `/spend digest now` shows the newest at once."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.calendar_periods import PERIODS, Period, last_span
from outlay.slack.deps import Deps
from outlay.slack.digests import blocks, form
from outlay.slack.digests.ids import Action, View
from outlay.slack.errors import PermissionRefusedError, UserFacingError
from outlay.slack.home.publish import publish_home_soon
from outlay.slack.message_poster import ephemeral_response
from outlay.slack.spend.blocks import FOR_MEMBERS
from outlay.slack.spend.command_text import COMMAND, subcommand_matcher, unescape_text

SUBCOMMAND = "digest"
_MOVED_ON = ("hash_conflict", "not_found")
FOR_ADMINS = "Where digests go is for workspace admins and owners to say."
_HELP = "`/spend digest` sets digests up; `/spend digest now`, `/spend digest now week` or `… month` shows the newest."


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the subcommand, the form and the buttons."""

    @app.command(COMMAND, matchers=[subcommand_matcher(SUBCOMMAND)])
    async def by_command(
        ack: AsyncAck,
        command: dict[str, Any],
        context: AsyncBoltContext,
        client: AsyncWebClient,
        respond: AsyncRespond,
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(command["user_id"])
        await _admit(deps, workspace_id, user_id)
        asked = unescape_text(str(command.get("text") or "")).lower().split()[1:]
        if not asked:
            await show_form(client, str(command["trigger_id"]), workspace_id, user_id)
            return
        digest = await deps.digests.last(workspace_id, _period(asked))
        said = blocks.message(digest, deps.clock.now(), post_to=str(command.get("channel_id") or ""))
        await deps.poster.post(workspace_id, said, ephemeral_response(respond))

    @app.action(Action.OPEN)
    async def by_button(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await _admit(deps, workspace_id, user_id)
        await show_form(client, str(body["trigger_id"]), workspace_id, user_id)

    async def show_form(client: AsyncWebClient, trigger_id: str, workspace_id: str, user_id: str) -> None:
        """Open the form at once, since a trigger id expires after three seconds.

        The preview, which queries the books, is added afterwards.
        """
        plan = await deps.digests.plan(workspace_id)
        is_admin = await deps.admitting.is_admin(workspace_id, user_id)
        opened = await client.views_open(trigger_id=trigger_id, view=form.view(plan, None, user_id, is_admin=is_admin))
        preview = await deps.digests.last(workspace_id, plan.periods[0] if plan.periods else "day")
        try:
            await client.views_update(
                view_id=str(opened["view"]["id"]),
                hash=str(opened["view"]["hash"]),
                view=form.view(plan, preview, user_id, is_admin=is_admin),
            )
        except SlackApiError as error:
            if error.response.get("error") not in _MOVED_ON:
                raise
            deps.log.info("the form of digests is closed or submitted already, so it gets no preview")

    @app.view(View.FORM)
    async def submitted(
        ack: AsyncAck, body: dict[str, Any], view: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient
    ) -> None:
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await _admit(deps, workspace_id, user_id)
        plan, own, errors = form.parse_form(view["state"]["values"], await deps.digests.plan(workspace_id))
        if plan is not None and not await deps.admitting.is_admin(workspace_id, user_id, fresh=True):
            raise PermissionRefusedError(FOR_ADMINS)
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        if plan is not None:
            await deps.digests.choose(workspace_id, plan, by=user_id)
        await deps.digests.want(workspace_id, user_id, own)
        await ack(response_action="update", view=form.saved(await deps.digests.plan(workspace_id), user_id))
        publish_home_soon(deps, client, workspace_id, user_id)

    @app.action(Action.POST)
    async def post(
        ack: AsyncAck, body: dict[str, Any], action: dict[str, Any], context: AsyncBoltContext, respond: AsyncRespond
    ) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(body["user"]["id"])
        await _admit(deps, workspace_id, user_id)
        channel = str((body.get("channel") or {}).get("id") or "")
        if not channel.startswith(("C", "G")):
            raise UserFacingError("That works in a channel.")
        once = str((body.get("container") or {}).get("message_ts") or action.get("action_ts"))
        name, _, end = str(action.get("value")).partition(" ")
        period = _period(["now", name])
        today = deps.clock.now().astimezone((await deps.digests.plan(workspace_id)).zone).date()
        if end != last_span(period, today)[1].isoformat():
            raise UserFacingError("A newer digest is there by now. `/spend digest now` shows it, and can post it.")
        await deps.digests.post(workspace_id, channel, period, once=once, by=user_id)
        deps.deliver_soon()
        await respond(
            text=f"<@{user_id}>, the digest is on its way to <#{channel}>.",
            response_type="ephemeral",
            replace_original=False,
        )


async def _admit(deps: Deps, workspace_id: str, user_id: str) -> None:
    if await deps.admitting.is_guest(workspace_id, user_id):
        raise PermissionRefusedError(FOR_MEMBERS)


def _period(asked: list[str]) -> Period:
    """Parse `now` or `now week` into a period; a day if none is named. Raises Told."""
    names: dict[str, Period] = {"daily": "day", "weekly": "week", "monthly": "month", **{one: one for one in PERIODS}}
    if asked[0] != "now" or len(asked) > 2 or (len(asked) == 2 and asked[1] not in names):
        raise UserFacingError(_HELP)
    return names[asked[1]] if len(asked) == 2 else "day"
