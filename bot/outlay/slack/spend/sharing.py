"""What can be done with an answer that one has: show it to the channel, and open it as a spreadsheet.

Both ask the books again, as whoever presses: what a button carries is the question, never a figure or a right.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web.async_client import AsyncWebClient

from outlay import wording
from outlay.core.csv_cells import csv_of
from outlay.core.offload import aside
from outlay.slack import block_kit
from outlay.slack.errors import Told
from outlay.slack.message_poster import direct_channel
from outlay.slack.spend.ids import Action
from outlay.spend.answer import Answer
from outlay.spend.serialization import as_flat, flat_columns

SHARED_REMEMBERED_MAX = 1_000
CSV_ROWS_MAX = 50_000
NO_FILES = (
    "Outlay may not upload files in this workspace: an admin adds the optional scope `files:write` and installs it "
    "again. `outlay spend … --format csv` gives the same rows."
)
_THREAD = "spend:thread:"
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9*.]+")


def buttons(question: str, *, in_channel: bool, shared: bool = False, thread_ts: str = "") -> block_kit.Block:
    """The row below a private answer. `in_channel`: there is somebody to share it with, in this thread if in one."""
    share = [block_kit.button("Share to Channel", Action.SHARE, question, label="Share this answer to this channel")]
    row = block_kit.actions(
        *(share if in_channel and not shared else []),
        block_kit.button("Open as CSV", Action.CSV, question, label="Get all rows of this answer as a CSV file"),
    )
    return row | {"block_id": _THREAD + thread_ts} if thread_ts else row


def thread_of(action: Mapping[str, Any]) -> str:
    """The thread that a row of buttons belongs to, or ""; a private message does not always know it."""
    block_id = str(action.get("block_id") or "")
    return block_id.removeprefix(_THREAD) if block_id.startswith(_THREAD) else ""


def signed(user_id: str, question: str) -> block_kit.Block:
    """Under a shared answer: who shared it, and how to ask the same."""
    return block_kit.context(f"Shared by <@{user_id}> · {wording.command(question)}")


class Shares:
    """Which answers have been shared, so that a second press says so instead of a second message."""

    def __init__(self) -> None:
        self._done: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, workspace_id: str, message: str) -> None:
        """Notes that an answer is being shared. Raises Told if it has been."""
        if (workspace_id, message) in self._done:
            raise Told("You have shared this answer already.")
        self._done[workspace_id, message] = None
        if len(self._done) > SHARED_REMEMBERED_MAX:
            self._done.popitem(last=False)

    def give_back(self, workspace_id: str, message: str) -> None:
        """It was not shared after all."""
        self._done.pop((workspace_id, message), None)


async def send_csv(client: AsyncWebClient, user_id: str, found: Answer) -> None:
    """All rows of an answer as a file in the asker's own messages with the app. Raises Told where that cannot be."""
    if len(found.lines) > CSV_ROWS_MAX:
        raise Told(
            f"There are {len(found.lines):,} rows; a file from here has at most {CSV_ROWS_MAX:,}. "
            "Ask for fewer days, or use `outlay spend … --format csv`."
        )
    content = await aside(lambda: csv_of(flat_columns(found), as_flat(found)), len(found.lines))
    try:
        await client.files_upload_v2(
            channel=await direct_channel(client, user_id),
            filename=file_name(found),
            title=f"{found.query.start} to {found.query.end}, by {' and '.join(found.query.by)}",
            content=content,
            initial_comment=f"{wording.counted(len(found.lines), 'row')} of {wording.command(found.query.words)}",
        )
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code in ("missing_scope", "not_allowed_token_type"):
            raise Told(NO_FILES) from None
        raise Told(f"Slack did not take the file ({wording.safe(code)}). Try again in a minute.") from None
    except SlackRequestError:
        raise Told("Slack did not take the file. Try again in a minute.") from None


def file_name(found: Answer) -> str:
    """`outlay-2026-11-01-to-2026-11-21-by-owner.csv`."""
    by = "-".join(found.query.by)
    return _NOT_IN_A_NAME.sub("-", f"outlay-{found.query.start}-to-{found.query.end}-by-{by}".lower()) + ".csv"
