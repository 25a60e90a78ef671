"""The Home tab is drawn whenever somebody opens it."""

from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.deps import Deps
from bot.slack.home.drawing import draw
from bot.slack.home.ids import Event


def register(app: AsyncApp, deps: Deps) -> None:
    """Binds the event."""

    @app.event(Event.OPENED)
    async def opened(event: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        if event.get("tab", "home") == "home":
            await draw(deps, client, context.team_id or "", str(event["user"]))
