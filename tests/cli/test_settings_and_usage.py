"""What every command has in common: settings from the environment, the workspace, exit codes, one line of complaint."""

import base64
import sqlite3
from pathlib import Path

import pytest

from outlay.core.clock import FakeClock
from tests.cli.conftest import NOW
from tests.cli.run_cli import Terminal

EVERY = [
    ["doctor"], ["connections"], ["disconnect", "main"], ["poll"], ["spend"], ["own", "k", "agent:x"], ["owners"],
    ["db", "upgrade"], ["plugins"], ["run"], ["connect", "openrouter", "--name", "main"],
]  # fmt: skip


@pytest.mark.parametrize("words", EVERY, ids=lambda words: words[0])
def test_an_unknown_setting_stops_every_command_with_one_line_that_names_it(
    terminal: Terminal, words: list[str]
) -> None:
    ran = terminal(*words, OUTLAY_POL_SECONDS="60")

    assert ran.code == 1
    assert ran.complaint == "OUTLAY_POL_SECONDS is not a setting; did you mean OUTLAY_POLL_SECONDS?"
    assert not terminal.data_dir.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTLAY_POLL_SECONDS", "often"),
        ("OUTLAY_POLL_SECONDS", "1"),
        ("OUTLAY_DATABASE_URL", "mysql://x/y"),
        ("OUTLAY_DATABASE_URL", "sqlite:///relative.sqlite"),
        ("OUTLAY_MASTER_KEY", "short"),
        ("OUTLAY_ALERT_CHANNEL", "#general"),
        ("OUTLAY_RECOVERY_MINUTES", "-5"),
        ("OUTLAY_ADMINS", "alice"),
        ("OUTLAY_HTTP_PORT", "99999"),
        ("OUTLAY_LOG_LEVEL", "chatty"),
        ("OUTLAY_DATA_DIR", "/dev/null/data"),
        ("SLACK_API_URL", "slack"),
        ("SLACK_BOT_TOKEN", "xapp-1-wrong-kind"),
    ],
)
def test_a_malformed_setting_stops_with_one_line_that_names_it(terminal: Terminal, name: str, value: str) -> None:
    ran = terminal("spend", **{name: value})

    assert ran.code == 1
    assert ran.complaint.startswith(name)


def test_a_secret_in_a_malformed_setting_is_not_shown(terminal: Terminal) -> None:
    ran = terminal("spend", SLACK_BOT_TOKEN="xapp-1-planted-9876543210")

    assert "planted" not in ran.complaint
    ran = terminal("spend", OUTLAY_DATABASE_URL="mysql://outlay:planted-password@db/outlay")
    assert "planted" not in ran.complaint


def test_no_command_but_run_needs_slack(terminal: Terminal) -> None:
    without = terminal("run")
    assert (without.code, without.out) == (1, "")
    assert without.err.splitlines()[-1].startswith("SLACK_BOT_TOKEN is not set")
    half = terminal("run", SLACK_BOT_TOKEN="xoxb-1")
    assert (half.code, half.out) == (1, "")
    assert half.err.splitlines()[-1].startswith("set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET")


@pytest.mark.parametrize(
    "words",
    [
        [], ["speend"], ["spend", "--format", "xml"], ["connect"], ["connect", "openrouter"], ["disconnect"],
        ["own", "key"], ["vault"], ["db"], ["poll", "--since"], ["--nonsense"],
        ["connect", "openrouter", "--name", "x", "--secret-stdin", "--secret-env", "K"],
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_2_and_nothing_on_stdout(terminal: Terminal, words: list[str]) -> None:
    ran = terminal(*words)

    assert ran.code == 2
    assert ran.out == ""
    assert "usage: " in ran.err


@pytest.mark.parametrize("day", ["monday", "2026-02-29", "1999-12-31", "2100-01-01"])
def test_the_demo_plays_on_no_day_that_is_none_or_too_far(terminal: Terminal, day: str) -> None:
    ran = terminal("demo", "--today", day)

    assert ran.code == 2
    assert ran.complaint


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["spend", "--help"], ["vault", "--help"]])
def test_help_and_version_are_done_at_once(terminal: Terminal, words: list[str]) -> None:
    assert terminal.done(*words).out
    assert not terminal.data_dir.exists()


