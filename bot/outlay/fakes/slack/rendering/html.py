"""HTML rendering of a message or a Home tab: one page without anything from outside, as Slack looks, light or dark."""

from collections.abc import Callable
from html import escape
from typing import Any

from outlay.fakes.slack.rendering.mrkdwn import Names, TextSpan, rich_spans, spans, text_spans
from outlay.fakes.slack.rendering.tables import Chart, chart, grid

Json = dict[str, Any]

_STYLE = """
body{margin:0;padding:24px;background:#fff;color:#1d1c1d;font:15px/1.46 Lato,"Helvetica Neue",Arial,sans-serif}
.message{display:flex;gap:10px;max-width:720px}
.face{flex:none;width:36px;height:36px;border-radius:8px;background:#1264a3;color:#fff;font-weight:900;
display:flex;align-items:center;justify-content:center}
.body{flex:1;min-width:0}.who{font-weight:900}.app{background:#e8e8e8;color:#616061;font-size:10px;font-weight:700;
padding:1px 4px;border-radius:2px;margin:0 6px;vertical-align:1px}.dim{color:#616061;font-size:13px}
h3{font-size:18px;line-height:1.33;font-weight:900;margin:6px 0}hr{border:0;border-top:1px solid #ddd;margin:12px 0}
.section,.input{margin:6px 0;display:flex;gap:16px;justify-content:space-between;white-space:pre-wrap}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:4px 16px;margin:6px 0;white-space:pre-wrap}
.context{color:#616061;font-size:13px;margin:4px 0;display:flex;flex-wrap:wrap;gap:0 10px}
.actions{margin:8px 0;display:flex;flex-wrap:wrap;gap:8px}
.button{border:1px solid #bbb;border-radius:4px;padding:3px 12px;font-weight:700;font-size:14px;white-space:nowrap}
.primary{background:#007a5a;border-color:#007a5a;color:#fff}.danger{background:#e01e5a;border-color:#e01e5a;color:#fff}
table{border-collapse:separate;border-spacing:0;border:1px solid #ddd;border-radius:8px;margin:6px 0;min-width:60%}
th,td{padding:6px 14px;text-align:left;border-bottom:1px solid #eee;vertical-align:top}
th{background:#f8f8f8;font-size:13px}
tr:last-child td{border-bottom:0}.right{text-align:right;font-variant-numeric:tabular-nums}.center{text-align:center}
code{background:#f6f6f6;border:1px solid #e0e0e0;border-radius:3px;padding:0 3px;color:#c01343;font-size:12px}
.mention{background:#e8f5fa;color:#1264a3;border-radius:3px;padding:0 2px}a{color:#1264a3;text-decoration:none}
.bars{display:grid;grid-template-columns:auto 1fr auto;gap:4px 12px;align-items:center;margin:6px 0}
.bar{background:#1264a3;border-radius:3px;height:14px;min-width:2px}.quote{border-left:4px solid #ddd;padding-left:12px}
.plot{display:block;margin:2px 0 8px;font-size:12px;fill:#616061}
.card{border:1px solid #ddd;border-radius:8px;padding:10px 14px;margin:6px 0}
"""


_PLOT_WIDTH, _PLOT_HEIGHT, _PLOT_EDGE = 640, 130, 20
_LABELS_MAX = 10
_SERIES = ("#1264a3", "#d55e00", "#b0679b", "#00856b")
_DASHES = ("1 0", "7 4", "2 4", "9 3 2 3")
_DARK = """
body{background:#1a1d21;color:#d1d2d3}.dim,.context{color:#ababad}hr{border-color:#35373b}.app{background:#35373b;color:#ababad}
.button{border-color:#565856}table,th,td,.card,.quote{border-color:#35373b}th{background:#222529}
code{background:#222529;border-color:#35373b;color:#e8912d}.mention{background:#1d3a4a;color:#1d9bd1}a{color:#1d9bd1}
.bar{background:#1d9bd1}.plot{fill:#ababad}
"""


