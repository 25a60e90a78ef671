"""Pictures: the specification of a chart, and a worker that may crash, hang or grumble without harm."""

import asyncio
import json
import logging
import sys
import textwrap
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from outlay.slack.chart_images import vega
from outlay.slack.chart_images.renderer import TRIES_MAX, WAITING_MAX, ChartRenderer, RenderFailedError
from outlay.slack.chart_images.upload import readable
from tests.slack.snapshots import same_text

LOG = logging.getLogger("tests.pictures")
PNG = b"\x89PNG\r\n\x1a\n"
FINDING = "The week from 9 to 15 Nov cost $1,015, $260.00 more than the week before (34 %)."
HEAD = "import os, struct, sys, time\nr, w = sys.stdin.buffer, sys.stdout.buffer\n"
ASKED = "def asked():\n    return r.read(struct.unpack('>I', r.read(4))[0])\n"
SAY = "def say(status, found):\n    w.write(struct.pack('>BI', status, len(found)) + found); w.flush()\n"


def chart(kind: str = "line", *names: str, title: str = "Spend by day") -> dict[str, Any]:
    """A week of one or more series."""
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    series = [
        {"name": name, "data": [{"label": day, "value": 100.5 + 20 * n + 7 * at} for n, day in enumerate(days)]}
        for at, name in enumerate(names or ("9 to 15 Nov", "2 to 8 Nov"))
    ]
    config = {"categories": days, "y_label": "USD"}
    return {
        "type": "data_visualization",
        "title": title,
        "chart": {"type": kind, "series": series, "axis_config": config},
    }


PIE = {
    "type": "data_visualization",
    "title": "Spend by model",
    "chart": {"type": "pie", "segments": [{"label": "opus", "value": 300}, {"label": "gpt-5.5", "value": 112.3}]},
}


def worker(tmp_path: Path, code: str) -> tuple[str, ...]:
    """A worker of these lines."""
    path = tmp_path / "worker.py"
    path.write_text(HEAD + ASKED + SAY + textwrap.dedent(code))
    return sys.executable, "-I", str(path)


# The specification


@pytest.mark.parametrize(
    ("name", "block"),
    [("line", chart()), ("bar", chart("bar")), ("area", chart("area", "Spend")), ("pie", PIE)],
)
def test_the_specification_is_as_it_was(name: str, block: dict[str, Any]) -> None:
    same_text(f"vega_{name}", json.dumps(vega.specification(block, FINDING), indent=1, sort_keys=True))


def test_it_asks_nobody_names_only_the_font_there_is_and_its_ground_is_opaque() -> None:
    for block in (chart(), chart("bar"), chart("area"), PIE):
        said = json.dumps(spec := vega.specification(block, FINDING))
        assert '"url"' not in said
        assert spec["config"]["font"] == "sans-serif"
        assert said.count('ont": ') == 1, "no other font anywhere"
        assert spec["background"] == "#ffffff"


def test_series_are_told_apart_without_colours() -> None:
    spec = vega.specification(chart("line", *"abcdefg"))
    dashes = spec["encoding"]["strokeDash"]["scale"]["range"]

    assert len({tuple(one) for one in dashes}) == 7
    assert spec["encoding"]["strokeDash"]["scale"]["domain"] == spec["encoding"]["color"]["scale"]["domain"]
    assert "strokeDash" not in vega.specification(chart("line", "Spend"))["encoding"]


