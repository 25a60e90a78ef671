"""Slack message of a digest: two sentences, a table of the biggest, and a line for each notable change."""

from datetime import datetime

from outlay import wording as words
from outlay.digests.digest import Digest
from outlay.slack import block_kit, share_table
from outlay.slack.digests import wording
from outlay.slack.digests.chart import chart
from outlay.slack.digests.ids import Action
from outlay.slack.message_poster import RenderedMessage, plain_message
from outlay.slack.spend.rows import rows
from outlay.spend.answer import Answer


def message(digest: Digest, now: datetime, *, post_to: str = "") -> RenderedMessage:
    """Build the message of a digest, in several forms with the same figures, the first of them with a chart.

    `post_to`: a channel; adds a button that posts the digest there.
    """
    late = ["This digest is late: Outlay was not running when it was due."] if digest.late else []
    finding = " ".join(
        part for part in (wording.what_changed(digest, ""), _plain(wording.main_cause(digest)), *late) if part
    )
    buttons = [_post(digest)] if post_to else []
    if digest.quiet:
        return plain_message(finding, [block_kit.section(finding), *buttons])
    said = " ".join(part for part in (wording.what_changed(digest), wording.main_cause(digest)) if part)
    before = [block_kit.section(said), *(block_kit.context(line) for line in late)]
    others = [block_kit.section(line) for line in (wording.biggest_changes(digest), *wording.remarks(digest)) if line]
    after = [*others, block_kit.context(_provenance_line(digest.answer, now)), *buttons]
    shown = rows(digest.answer)
    if not shown:
        return plain_message(finding, [*before, *after])
    drawn = chart(digest)
    table = share_table.data_table(digest.answer, shown, _caption(digest))
    return RenderedMessage(
        finding,
        (
            *([("chart", [*before, drawn, table, *after])] if drawn else []),
            ("data_table", [*before, table, *after]),
            ("table", [*before, share_table.table(digest.answer, shown), *after]),
            ("fields", [*before, share_table.fields(shown), *after]),
        ),
    )


def text(digest: Digest) -> list[str]:
    """Return the digest as lines of mrkdwn, for the preview in the form and for the terminal."""
    lines = [" ".join(part for part in (wording.what_changed(digest), wording.main_cause(digest)) if part)]
    if digest.quiet:
        return lines
    lines += [f"• {share_table.title(row)}: {share_table.amount(row)}" for row in rows(digest.answer)]
    return [*lines, *(line for line in (wording.biggest_changes(digest), *wording.remarks(digest)) if line)]


def _caption(digest: Digest) -> str:
    return f"{wording.title(digest)}, by {digest.answer.query.by[0]}, biggest first"


def _provenance_line(answer: Answer, now: datetime) -> str:
    """Return the line below the figures, as under every answer: basis, status, coverage, freshness and zone."""
    return " · ".join(
        (
            words.basis(answer.basis),
            words.status(answer.status, answer.provisional_until, now),
            words.coverage(answer.coverage, answer.unpriced_tokens),
            words.freshness(answer.fresh_until, now),
            f"days in {words.safe(answer.time_zone)}",
        )
    )


def _post(digest: Digest) -> block_kit.Block:
    return block_kit.actions(
        block_kit.button(
            "Post to This Channel",
            Action.POST,
            f"{digest.period} {digest.end}",
            label="Post this digest to this channel",
        )
    )


def _plain(text: str) -> str:
    return text.replace("*", "")
