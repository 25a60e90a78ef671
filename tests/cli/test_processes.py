"""`outlay` as a process of its own: what a shell, a pipe and a process supervisor see of it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.cli.run_cli import Terminal
from tests.cli.threaded_fakes import Served, connecting, slack

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
SHARED = ("PATH", "HOME", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "VIRTUAL_ENV", "PYTHONPATH")


def started(terminal: Terminal, *words: str, **environ: str) -> "subprocess.Popen[str]":
    """A process with the terminal's environment, and its own clock."""
    kept = {name: os.environ[name] for name in SHARED if name in os.environ}
    return subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", "outlay", *words],
        cwd=ROOT,
        env=kept | terminal.environ | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_json_and_nothing_else_is_on_standard_output(polled: Terminal) -> None:
    process = started(polled, "spend", "2026-11", "by", "model", "--format", "json")
    out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["total_usd"] == polled.spend("2026-11", "by", "model")["total_usd"]


def test_a_refusal_is_one_line_on_standard_error(terminal: Terminal, openrouter: Served) -> None:
    process = started(terminal, *connecting(openrouter), KEY="sk-or-v1-" + "0" * 64)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, out) == (1, "")
    assert re.fullmatch(r"api_key: OpenRouter does not know this key \(401\)[^\n]*\n", err)


def test_whoever_has_read_enough_may_go(polled: Terminal) -> None:
    process = started(polled, "spend", "2026-11", "by", "key", "hour", "--format", "csv")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()

    assert (process.wait(PATIENCE_SECONDS), err) == (0, "")


def test_the_bot_runs_tells_its_health_and_stops_in_good_order(polled: Terminal) -> None:
    with slack("commands", "chat:write", "im:write", "users:read") as stand_in:
        process = started(
            polled,
            "run",
            SLACK_BOT_TOKEN=stand_in.bot_token,
            SLACK_APP_TOKEN=stand_in.app_token,
            SLACK_API_URL=stand_in.api_url,
            OUTLAY_HTTP_PORT="0",
        )
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"health at (\S+)", line):
                break
        assert found, "".join(said)
        health = httpx.get(found[1], trust_env=False)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, out) == (0, "")
    assert health.status_code == 200
    assert health.json()["slack"]["connected"] is True
    assert [one["name"] for one in health.json()["connections"]] == ["main"]
    log = "".join(said) + err
    assert "Traceback" not in log
    assert "stopping: what is under way is finished first" in log
    assert stand_in.bot_token not in log
    assert stand_in.app_token not in log
