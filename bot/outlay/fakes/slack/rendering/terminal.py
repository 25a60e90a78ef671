"""Terminal rendering of Block Kit: a message, a modal or a Home tab in plain lines and muted colors.

Works in 80 columns and without a tty. An unknown type of block is drawn as its name, never a reason to crash.
`to_html` draws the same message as a page for pictures.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from outlay.fakes.slack.rendering.html import to_html
from outlay.fakes.slack.rendering.inputs import choices, input_text
from outlay.fakes.slack.rendering.mrkdwn import Names, TextSpan, rich_spans, spans, text_spans
from outlay.fakes.slack.rendering.tables import Chart, chart, grid

__all__ = ["render_home", "render_message", "render_modal", "to_html"]

Json = dict[str, Any]
Values = Mapping[Any, Any]

BAR_WIDTH = 30
COLUMNS_SIDE_BY_SIDE = 60
_STYLES = {"primary": "bold green", "danger": "bold red"}
_ALERTS = {"error": "red", "warning": "yellow", "success": "green", "info": "blue"}
_SPARKS = "▁▂▃▄▅▆▇█"


def render_message(
    blocks: list[Json],
    text: str,
    *,
    console: Console,
    who: str = "Outlay",
    where: str = "#general",
    ephemeral: bool = False,
    names: Names | None = None,
) -> None:
    """Print a message as Slack would show it; without blocks, its text."""
    where = where if where[:1] in ("#", "@") or " " in where else f"#{where}"
    head = Text.assemble((who, "bold"), "  ", ("APP", "reverse dim"), "  ", (where, "dim"))
    if ephemeral:
        head.append("  only visible to you", "dim italic")
    body = _Blocks(names).draw(blocks) if blocks else [_text(spans(text, names))]
    console.print(head)
    console.print(Padding(Group(*body), (0, 0, 1, 2)))


def render_modal(
    view: Json,
    *,
    console: Console,
    errors: Mapping[str, str] | None = None,
    values: Values | None = None,
    names: Names | None = None,
) -> None:
    """Print a modal. Secrets are dots.

    `values` are by block_id, action_id or both; `errors` by block_id.
    """
    body = _Blocks(names, errors or {}, values or {}).draw(view.get("blocks") or [])
    buttons = [f"[ {view[name]['text']} ]" for name in ("close", "submit") if view.get(name)]
    if buttons:
        body += [Text(), Text("  ".join(buttons), "bold", justify="right")]
    title = Text(view.get("title", {}).get("text", ""), "bold")
    console.print(Panel(Group(*body), title=title, title_align="left", padding=(1, 2), border_style="dim"))


def render_home(view: Json, *, console: Console, who: str = "Outlay", names: Names | None = None) -> None:
    """Print a Home tab."""
    body = _Blocks(names).draw(view.get("blocks") or [])
    title = Text.assemble((who, "bold"), ("  Home", "dim"))
    console.print(Panel(Group(*body), title=title, title_align="left", padding=(1, 2), border_style="dim"))


class _Blocks:
    """Renderer of blocks, with display names by id, and a modal's errors and values."""

    def __init__(
        self, names: Names | None = None, errors: Mapping[str, str] | None = None, values: Values | None = None
    ) -> None:
        self.names = names or {}
        self.errors = errors or {}
        self.values = values or {}
        self._kinds: dict[str, Callable[[Json], Iterator[RenderableType]]] = {
            "header": self._header,
            "section": self._section,
            "context": self._context,
            "actions": self._actions,
            "divider": lambda block: iter([Rule(style="dim")]),
            "input": self._input,
            "table": self._table,
            "data_table": self._table,
            "data_visualization": self._chart,
            "rich_text": self._rich_text,
            "markdown": lambda block: iter([_text(spans(str(block.get("text", "")).replace("**", "*"), self.names))]),
            "image": self._image,
            "alert": self._alert,
            "card": self._card,
            "container": self._container,
        }

    def draw(self, blocks: list[Json]) -> list[RenderableType]:
        """Return the drawn blocks, with an empty line where Slack leaves space."""
        drawn: list[RenderableType] = []
        for index, block in enumerate(blocks):
            kind = str(block.get("type"))
            if index and kind not in ("context", "divider") and blocks[index - 1].get("type") != "divider":
                drawn.append(Text())
            draw = self._kinds.get(kind)
            drawn += draw(block) if draw else [Text(f"[{kind} block]", "dim")]
        return drawn

    def _header(self, block: Json) -> Iterator[RenderableType]:
        yield Text(block["text"]["text"], "bold underline")

    def _section(self, block: Json) -> Iterator[RenderableType]:
        accessory = block.get("accessory")
        if block.get("text"):
            words = _text(text_spans(block["text"], self.names))
            if accessory and accessory.get("type") != "image":
                row = Table.grid(expand=True)
                row.add_column(ratio=1)
                row.add_column(justify="right", no_wrap=True)
                row.add_row(words, Padding(self._element(accessory, block), (0, 0, 0, 2)))
                yield row
            else:
                yield words
        if block.get("fields"):
            yield _FieldGrid([_text(text_spans(words, self.names)) for words in block["fields"]])
        if accessory and accessory.get("type") == "image":
            yield Text(f"[image: {accessory.get('alt_text', '')}]", "dim")

    def _context(self, block: Json) -> Iterator[RenderableType]:
        line = Text(style="dim")
        for index, part in enumerate(block.get("elements") or []):
            if index:
                line.append("   ")
            if part.get("type") == "image":
                line.append(f"[image: {part.get('alt_text', '')}]")
            else:
                line.append_text(_text(text_spans(part, self.names)))
        yield line

    def _actions(self, block: Json) -> Iterator[RenderableType]:
        line = Text()
        for index, element in enumerate(block.get("elements") or []):
            line.append("  " if index else "")
            line.append_text(self._element(element, block))
        yield line

    def _element(self, element: Json, block: Json) -> Text:
        kind = str(element.get("type"))
        if kind == "button":
            return Text(f"[ {element['text']['text']} ]", _STYLES.get(str(element.get("style")), "bold"))
        if kind == "overflow":
            return Text("[ … ]", "bold")
        if kind in ("radio_buttons", "checkboxes"):
            return self._choices(element, self._state(block, element))
        words, set_ = input_text({**block, "element": element}, self._state(block, element), self.names)
        return Text(f"[ {words or kind} ▾ ]", "" if set_ else "dim")

    def _input(self, block: Json) -> Iterator[RenderableType]:
        element = block["element"]
        label = Text(block["label"]["text"], "bold")
        if block.get("optional"):
            label.append(" (optional)", "not bold dim")
        yield label
        state = self._state(block, element)
        if element.get("type") in ("radio_buttons", "checkboxes"):
            yield self._choices(element, state)
        else:
            words, set_ = input_text(block, state, self.names)
            arrow = " ▾" if "select" in str(element.get("type")) or "picker" in str(element.get("type")) else ""
            field = Text(f"{words or ' '}{arrow}", "" if set_ else "dim italic")
            wrong = block.get("block_id") in self.errors
            yield Panel(field, padding=(0, 1), border_style="red" if wrong else "dim")
        if error := self.errors.get(str(block.get("block_id"))):
            yield Text(f"! {error}", "red")
        if hint := block.get("hint"):
            yield Text(hint["text"], "dim")

    def _choices(self, element: Json, state: Any) -> Text:
        on, off = ("(•)", "( )") if element.get("type") == "radio_buttons" else ("[x]", "[ ]")
        return Text("\n".join(f"{on if chosen else off} {words}" for words, chosen in choices(element, state)))

    def _state(self, block: Json, element: Json) -> Any:
        block_id, action_id = block.get("block_id"), element.get("action_id")
        for name in ((block_id, action_id), block_id, action_id):
            if name in self.values:
                return self.values[name]
        return None

    def _table(self, block: Json) -> Iterator[RenderableType]:
        data = grid(block, self.names)
        if data.caption:
            yield Text(data.caption, "dim")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
        for words, align in zip(data.header, data.align, strict=True):
            table.add_column(_text(words), justify=align, no_wrap=align == "right", overflow="fold")
        for row in data.rows:
            table.add_row(*map(_text, row))
        yield table
        if data.more:
            yield Text(f"… {data.more} more row{'s' if data.more > 1 else ''}", "dim")

    def _chart(self, block: Json) -> Iterator[RenderableType]:
        drawn = chart(block)
        yield Text(f"{drawn.title}{f' ({drawn.unit})' if drawn.unit else ''}", "bold")
        yield _line_chart(drawn) if drawn.kind in ("line", "area") else _bar_chart(drawn)

    def _rich_text(self, block: Json) -> Iterator[RenderableType]:
        for part in block.get("elements") or []:
            kind, leaves = part.get("type"), part.get("elements") or []
            if kind == "rich_text_list":
                for number, item in enumerate(leaves, start=1 + int(part.get("offset") or 0)):
                    mark = f"{number}. " if part.get("style") == "ordered" else "• "
                    indent = "  " * int(part.get("indent") or 0)
                    yield Text.assemble(f"{indent}{mark}", _text(rich_spans(item.get("elements") or [], self.names)))
                continue
            words = _text(rich_spans(leaves, self.names))
            if kind == "rich_text_quote":
                yield Text.assemble(("│ ", "dim"), words)
            elif kind == "rich_text_preformatted":
                yield Padding(Text(words.plain, "cyan"), (0, 2))
            else:
                yield words

    def _image(self, block: Json) -> Iterator[RenderableType]:
        title = (block.get("title") or {}).get("text")
        yield Text(f"[image: {f'{title}: ' if title else ''}{block.get('alt_text', '')}]", "dim")

    def _alert(self, block: Json) -> Iterator[RenderableType]:
        colour = _ALERTS.get(str(block.get("level")), "dim")
        yield Panel(_text(text_spans(block["text"], self.names)), border_style=colour, padding=(0, 1))

    def _card(self, block: Json) -> Iterator[RenderableType]:
        lines: list[RenderableType] = []
        for name, style in (("title", "bold"), ("subtitle", "dim"), ("body", "")):
            if block.get(name):
                words = _text(text_spans(block[name], self.names))
                words.stylize(style)
                lines.append(words)
        if block.get("hero_image"):
            lines.append(Text(f"[image: {block['hero_image'].get('alt_text', '')}]", "dim"))
        if block.get("actions"):
            lines.append(Text("  ").join(self._element(element, block) for element in block["actions"]))
        yield Panel(Group(*lines), border_style="dim", padding=(0, 1))

    def _container(self, block: Json) -> Iterator[RenderableType]:
        title = (block.get("title") or {}).get("text", "")
        yield Panel(Group(*self.draw(block.get("child_blocks") or [])), title=title, title_align="left", padding=(0, 1))


