"""Buttons below an answer: share it with the channel, and get it as a CSV file.

Both ask the books again, as the user who presses: a button carries the question, never a figure or a permission.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web.async_client import AsyncWebClient

from outlay import wording
from outlay.core.csv_cells import csv_of
from outlay.core.offload import offload
from outlay.slack import block_kit
from outlay.slack.errors import UserFacingError
from outlay.slack.message_poster import open_direct_channel
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
    """Build the row of buttons. `in_channel`: the answer can be shared there, in the thread if `thread_ts`."""
    share = [block_kit.button("Share to Channel", Action.SHARE, question, label="Share this answer to this channel")]
    row = block_kit.actions(
        *(share if in_channel and not shared else []),
        block_kit.button("Open as CSV", Action.CSV, question, label="Get all rows of this answer as a CSV file"),
    )
    return row | {"block_id": _THREAD + thread_ts} if thread_ts else row


def thread_of(action: Mapping[str, Any]) -> str:
    """Return the thread that a row of buttons belongs to, or "".

    It is kept in the block id, because an ephemeral message does not always know its thread.
    """
    block_id = str(action.get("block_id") or "")
    return block_id.removeprefix(_THREAD) if block_id.startswith(_THREAD) else ""


def shared_by_line(user_id: str, question: str) -> block_kit.Block:
    """Build the line under a shared answer: who shared it, and how to ask the same."""
    return block_kit.context(f"Shared by <@{user_id}> · {wording.command(question)}")


class SharedAnswers:
    """Answers that were shared, so that a second press gets a message instead of sharing twice."""

    def __init__(self) -> None:
        self._done: OrderedDict[tuple[str, str], None] = OrderedDict()

    def mark_shared(self, workspace_id: str, message: str) -> None:
        """Record that an answer is being shared. Raises Told if it was shared before."""
        if (workspace_id, message) in self._done:
            raise UserFacingError("You have shared this answer already.")
        self._done[workspace_id, message] = None
        if len(self._done) > SHARED_REMEMBERED_MAX:
            self._done.popitem(last=False)

    def unmark_shared(self, workspace_id: str, message: str) -> None:
        """Undo `take` for an answer that was not shared after all."""
        self._done.pop((workspace_id, message), None)


async def send_csv(client: AsyncWebClient, user_id: str, found: Answer) -> None:
    """Upload all rows of an answer to the asker's direct messages with the app. Raises Told if it cannot."""
    if len(found.lines) > CSV_ROWS_MAX:
        raise UserFacingError(
            f"There are {len(found.lines):,} rows; a file from here has at most {CSV_ROWS_MAX:,}. "
            "Ask for fewer days, or use `outlay spend … --format csv`."
        )
    content = await offload(lambda: csv_of(flat_columns(found), as_flat(found)), len(found.lines))
    try:
        await client.files_upload_v2(
            channel=await open_direct_channel(client, user_id),
            filename=file_name(found),
            title=f"{found.query.start} to {found.query.end}, by {' and '.join(found.query.by)}",
            content=content,
            initial_comment=f"{wording.count_with_noun(len(found.lines), 'row')} of "
            f"{wording.command(found.query.words)}",
        )
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code in ("missing_scope", "not_allowed_token_type"):
            raise UserFacingError(NO_FILES) from None
        raise UserFacingError(f"Slack did not take the file ({wording.safe(code)}). Try again in a minute.") from None
    except SlackRequestError:
        raise UserFacingError("Slack did not take the file. Try again in a minute.") from None


def file_name(found: Answer) -> str:
    """Build the file name: `outlay-2026-11-01-to-2026-11-21-by-owner.csv`."""
    by = "-".join(found.query.by)
    return _NOT_IN_A_NAME.sub("-", f"outlay-{found.query.start}-to-{found.query.end}-by-{by}".lower()) + ".csv"
