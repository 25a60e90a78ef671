"""Lines of an answer as rows of text: their labels, and which lines are folded into "12 more". Free of blocks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from outlay import wording
from outlay.core.owner import Owner
from outlay.spend.answer import Answer, AnswerLine

TOP = 10
ROWS_MAX = 97  # plus header and "12 more": within the hundred rows that every table block allows
CHARACTERS_MAX = 8_500  # of the message's 10,000; the rest is for the sentences around the table
TITLES = {
    "owner": "Owner",
    "key": "Key",
    "model": "Model",
    "ledger": "Ledger",
    "connection": "Connection",
    "project": "Project",
    "day": "Day",
    "hour": "Hour (UTC)",
}
_NUMBERS_CHARACTERS = 24  # what money, share and tokens of a row take, at most


@dataclass(frozen=True, slots=True)
class Label:
    """Name of a row in one column. `user`: a Slack user id whose name Slack itself shows."""

    text: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """Row of a table. `nano_usd` None: nothing in it has a price. `before_nano_usd`: of the compared period."""

    labels: tuple[Label, ...]
    nano_usd: int | None
    tokens: int | None
    note: str
    before_nano_usd: int | None = None


def rows(answer: Answer) -> list[TableRow]:
    """Return the biggest (over time: the latest) lines, and one row for all that are left out."""
    by_time = is_by_time(answer)
    limit = ROWS_MAX if by_time or answer.query.top else TOP
    lines = answer.lines[-limit:] if by_time else answer.lines[:limit]  # there may be a hundred thousand
    same_name = _same_names(lines)
    shown: list[TableRow] = []
    left_characters = CHARACTERS_MAX
    for line in reversed(lines) if by_time else lines:
        row = _row(line, answer.query.by, same_name)
        left_characters -= _characters(row)
        if left_characters < 0:
            break
        shown.append(row)
    if by_time:
        shown.reverse()
    count = len(shown)
    folded = answer.lines[: len(answer.lines) - count] if by_time else answer.lines[count:]
    rest = _rest(answer, folded)
    return [*([rest] if rest and by_time else []), *shown, *([rest] if rest and not by_time else [])]


def is_by_time(answer: Answer) -> bool:
    """Report whether the lines are in order of time."""
    return "day" in answer.query.by or "hour" in answer.query.by


def highest_cost_line(answer: Answer) -> AnswerLine | None:
    """Return the line with the highest cost, or None if no line has a positive cost."""
    priced = [line for line in answer.lines if line.cost_nano_usd is not None and line.cost_nano_usd > 0]
    return max(priced, key=lambda line: line.cost_nano_usd or 0) if priced else None


def labels(line: AnswerLine, by: tuple[str, ...], same_name: frozenset[str] = frozenset()) -> tuple[Label, ...]:
    """Return the labels of a line, one for each grouping."""
    return tuple(_label(line, dimension, same_name) for dimension in by)


def _row(line: AnswerLine, by: tuple[str, ...], same_name: frozenset[str]) -> TableRow:
    label = labels(line, by, same_name)
    return TableRow(label, line.cost_nano_usd, line.tokens.total or None, _note(line), line.before_nano_usd)


def _note(line: AnswerLine) -> str:
    said = [wording.name(line.reason, 80)] if line.reason else []
    if line.unpriced_tokens and line.cost_nano_usd is not None:
        said.append(f"{wording.tokens(line.unpriced_tokens)} not priced")
    return " · ".join(said)


def _rest(answer: Answer, folded: Sequence[AnswerLine]) -> TableRow | None:
    count = answer.rest_count + len(folded)
    if count == 0:
        return None
    priced = [line.cost_nano_usd for line in folded if line.cost_nano_usd is not None]
    known = bool(priced) or answer.rest_count > 0
    unpriced = len(folded) - len(priced)
    note = f"{unpriced} of them not priced" if unpriced and known else ""
    text = f"{count:,} {'earlier' if is_by_time(answer) and not answer.rest_count else 'more'}"
    blank = tuple(Label("–") for _ in answer.query.by[1:])
    before = None
    if answer.before:
        before = sum(line.before_nano_usd or 0 for line in folded) + answer.before.rest_nano_usd
    return TableRow((Label(text), *blank), sum(priced) + answer.rest_nano_usd if known else None, None, note, before)


def _label(line: AnswerLine, dimension: str, same_name: frozenset[str]) -> Label:
    if dimension == "owner":
        return _owner(line.owner)
    if dimension == "key":
        if line.key is None:
            return Label("no key")
        title = wording.name(line.key.name or line.key.id)
        return Label(f"{title} (…{wording.name(line.key.id[-6:])})" if line.key.name in same_name else title)
    if dimension == "model":
        return Label(wording.name(line.model.id) if line.model else "not split by model")
    if dimension == "hour":
        return Label(wording.name((line.hour or "").replace("T", " ")[:16]))
    value = getattr(line, dimension)
    return Label(wording.name(value) if value else f"no {dimension}")


def _owner(owner: Owner | None) -> Label:
    if owner is None:
        return Label("unattributed")
    return Label(wording.name(owner.name or owner.id), wording.slack_user(owner))


def _same_names(lines: Sequence[AnswerLine]) -> frozenset[str]:
    """Return the names that several keys share; their rows show a part of the id too."""
    ids = {(line.key.name, line.key.connection, line.key.id) for line in lines if line.key}
    counts = Counter(name for name, _, _ in ids)
    return frozenset(name for name, count in counts.items() if count > 1)


def _characters(row: TableRow) -> int:
    return sum(len(label.text) for label in row.labels) + len(row.note) + _NUMBERS_CHARACTERS