@pytest.mark.parametrize("words", [["--workspace", "T9", "spend"], ["spend", "--workspace", "T9"]])
def test_a_workspace_that_is_not_there_is_named(polled: Terminal, words: list[str]) -> None:
    ran = polled(*words)

    assert ran.code == 1
    assert ran.complaint == "no workspace «T9» in the books; there is: local"
    assert polled("spend", OUTLAY_WORKSPACE="T9").complaint == ran.complaint
    assert polled.done("spend", "--workspace", "local").out == polled.done("spend").out


@pytest.mark.sqlite_file
def test_where_there_are_several_workspaces_one_has_to_be_said_and_nothing_crosses_over(polled: Terminal) -> None:
    with sqlite3.connect(polled.data_dir / "outlay.sqlite") as books:
        books.execute("CREATE TEMP TABLE another AS SELECT * FROM workspace")
        books.execute("UPDATE another SET id = 'T9'")
        books.execute("INSERT INTO workspace SELECT * FROM another")

    ran = polled("spend")

    assert ran.code == 1
    assert ran.complaint == "several workspaces: say --workspace with one of T9, local"
    assert polled.spend("--workspace", "local")["total_usd"] != "0.000000000"
    assert polled.spend("--workspace", "T9")["rows"] == []
    assert polled.done("connections", "--workspace", "T9", "--format", "json").json() == []
    assert polled("poll", "main", "--workspace", "T9").code == 1
    assert polled("disconnect", "main", "--workspace", "T9").code == 1


@pytest.mark.sqlite_file
def test_the_days_of_a_workspace_with_a_zone_are_its_own(polled: Terminal) -> None:
    with sqlite3.connect(polled.data_dir / "outlay.sqlite") as books:
        books.execute("UPDATE workspace SET time_zone = 'America/New_York'")

    found = polled.spend("yesterday")

    assert found["time_zone"] == "America/New_York"
    assert found["query"]["from"] == "2026-11-20"
    hours = [row["hour"] for row in polled.spend("yesterday", "by", "hour")["rows"]]
    assert (min(hours), max(hours)) == ("2026-11-20T05:00:00Z", "2026-11-21T04:00:00Z")


def test_a_fresh_master_key_is_32_bytes_and_new_each_time(terminal: Terminal) -> None:
    first, second = terminal.done("vault", "new-key").out, terminal.done("vault", "new-key").out

    assert first != second
    assert len(base64.urlsafe_b64decode(first.strip())) == 32
    assert terminal.done("connections", OUTLAY_MASTER_KEY=first.strip()).out
    assert not list(terminal.data_dir.glob("*.key"))


def test_the_tables_are_brought_to_this_version_and_again_changes_nothing(terminal: Terminal) -> None:
    first, again = terminal.done("db", "upgrade"), terminal.done("db", "upgrade")

    assert first.out == again.out
    assert first.out.startswith("the tables are at ")


def test_what_is_made_on_disk_is_for_its_owner_alone(polled: Terminal) -> None:
    polled.done("poll")

    modes = {path.name: path.stat().st_mode & 0o077 for path in [polled.data_dir, *polled.data_dir.iterdir()]}
    assert not any(modes.values()), modes


@pytest.mark.sqlite_file
def test_the_database_may_be_anywhere(terminal: Terminal, tmp_path: Path) -> None:
    terminal.done("db", "upgrade", OUTLAY_DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")

    assert (tmp_path / "elsewhere.sqlite").is_file()
    assert not (terminal.data_dir / "outlay.sqlite").exists()


def test_a_database_that_is_none_is_said_in_one_line(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be looked at as if it were one" * 50)

    ran = terminal("spend", OUTLAY_DATABASE_URL=f"sqlite:///{tmp_path / 'text'}")

    assert ran.code == 1
    assert "database" in ran.complaint


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ran = Terminal(tmp_path / "file" / "data", FakeClock(NOW))("spend")

    assert ran.code == 1
    assert ran.complaint.startswith("OUTLAY_DATA_DIR: ")
