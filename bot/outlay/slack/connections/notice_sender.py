"""Delivery of notices from the outbox to admins. Their text and blocks are in `blocks`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import Clock
from outlay.delivery.worker import UndeliverableError
from outlay.outbox import OutboxMessage
from outlay.plugin.errors import RateLimited
from outlay.slack import message_poster
from outlay.slack.connections import notices as connection_notices
from outlay.slack.message_poster import Poster
from outlay.slack.protocols import ConnectionsProtocol

USERS_LOOKED_AT_MAX = 1_000  # in the search for an admin, if no recipient is known
_NOBODY = frozenset({"channel_not_found", "user_not_found", "user_disabled", "is_archived", "cannot_dm_bot"})


class NoticeSender:
    """Sender of direct messages to admins; if no admin is known, of messages to the alert channel."""

    def __init__(
        self,
        client: AsyncWebClient,
        connecting: ConnectionsProtocol,
        poster: Poster,
        clock: Clock,
        *,
        alert_channel: str | None = None,
    ) -> None:
        self._client = client
        self._connecting = connecting
        self._poster = poster
        self._clock = clock
        self._alert_channel = alert_channel

    async def deliver(self, message: OutboxMessage) -> None:
        """Deliver one notice.

        Raises Undeliverable if it can never arrive, RateLimited if Slack asks to wait.
        """
        said = await self._build_message(message)
        if said is None:
            return  # the problem was fixed or the connection removed meanwhile
        channel = await self._channel(str(message.payload["to"]))
        try:
            await self._poster.post(message.workspace_id, said, message_poster.channel_post(self._client, channel))
        except SlackApiError as error:
            if (seconds := message_poster.retry_after_seconds(error)) is not None:
                raise RateLimited(self._clock.now() + timedelta(seconds=seconds), "Slack asks us to wait") from None
            if (code := str(error.response.get("error"))) in _NOBODY:
                raise UndeliverableError(f"Slack does not deliver to {channel}: {code}") from None
            raise

    async def _build_message(self, message: OutboxMessage) -> message_poster.RenderedMessage | None:
        """Build the content of a notice; None if it no longer applies. Raises Undeliverable for an unknown kind."""
        if message.kind == "audit_failed":
            return connection_notices.audit_failed(list(message.payload["differences"]), int(message.payload["count"]))
        if message.kind == "unpriced_model":
            return connection_notices.unpriced_model(str(message.payload["model"]), str(message.payload["name"]))
        if message.kind != "needs_reauth":
            raise UndeliverableError(f"nobody knows how to say «{message.kind}»")
        wanted = f"con_{message.payload['connection_id']}"
        standing = await self._connecting.connections(message.workspace_id)
        existing = next((one for one in standing if one.id == wanted), None)
        if existing is None or existing.state != "needs_reauth":
            return None
        since = datetime.fromtimestamp(int(message.payload["at"]), UTC)
        return connection_notices.needs_reauth(existing, since, self._clock.now())

    async def user_by_email(self, workspace_id: str, email: str) -> tuple[str, str] | None:
        """Return the id and name of the Slack user with an e-mail address.

        None if there is no such user, or if the optional scope was not granted.
        """
        try:
            reply = await self._client.users_lookupByEmail(email=email)
        except SlackApiError as error:
            if error.response.get("error") in ("users_not_found", "missing_scope"):
                return None
            raise
        user: dict[str, Any] = reply["user"]
        profile = user.get("profile") or {}
        return str(user["id"]), str(profile.get("display_name") or user.get("real_name") or user.get("name") or "")

    async def fallback_channel(self) -> str:
        """Return the channel for messages without a recipient: the alert channel of the settings, else an admin's."""
        return await self._channel("")

    async def _channel(self, person: str) -> str:
        person = person or self._alert_channel or await self._some_admin()
        return (
            person if person.startswith(("C", "G")) else await message_poster.open_direct_channel(self._client, person)
        )

    async def _some_admin(self) -> str:
        """Return the workspace's primary owner, else any admin. Raises Undeliverable if there is none.

        Needed for connections that were made from the command line.
        """
        found, cursor = [], ""
        for _ in range(USERS_LOOKED_AT_MAX // 200):
            reply = await self._client.users_list(limit=200, cursor=cursor)
            users: list[dict[str, Any]] = reply["members"]
            found += [user for user in users if user.get("is_admin") and not user.get("deleted")]
            cursor = (reply.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        if not found:
            raise UndeliverableError("Slack names no admin; set OUTLAY_ADMINS or OUTLAY_ALERT_CHANNEL")
        return str(max(found, key=lambda user: bool(user.get("is_primary_owner")))["id"])