class _FieldGrid:
    """Section fields: two columns, as Slack shows them, or one column in a narrow terminal."""

    def __init__(self, fields: list[Text]) -> None:
        self.fields = fields

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < COLUMNS_SIDE_BY_SIDE:
            yield from self.fields
            return
        table = Table.grid(padding=(0, 3, 0, 0), expand=True)
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        for index in range(0, len(self.fields), 2):
            table.add_row(*self.fields[index : index + 2])
        yield table


def _text(parts: list[TextSpan]) -> Text:
    line = Text()
    for part in parts:
        style = Style(bold=part.bold or None, italic=part.italic or None, strike=part.strike or None)
        if part.code:
            style += Style(color="cyan")
        if part.mention:
            style += Style(color="blue")
        if part.link:
            style += Style(color="blue", underline=True, link=part.link)
        line.append(part.text, style)
    return line


def _bar_chart(drawn: Chart) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, bars in drawn.series:
        for bar in bars:
            label = f"{name} {bar.label}" if len(drawn.series) > 1 else bar.label
            length = max(1, round(bar.share * BAR_WIDTH)) if bar.share > 0 else 0
            table.add_row(label, Text("█" * length, "blue"), bar.value)
    return table


def _line_chart(drawn: Chart) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, bars in drawn.series:
        line = "".join(_SPARKS[min(len(_SPARKS) - 1, int(bar.share * len(_SPARKS)))] for bar in bars)
        span = f"{bars[0].label} {bars[0].value} to {bars[-1].label} {bars[-1].value}" if bars else ""
        table.add_row(name, Text(line, "blue"), Text(span, "dim"))
    return table
