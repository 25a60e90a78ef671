"""Per-workspace senders: each message goes out with the token of its own workspace, never with another's.

The channel of the settings belongs to the only workspace, or to the one of the settings' token. With several workspaces
its owner is unknown, and no workspace's figures may land in another's channel.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import Clock
from outlay.delivery.worker import UndeliverableError
from outlay.incidents.service import IncidentService
from outlay.outbox import OutboxMessage
from outlay.slack.chart_images.upload import ChartUploader
from outlay.slack.client import TokenOf
from outlay.slack.connections.notice_sender import NoticeSender
from outlay.slack.digest_and_budget_sender import KINDS as LETTERS
from outlay.slack.digest_and_budget_sender import DigestAndBudgetSender
from outlay.slack.incidents.delivery import KINDS as ALERTS
from outlay.slack.incidents.delivery import IncidentSender
from outlay.slack.message_poster import Poster
from outlay.slack.protocols import ConnectionsProtocol, DigestsProtocol

MAX_VOICES = 500  # cached; building one takes microseconds
ChannelOf = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class SenderSet:
    """Senders of one workspace, valid while its token and channel (`sign`) stay the same."""

    token_and_channel: tuple[str, str | None]
    notices: NoticeSender
    alerts: IncidentSender
    letters: DigestAndBudgetSender


class WorkspaceSenders:
    """Senders of all workspaces. `channel_of` returns the settings' channel for the workspace that it belongs to."""

    def __init__(
        self,
        token_of: TokenOf,
        client_for: Callable[[str], AsyncWebClient],
        channel_of: ChannelOf,
        *,
        connecting: ConnectionsProtocol,
        desk: IncidentService,
        digests: DigestsProtocol,
        pictures: ChartUploader,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._token_of = token_of
        self._client_for = client_for
        self._channel_of = channel_of
        self._connecting = connecting
        self._desk = desk
        self._digests = digests
        self._pictures = pictures
        self._clock = clock
        self._log = log
        self._known: OrderedDict[str, SenderSet] = OrderedDict()

    async def deliver(self, message: OutboxMessage) -> None:
        """Deliver a message in its workspace.

        Raises Undeliverable if the app is not installed there, and whatever the feature's sender raises.
        """
        voice = await self.for_workspace(message.workspace_id)
        if message.kind in LETTERS:
            await voice.letters.deliver(message)
        else:
            await (voice.alerts if message.kind in ALERTS else voice.notices).deliver(message)

    async def look_up(self, workspace_id: str, email: str) -> tuple[str, str] | None:
        """Find the Slack user with this e-mail address in the workspace."""
        return await (await self.for_workspace(workspace_id)).notices.user_by_email(workspace_id, email)

    async def for_workspace(self, workspace_id: str) -> SenderSet:
        """Return the senders of a workspace. Raises Undeliverable if the app is not installed there."""
        token = await self._token_of(workspace_id)
        if token is None:
            self._known.pop(workspace_id, None)
            raise UndeliverableError(f"Outlay is not installed in workspace {workspace_id} any more")
        sign = (token, await self._channel_of(workspace_id))
        known = self._known.get(workspace_id)
        if known is None or known.token_and_channel != sign:
            known = self._known[workspace_id] = self._made(sign)
        self._known.move_to_end(workspace_id)
        while len(self._known) > MAX_VOICES:
            self._known.popitem(last=False)
        return known

    def _made(self, sign: tuple[str, str | None]) -> SenderSet:
        client, channel = self._client_for(sign[0]), sign[1]
        poster = Poster(self._clock, self._log)
        notices = NoticeSender(client, self._connecting, poster, self._clock, alert_channel=channel)
        alerts = IncidentSender(client, self._desk, poster, self._clock, notices.fallback_channel)
        letters = DigestAndBudgetSender(
            client, self._digests, poster, self._clock, notices.fallback_channel, self._pictures
        )
        return SenderSet(sign, notices, alerts, letters)
