"""What people see at a terminal: every block in words, aligned, and never a crash."""

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from outlay.fakes.slack.rendering.mrkdwn import TextSpan, date_words, plain, spans
from outlay.fakes.slack.rendering.terminal import render_home, render_message, render_modal, to_html

NAMES = {"U01ALICE": "alice", "C01GENERAL": "general"}


def plain_text(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def drawn(*blocks: dict[str, Any], width: int = 80, text: str = "text", **how: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False, color_system=None)
    render_message(list(blocks), text, console=console, names=NAMES, **how)
    return out.getvalue()


def field(element: dict[str, Any], label: str = "Label", block_id: str = "field", **more: Any) -> dict[str, Any]:
    element = {"action_id": "value", **element}
    return {"type": "input", "block_id": block_id, "label": plain_text(label), "element": element, **more}


def modal(*blocks: dict[str, Any], **how: Any) -> str:
    out = io.StringIO()
    view = {
        "type": "modal",
        "title": plain_text("Connect"),
        "submit": plain_text("Save"),
        "close": plain_text("Cancel"),
        "blocks": list(blocks),
    }
    render_modal(view, console=Console(file=out, width=80, force_terminal=False, color_system=None), names=NAMES, **how)
    return out.getvalue()


def option(word: str) -> dict[str, Any]:
    return {"text": plain_text(word), "value": word.lower()}


def table(count: int, **more: Any) -> dict[str, Any]:
    head = [{"type": "raw_text", "text": "Owner"}, {"type": "raw_text", "text": "Spend (USD)"}]
    rows = [
        [{"type": "raw_text", "text": f"dev-{n}"}, {"type": "raw_number", "value": 10**n, "text": f"{10**n:,}.00"}]
        for n in range(count)
    ]
    return {"type": "data_table", "caption": "Biggest first", "rows": [head, *rows], **more}


# mrkdwn


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*bold*", [TextSpan("bold", bold=True)]),
        ("_it_ and ~gone~", [TextSpan("it", italic=True), TextSpan(" and "), TextSpan("gone", strike=True)]),
        ("*_both_*", [TextSpan("both", bold=True, italic=True)]),
        ("`*code*`", [TextSpan("*code*", code=True)]),
        ("2 * 3 * 4, snake_case_name", [TextSpan("2 * 3 * 4, snake_case_name")]),
        ("<https://x.example/a_b_c|the *docs*>", [TextSpan("the *docs*", link="https://x.example/a_b_c")]),
        ("*see <@U01ALICE>*", [TextSpan("see ", bold=True), TextSpan("@alice", bold=True, mention=True)]),
        (
            "<@U09|ben> <#C01GENERAL>",
            [TextSpan("@ben", mention=True), TextSpan(" "), TextSpan("#general", mention=True)],
        ),
        ("<!here> a &lt; b &amp; c", [TextSpan("@here", mention=True), TextSpan(" a < b & c")]),
        ("```a *b*```", [TextSpan("a *b*", code=True)]),
    ],
)
def test_mrkdwn_is_taken_apart(text: str, expected: list[TextSpan]) -> None:
    assert [span for span in spans(text, NAMES) if span.text] == expected


def test_a_date_is_shown_in_utc() -> None:
    assert date_words(1_793_491_200, "{date_short} at {time}") == "Nov 1, 2026 at 00:00 UTC"
    assert plain("as of <!date^1793491200^{date_num} {time}|then>.") == "as of 2026-11-01 00:00 UTC."


@given(st.text())
def test_any_text_can_be_drawn(text: str) -> None:
    assert isinstance(plain(text), str)
    assert isinstance(to_html([{"type": "section", "text": mrkdwn(text)}], text), str)


@given(st.text(alphabet="abc 123.,$%()"))
def test_text_without_marks_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


# Messages


def test_a_message_says_who_where_and_for_whom() -> None:
    shown = drawn(text="plain *words*", where="general", ephemeral=True)
    assert shown.splitlines()[0].split() == ["Outlay", "APP", "#general", "only", "visible", "to", "you"]
    assert "  plain words" in shown
    assert "only visible" not in drawn(where="#general")


def test_numbers_stand_right_aligned_under_their_header() -> None:
    lines = [line.rstrip() for line in drawn(table(4)).splitlines()]
    caption, header, *rows = lines[1:7]
    assert caption.strip() == "Biggest first"
    ends = {len(line) for line in (header, *rows)}
    assert len(ends) == 1
    assert rows[-1].split() == ["dev-3", "1,000.00"]


