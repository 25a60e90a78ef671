"""`outlay plugins`: what is loaded, from where; a broken file is named, and stops nobody else."""

from pathlib import Path
from typing import Any

from tests.cli.run_cli import Terminal

MINE = '''
from datetime import timedelta
from outlay.plugin import Checked, Config, Ledger, Meta, Page, Report

class MyConfig(Config):
    """Where it would be."""
    base_url: str = "https://mine.example/api"

class Mine(Ledger[MyConfig]):
    """A ledger of one's own."""
    meta = Meta(slug="mine", title="My Ledger")
    Config = MyConfig
    reports = (Report(name="days", grain=timedelta(days=1), lag=timedelta(0), history=timedelta(days=3)),)
    async def check(self) -> Checked:
        return Checked(account_id="me", account_title="Me", credential="nothing")
    async def poll(self, report, window, cursor):
        return Page(window, ())
    async def keys(self):
        return []
'''


def folder(tmp_path: Path, **files: str) -> str:
    """A folder with plugins in it."""
    place = tmp_path / "plugins-of-mine"
    place.mkdir()
    for name, text in files.items():
        (place / f"{name}.py").write_text(text)
    return str(place)


def found(terminal: Terminal, plugins_dir: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and every plugin by its slug."""
    ran = terminal("plugins", "--format", "json", OUTLAY_PLUGINS_DIR=plugins_dir)
    rows = ran.json()
    assert all(set(row) == {"slug", "kind", "version", "source", "ok", "error"} for row in rows)
    return ran.code, {row["slug"]: row for row in rows}


def test_the_built_in_ones_are_listed(terminal: Terminal) -> None:
    rows = terminal.done("plugins", "--format", "json").json()

    openrouter = next(row for row in rows if row["slug"] == "openrouter")
    assert (openrouter["kind"], openrouter["ok"], openrouter["error"]) == ("ledger", True, None)
    assert "openrouter" in terminal.done("plugins").out


def test_one_of_ones_own_is_loaded_and_can_be_connected(terminal: Terminal, tmp_path: Path) -> None:
    place = folder(tmp_path, mine=MINE)

    code, rows = found(terminal, place)

    assert code == 0
    assert rows["mine"]["ok"]
    assert rows["mine"]["source"] == "folder: mine.py"
    ran = terminal.done("connect", "mine", "--name", "mine", OUTLAY_PLUGINS_DIR=place)
    assert ran.lines[0] == "connected mine: My Ledger, Me"


def test_a_broken_file_is_named_and_the_rest_goes_on(terminal: Terminal, tmp_path: Path) -> None:
    place = folder(tmp_path, mine=MINE, broken="raise RuntimeError('half written')", syntax="def (:")

    code, rows = found(terminal, place)

    assert code == 1
    assert rows["mine"]["ok"]
    assert rows["openrouter"]["ok"]
    bad = [row for row in rows.values() if not row["ok"]]
    assert sorted(row["source"] for row in bad) == ["folder: broken.py", "folder: syntax.py"]
    assert any("half written" in row["error"] for row in bad)
    doctor = terminal("doctor", "--format", "json", OUTLAY_PLUGINS_DIR=place)
    assert doctor.code == 1
    failed = [check["name"] for check in doctor.json()["checks"] if not check["ok"]]
    assert sorted(failed) == ["plugin broken", "plugin syntax"]
    assert terminal("spend", OUTLAY_PLUGINS_DIR=place).code == 0


def test_a_folder_that_is_not_there_is_told(terminal: Terminal, tmp_path: Path) -> None:
    code, rows = found(terminal, str(tmp_path / "nowhere"))

    assert code == 1
    assert "OUTLAY_PLUGINS_DIR" in rows["nowhere"]["error"]


def test_a_connection_whose_plugin_is_gone_says_so_and_keeps_its_books(polled: Terminal, tmp_path: Path) -> None:
    place = folder(tmp_path, mine=MINE)
    polled.done("connect", "mine", "--name", "mine", OUTLAY_PLUGINS_DIR=place)

    ran = polled("poll", "--format", "json")

    assert ran.code == 1
    by_name = {row["name"]: row for row in ran.json()["connections"]}
    assert by_name["main"]["ok"]
    assert "mine" in by_name["mine"]["error"]
    assert polled.spend("7d")["total_usd"] != "0.000000000"


def test_a_plugin_that_fails_in_a_way_it_should_not_stops_nobody_else(polled: Terminal, tmp_path: Path) -> None:
    place = folder(tmp_path, mine=MINE.replace("return Page(window, ())", "return 1 / 0"))
    polled.done("connect", "mine", "--name", "a-mine", OUTLAY_PLUGINS_DIR=place)

    ran = polled("poll", "--format", "json", OUTLAY_PLUGINS_DIR=place)

    assert ran.code == 1
    by_name = {row["name"]: row for row in ran.json()["connections"]}
    assert by_name["main"]["ok"]
    assert "ZeroDivisionError" in by_name["a-mine"]["error"]
    assert "Traceback" not in ran.err
