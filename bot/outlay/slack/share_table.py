"""Small table of shares (name, dollars, percentage) for digests and the Home tab.

Three renderings of the same rows, from Slack's newest block type to its oldest.
"""

from outlay import wording
from outlay.core.money import to_usd
from outlay.slack import block_kit
from outlay.slack.spend.rows import TITLES, Label, TableRow
from outlay.spend.answer import Answer

_NONE = "–"


def data_table(answer: Answer, shown: list[TableRow], caption: str) -> block_kit.Block:
    """Build the newest block type, which sorts by number."""
    return {
        "type": "data_table",
        "caption": caption,
        "page_size": len(shown),
        "row_header_column_index": 0,
        "rows": [[_text(one) for one in _columns(answer)], *([*_cells(answer, row)] for row in shown)],
    }


def table(answer: Answer, shown: list[TableRow]) -> block_kit.Block:
    """Build the older table block, which has no number cells."""
    cells = [
        [_text(one["text"]) if one["type"] == "raw_number" else one for one in _cells(answer, row)] for row in shown
    ]
    return {
        "type": "table",
        "column_settings": [{"align": "left", "is_wrapped": True}, {"align": "right"}, {"align": "right"}],
        "rows": [[_text(one) for one in _columns(answer)], *cells],
    }


def fields(shown: list[TableRow]) -> block_kit.Block:
    """Build the oldest form: a section of fields."""
    return block_kit.fields([f"*{title(row)}*\n{amount(row)}" for row in shown])


def title(row: TableRow) -> str:
    """Return the name of a row, as mrkdwn."""
    label = row.labels[0]
    return f"<@{label.user}>" if label.user else wording.safe(label.text)


def amount(row: TableRow) -> str:
    """Return the dollars of a row, and its note."""
    return wording.money(row.nano_usd) + (f" ({wording.escape(row.note)})" if row.note else "")


def _columns(answer: Answer) -> list[str]:
    return [TITLES[answer.query.by[0]], "Spend (USD)", "Share"]


def _cells(answer: Answer, row: TableRow) -> list[block_kit.Block]:
    said = wording.money(row.nano_usd)
    share = wording.percent(row.nano_usd, answer.total_nano_usd) if row.nano_usd is not None else ""
    number: block_kit.Block = _text(said)
    if row.nano_usd is not None:
        number = {"type": "raw_number", "value": float(to_usd(row.nano_usd)), "text": said}  # for sorting only
    return [_label(row.labels[0], row.note), number, _text(share or _NONE)]


def _label(label: Label, note: str) -> block_kit.Block:
    if label.user is None:
        return _text(f"{label.text} ({note})" if note else label.text)
    person = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": label.user}]}
    return {"type": "rich_text", "elements": [person]}


def _text(text: str) -> block_kit.Block:
    return {"type": "raw_text", "text": text}
