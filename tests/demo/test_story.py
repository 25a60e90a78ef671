"""The demo tells its whole story in a process of its own, whatever the environment, and lets its audience play on."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from outlay.demo import story
from outlay.demo.environment import DemoCheckFailedError

TODAY = date(2026, 11, 21)  # a Saturday, in the middle of a month; the processes below are told it too
WHOLE_STORY_SECONDS = 180  # three times what the demo promises: other tests may keep the machine busy
SCRIPT = b"""/spend 31d by model
as dana: /spend me
as nobody: /spend
spend
/spend connect
home
/spend by modle
quit
/spend 7d
"""
HOSTILE = {
    "OUTLAY_NONSENSE": "1",
    "OUTLAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "SLACK_BOT_TOKEN": "xapp-of-the-wrong-kind",
    "SLACK_API_URL": "http://127.0.0.1:1/",
    "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
}


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[subprocess.CompletedProcess[bytes], Path]]:
    """The story with `--serve` and a script, told once for all tests here, where every setting is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        yield (
            subprocess.run(
                [sys.executable, "-m", "outlay", "demo", "--serve", "--today", "2026-11-21"],
                input=SCRIPT,
                capture_output=True,
                timeout=WHOLE_STORY_SECONDS,
                env={**_environment(), **HOSTILE, "TMPDIR": folder, "HOME": folder},
                check=False,
            ),
            Path(folder),
        )


@pytest.fixture
def words(told: tuple[subprocess.CompletedProcess[bytes], Path]) -> str:
    """What was printed, in one line."""
    return " ".join(re.sub(r"[─-╿]", " ", told[0].stdout.decode()).split())


def test_it_ends_well_says_nothing_on_stderr_and_leaves_nothing_behind(
    told: tuple[subprocess.CompletedProcess[bytes], Path],
) -> None:
    ended, folder = told

    assert ended.stderr == b""
    assert ended.returncode == 0
    assert list(folder.iterdir()) == []


def test_the_first_line_says_what_is_simulated(told: tuple[subprocess.CompletedProcess[bytes], Path]) -> None:
    first = told[0].stdout.decode().splitlines()[0]

    for name in ("Simulated", "Slack", "OpenRouter", "Linear", "Anthropic", "company"):
        assert name in first


def test_it_fits_eighty_columns_and_has_no_colours_where_nobody_watches(
    told: tuple[subprocess.CompletedProcess[bytes], Path],
) -> None:
    lines = told[0].stdout.decode().splitlines()
    doctors = [line for line in lines if line.startswith(("ok   ", "FAIL ", "     mend"))]  # as the command prints them

    assert [line for line in lines if len(line) > 80 and line not in doctors] == []
    assert b"\x1b" not in told[0].stdout


def test_a_wrong_key_is_an_error_on_its_field_and_no_key_is_shown(words: str) -> None:
    assert "! This is an inference key: it can spend, but not read the account's books." in words
    assert "Checking… OpenRouter is being asked" in words
    assert "openrouter is connected to OpenRouter." in words
    assert "•••" in words
    assert "sk-or-" not in words


def test_the_answers_show_people_and_the_models_that_really_ran(words: str) -> None:
    assert "Spend by owner" in words
    assert "agent-triage" in words
    by_model = words.partition("alice-experiments by model")[2].partition("›")[0]
    for model in ("anthropic/claude-sonnet-4.5", "openai/gpt-5-mini", "google/gemini-2.5-flash"):
        assert model in by_model
    assert "openrouter/auto" not in by_model.partition("Chidi")[0]
    assert "I cannot group by modle. Did you mean /spend by model?" in words


def test_the_runaway_shows_within_the_poll_that_follows(words: str) -> None:
    grown = [float(usd) for usd in re.findall(r"02:[123][05] UTC agent-triage: \$([0-9.]+) today", words)]

    assert len(grown) == 4
    assert grown == sorted(set(grown))
    assert grown[-1] > 20