def to_html(
    blocks: list[Json],
    text: str,
    *,
    who: str = "Outlay",
    when: str = "",
    ephemeral: bool = False,
    names: Names | None = None,
    dark: bool = False,
    home: bool = False,
) -> str:
    """Return the page, in Slack's light or dark theme: a message (without blocks, its text), or a Home tab."""
    drawn = "".join(_block(block, names) for block in blocks) if blocks else f"<div>{_html(spans(text, names))}</div>"
    private = '<div class="dim">Only visible to you</div>' if ephemeral else ""
    head = f'<span class="who">{escape(who)}</span><span class="app">APP</span><span class="dim">{escape(when)}</span>'
    body = f'<div class="face">{escape(who[:1])}</div><div class="body">{private}{head}{drawn}</div>'
    if home:
        body = f'<div class="body">{drawn}</div>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(who)}</title><style>{_STYLE}{_DARK if dark else ''}</style></head><body>"
        f'<div class="message">{body}</div>'
        "</body></html>"
    )


def _html(parts: list[TextSpan]) -> str:
    out = []
    for part in parts:
        words = escape(part.text)
        for wanted, tag in ((part.code, "code"), (part.strike, "s"), (part.italic, "i"), (part.bold, "b")):
            words = f"<{tag}>{words}</{tag}>" if wanted else words
        if part.link:
            words = f'<a href="{escape(part.link)}">{words}</a>'
        elif part.mention:
            words = f'<span class="mention">{words}</span>'
        out.append(words)
    return "".join(out)


def _block(block: Json, names: Names | None) -> str:
    draw = _KINDS.get(str(block.get("type")))
    return draw(block, names) if draw else f'<div class="dim">[{escape(str(block.get("type")))} block]</div>'


def _words(value: Json | None, names: Names | None) -> str:
    return _html(text_spans(value, names)) if value else ""


def _header(block: Json, names: Names | None) -> str:
    return f"<h3>{escape(block['text']['text'])}</h3>"


def _section(block: Json, names: Names | None) -> str:
    side = f"<div>{_element(block['accessory'])}</div>" if block.get("accessory") else ""
    main = f'<div class="section"><div>{_words(block.get("text"), names)}</div>{side}</div>'
    fields = "".join(f"<div>{_words(words, names)}</div>" for words in block.get("fields") or [])
    return (main if block.get("text") or side else "") + (f'<div class="fields">{fields}</div>' if fields else "")


def _context(block: Json, names: Names | None) -> str:
    parts = [
        f"<span>[{escape(part.get('alt_text', ''))}]</span>"
        if part.get("type") == "image"
        else f"<span>{_words(part, names)}</span>"
        for part in block.get("elements") or []
    ]
    return f'<div class="context">{"".join(parts)}</div>'


def _actions(block: Json, names: Names | None) -> str:
    return f'<div class="actions">{"".join(map(_element, block.get("elements") or []))}</div>'


def _element(element: Json) -> str:
    kind = str(element.get("type"))
    if kind == "button":
        look = element.get("style") if element.get("style") in ("primary", "danger") else ""
        return f'<span class="button {look}">{escape(element["text"]["text"])}</span>'
    if kind == "image":
        return f'<span class="dim">[{escape(element.get("alt_text", ""))}]</span>'
    words = "…" if kind == "overflow" else (element.get("placeholder") or {}).get("text", kind) + " ▾"
    return f'<span class="button">{escape(words)}</span>'


