"""Message posting with fallback: each message is sent in the richest form that the workspace accepts.

Slack rolls its newer blocks out unevenly: where they are not known yet, it answers `invalid_blocks`. So a message comes
in several renderings of the same figures, rich to plain, and `post` tries one after the other. A form that a workspace
refused, while it took a later one, is skipped for a day, so that its people do not wait for the refusal each time.
"""

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import Clock
from outlay.core.errors import OutlayError
from outlay.slack import block_kit

REMEMBERED_SECONDS = 24 * 3600.0
WORKSPACES_MAX = 1_000
WAIT_SECONDS = 30.0  # if Slack sends no Retry-After
REFUSALS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
_CODE = re.compile(r"[a-z_]{2,60}")

T = TypeVar("T")
Respond = Callable[..., Awaitable[Any]]


class BlocksRefusedError(OutlayError):
    """Error: Slack does not accept these blocks; the text is its code."""


class NotDeliveredError(OutlayError):
    """Error: Slack did not accept the message at all; the text is its code."""


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """Message in several forms, from rich to plain.

    `text` is what notifications and screen readers get, so it holds the finding itself.
    """

    text: str
    forms: tuple[tuple[str, list[block_kit.Block]], ...]


def plain_message(text: str, blocks: list[block_kit.Block]) -> RenderedMessage:
    """Build a message of blocks that every workspace knows."""
    return RenderedMessage(text, (("plain", blocks),))


Send = Callable[[str, list[block_kit.Block]], Awaitable[T]]


class Poster:
    """Poster that remembers which workspace refuses which form."""

    def __init__(self, clock: Clock, log: logging.Logger) -> None:
        self._clock = clock
        self._log = log
        self._refused: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def post(self, workspace_id: str, message: RenderedMessage, send: Send[T]) -> T:
        """Send the first form that the workspace accepts, in the end the text alone; return what `send` returned."""
        return (await self.post_returning_blocks(workspace_id, message, send))[1]

    async def post_returning_blocks(
        self, workspace_id: str, message: RenderedMessage, send: Send[T]
    ) -> tuple[list[block_kit.Block], T]:
        """Send like `post`; return the accepted blocks too ([] for the text alone)."""
        refused: list[str] = []
        for form, blocks in message.forms:
            if self._is_refused(workspace_id, form) or not fits(blocks):
                continue
            try:
                sent = await send(message.text, blocks)
            except BlocksRefusedError as error:
                self._log.info("workspace %s does not take the form %s: %s", workspace_id, form, error)
                refused.append(form)
            else:
                self._remember(workspace_id, refused)
                return blocks, sent
        return [], await send(message.text, [])

    def _is_refused(self, workspace_id: str, form: str) -> bool:
        at = self._refused.get((workspace_id, form))
        return at is not None and self._clock.monotonic() - at < REMEMBERED_SECONDS

    def _remember(self, workspace_id: str, forms: list[str]) -> None:
        for form in forms:
            self._refused[workspace_id, form] = self._clock.monotonic()
        while len(self._refused) > WORKSPACES_MAX:
            self._refused.popitem(last=False)


def fits(blocks: list[block_kit.Block]) -> bool:
    """Report whether the blocks stay within Slack's limits for one message."""
    return len(blocks) <= block_kit.MESSAGE_BLOCKS_MAX and block_kit.size(blocks) <= block_kit.MESSAGE_CHARACTERS_MAX


def ephemeral_response(respond: Respond) -> Send[None]:
    """Build a sender whose response only the user of the command or click sees.

    Slack accepts five responses within half an hour.
    """
    return _answering(respond, response_type="ephemeral", replace_original=False)


def in_channel_response(respond: Respond, thread_ts: str = "") -> Send[None]:
    """Build a sender whose response to a click the whole channel sees, in the thread of the clicked message."""
    thread = {"thread_ts": thread_ts} if thread_ts else {}
    return _answering(respond, response_type="in_channel", replace_original=False, **thread)


def replace_original(respond: Respond) -> Send[None]:
    """Build a sender that replaces the message in which a button was pressed."""
    return _answering(respond, response_type="ephemeral", replace_original=True)


def _answering(respond: Respond, **how: Any) -> Send[None]:
    async def send(text: str, blocks: list[block_kit.Block]) -> None:
        reply = await respond(text=text, blocks=blocks or None, **how)
        code = _refusal(reply.status_code, reply.body)
        if code in REFUSALS:
            raise BlocksRefusedError(code)
        if code:
            raise NotDeliveredError(code)

    return send


def ephemeral_post(client: AsyncWebClient, channel: str, user_id: str, thread_ts: str = "") -> Send[None]:
    """Build a sender of ephemeral messages to one user in a channel.

    `thread_ts` has to be an existing thread: in a new one Slack shows nothing.
    """

    async def send(text: str, blocks: list[block_kit.Block]) -> None:
        try:
            await client.chat_postEphemeral(
                channel=channel, user=user_id, text=text, blocks=blocks or None, thread_ts=thread_ts or None
            )
        except SlackApiError as error:
            code = str(error.response.get("error"))
            if code in REFUSALS:
                raise BlocksRefusedError(code) from None
            raise NotDeliveredError(code) from None

    return send


def retry_after_seconds(error: SlackApiError) -> float | None:
    """Return how many seconds Slack wants us to wait if this is a rate limit, else None."""
    if error.response.get("error") not in ("ratelimited", "rate_limited"):
        return None
    headers: Mapping[str, Any] = getattr(error.response, "headers", None) or {}
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    text = str(said[0] if isinstance(said, list) and said else said)
    return float(text) if text.isdigit() else WAIT_SECONDS


def channel_post(
    client: AsyncWebClient, channel: str, metadata: Mapping[str, Any] | None = None
) -> Send[tuple[str, str]]:
    """Build a sender that posts to a channel and returns (channel, ts).

    Blocks that are refused raise BlocksRefusedError; every other failure is raised unchanged.
    """

    async def send(text: str, blocks: list[block_kit.Block]) -> tuple[str, str]:
        try:
            reply = await client.chat_postMessage(
                channel=channel, text=text, blocks=blocks or None, metadata=dict(metadata) if metadata else None
            )
        except SlackApiError as error:
            code = str(error.response.get("error"))
            if code in REFUSALS:
                raise BlocksRefusedError(code) from None
            raise
        return str(reply["channel"]), str(reply["ts"])

    return send


async def open_direct_channel(client: AsyncWebClient, user_id: str) -> str:
    """Open the direct-message channel with a user and return its id."""
    reply = await client.conversations_open(users=[user_id])
    return str(reply["channel"]["id"])


def _refusal(status: int, body: str) -> str:
    """Return Slack's code for a refused response, or "" if it was accepted.

    The body itself stays out of logs and errors.
    """
    code = body.strip()
    if code.startswith("{"):
        try:
            parsed = json.loads(code)
        except ValueError:
            parsed = {}
        code = "ok" if parsed.get("ok") is True else str(parsed.get("error", "unreadable"))
    if status == 200 and code in ("ok", ""):
        return ""
    return code if _CODE.fullmatch(code) else f"http_{status}"