def test_neighbouring_colours_differ_in_brightness_too() -> None:
    def brightness(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    first_three = [brightness(one) for one in vega.COLORS[:3]]
    assert all(abs(a - b) > 12 for a, b in combinations(first_three, 2))
    assert len(set(vega.COLORS)) == len(vega.COLORS)


def test_what_slack_would_fill_in_is_readable_without_it() -> None:
    text = "<@U04DANA> &amp; *ci*: read up to <!date^1795270000^{time}|14:05 UTC> in <#C01GENERAL>"
    assert readable(text) == "somebody & ci: read up to 14:05 UTC in somebody"


# The worker


async def test_the_real_worker_draws_the_words_too_and_ends_when_it_has_nothing_to_do() -> None:
    painter = ChartRenderer(LOG, idle_seconds=0.01)
    one = await painter.chart_png(chart(), FINDING)
    other = await painter.chart_png(chart(title="Spend by night"), FINDING)

    assert one.startswith(PNG)
    assert one != other, "the title is drawn: a font that is not there would drop all text without a word"
    process = painter._worker
    assert process is not None
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    assert (await painter.chart_png(chart(), FINDING)) == one, "a new worker draws the same"
    await painter.aclose()


async def test_what_cannot_be_drawn_is_said_once_and_the_worker_lives_on() -> None:
    painter = ChartRenderer(LOG)
    with pytest.raises(RenderFailedError):
        await painter.png({"mark": "no such mark"})
    with pytest.raises(RenderFailedError, match="not allowed"):
        await painter.png({"data": {"url": "http://127.0.0.1:1/x.json"}, "mark": "bar", "encoding": {}})
    process = painter._worker
    assert (await painter.chart_png(PIE)).startswith(PNG)
    assert painter._worker is process
    await painter.aclose()


async def test_a_crash_is_tried_once_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flag = tmp_path / "flag"
    code = f"""
        asked()
        if not os.path.exists({str(flag)!r}):
            open({str(flag)!r}, "w").close()
            os._exit(3)
        say(0, b"drawn")
    """
    painter = ChartRenderer(LOG, command=worker(tmp_path, code))
    assert await painter.png({}) == b"drawn"
    assert [record.getMessage() for record in caplog.records] == [
        "the picture worker failed: it ended (IncompleteReadError); once more"
    ]
    await painter.aclose()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("asked(); os._exit(3)", "it ended"),
        ("asked(); time.sleep(60)", "no answer within 0.3 s"),
        ("asked(); say(0, b'x' * 6_000_000)", "6,000,000 bytes"),
        ("os._exit(0)", "it ended"),
    ],
    ids=["crashes", "hangs", "talks too much", "never listens"],
)
async def test_what_never_works_is_given_up_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: str, why: str
) -> None:
    painter = ChartRenderer(LOG, command=worker(tmp_path, code), seconds=0.3)
    with pytest.raises(RenderFailedError, match=f"failed {TRIES_MAX} times"):
        await painter.png({})
    assert len(caplog.records) == TRIES_MAX
    assert why in caplog.text
    assert painter._worker is None
    await painter.aclose()


async def test_a_worker_that_cannot_start_is_no_picture() -> None:
    with pytest.raises(RenderFailedError, match="does not start"):
        await ChartRenderer(LOG, command=("/nowhere/at/all",)).png({})


async def test_the_loop_runs_on_while_it_draws_and_one_is_drawn_after_the_other(tmp_path: Path) -> None:
    painter = ChartRenderer(
        LOG, command=worker(tmp_path, "while True:\n    asked(); time.sleep(0.2); say(0, b'drawn')")
    )
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    turning = asyncio.create_task(turn())
    assert await asyncio.gather(painter.png({}), painter.png({})) == [b"drawn", b"drawn"]
    turning.cancel()
    assert turns > 10
    await painter.aclose()


async def test_it_takes_no_more_than_it_can_carry(tmp_path: Path) -> None:
    painter = ChartRenderer(
        LOG, command=worker(tmp_path, "while True:\n    asked(); time.sleep(0.01); say(0, b'drawn')")
    )
    found = await asyncio.gather(*(painter.png({}) for _ in range(WAITING_MAX + 1)), return_exceptions=True)
    assert sum(one == b"drawn" for one in found) == WAITING_MAX
    assert isinstance(found[-1], RenderFailedError)
    with pytest.raises(RenderFailedError, match="bytes"):
        await painter.png({"data": "x" * 600_000})
    await painter.aclose()


async def test_the_worker_is_given_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("OUTLAY_MASTER_KEY", "secret")
    painter = ChartRenderer(LOG, command=worker(tmp_path, "asked(); say(0, repr(dict(os.environ)).encode())"))
    assert b"secret" not in await painter.png({})
    await painter.aclose()