def test_a_table_shows_its_first_page() -> None:
    shown = drawn(table(17, page_size=5))
    assert "dev-4" in shown
    assert "dev-5" not in shown
    assert "… 12 more rows" in shown
    assert "more row" not in drawn(table(5))
    assert "… 1 more row\n" in re.sub(r" +\n", "\n", drawn(table(6)))


def test_a_plain_table_follows_its_column_settings() -> None:
    rows = [[{"type": "raw_text", "text": word} for word in row] for row in (("Key", "Spend"), ("a", "1"), ("b", "22"))]
    shown = drawn({"type": "table", "rows": rows, "column_settings": [None, {"align": "right"}]})
    assert [line.rstrip() for line in shown.splitlines()[1:4]] == ["  Key  Spend", "  a        1", "  b       22"]


def test_bars_are_as_long_as_their_values() -> None:
    points = [{"label": "small", "value": 10}, {"label": "big", "value": 40.5}, {"label": "none", "value": 0}]
    axis = {"categories": ["small", "big", "none"], "y_label": "USD"}
    chart = {"type": "bar", "series": [{"name": "spend", "data": points}], "axis_config": axis}
    shown = drawn({"type": "data_visualization", "title": "Top", "chart": chart})
    bars = {line.split()[0]: line.count("█") for line in shown.splitlines() if re.search("small|big|none", line)}
    assert (bars["big"], bars["none"]) == (30, 0)
    assert 6 <= bars["small"] <= 9
    assert "Top (USD)" in shown
    assert "40.50" in shown


def test_lines_and_pies() -> None:
    data = [{"label": f"d{n}", "value": n} for n in range(8)]
    chart = {"type": "line", "series": [{"name": "alice", "data": data}], "axis_config": {"categories": []}}
    assert "▁▂▃▄▅▆▇█" in drawn({"type": "data_visualization", "title": "Daily", "chart": chart})
    pie = {"type": "pie", "segments": [{"label": "a", "value": 1}, {"label": "b", "value": 3}]}
    assert "3 (75%)" in drawn({"type": "data_visualization", "title": "Share", "chart": pie})


def test_every_block_of_a_message_has_its_words() -> None:
    leaf = {"type": "text", "text": "leaf"}
    part = {"type": "rich_text_section", "elements": [leaf, {"type": "user", "user_id": "U01ALICE"}]}
    button = {"type": "button", "action_id": "a", "text": plain_text("Share")}
    shown = drawn(
        {"type": "header", "text": plain_text("Heading")},
        {"type": "section", "text": mrkdwn("*Body*"), "fields": [mrkdwn("One"), mrkdwn("Two")], "accessory": button},
        {"type": "divider"},
        {"type": "context", "elements": [mrkdwn("Small"), {"type": "image", "image_url": "x", "alt_text": "a face"}]},
        {"type": "actions", "elements": [button, {"type": "overflow", "action_id": "o", "options": [option("Week")]}]},
        {"type": "rich_text", "elements": [part, {"type": "rich_text_list", "style": "ordered", "elements": [part]}]},
        {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [leaf]}]},
        {"type": "markdown", "text": "**strong**"},
        {"type": "image", "image_url": "https://x.example", "alt_text": "a chart"},
        {"type": "alert", "level": "error", "text": plain_text("Careful")},
        {"type": "card", "title": plain_text("Card"), "body": mrkdwn("inside"), "actions": [button]},
        {"type": "container", "title": plain_text("Box"), "child_blocks": [{"type": "section", "text": mrkdwn("in")}]},
    )
    for words in (
        *("Heading", "Body", "One", "Two", "[ Share ]", "Small", "a face", "[ … ]", "leaf@alice", "1. leaf"),
        *("strong", "[image: a chart]", "Careful", "Card", "inside", "Box"),
    ):
        assert words in shown


def test_an_unknown_block_is_named() -> None:
    assert "[hologram block]" in drawn({"type": "hologram"}, {"type": "divider"})
    assert "[hologram block]" in to_html([{"type": "hologram"}], "text")


