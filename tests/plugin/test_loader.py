"""Plugins come in by three doors that are one; what does not load is named and stops nobody."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from outlay.plugin.loader import FoundPlugin, LoadedPlugins, load

GOOD = """
from datetime import timedelta
from outlay.plugin import Checked, Config, Ledger, Meta, Page, Report

class MineConfig(Config):
    base_url: str = "https://mine.example"

class Mine(Ledger[MineConfig]):
    meta = Meta("mine", "Mine", version="2.1")
    Config = MineConfig
    reports = (Report("hours", timedelta(hours=1)),)
    async def check(self): return Checked("a", "A", "key")
    async def poll(self, report, window, cursor): return Page(window)
    async def keys(self): return []
"""

GOOD_SINK = """
from outlay.plugin import Checked, Config, Meta, Receipt, Sink

class HornConfig(Config):
    base_url: str = "https://horn.example"

class Horn(Sink[HornConfig]):
    meta = Meta("horn", "Horn", version="0.3")
    Config = HornConfig
    async def check(self): return Checked("a", "A", "key")
    async def opened(self, event): return Receipt()
    async def updated(self, event): return Receipt()
    async def resolved(self, event): return Receipt()
"""

Write = Callable[..., LoadedPlugins]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files into a plugin folder and loads it."""
    folder = tmp_path / "extra"
    folder.mkdir()

    def write_and_load(**files: str) -> LoadedPlugins:
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return load(folder=folder)

    return write_and_load


def of_folder(loaded: LoadedPlugins) -> list[FoundPlugin]:
    return [found for found in loaded.found if found.source.startswith("folder")]


def test_the_built_in_plugins_come_in_whole() -> None:
    loaded = load()
    assert [found for found in loaded.found if not found.ok] == []
    assert {found.source for found in loaded.found} <= {"built-in"}
    assert loaded.ledgers().keys() == {found.slug for found in loaded.found if found.kind == "ledger"}
    assert all(plugin.__module__.startswith("outlay_plugins.") for plugin in loaded.plugins.values())


def test_a_file_in_a_folder_is_a_plugin(write: Write) -> None:
    loaded = write(mine=GOOD, _helper="raise SystemExit", notes="")
    assert loaded.plugins["mine"].meta.title == "Mine"
    assert FoundPlugin("mine", "ledger", "2.1", "folder: mine.py", True) in loaded.found
    assert [found.slug for found in of_folder(loaded)] == ["mine", "notes"], "a file that begins with _ is no plugin"


def test_two_folders_may_hold_files_of_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(GOOD)
    one, other = load(folder=tmp_path / "a"), load(folder=tmp_path / "b")
    assert one.plugins["mine"] is not other.plugins["mine"]
    assert "mine" not in sys.modules


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise BaseException", "no reason given"),
        ("raise ValueError('x' * 1000)", "xxx…"),
        ("", "It holds no plugin"),
        ("from outlay.plugin import Ledger", "It holds no plugin"),
        (GOOD.replace('meta = Meta("mine", "Mine", version="2.1")', ""), "It holds no plugin"),
        (GOOD.replace('Meta("mine", "Mine", version="2.1")', '"mine"'), "not a Meta"),
        (GOOD.replace('version="2.1"', "api=2"), "written for contract 2; this Outlay speaks contract 1"),
        (GOOD.replace('"mine", "Mine"', '"Mine!", "Mine"'), "slug 'Mine!'"),
        (GOOD.replace('"mine", "Mine"', '"mine", ""'), "no title"),
        (GOOD.replace("Config = MineConfig", ""), "no `Config`"),
        (GOOD.replace("Config = MineConfig", "Config = dict"), "no `Config`"),
        (GOOD.replace('base_url: str = "https://mine.example"', "tags: list[str] = []"), "does not make a form"),
        (GOOD.replace("base_url", "host"), "no `base_url`"),
        (GOOD.replace("async def poll", "async def pull"), "no `poll`"),
        (GOOD.replace('(Report("hours", timedelta(hours=1)),)', "()"), "`reports`"),
        (GOOD.replace("timedelta(hours=1)),", 'timedelta(hours=1)), Report("hours", None),'), "one name"),
        (GOOD.replace("timedelta(hours=1)", "timedelta(minutes=7)"), "divisor of an hour"),
        (GOOD.replace("timedelta(hours=1)", "timedelta(0)"), "divisor of an hour"),
        (
            GOOD.replace("timedelta(hours=1)", "timedelta(hours=1), split_by='hours'"),
            "is split by",
        ),
        (GOOD.replace("timedelta(hours=1)", "timedelta(days=1), split_by='usage'"), "is split by"),
    ],
)
def test_what_does_not_load_is_named_and_the_rest_runs(write: Write, text: str, words: str) -> None:
    loaded = write(bad=text, good=GOOD.replace('"mine"', '"good"'))
    bad, good = of_folder(loaded)
    assert (bad.ok, bad.source) == (False, "folder: bad.py")
    assert words in (bad.error or "")
    assert len(bad.error or "") <= 300
    assert (good.ok, good.slug, good.error) == (True, "good", None)
    assert "good" in loaded.plugins


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("from bot.plugin import Ledger, Meta", "plugin"),
        ("from bot.plugin import (\n    Ledger,\n    Meta,\n)", "plugin"),
        ("import bot.plugin", "plugin"),
        ("from bot import plugin", "plugin"),
        ("from bot.core.money import NANO", "core"),
        ("from outlay.plugin import Ledger\nimport bot.core.money as money", "core"),
    ],
)
def test_a_plugin_that_imports_an_old_name_is_told_the_new_one(write: Write, line: str, package: str) -> None:
    (bad,) = of_folder(write(old=f"import sys\n{line}\n"))
    assert not bad.ok
    assert bad.error == f"It imports bot.{package}, which is now outlay.{package}: change the import."