def test_it_rings_within_one_poll_with_the_reason_in_one_message_and_planned_work_does_not(words: str) -> None:
    night = words.partition("An agent runs away")[2].partition("Is the house in order?")[0]
    first = night.partition("02:20 UTC agent-triage:")[0]

    assert "Look now: agent-triage spends $" in first
    assert "When it was noticed: usually $0.02 by" in first
    assert "Check it: /spend today owner:agent:agent-triage by hour" in first
    assert "#finance, in its thread It has doubled: $" in night
    assert "Acknowledged by @bruno" in night
    assert "rang for nobody" in night
    assert "Look now: agent-ci-nightly" not in words
    assert "Evaluation of three models" in words


def test_the_runaway_is_an_issue_in_linear_that_and_the_message_know_each_other(words: str) -> None:
    assert "linear is connected to Linear." in words
    assert "lin_api_" not in words
    night = words.partition("An agent runs away")[2]
    assert "Ticket: linear" in night.partition("02:20 UTC agent-triage:")[0], "with the very first alert"
    issue = words.partition("The issue in Linear")[2]
    for shown in (
        "Linear ENG-1 agent-triage: $10 since",
        "Low · Triage · ai-spend",
        "Why this was noticed",
        "The alert in Slack $30",
        "slack.com/archives/",
        "Outlay commented: $30",
    ):
        assert shown in issue


def test_the_doctor_is_content_and_the_books_equal_the_truth(words: str) -> None:
    assert "ok connection openrouter: management key of Brightloom" in words
    sums = re.search(r"The books say \$(\d+\.\d{9}) The invented company spent \$(\d+\.\d{9}) Equal to the nano", words)
    assert sums
    assert sums[1] == sums[2]
    assert float(sums[1]) > 100


def test_a_second_ledgers_dollars_stand_beside_the_first_and_are_those_of_the_company(words: str) -> None:
    rest = words.partition("The rest of the bill")[2].partition("What next")[0]

    assert "anthropic is connected to Anthropic." in rest
    assert "sk-ant-" not in words
    by_ledger = rest.partition("Spend by ledger")[2]
    assert re.search(r"openrouter \$[\d,.]+ \d+ % .*? anthropic \$[\d,.]+ \d+ %", by_ledger)
    assert len(re.findall(r"anthropic/claude-sonnet-4\.5 (openrouter|anthropic) \$", by_ledger)) == 2
    assert re.search(r"the books have \$\d+\.\d{9} of Anthropic's, and so has the company, to the nano-dollar", rest)


def test_served_it_plays_what_is_typed_until_quit(words: str) -> None:
    played = words.partition("The stage stays open")[2]

    for shown in (
        "alice › /spend 31d by model",
        "in the last 31 days",
        "dana › /spend me",
        "only owner U04DANA",
        "Nobody here is called nobody.",
        "«spend» is not played here.",
        "(A modal wants a mouse",
        "Your November 2026",
        "The workspace",
        "Did you mean /spend by model",
        "Goodbye.",
    ):
        assert shown in played
    assert "7d" not in played.partition("Goodbye.")[2]


def test_ctrl_c_ends_it_without_a_word_of_python() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "outlay", "demo", "--today", "2026-11-21"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
    ) as demo:
        assert demo.stdout is not None
        while not demo.stdout.readline().startswith(b"alice"):
            assert demo.poll() is None
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=WHOLE_STORY_SECONDS)

    assert (demo.returncode, err) == (story.STOPPED, b"")
    assert out.decode().endswith("Stopped; nothing is left behind.\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DemoCheckFailedError("the books\nsay less"), "the demo did not hold: the books | say less\n"),
        (RuntimeError("sk-or-v1-0123456789 fell down"), "the demo broke off: RuntimeError: "),
    ],
)
async def test_what_does_not_hold_is_one_line_and_exit_1(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(_: date) -> None:
        raise error

    monkeypatch.setattr("outlay.demo.environment.stage", closed)

    assert await story.demo(serve=False, today=TODAY) == 1
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1
    assert "sk-or-" not in err


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLACK_", "OUTLAY_"))}
