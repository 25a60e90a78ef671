"""`/spend`: ask the books, show the answer to the asker alone."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond

from bot.slack.deps import Deps
from bot.slack.errors import Refused
from bot.slack.posting import Message, privately
from bot.slack.spend import blocks, help_blocks
from bot.slack.spend.asked import COMMAND, as_typed, first_word


def register(app: AsyncApp, deps: Deps) -> None:
    """Binds the command."""

    @app.command(COMMAND)
    async def spend(ack: AsyncAck, command: dict[str, Any], context: AsyncBoltContext, respond: AsyncRespond) -> None:
        await ack()
        workspace_id, user_id = context.team_id or "", str(command["user_id"])
        if await deps.admitting.is_guest(workspace_id, user_id):
            raise Refused(blocks.FOR_MEMBERS)
        message = await _answer(workspace_id, user_id, str(command.get("text") or ""))
        await deps.poster.post(workspace_id, message, privately(respond))

    async def _answer(workspace_id: str, user_id: str, text: str) -> Message:
        if first_word(text) in ("help", "?"):
            return help_blocks.help_message(is_admin=await deps.admitting.is_admin(workspace_id, user_id))
        answer = await deps.asking.spend(workspace_id, as_typed(text), me=user_id)
        if answer.fresh_until:
            return blocks.answer(answer)
        return blocks.nothing_connected(is_admin=await deps.admitting.is_admin(workspace_id, user_id))
