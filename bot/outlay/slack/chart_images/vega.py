"""Slack's chart block as a Vega-Lite specification with the same figures, title and unit. Pure.

The colors can be told apart with a color vision deficiency (the palette of Okabe and Ito), and lines differ in dashes
and marks too. The background is opaque white, so that it reads in Slack's dark theme as in the light one. Only fonts
that the renderer ships are named: another name would silently drop all text.
"""

from typing import Any

from outlay.slack import block_kit

COLORS = ("#0072B2", "#D55E00", "#CC79A7", "#009E73", "#E69F00", "#56B4E9", "#000000")
DASHES = ([1, 0], [6, 4], [2, 3], [8, 3, 2, 3], [1, 2], [10, 4], [4, 2])
WIDTH, HEIGHT = 640, 300
SUBTITLE_CHARACTERS = 110
INK, GRID = "#1d1c1d", "#dddddd"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Json = dict[str, Any]


def specification(block: block_kit.Block, finding: str = "") -> Json:
    """Build the specification of a `data_visualization` block; `finding` becomes the subtitle."""
    chart = block["chart"]
    drawn = _pie(chart) if chart["type"] == "pie" else _course(chart)
    title: Json = {"text": block["title"], "anchor": "start", "fontSize": 18, "offset": 14}
    if finding:
        title |= {"subtitle": block_kit.cut(finding, SUBTITLE_CHARACTERS), "subtitleFontSize": 13}
    return {
        "$schema": SCHEMA,
        "title": title,
        "width": WIDTH,
        "height": HEIGHT,
        "background": "#ffffff",
        "padding": 20,
        "config": {
            "font": "sans-serif",
            "title": {"color": INK, "subtitleColor": INK},
            "axis": {"labelColor": INK, "titleColor": INK, "gridColor": GRID, "labelFontSize": 12, "titleFontSize": 12},
            "legend": {"labelColor": INK, "labelFontSize": 13, "symbolSize": 120, "labelLimit": 300},
            "view": {"stroke": None},
        },
        **drawn,
    }


def _course(chart: Json) -> Json:
    """Build lines, areas or bars over categories."""
    names = [series["name"] for series in chart["series"]]
    config = chart.get("axis_config") or {}
    categories = config.get("categories") or [point["label"] for point in chart["series"][0]["data"]]
    values = [
        {"at": point["label"], "series": series["name"], "value": point["value"]}
        for series in chart["series"]
        for point in series["data"]
    ]
    many = len(names) > 1
    axis: Json = {"labelAngle": -40 if len(categories) > 8 else 0, "grid": False, "labelOverlap": False}
    x: Json = {"field": "at", "type": "ordinal", "sort": categories, "axis": axis, "title": config.get("x_label")}
    y: Json = {"field": "value", "type": "quantitative", "title": config.get("y_label"), "axis": {"format": "~s"}}
    if not any(abs(one["value"]) >= 1_000 for one in values):
        y["axis"] = {"format": ",.6~g"}
    encoding: Json = {"x": x, "y": y, "color": _color_encoding("series", names, shown=many)}
    if chart["type"] == "bar":
        if many:
            encoding["xOffset"] = {"field": "series", "sort": names}
        return {"data": {"values": values}, "mark": {"type": "bar", "cornerRadiusEnd": 3}, "encoding": encoding}
    if many and chart["type"] == "line":
        scale = {"domain": names, "range": [list(DASHES[n % len(DASHES)]) for n in range(len(names))]}
        encoding["strokeDash"] = {"field": "series", "scale": scale, "legend": _legend(line=True)}
        encoding["color"]["legend"] = _legend(line=True)
    mark: Json = {"type": "line", "strokeWidth": 3, "point": {"filled": True, "size": 60}}
    if chart["type"] == "area":
        mark = {"type": "area", "opacity": 0.6, "line": True}
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _pie(chart: Json) -> Json:
    """Build shares as bars: people compare lengths better than angles, and names need no legend."""
    names = [part["label"] for part in chart["segments"]]
    return {
        "data": {"values": [{"name": part["label"], "value": part["value"]} for part in chart["segments"]]},
        "mark": {"type": "bar", "cornerRadiusEnd": 3, "color": COLORS[0]},
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 200}},
            "x": {"field": "value", "type": "quantitative", "title": None, "axis": {"format": "~s"}},
        },
    }


def _color_encoding(field: str, names: list[str], *, shown: bool) -> Json:
    scale = {"domain": names, "range": [COLORS[n % len(COLORS)] for n in range(len(names))]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": _legend() if shown else None}


def _legend(*, line: bool = False) -> Json:
    strokes = {"symbolType": "stroke", "symbolSize": 900, "symbolStrokeWidth": 3} if line else {}
    return {"orient": "top", "title": None, "direction": "horizontal", **strokes}
