"""Rows of an answer as a table: in Slack's newest table block, in the older one, and in section fields."""

from outlay import wording as words
from outlay.core.money import to_usd
from outlay.slack import block_kit
from outlay.slack.spend.rows import TITLES, Label, TableRow, is_by_time
from outlay.slack.spend.wording import row_title
from outlay.spend.answer import Answer

PAGE_SIZE = 10
NUMBERS = ("Spend (USD)", "Before (USD)", "Change", "Share", "Tokens")
_NONE = "–"


def data_table(found: Answer, shown: list[TableRow]) -> block_kit.Block:
    """Build the newest block type: sortable by its numbers, in pages."""
    columns = _columns(found, shown)
    return {
        "type": "data_table",
        "caption": _caption(found),
        # A second page with nothing on it but "4 more" would hide that there is more.
        "page_size": PAGE_SIZE + 1 if len(shown) == PAGE_SIZE + 1 else PAGE_SIZE,
        "row_header_column_index": 0,
        "rows": [[_text(title) for title in columns], *(_cells(found, row, columns) for row in shown)],
    }


def table(found: Answer, shown: list[TableRow]) -> block_kit.Block:
    """Build the older table block, which has no number cells."""
    columns = _columns(found, shown)
    cells = [[_as_text(cell) for cell in _cells(found, row, columns)] for row in shown]
    return {
        "type": "table",
        "column_settings": [
            {"align": "right" if title in NUMBERS else "left", "is_wrapped": title not in NUMBERS} for title in columns
        ],
        "rows": [[_text(title) for title in columns], *cells],
    }


def fields(found: Answer, shown: list[TableRow]) -> list[block_kit.Block]:
    """Build sections of ten rows each, for workspaces without a table block."""
    texts = []
    for row in shown:
        amount = [
            words.money(row.nano_usd),
            words.change(row.nano_usd, row.before_nano_usd) if found.before else "",
            words.tokens(row.tokens) if row.tokens else "",
            words.escape(row.note),
        ]
        name = " / ".join(row_title(label) for label in row.labels)
        texts.append(f"*{name}*\n{' · '.join(part for part in amount if part)}")
    return [
        block_kit.fields(texts[start : start + block_kit.FIELDS_MAX])
        for start in range(0, len(texts), block_kit.FIELDS_MAX)
    ]


def _columns(found: Answer, shown: list[TableRow]) -> list[str]:
    """Return at most five columns: names, dollars, share or compared amount, tokens, and a note if any row has one."""
    note = ["Note"] if any(row.note for row in shown) else []
    names = [TITLES[dimension] for dimension in found.query.by]
    if found.before:
        return [*names, "Spend (USD)", "Before (USD)", "Change", *(note if len(names) == 1 else [])]
    share = ["Share"] if len(names) == 1 else []
    return [*names, "Spend (USD)", *share, "Tokens", *note]


def _caption(found: Answer) -> str:
    by = " and ".join(found.query.by)
    order = "in order of time" if is_by_time(found) else "biggest first"
    days = found.before.days if found.before else None
    beside = f", beside {words.day(days.start, days.end)} to {words.day(days.end)}" if days else ""
    return f"Spend by {by}, {words.period(found.query)}{beside}, {order}"


def _cells(found: Answer, row: TableRow, columns: list[str]) -> list[block_kit.Block]:
    share = words.percent(row.nano_usd, found.total_nano_usd) if row.nano_usd is not None else ""
    by_column = {
        "Spend (USD)": _money(row.nano_usd),
        "Before (USD)": _money(row.before_nano_usd),
        "Change": _text(words.change(row.nano_usd, row.before_nano_usd)),
        "Share": _text(share or _NONE),
        "Tokens": _number(row.tokens, words.short_count(row.tokens)) if row.tokens else _text(_NONE),
        "Note": _text(row.note or _NONE),
    }
    return [*(_label(label) for label in row.labels), *(by_column[title] for title in columns[len(row.labels) :])]


def _label(label: Label) -> block_kit.Block:
    if label.user is None:
        return _text(label.text)
    person = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": label.user}]}
    return {"type": "rich_text", "elements": [person]}


def _money(nano_usd: int | None) -> block_kit.Block:
    """Build a number cell. The float only sorts the column; people read the text, which is exact."""
    text = words.money(nano_usd)
    return _text(text) if nano_usd is None else _number(float(to_usd(nano_usd)), text)


def _number(value: float, text: str) -> block_kit.Block:
    return {"type": "raw_number", "value": value, "text": text}


def _text(text: str) -> block_kit.Block:
    return {"type": "raw_text", "text": text}


def _as_text(cell: block_kit.Block) -> block_kit.Block:
    return _text(cell["text"]) if cell["type"] == "raw_number" else cell
