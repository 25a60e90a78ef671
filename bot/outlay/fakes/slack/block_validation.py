"""Slack's limits on one block: required fields, lengths, counts. Pure; `slack_limits` checks whole payloads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SECTION_TEXT_MAX = 3_000
FIELD_TEXT_MAX = 2_000
FIELDS_MAX = 10
HEADER_MAX = 150
CONTEXT_ELEMENTS_MAX = 10
ACTIONS_ELEMENTS_MAX = 25
LABEL_MAX = 2_000
URL_MAX = 3_000
BUTTON_TEXT_MAX = 75
BUTTON_VALUE_MAX = 2_000
PLACEHOLDER_MAX = 150
OPTION_TEXT_MAX = 75
OPTION_VALUE_MAX = 150
INPUT_LENGTH_MAX = 3_000
TABLE_ROWS_MAX = 100
DATA_TABLE_ROWS_MAX = 201
TABLE_CELLS_MAX = 20
PAGE_SIZE_MAX = 100
CHART_TITLE_MAX = 50
CHART_SERIES_MAX = 12
CHART_POINTS_MAX = 20
CHART_NAME_MAX = 20
ALERT_MAX = 200
ID_MAX = 255

_OPTIONS_MAX = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}
_SELECT_OPTIONS_MAX = 100
_CONFIRM_MAX = {"title": 100, "text": 300, "confirm": 30, "deny": 30}


@dataclass(frozen=True, slots=True)
class Problem:
    """Reason for a refusal, and where in the payload it is."""

    message: str
    pointer: str

    def __str__(self) -> str:
        return f"[ERROR] {self.message} [json-pointer:{self.pointer}]"


def check_item_count(items: object, most: int, at: str) -> list[Problem]:
    """Check that a list has 1 to `most` items."""
    if not isinstance(items, list) or not items:
        return [Problem("no less than 1 items allowed", at)]
    return [Problem(f"no more than {most} items allowed", at)] if len(items) > most else []


def text_length(value: object) -> int:
    """Count the characters that a reader sees in this part of a payload; ids, values and urls do not count."""
    if isinstance(value, list):
        return sum(map(text_length, value))
    if not isinstance(value, dict):
        return 0
    if value.get("type") == "raw_number":
        return len(str(value.get("text") or value.get("value", "")))
    own = sum(
        len(value[name])
        for name in ("text", "caption", "alt_text", "label", "name")
        if isinstance(value.get(name), str)
    )
    return own + sum(text_length(part) for part in value.values() if isinstance(part, (dict, list)))


def check_block(block: Json, at: str) -> list[Problem]:
    """Return all problems of one block whose type is known."""
    problems = _length(block.get("block_id"), ID_MAX, f"{at}/block_id")
    return problems + BLOCK_TYPES[block["type"]](block, at)


def _length(value: object, most: int, at: str, *, least: int = 0) -> list[Problem]:
    if value is None:
        return []
    if not isinstance(value, str):
        return [Problem("must be a string", at)]
    if len(value) < least:
        return [Problem(f"must be more than {least - 1} characters", at)]
    return [Problem(f"must be less than {most + 1} characters", at)] if len(value) > most else []


def _text(value: object, most: int, at: str, *, plain: bool = False, required: bool = True) -> list[Problem]:
    if value is None:
        return [Problem(f"missing required field: {at.rsplit('/', 1)[1]}", at.rsplit("/", 1)[0])] if required else []
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(value, dict) or value.get("type") not in kinds:
        return [Problem(f"must be a {' or '.join(kinds)} object", at)]
    if not isinstance(value.get("text"), str):
        return [Problem("missing required field: text", at)]
    return _length(value["text"], most, f"{at}/text", least=1)


def _section(block: Json, at: str) -> list[Problem]:
    if block.get("text") is None and not block.get("fields"):
        return [Problem("must define either `text` or `fields`", at)]
    problems = _text(block.get("text"), SECTION_TEXT_MAX, f"{at}/text", required=False)
    if "fields" in block:
        problems += check_item_count(block["fields"], FIELDS_MAX, f"{at}/fields")
        for index, words in enumerate(block["fields"] or []):
            problems += _text(words, FIELD_TEXT_MAX, f"{at}/fields/{index}")
    if block.get("accessory") is not None:
        problems += _element(block["accessory"], f"{at}/accessory")
    return problems


def _header(block: Json, at: str) -> list[Problem]:
    return _text(block.get("text"), HEADER_MAX, f"{at}/text", plain=True)


def _context(block: Json, at: str) -> list[Problem]:
    problems = check_item_count(block.get("elements"), CONTEXT_ELEMENTS_MAX, f"{at}/elements")
    for index, part in enumerate(block.get("elements") or []):
        if isinstance(part, dict) and part.get("type") == "image":
            problems += _image(part, f"{at}/elements/{index}")
        else:
            problems += _text(part, SECTION_TEXT_MAX, f"{at}/elements/{index}")
    return problems


def _actions(block: Json, at: str) -> list[Problem]:
    problems = check_item_count(block.get("elements"), ACTIONS_ELEMENTS_MAX, f"{at}/elements")
    for index, element in enumerate(block.get("elements") or []):
        problems += _element(element, f"{at}/elements/{index}")
    return problems


def _image(block: Json, at: str) -> list[Problem]:
    problems = _length(block.get("image_url"), URL_MAX, f"{at}/image_url", least=1)
    if ("image_url" in block) == ("slack_file" in block):
        problems.append(Problem("must define either `image_url` or `slack_file`", at))
    if not block.get("alt_text"):
        problems.append(Problem("missing required field: alt_text", at))
    return problems + _length(block.get("alt_text"), 2_000, f"{at}/alt_text")


def _input(block: Json, at: str) -> list[Problem]:
    problems = _text(block.get("label"), LABEL_MAX, f"{at}/label", plain=True)
    problems += _text(block.get("hint"), LABEL_MAX, f"{at}/hint", plain=True, required=False)
    if not isinstance(block.get("element"), dict):
        return [*problems, Problem("missing required field: element", at)]
    if block["element"].get("type") in ("button", "overflow", "image"):
        problems.append(Problem(f"unsupported type: {block['element']['type']}", f"{at}/element/type"))
    return problems + _element(block["element"], f"{at}/element")


def _element(element: object, at: str) -> list[Problem]:
    if not isinstance(element, dict) or not isinstance(element.get("type"), str):
        return [Problem("must be an element with a type", at)]
    problems = _length(element.get("action_id"), ID_MAX, f"{at}/action_id", least=1)
    kind = element["type"]
    if kind == "button":
        problems += _text(element.get("text"), BUTTON_TEXT_MAX, f"{at}/text", plain=True)
        problems += _length(element.get("value"), BUTTON_VALUE_MAX, f"{at}/value")
        problems += _length(element.get("url"), URL_MAX, f"{at}/url")
        problems += _length(element.get("accessibility_label"), BUTTON_TEXT_MAX, f"{at}/accessibility_label")
        if element.get("style") not in (None, "primary", "danger"):
            problems.append(Problem(f"invalid style: {element['style']}", f"{at}/style"))
    elif kind == "image":
        problems += _image(element, at)
    elif kind == "plain_text_input":
        for name in ("min_length", "max_length"):
            if not 0 <= int(element.get(name) or 0) <= INPUT_LENGTH_MAX:
                problems.append(Problem(f"must be at most {INPUT_LENGTH_MAX}", f"{at}/{name}"))
    problems += _options(element, at)
    problems += _text(element.get("placeholder"), PLACEHOLDER_MAX, f"{at}/placeholder", plain=True, required=False)
    return problems + _confirm(element.get("confirm"), f"{at}/confirm")


def _options(element: Json, at: str) -> list[Problem]:
    kind = element["type"]
    problems: list[Problem] = []
    groups = element.get("option_groups")
    if groups is not None:
        problems += check_item_count(groups, _SELECT_OPTIONS_MAX, f"{at}/option_groups")
        for index, group in enumerate(groups or []):
            problems += _options({"type": kind, "options": group.get("options")}, f"{at}/option_groups/{index}")
        return problems
    if kind not in ("static_select", "multi_static_select", *_OPTIONS_MAX):
        return problems
    problems += check_item_count(element.get("options"), _OPTIONS_MAX.get(kind, _SELECT_OPTIONS_MAX), f"{at}/options")
    for index, option in enumerate(element.get("options") or []):
        where = f"{at}/options/{index}"
        problems += _text(option.get("text"), OPTION_TEXT_MAX, f"{where}/text")
        problems += _text(option.get("description"), OPTION_TEXT_MAX, f"{where}/description", required=False)
        problems += _length(option.get("value") or "", OPTION_VALUE_MAX, f"{where}/value", least=1)
    chosen = element.get("initial_option")
    if chosen is not None and chosen not in (element.get("options") or []):
        problems.append(Problem("initial_option is not one of the options", f"{at}/initial_option"))
    return problems


def _confirm(confirm: object, at: str) -> list[Problem]:
    if confirm is None:
        return []
    if not isinstance(confirm, dict):
        return [Problem("must be an object", at)]
    problems = []
    for name, most in _CONFIRM_MAX.items():
        problems += _text(confirm.get(name), most, f"{at}/{name}")
    return problems


def _rows(block: Json, at: str, most: int) -> list[Problem]:
    rows = block.get("rows")
    problems = check_item_count(rows, most, f"{at}/rows")
    if not isinstance(rows, list):
        return problems
    widths = {len(row) for row in rows if isinstance(row, list)}
    for index, row in enumerate(rows):
        problems += check_item_count(row, TABLE_CELLS_MAX, f"{at}/rows/{index}")
    if len(widths) > 1:
        problems.append(Problem("all rows must have the same number of cells", f"{at}/rows"))
    return problems


def _table(block: Json, at: str) -> list[Problem]:
    return _rows(block, at, TABLE_ROWS_MAX)


def _data_table(block: Json, at: str) -> list[Problem]:
    problems = _rows(block, at, DATA_TABLE_ROWS_MAX)
    if not block.get("caption"):
        problems.append(Problem("missing required field: caption", at))
    rows = block.get("rows")
    if isinstance(rows, list) and len(rows) < 2:
        problems.append(Problem("no less than 2 items allowed", f"{at}/rows"))
    if not 1 <= int(block.get("page_size", 5)) <= PAGE_SIZE_MAX:
        problems.append(Problem(f"must be 1 to {PAGE_SIZE_MAX}", f"{at}/page_size"))
    for index, cell in enumerate(rows[0] if isinstance(rows, list) and rows else []):
        if cell.get("type") not in ("raw_text", "raw_number"):
            problems.append(Problem(f"unsupported type: {cell.get('type')}", f"{at}/rows/0/{index}/type"))
    return problems


def _data_visualization(block: Json, at: str) -> list[Problem]:
    chart = block.get("chart") or {}
    problems = _length(block.get("title") or "", CHART_TITLE_MAX, f"{at}/title", least=1)
    if chart.get("type") == "pie":
        where, parts = f"{at}/chart/segments", chart.get("segments")
        problems += [
            Problem("must be more than 0", f"{where}/{index}/value")
            for index, part in enumerate(parts or [])
            if not part.get("value", 0) > 0
        ]
        names = [part.get("label") for part in parts or []]
    elif chart.get("type") in ("line", "bar", "area"):
        where, parts = f"{at}/chart/series", chart.get("series")
        names = [part.get("name") for part in parts or []]
        categories = (chart.get("axis_config") or {}).get("categories") or []
        problems += check_item_count(categories, CHART_POINTS_MAX, f"{at}/chart/axis_config/categories")
        for index, series in enumerate(parts or []):
            if [point.get("label") for point in series.get("data") or []] != categories:
                problems.append(Problem("must have one point for each category", f"{where}/{index}/data"))
        names_at_axis = [*names, *categories]
        problems += [p for name in names_at_axis for p in _length(name, CHART_NAME_MAX, where, least=1)]
    else:
        return [*problems, Problem(f"unsupported type: {chart.get('type')}", f"{at}/chart/type")]
    if len(set(names)) != len(names):
        problems.append(Problem("names must be unique", where))
    return problems + check_item_count(parts, CHART_SERIES_MAX, where)


def _alert(block: Json, at: str) -> list[Problem]:
    return _text(block.get("text"), ALERT_MAX, f"{at}/text")


def _markdown(block: Json, at: str) -> list[Problem]:
    return _length(block.get("text") or "", 12_000, f"{at}/text", least=1)


def _nothing(block: Json, at: str) -> list[Problem]:
    return []


_ONLY_THE_SCHEMA_KNOWS = (
    *("card", "carousel", "container", "context_actions", "divider"),
    *("file", "plan", "rich_text", "task_card", "video"),
)
BLOCK_TYPES: dict[str, Callable[[Json, str], list[Problem]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "input": _input,
    "table": _table,
    "data_table": _data_table,
    "data_visualization": _data_visualization,
    "alert": _alert,
    "markdown": _markdown,
    **dict.fromkeys(
        [
            "card",
            "carousel",
            "container",
            "context_actions",
            "divider",
            "file",
            "plan",
            "rich_text",
            "task_card",
            "video",
        ],
        _nothing,
    ),
}
