"""Snapshots of views as text beside the tests, so that a change of words or order is seen in a diff.

The terminal's renderer draws them; below stand the ids of what can be pressed or filled in, in order.

    UPDATE_SNAPSHOTS=1 .venv/bin/python -m pytest tests/slack     # then look at the diff
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from outlay.fakes.slack.rendering.terminal import render_home, render_message, render_modal
from outlay.slack import block_kit
from outlay.slack.message_poster import RenderedMessage

FOLDER = Path(__file__).parent / "snapshots"
WIDTH = 100


def same_view(name: str, view: block_kit.View) -> None:
    """Compare a modal or a Home tab with its snapshot."""
    console = _console()
    (render_home if view["type"] == "home" else render_modal)(view, console=console)
    _same(name, console, view["blocks"])


def same_message(name: str, message: RenderedMessage, form: int = 0) -> None:
    """Compare a message, in its richest form or another, with its snapshot."""
    console = _console()
    blocks = message.forms[form][1]
    render_message(blocks, message.text, console=console)
    _same(name, console, blocks, f"text: {message.text}")


def same_text(name: str, found: str) -> None:
    """Compare any text with its snapshot."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found + "\n", "utf-8")
    assert path.is_file(), f"no snapshot {path.name} yet: UPDATE_SNAPSHOTS=1 makes it"
    assert found + "\n" == path.read_text("utf-8"), f"{path.name} is otherwise; if it should be, UPDATE_SNAPSHOTS=1"


def _same(name: str, console: Console, blocks: list[block_kit.Block], *more: str) -> None:
    drawn = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    same_text(name, "\n".join([*drawn, *more, *(f"id: {one}" for one in _ids(blocks))]))


def _console() -> Console:
    return Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)


def _ids(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for part in node:
            yield from _ids(part)
    elif isinstance(node, dict):
        if "action_id" in node:
            yield f"{node['action_id']} {node.get('value', '')}".rstrip()
        for part in node.values():
            yield from _ids(part)
