"""Tables and charts of Block Kit as neutral data: text of cells, alignment of columns, length of bars. Pure.

The terminal and HTML draw these; neither parses a `data_table` or a `data_visualization` itself.
"""

from dataclasses import dataclass
from typing import Any, Literal

from outlay.fakes.slack.rendering.mrkdwn import Names, TextSpan, rich_spans

Json = dict[str, Any]
Align = Literal["left", "center", "right"]

DEFAULT_PAGE_SIZE = 5


@dataclass(frozen=True, slots=True)
class Grid:
    """Table: header and body as spans, the alignment of each column, and the number of rows on further pages."""

    header: list[list[TextSpan]]
    rows: list[list[list[TextSpan]]]
    align: list[Align]
    caption: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """Value of a chart, with its share of the largest (0 to 1)."""

    label: str
    value: str
    share: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Chart as bars by series. `kind` is Slack's: bar, line, area, pie."""

    title: str
    kind: str
    unit: str
    series: list[tuple[str, list[Bar]]]


def grid(block: Json, names: Names | None = None) -> Grid:
    """Convert a `table` or the first page of a `data_table` block."""
    rows: list[list[Json]] = block.get("rows") or [[]]
    if block["type"] == "table":
        align = _settings(block, len(rows[0]), rows)
        return Grid([_cell(c, names) for c in rows[0]], [[_cell(c, names) for c in row] for row in rows[1:]], align)
    size = int(block.get("page_size") or DEFAULT_PAGE_SIZE)
    body = rows[1:]
    return Grid(
        [_cell(c, names) for c in rows[0]],
        [[_cell(c, names) for c in row] for row in body[:size]],
        _by_kind(rows, len(rows[0])),
        str(block.get("caption", "")),
        max(0, len(body) - size),
    )


def chart(block: Json) -> Chart:
    """Convert a `data_visualization` block."""
    spec: Json = block.get("chart") or {}
    if spec.get("type") == "pie":
        parts = spec.get("segments") or []
        whole = sum(part["value"] for part in parts) or 1
        bars = [Bar(part["label"], f"{_number(part['value'])} ({part['value'] / whole:.0%})", 0.0) for part in parts]
        biggest = max((part["value"] for part in parts), default=1)
        bars = [Bar(b.label, b.value, p["value"] / biggest) for b, p in zip(bars, parts, strict=True)]
        return Chart(str(block.get("title", "")), "pie", "", [("", bars)])
    series = spec.get("series") or []
    biggest = max((abs(point["value"]) for one in series for point in one["data"]), default=1) or 1
    drawn = [
        (
            str(one["name"]),
            [Bar(p["label"], _number(p["value"]), max(0.0, p["value"] / biggest)) for p in one["data"]],
        )
        for one in series
    ]
    unit = str((spec.get("axis_config") or {}).get("y_label") or "")
    return Chart(str(block.get("title", "")), str(spec.get("type")), unit, drawn)


def _cell(cell: Json, names: Names | None) -> list[TextSpan]:
    kind = cell.get("type")
    if kind == "raw_number":
        return [TextSpan(str(cell.get("text") or _number(cell["value"])))]
    if kind == "action_cell":
        return [TextSpan(f"[ {cell['element']['text']['text']} ]")]
    if kind == "rich_text":
        return [span for part in cell.get("elements") or [] for span in rich_spans(part.get("elements") or [], names)]
    return [TextSpan(str(cell.get("text", "")))]


def _by_kind(rows: list[list[Json]], width: int) -> list[Align]:
    return [
        "right" if any(row[column].get("type") == "raw_number" for row in rows[1:] if column < len(row)) else "left"
        for column in range(width)
    ]


def _settings(block: Json, width: int, rows: list[list[Json]]) -> list[Align]:
    settings = block.get("column_settings") or []
    align = _by_kind(rows, width)
    for column, setting in enumerate(settings[:width]):
        if setting and setting.get("align"):
            align[column] = setting["align"]
    return align


def _number(value: float) -> str:
    return f"{value:,.2f}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"
