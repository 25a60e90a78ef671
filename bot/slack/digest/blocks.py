"""A digest as a message: two sentences, a table of the biggest, and a line for each thing that is worth one."""

from datetime import datetime

from bot.core.answer import Answer
from bot.core.digest import Digest
from bot.core.money import to_usd
from bot.slack import kit, words
from bot.slack.digest import wording
from bot.slack.digest.ids import Action
from bot.slack.posting import Message, simple
from bot.slack.spend.rows import TITLES, Label, Row, rows

_NONE = "–"


def message(digest: Digest, now: datetime, *, post_to: str = "") -> Message:
    """The digest, in three forms with the same figures. `post_to`: with a button that posts it there."""
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
    return Message(
        finding,
        (
            ("data_table", [*before, _data_table(digest, shown), *after]),
            ("table", [*before, _table(digest, shown), *after]),
            ("fields", [*before, kit.fields([_field(row) for row in shown]), *after]),
        ),
    )


def text(digest: Digest) -> list[str]:
    """The same as lines of mrkdwn, for a preview in a form and for the terminal."""
    lines = [" ".join(part for part in (wording.what_changed(digest), wording.why(digest)) if part)]
    if digest.quiet:
        return lines
    lines += [f"• {_title(row)}: {_amount(row)}" for row in rows(digest.answer)]
    return [*lines, *(line for line in (wording.movers(digest), *wording.remarks(digest)) if line)]


def _data_table(digest: Digest, shown: list[Row]) -> kit.Block:
    return {
        "type": "data_table",
        "caption": f"{wording.title(digest)}, by {digest.answer.query.by[0]}, biggest first",
        "page_size": len(shown),
        "row_header_column_index": 0,
        "rows": [[_text(one) for one in _columns(digest)], *([*_cells(digest, row)] for row in shown)],
    }


def _table(digest: Digest, shown: list[Row]) -> kit.Block:
    cells = [
        [_text(one["text"]) if one["type"] == "raw_number" else one for one in _cells(digest, row)] for row in shown
    ]
    return {
        "type": "table",
        "column_settings": [{"align": "left", "is_wrapped": True}, {"align": "right"}, {"align": "right"}],
        "rows": [[_text(one) for one in _columns(digest)], *cells],
    }


def _columns(digest: Digest) -> list[str]:
    return [TITLES[digest.answer.query.by[0]], "Spend (USD)", "Share"]


def _cells(digest: Digest, row: Row) -> list[kit.Block]:
    amount = words.money(row.nano_usd)
    share = words.percent(row.nano_usd, digest.answer.total_nano_usd) if row.nano_usd is not None else ""
    number: kit.Block = _text(amount)
    if row.nano_usd is not None:
        number = {"type": "raw_number", "value": float(to_usd(row.nano_usd)), "text": amount}  # it only sorts
    return [_label(row.labels[0], row.note), number, _text(share or _NONE)]


def _label(label: Label, note: str) -> kit.Block:
    if label.user is None:
        return _text(f"{label.text} ({note})" if note else label.text)
    person = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": label.user}]}
    return {"type": "rich_text", "elements": [person]}


def _field(row: Row) -> str:
    return f"*{_title(row)}*\n{_amount(row)}"


def _title(row: Row) -> str:
    label = row.labels[0]
    return f"<@{label.user}>" if label.user else words.safe(label.text)


def _amount(row: Row) -> str:
    return words.money(row.nano_usd) + (f" ({words.escape(row.note)})" if row.note else "")


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
        kit.button("Post to This Channel", Action.POST, digest.period, label="Post this digest to this channel")
    )


def _plain(text: str) -> str:
    return text.replace("*", "")


def _text(text: str) -> kit.Block:
    return {"type": "raw_text", "text": text}
