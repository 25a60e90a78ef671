"""Slack listener that publishes the Home tab whenever a user opens it."""

from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from outlay.slack.deps import Deps
from outlay.slack.home.ids import Event
from outlay.slack.home.publish import publish_home


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the listener of the event."""

    @app.event(Event.OPENED)
    async def opened(event: dict[str, Any], context: AsyncBoltContext, client: AsyncWebClient) -> None:
        if event.get("tab", "home") == "home":
            await publish_home(deps, client, context.team_id or "", str(event["user"]))
