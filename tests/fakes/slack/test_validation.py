"""The limits that the stand-in holds, one sample beyond each; and that the published schema sees what these do not."""

from typing import Any

import pytest

from outlay.fakes.slack.block_kit_schema import BlockKitSchema
from outlay.fakes.slack.validation import characters, check_blocks, check_view
from tests.workspace import SCHEMA, schema


def text(length: int, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": "x" * length}


def section(length: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": text(length, "mrkdwn"), **more}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "a", "text": text(1), **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def select(count: int = 1, **more: Any) -> dict[str, Any]:
    options = [{"text": text(1), "value": str(n), **more} for n in range(count)]
    return {"type": "static_select", "action_id": "s", "options": options}


def cells(*words: str) -> list[dict[str, Any]]:
    return [{"type": "raw_text", "text": word} for word in words]


def data_table(rows: int = 1, length: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "data_table", "caption": "c", "rows": [cells("h"), *[cells("x" * length)] * rows], **more}


def bars(names: list[str], categories: list[str], values: int | None = None) -> dict[str, Any]:
    points = [{"label": name, "value": 1} for name in categories[:values]]
    series = [{"name": name, "data": points} for name in names]
    chart = {"type": "bar", "series": series, "axis_config": {"categories": categories}}
    return {"type": "data_visualization", "title": "t", "chart": chart}


def field(**more: Any) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": "typed"}
    return {"type": "input", "label": text(1), "element": element, **more}


def modal(**more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": text(1), "submit": text(1), "blocks": [field()], **more}


GOOD = [
    [section(3_000), {"type": "header", "text": text(150)}, {"type": "divider"}],
    [actions(button(style="danger", value="v" * 2_000), select(100))],
    [data_table(200), bars(["a", "b"], ["x", "y"]), bars(["a"], ["x"])],
    [{"type": "context", "elements": [text(1, "mrkdwn")] * 10}],
    [{"type": "divider"}] * 50,
]
BAD = [
    ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    ([section(3_001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    ([section(0)], "must be more than 0 characters"),
    ([{"type": "section"}], "must define either `text` or `fields`"),
    ([section(fields=[text(1)] * 11)], "no more than 10 items allowed [json-pointer:/blocks/0/fields]"),
    ([section(fields=[text(2_001)])], "must be less than 2001 characters"),
    ([{"type": "header", "text": text(151)}], "must be less than 151 characters"),
    ([{"type": "header", "text": text(1, "mrkdwn")}], "must be a plain_text object"),
    ([section(block_id="b"), section(block_id="b")], "block_id `b` already exists"),
    ([actions(button(), button())], "action_id `a` already exists"),
    ([actions(*[button(action_id=str(n)) for n in range(26)])], "no more than 25 items"),
    ([actions(button(text=text(76)))], "must be less than 76 characters"),
    ([actions(button(style="loud"))], "invalid style: loud"),
    ([actions(button(confirm={"title": text(1), "text": text(301)}))], "must be less than 301 characters"),
    ([actions(select(101))], "no more than 100 items"),
    ([actions(select(text=text(76)))], "must be less than 76 characters"),
    ([actions(select(value="v" * 151))], "must be less than 151 characters"),
    ([{"type": "image", "image_url": "https://x.example"}], "missing required field: alt_text"),
    ([data_table(201)], "no more than 201 items"),
    ([data_table(0)], "no less than 2 items"),
    ([data_table(101, 199)], "data_table blocks must hold less than 20001 characters"),
    ([data_table(caption="")], "missing required field: caption"),
    ([data_table(page_size=101)], "must be 1 to 100"),
    ([{"type": "data_table", "caption": "c", "rows": [cells("a", "b"), cells("a")]}], "same number of cells"),
    ([data_table(), {"type": "table", "rows": [cells("a")]}], "only one table"),
    ([bars(["a"], ["x"])] * 3, "no more than 2 data_visualization"),
    ([bars(["a", "a"], ["x"])], "names must be unique"),
    ([bars(["a"], ["x", "y"], 1)], "one point for each category"),
    ([bars(["a"], [str(n) for n in range(21)])], "no more than 20 items"),
    ([bars([str(n) for n in range(13)], ["x"])], "no more than 12 items"),
    ([bars(["a" * 21], ["x"])], "must be less than 21 characters"),
    ([{"type": "alert", "text": text(1)}], "unsupported type: alert [json-pointer:/blocks/0/type]"),
    ([{"type": "hologram"}], "unsupported type: hologram"),
    (["words"], "unsupported type: None"),
    ({}, "must be a list of blocks"),
]
BAD_VIEWS = [
    (modal(title=text(25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
    (modal(submit=text(25)), "/view/submit/text"),
    (modal(submit=None), "must define `submit`"),
    (modal(title=None), "missing required field: title"),
    (modal(private_metadata="x" * 3_001), "must be less than 3001 characters"),
    (modal(blocks=[{"type": "divider"}] * 101), "no more than 100 items"),
    (modal(blocks=[data_table()]), "unsupported type: data_table [json-pointer:/view/blocks/0/type]"),
    ({"type": "home", "blocks": [{"type": "alert", "text": text(1)}]}, "unsupported type: alert"),
    ({"type": "page", "blocks": []}, "unsupported type: page"),
]


@pytest.mark.parametrize("blocks", GOOD)
def test_what_slack_takes(blocks: list[dict[str, Any]]) -> None:
    assert check_blocks(blocks, "message") == []


@pytest.mark.parametrize(("blocks", "words"), BAD)
def test_what_slack_refuses(blocks: Any, words: str) -> None:
    assert words in "\n".join(map(str, check_blocks(blocks, "message")))


@pytest.mark.parametrize(("view", "words"), BAD_VIEWS)
def test_views_that_slack_refuses(view: dict[str, Any], words: str) -> None:
    assert words in "\n".join(map(str, check_view(view)))


def test_views_that_slack_takes() -> None:
    assert check_view(modal(title=text(24), private_metadata="x" * 3_000)) == []
    assert check_view({"type": "home", "blocks": [data_table(), {"type": "divider"}]}) == []


def test_only_what_is_read_counts_as_characters() -> None:
    blocks = [section(10), actions(button(value="v" * 500, text=text(5))), data_table(2, 3)]
    assert characters(blocks) == 10 + 5 + len("c") + len("h") + 2 * 3


def test_a_workspace_may_not_know_a_block_yet() -> None:
    problems = check_blocks([section(), data_table()], "message", unknown={"data_table"})
    assert [str(p) for p in problems] == ["[ERROR] unsupported type: data_table [json-pointer:/blocks/1/type]"]


@pytest.fixture(scope="module")
def published() -> BlockKitSchema:
    if schema() is None:
        pytest.skip(f"the published Block Kit schema is not at {SCHEMA}")
    return BlockKitSchema(SCHEMA)


@pytest.mark.parametrize("blocks", GOOD)
def test_the_schema_takes_what_these_limits_take(published: BlockKitSchema, blocks: list[dict[str, Any]]) -> None:
    assert published.check_blocks(blocks) == []


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (section(colour="red"), "colour"),
        (actions(button(onclick="x")), "onclick"),
        (
            {"type": "data_table", "caption": "c", "rows": [cells("h"), [{"type": "raw_number", "value": "12"}]]},
            "number",
        ),
        ({"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": []}]}, "non-empty"),
    ],
)
def test_the_schema_sees_what_these_limits_do_not(published: BlockKitSchema, block: dict[str, Any], words: str) -> None:
    assert check_blocks([block], "message") == []
    (problem,) = published.check_blocks([block])
    assert words in str(problem)
    assert published.check_view(modal()) == []