def test_another_missing_import_is_told_as_it_is(write: Write) -> None:
    (bad,) = of_folder(write(other="from bot.engine import Robot\n"))
    assert "It does not load: ModuleNotFoundError" in (bad.error or "")


def test_a_slug_that_is_taken_stays_with_the_first(write: Write) -> None:
    loaded = write(a=GOOD, b=GOOD)
    first, second = of_folder(loaded)
    assert (first.ok, second.ok) == (True, False)
    assert "'mine' is taken by another plugin (folder: a.py)" in (second.error or "")
    assert loaded.plugins["mine"].__module__.endswith("_a")


def test_a_stranger_cannot_take_a_built_in_s_place(write: Write) -> None:
    built_in = load().plugins
    for slug, plugin in built_in.items():
        assert write(thief=GOOD.replace('"mine"', f'"{slug}"')).plugins[slug] is plugin


def test_no_machine_path_is_told(write: Write, tmp_path: Path) -> None:
    text = f"raise OSError('cannot read {tmp_path}/extra/data.json')"
    for found in write(bad=text, worse="def broken(:").found:
        assert str(tmp_path) not in f"{found.source} {found.error}"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = load(folder=tmp_path / "gone").found[-1]
    assert (found.ok, found.source, found.kind) == (False, "folder: gone", None)
    assert "OUTLAY_PLUGINS_DIR" in (found.error or "")


def test_a_keyboard_interrupt_is_no_plugin_s_to_swallow(write: Write) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(bad="raise KeyboardInterrupt")


def test_installed_packages_announce_theirs_and_load_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outlay_mine.py").write_text(GOOD)
    info = tmp_path / "outlay_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outlay-mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[outlay.plugins]\nmine = outlay_mine:Mine\nmodule = outlay_mine\nno = outlay_none\nodd = outlay_mine:GOOD\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "mine" not in load().plugins
    loaded = load(packages=True)
    assert loaded.plugins["mine"].__module__ == "outlay_mine"
    theirs = [(found.slug, found.ok) for found in loaded.found if found.source == "package: outlay-mine"]
    assert theirs == [("mine", True), ("mine", False), ("no", False), ("odd", False)]
    monkeypatch.delitem(sys.modules, "outlay_mine")


def test_a_sink_comes_in_by_the_same_doors(write: Write) -> None:
    loaded = write(horn=GOOD_SINK)

    assert FoundPlugin("horn", "sink", "0.3", "folder: horn.py", True) in loaded.found
    assert "horn" in loaded.sinks()
    assert "horn" not in loaded.ledgers()
    assert [loaded.sinks()["horn"].can(name) for name in ("standings", "webhook", "opened")] == [False, False, True]


@pytest.mark.parametrize("missing", ["check", "opened", "updated", "resolved"])
def test_a_sink_that_leaves_something_out_is_told_what(write: Write, missing: str) -> None:
    (found,) = of_folder(write(horn=GOOD_SINK.replace(f"def {missing}(", f"def not_{missing}(")))

    assert (found.ok, found.error) == (False, f"It has no `{missing}`.")
