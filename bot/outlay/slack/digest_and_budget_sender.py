"""Delivery of digests and budget notices from the outbox to Slack. Their texts are in the `blocks` of each feature.

If a channel does not accept a digest (archived, or the bot is not a member), the person who chose the channel gets a
direct message, at most once a week; the digest is given up, and `outlay deliveries` can send it again. A budget notice
then goes to the alert channel instead and says so. Before a message whose outcome is unknown is sent again, the
channel's history is searched for it, where that is allowed.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.budgets import service as budget_service
from outlay.core.clock import Clock
from outlay.delivery.worker import UndeliverableError
from outlay.digests import service as digest_service
from outlay.outbox import OutboxMessage
from outlay.plugin.errors import RateLimited
from outlay.slack import block_kit, message_poster
from outlay.slack.budgets import blocks as budget_blocks
from outlay.slack.chart_images.upload import ChartUploader
from outlay.slack.digests import blocks as digest_blocks
from outlay.slack.message_poster import Poster
from outlay.slack.protocols import DigestsProtocol

KINDS = (digest_service.KIND, budget_service.KIND)
UNREACHABLE_REASONS = {
    "channel_not_found": "Outlay is not in it, or it is gone; invite it with `/invite`",
    "not_in_channel": "Outlay is not in it; invite it with `/invite`",
    "is_archived": "it is archived",
    "restricted_action": "only some people may post there",
    "user_not_found": "there is no such person",
    "user_disabled": "that person has left",
    "cannot_dm_bot": "that is a bot",
}
HISTORY_UNREADABLE = frozenset({*UNREACHABLE_REASONS, "missing_scope"})
HISTORY_MESSAGES = 100
RENOTIFY_SECONDS = 7 * 24 * 3600.0
TOLD_MAX = 1_000
log = logging.getLogger("outlay.digests")


class DigestAndBudgetSender:
    """Sender of digests and budget notices.

    `somewhere` returns the channel to use where none was chosen; `pictures` adds what cannot be a block.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        digests: DigestsProtocol,
        poster: Poster,
        clock: Clock,
        somewhere: Callable[[], Awaitable[str]],
        pictures: ChartUploader | None = None,
    ) -> None:
        self._client = client
        self._digests = digests
        self._poster = poster
        self._clock = clock
        self._somewhere = somewhere
        self._pictures = pictures
        self._dimension_value: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def deliver(self, message: OutboxMessage) -> None:
        """Post one message. Raises Undeliverable, RateLimited, SlackApiError."""
        place = str(message.payload["to"])
        said = await self._said(message, place)
        always = await self._wants_picture(message, place)
        try:
            try:
                taken, where = await self._post(message, said, place or await self._somewhere())
            except SlackApiError as error:
                if not place or message.kind != budget_service.KIND or _code(error) not in UNREACHABLE_REASONS:
                    raise
                note = f"This was to go to <#{place}>, but: {UNREACHABLE_REASONS[_code(error)]}."
                taken, where = await self._post(message, _with_note(said, note), await self._somewhere())
        except SlackApiError as error:
            if (seconds := message_poster.retry_after_seconds(error)) is not None:
                raise RateLimited(self._clock.now() + timedelta(seconds=seconds), "Slack asks us to wait") from None
            if (code := _code(error)) not in UNREACHABLE_REASONS:
                raise
            await self._tell_who_chose(message, place, code)
            raise UndeliverableError(
                f"Slack takes no message in {place}: {code}; {UNREACHABLE_REASONS[code]}"
            ) from None
        if self._pictures is not None and where is not None:
            self._pictures.upload_in_background(self._client, message.workspace_id, said, taken, where, always=always)

    async def _post(
        self, message: OutboxMessage, said: message_poster.RenderedMessage, place: str
    ) -> tuple[list[block_kit.Block], tuple[str, str] | None]:
        """Post; return the accepted blocks and (channel, ts), or [] and None if an earlier attempt has posted it."""
        channel = (
            await message_poster.open_direct_channel(self._client, place) if place.startswith(("U", "W")) else place
        )
        if message.attempts > 1 and await self._was_posted(channel, message.key):
            return [], None
        metadata = {"event_type": f"outlay_{message.kind}", "event_payload": {"key": message.key}}
        send = message_poster.channel_post(self._client, channel, metadata)
        return await self._poster.post_returning_blocks(message.workspace_id, said, send)

    async def _was_posted(self, channel: str, key: str) -> bool:
        """Search the channel for a message that an earlier attempt with unknown outcome posted.

        False where the history may not be read.
        """
        try:
            reply = await self._client.conversations_history(
                channel=channel, limit=HISTORY_MESSAGES, include_all_metadata=True
            )
        except SlackApiError as error:
            if _code(error) in HISTORY_UNREADABLE:
                return False
            raise
        found: list[dict[str, Any]] = reply["messages"]
        return any(((one.get("metadata") or {}).get("event_payload") or {}).get("key") == key for one in found)

    async def _wants_picture(self, message: OutboxMessage, place: str) -> bool:
        """Report whether the chart has to come as a picture too: a setting, for the weekly digest in a channel."""
        if message.kind != digest_service.KIND or message.payload["period"] != "week" or place.startswith(("U", "W")):
            return False
        plan = await self._digests.plan(message.workspace_id)
        return plan.picture

    async def _said(self, message: OutboxMessage, place: str) -> message_poster.RenderedMessage:
        payload = message.payload
        if message.kind == budget_service.KIND:
            return budget_blocks.alert_message(budget_service.standing_from_payload(payload), int(payload["mark"]))
        digest = await self._digests.compose(
            message.workspace_id,
            payload["period"],
            date.fromisoformat(payload["start"]),
            date.fromisoformat(payload["end"]),
            person=place if place.startswith(("U", "W")) else "",
            late=bool(payload["late"]),
        )
        return digest_blocks.message(digest, self._clock.now())

    async def _tell_who_chose(self, message: OutboxMessage, place: str, code: str) -> None:
        """Tell the person who chose the channel by direct message, at most once in TOLD_SECONDS for a channel."""
        who = str(message.payload.get("by") or "")
        if not who or place.startswith(("U", "W")):
            return
        at = self._dimension_value.get((message.workspace_id, place))
        if at is not None and self._clock.monotonic() - at < RENOTIFY_SECONDS:
            return
        try:
            direct = await message_poster.open_direct_channel(self._client, who)
            text = (
                f"A digest does not reach <#{place}>: {UNREACHABLE_REASONS[code]}. "
                "`/spend digest` changes where digests go."
            )
            await self._client.chat_postMessage(channel=direct, text=text)
        except SlackApiError as error:
            log.warning("nobody could be told", extra={"who": who, "why": _code(error)})
            return
        self._dimension_value[message.workspace_id, place] = self._clock.monotonic()
        while len(self._dimension_value) > TOLD_MAX:
            self._dimension_value.popitem(last=False)


def _code(error: SlackApiError) -> str:
    return str(error.response.get("error"))


def _with_note(said: message_poster.RenderedMessage, note: str) -> message_poster.RenderedMessage:
    """Return the message with a line of small print below."""
    forms = tuple((form, [*blocks, block_kit.context(note)]) for form, blocks in said.forms)
    return message_poster.RenderedMessage(f"{said.text} {note}", forms)
