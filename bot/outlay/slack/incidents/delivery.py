"""Delivery of incident messages: posted once, then edited in place, and found again if a post's outcome is unknown.

A post whose outcome is unknown (the process died, the answer was lost) is looked for by its metadata, if the optional
history scope was granted. Without it the message is posted again, and from then on the newest one is edited.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import Clock
from outlay.delivery.worker import UndeliverableError
from outlay.incidents.alert_settings import AlertSettings
from outlay.incidents.service import IncidentNotFoundError, IncidentService, IncidentView
from outlay.incidents.store import DIRECT, SHOW, THREAD
from outlay.outbox import OutboxMessage
from outlay.plugin.errors import RateLimited
from outlay.slack import message_poster
from outlay.slack.incidents import blocks
from outlay.slack.incidents.ids import METADATA, REPLY_METADATA
from outlay.slack.message_poster import Poster

KINDS = (SHOW, THREAD, DIRECT)
CLOCK_SKEW_SECONDS = 300  # the greatest assumed difference between Slack's clock and ours
HISTORY_MESSAGES = 200  # messages searched for one of our own
_CLOSED = frozenset({"channel_not_found", "not_in_channel", "is_archived", "user_not_found", "user_disabled",
                     "cannot_dm_bot", "restricted_action", "missing_scope"})  # fmt: skip
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", *_CLOSED})
log = logging.getLogger("outlay.alerts")

FallbackChannel = Callable[[], Awaitable[str]]


class IncidentSender:
    """Deliverer of incidents to Slack. `somewhere` returns the channel to use if none was configured."""

    def __init__(
        self, client: AsyncWebClient, desk: IncidentService, poster: Poster, clock: Clock, somewhere: FallbackChannel
    ) -> None:
        self._client = client
        self._desk = desk
        self._poster = poster
        self._clock = clock
        self._somewhere = somewhere

    async def deliver(self, message: OutboxMessage) -> None:
        """Post or edit an incident's message, reply in its thread, or send its owner a direct message.

        Raises Undeliverable, RateLimited and SlackApiError.
        """
        try:
            view = await self._desk.incident(message.workspace_id, int(message.payload["incident"]))
        except IncidentNotFoundError as error:
            raise UndeliverableError(str(error)) from None
        try:
            if message.kind == DIRECT:
                await self._direct(message, view)
            elif message.kind == THREAD:
                await self._reply(message, view)
            else:
                await self._show(message, view)
        except SlackApiError as error:
            if (wait := _wait_seconds(error)) is not None:
                raise RateLimited(self._clock.now() + timedelta(seconds=wait), "Slack asks to wait") from None
            raise

    async def _show(self, message: OutboxMessage, view: IncidentView) -> None:
        alerting = await self._desk.alerting(message.workspace_id)
        if view.ts and await self._edit(view, alerting):
            return
        refused: list[tuple[str, str]] = []
        async for channel in self._channels(view, alerting):
            if self._may_be_there(message, view) and (ts := await self._find_own_message(channel, view)):
                await self._desk.place(message.workspace_id, view.number, channel, ts)
                if await self._edit(await self._desk.incident(message.workspace_id, view.number), alerting):
                    return
            try:
                place = await self._post(message.workspace_id, channel, view, alerting, _note(refused))
            except SlackApiError as error:
                if (code := str(error.response.get("error"))) not in _CLOSED:
                    raise
                log.warning("an alert does not reach its channel", extra={"channel": channel, "why": code})
                refused.append((channel, code))
            else:
                await self._desk.place(message.workspace_id, view.number, *place)
                return
        raise UndeliverableError(f"Slack takes it nowhere: {', '.join(f'{where} {code}' for where, code in refused)}")

    async def _channels(self, view: IncidentView, alerting: AlertSettings) -> AsyncIterator[str]:
        """Yield the channels to try in order: the team's own, the workspace's, then the fallback."""
        of_team = {alerting.team_channels.get(member.subject, "") for member in view.members or (view,)}
        wanted = [of_team.pop() if len(of_team) == 1 else "", alerting.channel]
        for channel in dict.fromkeys(wanted):
            if channel:
                yield channel
        yield await self._somewhere()  # last, since it may have to search for an admin

    async def _post(
        self, workspace_id: str, channel: str, view: IncidentView, alerting: AlertSettings, note: str
    ) -> tuple[str, str]:
        said = blocks.message(view, self._clock.now(), direct=alerting.direct, note=note)
        metadata = {"event_type": METADATA, "event_payload": {"incident": view.number}}
        return await self._poster.post(workspace_id, said, message_poster.channel_post(self._client, channel, metadata))

    async def _edit(self, view: IncidentView, alerting: AlertSettings) -> bool:
        """Update the posted message; return False if it no longer exists or cannot be edited."""
        said = blocks.message(view, self._clock.now(), direct=alerting.direct)
        try:
            await self._client.chat_update(channel=view.channel, ts=view.ts, text=said.text, blocks=said.forms[0][1])
        except SlackApiError as error:
            if error.response.get("error") not in _GONE:
                raise
            return False
        return True

    async def _reply(self, message: OutboxMessage, view: IncidentView) -> None:
        if not view.ts:
            return  # its parent message was never posted; that will show this change too
        if message.attempts > 1 and await self._was_replied(message.key, view):
            return
        alerting = await self._desk.alerting(message.workspace_id)
        payload = message.payload
        spent = payload.get("nano_usd")
        said = blocks.reply(
            view, str(payload["what"]), None if spent is None else int(spent), self._clock.now(), alerting.direct
        )
        try:
            await self._client.chat_postMessage(
                channel=view.channel,
                thread_ts=view.ts,
                reply_broadcast=bool(payload.get("aloud")),
                text=said.text,
                blocks=said.forms[0][1],
                metadata={"event_type": REPLY_METADATA, "event_payload": {"key": message.key}},
            )
        except SlackApiError as error:
            if (code := str(error.response.get("error"))) in _GONE:
                raise UndeliverableError(f"Slack takes no reply there: {code}") from None
            raise

    async def _was_replied(self, key: str, view: IncidentView) -> bool:
        """Report whether an earlier attempt with an unknown outcome has already posted this reply."""
        try:
            reply = await self._client.conversations_replies(
                channel=view.channel, ts=view.ts, limit=HISTORY_MESSAGES, include_all_metadata=True
            )
        except SlackApiError as error:
            if str(error.response.get("error")) in _GONE:
                return False
            raise
        found: list[dict[str, Any]] = reply["messages"]
        return any(((one.get("metadata") or {}).get("event_payload") or {}).get("key") == key for one in found)

    async def _direct(self, message: OutboxMessage, view: IncidentView) -> None:
        """Send the owner a direct message with a link to the incident's message."""
        try:
            channel = await message_poster.open_direct_channel(self._client, str(message.payload["to"]))
            if message.attempts > 1 and await self._find_own_message(channel, view):
                return
            said = blocks.direct_message(view, await self._address(view), self._clock.now())
            metadata = {"event_type": METADATA, "event_payload": {"incident": view.number}}
            await self._poster.post(
                message.workspace_id, said, message_poster.channel_post(self._client, channel, metadata)
            )
        except SlackApiError as error:
            if (code := str(error.response.get("error"))) in _CLOSED:
                raise UndeliverableError(f"Slack does not deliver to {message.payload['to']}: {code}") from None
            raise

    async def _address(self, view: IncidentView) -> str:
        """Return the permalink of the incident's message; "" if it is gone."""
        try:
            reply = await self._client.chat_getPermalink(channel=view.channel, message_ts=view.ts)
        except SlackApiError as error:
            if error.response.get("error") in _GONE:
                return ""
            raise
        return str(reply["permalink"])

    def _may_be_there(self, message: OutboxMessage, view: IncidentView) -> bool:
        """Report whether an earlier attempt may have posted the message.

        More than one change counts too: a newer request to show the incident may have replaced the one that posted it.
        """
        return message.attempts > 1 or len(view.changes) > 1

    async def _find_own_message(self, channel: str, view: IncidentView) -> str:
        """Return the timestamp of our newest message about the incident in a channel.

        "" if there is none, or if Outlay may not read the channel's history.
        """
        try:
            reply = await self._client.conversations_history(
                channel=channel,
                oldest=str(view.opened_at.timestamp() - CLOCK_SKEW_SECONDS),
                limit=HISTORY_MESSAGES,
                include_all_metadata=True,
            )
        except SlackApiError as error:
            if str(error.response.get("error")) in _CLOSED:
                return ""
            raise
        messages: list[dict[str, Any]] = reply["messages"]
        ours = [found for found in messages if _is_about(found, view.number)]
        return max((str(found["ts"]) for found in ours), key=float, default="")


def _is_about(found: dict[str, Any], number: int) -> bool:
    metadata = found.get("metadata") or {}
    return metadata.get("event_type") == METADATA and (metadata.get("event_payload") or {}).get("incident") == number


def _note(refused: list[tuple[str, str]]) -> str:
    if not refused:
        return ""
    channel, code = refused[0]
    return f"This belongs in <#{channel}>, but Slack says {code}: invite Outlay there with `/invite`."


def _wait_seconds(error: SlackApiError) -> int | None:
    """Return how many seconds Slack asks to wait (HTTP 429); None for any other error."""
    if error.response.status_code != 429:
        return None
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    found = str(headers.get("retry-after", "1"))
    return int(found) if found.isdigit() else 1
