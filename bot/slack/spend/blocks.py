"""An answer of the books as a Slack message: one line that says it all, a table, and what the figures are worth."""

from bot.core.answer import Answer
from bot.core.money import to_usd
from bot.slack import kit, words
from bot.slack.connect.ids import Action
from bot.slack.posting import Message, simple
from bot.slack.spend.rows import TITLES, Label, Row, biggest, is_by_time, labels, rows

PAGE_SIZE = 10
FOR_MEMBERS = (
    "Outlay answers members of this workspace; guests cannot ask it. Somebody of the team can share an answer."
)
_NONE = "–"


def answer(found: Answer) -> Message:
    """The answer, in three forms with the same figures."""
    if not found.lines:
        return _nothing_spent(found)
    shown = rows(found)
    before = [kit.section(_headline(found, bold="*"))]
    after = [*(kit.section(text) for text in _remarks(found)), kit.context(_worth(found))]
    forms = (
        ("data_table", [*before, _data_table(found, shown), *after]),
        ("table", [*before, _table(found, shown), *after]),
        ("fields", [*before, *_fields(found, shown), *after]),
    )
    return Message(_headline(found, bold=""), forms)


def nothing_connected(*, is_admin: bool) -> Message:
    """The very first answer: what comes first, and who does it."""
    if not is_admin:
        text = (
            "No ledger is connected yet, so there is nothing to tell. A workspace admin starts with `/spend connect`."
        )
        return simple(text, [kit.section(text)])
    text = "No ledger is connected yet. Connect one, and the first figures are here about a minute later."
    return simple(text, [kit.section(text), kit.actions(kit.button("Connect a Ledger", Action.OPEN, primary=True))])


def _nothing_spent(found: Answer) -> Message:
    if all(until is None for until in found.fresh_until.values()):
        text = "Nothing has been read from the ledger yet. The first figures come about a minute after connecting."
        return simple(text, [kit.section(text)])
    text = f"$0 {words.period(found.query)}{_only(found)}: nothing was spent that a connected ledger knows of."
    return simple(text, [kit.section(text), kit.context(_worth(found))])


def _headline(found: Answer, bold: str) -> str:
    """Total, period, biggest part."""
    period = words.period(found.query)
    if found.basis == "unpriced":
        known = f"{bold}Not priced:{bold} {words.tokens(found.unpriced_tokens)} {period}"
    else:
        known = f"{bold}{words.money(found.total_nano_usd)}{bold} {period}"
    parts = [known + _only(found)]
    top = biggest(found)
    if top is not None and len(found.lines) > 1:
        title = " / ".join(_mrkdwn(label) for label in labels(top, found.query.by))
        share = words.percent(top.cost_nano_usd or 0, found.total_nano_usd)
        parts.append(
            f"{'most on' if found.query.by[0] == 'day' else 'biggest:'} {bold}{title}{bold}, "
            f"{words.money(top.cost_nano_usd)}{f' ({share})' if share else ''}"
        )
    return " · ".join(parts)


def _only(found: Answer) -> str:
    """What the question was narrowed to, so that nobody takes a part for the whole."""
    if not found.query.filters:
        return ""
    return ", only " + " and ".join(f"{dimension} {words.safe(value)}" for dimension, value in found.query.filters)


def _remarks(found: Answer) -> list[str]:
    """The sums that belong beside the total, where there are any."""
    said = []
    if found.residual_nano_usd:
        said.append(f"{words.money(found.residual_nano_usd)} of it is on the bill, and no usage explains it.")
    if found.unpriced_tokens and found.basis != "unpriced":
        said.append(f"{words.tokens(found.unpriced_tokens)} have no known price and are not in the total.")
    if found.adjustments_nano_usd:
        said.append(f"Ledgers corrected this period later, by {words.money(found.adjustments_nano_usd)}.")
    if found.byok_nano_usd:
        said.append(words.byok(found.byok_nano_usd, found.byok_counted_nano_usd))
    if saved := found.saved_by_cache_nano_usd:
        verb = "saved" if saved > 0 else "cost more than it saved, by"
        said.append(f"Caching {verb} {words.money(abs(saved))} at list price.")
    return [" ".join(said)] if said else []


