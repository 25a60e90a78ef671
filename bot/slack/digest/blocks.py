"""A digest as a message: two sentences, a table of the biggest, and a line for each thing that is worth one."""

from datetime import datetime

from bot.core.answer import Answer
from bot.core.digest import Digest
from bot.slack import kit, shares, words
from bot.slack.digest import wording
from bot.slack.digest.chart import chart
from bot.slack.digest.ids import Action
from bot.slack.posting import Message, simple
from bot.slack.spend.rows import rows


def message(digest: Digest, now: datetime, *, post_to: str = "") -> Message:
    """The digest, in forms with the same figures, the first with its chart. `post_to`: with a button that posts it."""
    late = ["This digest is late: Outlay was not running when it was due."] if digest.late else []
    finding = " ".join(part for part in (wording.what_changed(digest, ""), _plain(wording.why(digest)), *late) if part)
    buttons = [_post(digest)] if post_to else []
    if digest.quiet:
        return simple(finding, [kit.section(finding), *buttons])
    said = " ".join(part for part in (wording.what_changed(digest), wording.why(digest)) if part)
    before = [kit.section(said), *(kit.context(line) for line in late)]
    others = [kit.section(line) for line in (wording.movers(digest), *wording.remarks(digest)) if line]
    after = [*others, kit.context(_worth(digest.answer, now)), *buttons]
    shown = rows(digest.answer)
    if not shown:
        return simple(finding, [*before, *after])
    drawn = chart(digest)
    table = shares.data_table(digest.answer, shown, _caption(digest))
    return Message(
        finding,
        (
            *([("chart", [*before, drawn, table, *after])] if drawn else []),
            ("data_table", [*before, table, *after]),
            ("table", [*before, shares.table(digest.answer, shown), *after]),
            ("fields", [*before, shares.fields(shown), *after]),
        ),
    )


def text(digest: Digest) -> list[str]:
    """The same as lines of mrkdwn, for a preview in a form and for the terminal."""
    lines = [" ".join(part for part in (wording.what_changed(digest), wording.why(digest)) if part)]
    if digest.quiet:
        return lines
    lines += [f"• {shares.title(row)}: {shares.amount(row)}" for row in rows(digest.answer)]
    return [*lines, *(line for line in (wording.movers(digest), *wording.remarks(digest)) if line)]


def _caption(digest: Digest) -> str:
    return f"{wording.title(digest)}, by {digest.answer.query.by[0]}, biggest first"


def _worth(answer: Answer, now: datetime) -> str:
    """What the figures are, as under every answer."""
    return " · ".join(
        (
            words.basis(answer.basis),
            words.status(answer.status, answer.provisional_until, now),
            words.coverage(answer.coverage, answer.unpriced_tokens),
            words.freshness(answer.fresh_until, now),
            f"days in {words.safe(answer.time_zone)}",
        )
    )


def _post(digest: Digest) -> kit.Block:
    return kit.actions(
        kit.button(
            "Post to This Channel",
            Action.POST,
            f"{digest.period} {digest.end}",
            label="Post this digest to this channel",
        )
    )


def _plain(text: str) -> str:
    return text.replace("*", "")
