"""Publishing of the Home tab: when a user opens it, and when an action of theirs changes it.

Access is checked each time. A workspace that does not support the newest table gets an older one.
"""

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.incidents.state_machine import ALIVE
from outlay.slack import block_kit
from outlay.slack.deps import Deps
from outlay.slack.home import blocks
from outlay.slack.message_poster import REFUSALS, BlocksRefusedError, RenderedMessage, Send
from outlay.slack.tasks import TooManyTasksError

INVALID_VIEW = "invalid_arguments"  # Slack's error for a view with an unsupported block


async def publish_home(deps: Deps, client: AsyncWebClient, workspace_id: str, user_id: str) -> None:
    """Publish the user's Home tab in its current state. Raises SlackApiError."""
    message = await _tab(deps, workspace_id, user_id)
    await deps.poster.post(workspace_id, message, _to_home(client, user_id))


def publish_home_soon(deps: Deps, client: AsyncWebClient, workspace_id: str, user_id: str) -> None:
    """Publish the Home tab in the background.

    If too many tasks are running it is skipped, and drawn when the user opens it.
    """
    try:
        deps.tasks.start(publish_home(deps, client, workspace_id, user_id), "draw the Home tab again", awaited=False)
    except TooManyTasksError:
        deps.log.info("too much is under way to draw a Home tab again; it is drawn when it is opened")


async def _tab(deps: Deps, workspace_id: str, user_id: str) -> RenderedMessage:
    if await deps.admitting.is_guest(workspace_id, user_id):
        return blocks.guest()
    is_admin = await deps.admitting.is_admin(workspace_id, user_id)
    recent = await deps.desk.recent(workspace_id, subject="" if is_admin else user_id)
    alive = [view for view in recent if view.state in ALIVE]
    mine = await deps.homes.mine(workspace_id, user_id)
    care = await deps.homes.admin_summary(workspace_id) if is_admin else None
    return blocks.home_message(mine, alive, deps.clock.now(), care)


def _to_home(client: AsyncWebClient, user_id: str) -> Send[None]:
    async def send(text: str, found: list[block_kit.Block]) -> None:
        view = {"type": "home", "blocks": found or [block_kit.section(text)]}
        try:
            await client.views_publish(user_id=user_id, view=view)
        except SlackApiError as error:
            code = str(error.response.get("error"))
            if code in (*REFUSALS, INVALID_VIEW):
                raise BlocksRefusedError(code) from None
            raise

    return send