def test_it_fits_in_narrow_and_wide_terminals() -> None:
    blocks = [table(3), {"type": "section", "text": mrkdwn("word " * 60), "fields": [mrkdwn("One"), mrkdwn("Two")]}]
    for width in (40, 80, 200):
        assert max(len(line) for line in drawn(*blocks, width=width).splitlines()) <= width


# Modals and Home


def test_a_secret_is_dots_and_a_reference_is_not() -> None:
    secret = field({"type": "plain_text_input"}, "Management key", "secret")
    for values in (
        {"secret": "sk-or-v1-planted"},
        {("secret", "value"): {"type": "plain_text_input", "value": "sk-or-v1-planted"}},
    ):
        shown = modal(secret, values=values)
        assert "planted" not in shown
        assert "••••••••" in shown
    assert "env:OPENROUTER_KEY" in modal(secret, values={"secret": "env:OPENROUTER_KEY"})


def test_an_error_stands_under_its_field() -> None:
    shown = modal(
        field({"type": "plain_text_input"}, "Name", "name", hint=plain_text("What people call it")),
        field({"type": "plain_text_input"}, "Other", "other"),
        errors={"name": "This name is taken."},
        values={"value": "production"},
    )
    assert shown.index("production") < shown.index("! This name is taken.") < shown.index("Other")
    assert "What people call it" in shown
    assert "[ Cancel ]  [ Save ]" in shown


@pytest.mark.parametrize(
    ("element", "value", "expected"),
    [
        ({"type": "plain_text_input", "initial_value": "first"}, None, "first"),
        ({"type": "plain_text_input", "placeholder": plain_text("e.g. prod")}, None, "e.g. prod"),
        ({"type": "number_input"}, "12", "12"),
        ({"type": "static_select", "options": [option("Week")], "initial_option": option("Week")}, None, "Week ▾"),
        ({"type": "multi_static_select", "options": []}, [option("Week"), option("Month")], "Week, Month ▾"),
        ({"type": "users_select"}, "U01ALICE", "alice ▾"),
        ({"type": "conversations_select"}, None, "choose a conversation ▾"),
        ({"type": "datepicker", "initial_date": "2026-11-01"}, None, "2026-11-01 ▾"),
        ({"type": "radio_buttons", "options": [option("Week"), option("Month")]}, "month", "(•) Month"),
        ({"type": "checkboxes", "options": [option("Week")], "initial_options": [option("Week")]}, None, "[x] Week"),
    ],
)
def test_an_input_shows_what_stands_in_it(element: dict[str, Any], value: Any, expected: str) -> None:
    assert expected in modal(field(element), values={} if value is None else {"field": value})


def test_home_is_drawn_like_a_message() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False, color_system=None)
    render_home(
        {"type": "home", "blocks": [{"type": "section", "text": mrkdwn("Hi <@U01ALICE>")}]},
        console=console,
        names=NAMES,
    )
    assert "Hi @alice" in out.getvalue()


# HTML


def test_the_page_needs_nothing_from_outside_and_escapes_everything() -> None:
    page = to_html(
        [table(3), {"type": "section", "text": mrkdwn("a &lt;b&gt; <script>alert(1)</script>")}], "text", who="<Out>"
    )
    assert page.startswith("<!doctype html>")
    assert '<td class="right">100.00</td>' in page
    assert "<script" not in page
    assert "&lt;Out&gt;" in page
    assert not re.search(r"src=|@import|url\(|<link", page)


def test_a_page_draws_lines_that_dashes_tell_apart_and_a_home_tab_without_a_sender() -> None:
    series = [
        {"name": name, "data": [{"label": f"{n} <i>", "value": n * of} for n in range(20)]}
        for name, of in (("this & that", 2), ("before", 1))
    ]
    chart = {"type": "line", "series": series, "axis_config": {"categories": [], "y_label": "USD"}}
    block = {"type": "data_visualization", "title": "Daily", "chart": chart}
    page = to_html([block], "text", dark=True)

    assert len(set(re.findall(r'<polyline [^>]*stroke-dasharray="([^"]*)"', page))) == 2
    assert len(re.findall('<text [^>]*text-anchor="middle">', page)) == 10, "no more labels than there is room for"
    assert "highest: 38, 19 &lt;i&gt;" in page
    assert "this &amp; that" in page
    assert "background:#1a1d21" in page
    assert 'class="face"' in page
    assert 'class="face"' not in to_html([block], "text", home=True)
