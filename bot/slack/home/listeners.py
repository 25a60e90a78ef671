"""The Home tab is drawn whenever somebody opens it."""

from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.incidents import ALIVE
from bot.slack import kit
from bot.slack.deps import Deps
from bot.slack.home import blocks
from bot.slack.home.ids import Event


def register(app: AsyncApp, deps: Deps) -> None:
    """Binds the event."""

    @app.event(Event.OPENED)
    async def opened(event: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        if event.get("tab", "home") == "home":
            view = await _view(context.team_id or "", str(event["user"]))
            await client.views_publish(user_id=str(event["user"]), view=view)

    async def _view(workspace_id: str, user_id: str) -> kit.View:
        if await deps.admitting.is_guest(workspace_id, user_id):
            return blocks.guest_view()
        is_admin = await deps.admitting.is_admin(workspace_id, user_id)
        recent = await deps.desk.recent(workspace_id, subject="" if is_admin else user_id)
        alive = [view for view in recent if view.state in ALIVE]
        connections = await deps.connecting.connections(workspace_id)
        return blocks.home_view(connections, alive, deps.clock.now(), is_admin=is_admin)
