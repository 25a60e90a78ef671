"""Chart images in message threads, for messages that were posted without their chart block.

The message is what counts, and is posted before any image is rendered. A failure afterwards is logged (a rendering
failure is reported in the thread too) and never withdraws or repeats the message. Nothing waits for an image.
"""

import html
import logging
import re
from collections import OrderedDict

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from outlay.core.clock import Clock
from outlay.slack import block_kit
from outlay.slack.chart_images.renderer import ChartRenderer, RenderFailedError
from outlay.slack.message_poster import RenderedMessage
from outlay.slack.tasks import Tasks, TooManyTasksError

ALT_CHARACTERS_MAX = 1_000
FILE_NAME = "spend.png"
REMEMBERED_SECONDS = 24 * 3600.0
WORKSPACES_MAX = 1_000
NOT_DRAWN = "The picture of this could not be drawn. The figures above are complete."
_NOT_ALLOWED = frozenset({"missing_scope", "not_allowed_token_type", "no_permission", "file_uploads_disabled"})
_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_SOMEBODY = re.compile(r"<[@#][A-Z0-9]+>")


class ChartUploader:
    """Uploader of chart images to messages that are already posted, as background tasks."""

    def __init__(self, painter: ChartRenderer, clock: Clock, log: logging.Logger, tasks: Tasks) -> None:
        self._painter = painter
        self._clock = clock
        self._log = log
        self._tasks = tasks
        self._refused: OrderedDict[str, float] = OrderedDict()

    def upload_in_background(
        self,
        client: AsyncWebClient,
        workspace_id: str,
        message: RenderedMessage,
        taken: list[block_kit.Block],
        where: tuple[str, str],
        *,
        always: bool = False,
    ) -> None:
        """Upload the message's chart to its thread if the workspace took a form without it, or `always`.

        `taken`: the blocks that were accepted; `where`: channel and ts of the message. Returns at once.
        """
        block = chart_of(message)
        if block is None or (not always and any(one["type"] == block["type"] for one in taken)):
            return
        if self._is_refused(workspace_id):
            return
        work = self._add(client, workspace_id, block, readable(message.text), where)
        try:
            self._tasks.start(work, "add a picture", awaited=False)
        except TooManyTasksError:
            self._log.warning("too much is under way to draw a picture; the message stands without it")

    async def _add(
        self, client: AsyncWebClient, workspace_id: str, block: block_kit.Block, finding: str, where: tuple[str, str]
    ) -> None:
        channel, ts = where
        try:
            png = await self._painter.chart_png(block, finding)
        except RenderFailedError as error:
            self._log.warning("a picture could not be drawn: %s", error)
            await self._tell(client, channel, ts)
            return
        try:
            await client.files_upload_v2(
                channel=channel,
                thread_ts=ts,
                file=png,
                filename=FILE_NAME,
                title=str(block["title"]),
                alt_txt=block_kit.cut(finding, ALT_CHARACTERS_MAX),
            )
        except SlackApiError as error:
            code = str(error.response.get("error"))
            if code in _NOT_ALLOWED:
                self._remember(workspace_id)
            self._log.warning("Slack does not take a picture: %s (the optional scope is files:write)", code)
        except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
            self._log.warning("a picture did not reach Slack: %s", type(error).__name__)

    async def _tell(self, client: AsyncWebClient, channel: str, ts: str) -> None:
        try:
            await client.chat_postMessage(channel=channel, thread_ts=ts, text=NOT_DRAWN)
        except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
            self._log.warning("nobody could be told of a picture: %s", type(error).__name__)

    def _is_refused(self, workspace_id: str) -> bool:
        at = self._refused.get(workspace_id)
        return at is not None and self._clock.monotonic() - at < REMEMBERED_SECONDS

    def _remember(self, workspace_id: str) -> None:
        self._refused[workspace_id] = self._clock.monotonic()
        while len(self._refused) > WORKSPACES_MAX:
            self._refused.popitem(last=False)


def chart_of(message: RenderedMessage) -> block_kit.Block | None:
    """Return the chart block of a message's richest form that has one, else None."""
    charts = (block for _, blocks in message.forms for block in blocks if block["type"] == "data_visualization")
    return next(charts, None)


def readable(text: str) -> str:
    """Convert a message's text for where Slack resolves no names and dates: an image's alternative text."""
    return html.unescape(_SOMEBODY.sub("somebody", _DATE.sub(r"\1", text)).replace("*", ""))
