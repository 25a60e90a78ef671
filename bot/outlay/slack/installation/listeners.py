"""Slack listeners for the removal of the app: it is logged and passed on to the rest of the program."""

from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext

from outlay.slack.deps import Deps
from outlay.slack.installation.ids import Event


def register(app: AsyncApp, deps: Deps) -> None:
    """Register the listeners of both events."""

    @app.event(Event.UNINSTALLED)
    async def uninstalled(context: AsyncBoltContext) -> None:
        await _removed(context.team_id or "", True)

    @app.event(Event.REVOKED)
    async def revoked(event: dict[str, Any], context: AsyncBoltContext) -> None:
        if (event.get("tokens") or {}).get("bot"):
            await _removed(context.team_id or "", False)

    async def _removed(workspace_id: str, uninstalled: bool) -> None:
        deps.log.warning("workspace %s has removed Outlay", workspace_id)
        if deps.removed:
            await deps.removed(workspace_id, uninstalled)