def _worth(found: Answer) -> str:
    """What the figures are: basis, status, coverage, freshness, and whose days these are."""
    return " · ".join(
        (
            words.basis(found.basis, found.calibrated_by, found.as_of.date()),
            words.status(found.status, found.provisional_until, found.as_of),
            words.coverage(found.coverage, found.unpriced_tokens),
            words.freshness(found.fresh_until, found.as_of),
            f"days in {words.safe(found.time_zone)}",
        )
    )


def _columns(found: Answer, shown: list[Row]) -> list[str]:
    """At most five: what, dollars, share, tokens, and a note where some row has one."""
    share = ["Share"] if len(found.query.by) == 1 else []
    note = ["Note"] if any(row.note for row in shown) else []
    return [*(TITLES[dimension] for dimension in found.query.by), "Spend (USD)", *share, "Tokens", *note]


def _data_table(found: Answer, shown: list[Row]) -> kit.Block:
    columns = _columns(found, shown)
    return {
        "type": "data_table",
        "caption": _caption(found),
        # A second page with nothing on it but "4 more" would hide that there is more.
        "page_size": PAGE_SIZE + 1 if len(shown) == PAGE_SIZE + 1 else PAGE_SIZE,
        "row_header_column_index": 0,
        "rows": [[_text(title) for title in columns], *(_cells(found, row, columns) for row in shown)],
    }


def _table(found: Answer, shown: list[Row]) -> kit.Block:
    columns = _columns(found, shown)
    numbers = ("Spend (USD)", "Share", "Tokens")
    cells = [[_as_text(cell) for cell in _cells(found, row, columns)] for row in shown]
    return {
        "type": "table",
        "column_settings": [
            {"align": "right" if title in numbers else "left", "is_wrapped": title not in numbers} for title in columns
        ],
        "rows": [[_text(title) for title in columns], *cells],
    }


def _fields(found: Answer, shown: list[Row]) -> list[kit.Block]:
    """Ten rows a section, in the oldest blocks there are."""
    texts = []
    for row in shown:
        amount = [words.money(row.nano_usd), words.tokens(row.tokens) if row.tokens else "", words.escape(row.note)]
        title = " / ".join(_mrkdwn(label) for label in row.labels)
        texts.append(f"*{title}*\n{' · '.join(part for part in amount if part)}")
    return [kit.fields(texts[start : start + kit.FIELDS_MAX]) for start in range(0, len(texts), kit.FIELDS_MAX)]


def _caption(found: Answer) -> str:
    by = " and ".join(found.query.by)
    order = "in order of time" if is_by_time(found) else "biggest first"
    return f"Spend by {by}, {words.period(found.query)}, {order}"


def _cells(found: Answer, row: Row, columns: list[str]) -> list[kit.Block]:
    share = words.percent(row.nano_usd, found.total_nano_usd) if row.nano_usd is not None else ""
    by_column = {
        "Spend (USD)": _money(row.nano_usd),
        "Share": _text(share or _NONE),
        "Tokens": _number(row.tokens, words.short_count(row.tokens)) if row.tokens else _text(_NONE),
        "Note": _text(row.note or _NONE),
    }
    return [*(_label(label) for label in row.labels), *(by_column[title] for title in columns[len(row.labels) :])]


def _label(label: Label) -> kit.Block:
    if label.user is None:
        return _text(label.text)
    person = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": label.user}]}
    return {"type": "rich_text", "elements": [person]}


def _money(nano_usd: int | None) -> kit.Block:
    """The number only sorts the column, so a float will do there; what people read is the text."""
    text = words.money(nano_usd)
    return _text(text) if nano_usd is None else _number(float(to_usd(nano_usd)), text)


def _number(value: float, text: str) -> kit.Block:
    return {"type": "raw_number", "value": value, "text": text}


def _text(text: str) -> kit.Block:
    return {"type": "raw_text", "text": text}


def _as_text(cell: kit.Block) -> kit.Block:
    """Older tables do not know numbers."""
    return _text(cell["text"]) if cell["type"] == "raw_number" else cell


def _mrkdwn(label: Label) -> str:
    return f"<@{label.user}>" if label.user else words.safe(label.text)