def _table(block: Json, names: Names | None) -> str:
    data = grid(block, names)
    head = "".join(f'<th class="{align}">{_html(c)}</th>' for c, align in zip(data.header, data.align, strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td class="{a}">{_html(c)}</td>' for c, a in zip(row, data.align, strict=False)) + "</tr>"
        for row in data.rows
    )
    more = f'<div class="dim">… {data.more} more rows</div>' if data.more else ""
    caption = f'<div class="dim">{escape(data.caption)}</div>' if data.caption else ""
    return f"{caption}<table><tr>{head}</tr>{body}</table>{more}"


def _chart(block: Json, names: Names | None) -> str:
    drawn = chart(block)
    if drawn.kind in ("line", "area"):
        return _lines(drawn)
    rows = []
    for name, bars in drawn.series:
        for bar in bars:
            label = f"{name} {bar.label}" if len(drawn.series) > 1 else bar.label
            width = f"{bar.share * 100:.1f}%"
            rows.append(
                f'<span>{escape(label)}</span><span><div class="bar" style="width:{width}"></div></span>'
                f'<span class="right">{escape(bar.value)}</span>'
            )
    unit = f" ({escape(drawn.unit)})" if drawn.unit else ""
    return f'<div><b>{escape(drawn.title)}</b>{unit}</div><div class="bars">{"".join(rows)}</div>'


def _lines(drawn: Chart) -> str:
    """Draw lines over their categories, each with its own dashes, and name the highest point."""
    out, legend = [], []
    biggest = max((bar for _, bars in drawn.series for bar in bars), key=lambda bar: bar.share)
    for number, (name, bars) in enumerate(drawn.series):
        step = (_PLOT_WIDTH - 2 * _PLOT_EDGE) / max(len(bars) - 1, 1)
        at = [(_PLOT_EDGE + n * step, _PLOT_HEIGHT * (1 - bar.share) + _PLOT_EDGE) for n, bar in enumerate(bars)]
        look = f'stroke="{_SERIES[number % len(_SERIES)]}" stroke-dasharray="{_DASHES[number % len(_DASHES)]}"'
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        out.append(f'<polyline points="{points}" fill="none" stroke-width="2.5" {look}/>')
        line = f'<svg width="34" height="10"><line x1="0" y1="5" x2="32" y2="5" stroke-width="2.5" {look}/></svg>'
        legend.append(f"<span>{line} {escape(name)}</span>")
    labels = [bar.label for bar in drawn.series[0][1]]
    every = -(-len(labels) // _LABELS_MAX)
    step = (_PLOT_WIDTH - 2 * _PLOT_EDGE) / max(len(labels) - 1, 1)
    out += [
        f'<text x="{_PLOT_EDGE + n * step:.1f}" y="{_PLOT_HEIGHT + 36}" text-anchor="middle">{escape(label)}</text>'
        for n, label in enumerate(labels)
        if n % every == 0
    ]
    unit = f" ({escape(drawn.unit)})" if drawn.unit else ""
    top = f'<text x="0" y="12">highest: {escape(biggest.value)}, {escape(biggest.label)}</text>'
    box = f'viewBox="0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT + 44}" width="{_PLOT_WIDTH}"'
    return (
        f'<div><b>{escape(drawn.title)}</b>{unit}</div><div class="context">{"".join(legend)}</div>'
        f'<svg class="plot" {box}>{top}{"".join(out)}</svg>'
    )


def _rich_text(block: Json, names: Names | None) -> str:
    out = []
    for part in block.get("elements") or []:
        kind, leaves = part.get("type"), part.get("elements") or []
        if kind == "rich_text_list":
            tag = "ol" if part.get("style") == "ordered" else "ul"
            items = "".join(f"<li>{_html(rich_spans(item.get('elements') or [], names))}</li>" for item in leaves)
            out.append(f"<{tag}>{items}</{tag}>")
            continue
        tag, look = ("pre", "") if kind == "rich_text_preformatted" else ("div", "section")
        look = "quote" if kind == "rich_text_quote" else look
        out.append(f'<{tag} class="{look}"><span>{_html(rich_spans(leaves, names))}</span></{tag}>')
    return "".join(out)


def _markdown(block: Json, names: Names | None) -> str:
    return f'<div class="section"><div>{_html(spans(str(block["text"]).replace("**", "*"), names))}</div></div>'


def _image(block: Json, names: Names | None) -> str:
    return f'<div class="dim">[image: {escape(block.get("alt_text", ""))}]</div>'


def _card(block: Json, names: Names | None) -> str:
    title = f"<b>{_words(block.get('title'), names)}</b>"
    rest = [_words(block.get(name), names) for name in ("subtitle", "body", "text")]
    lines = "".join(f"<div>{words}</div>" for words in [title, *rest] if words)
    buttons = "".join(map(_element, block.get("actions") or []))
    children = "".join(_block(child, names) for child in block.get("child_blocks") or [])
    return f'<div class="card">{lines}{children}<div class="actions">{buttons}</div></div>'


_KINDS: dict[str, Callable[[Json, Names | None], str]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": lambda block, names: "<hr>",
    "table": _table,
    "data_table": _table,
    "data_visualization": _chart,
    "rich_text": _rich_text,
    "markdown": _markdown,
    "image": _image,
    "card": _card,
    "alert": _card,
    "container": _card,
}
