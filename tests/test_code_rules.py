"""The habits of the house that no linter holds: how long a file is, what may stand in it, tables as their steps say."""

import ast
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlmodel import SQLModel

import outlay.database.tables  # noqa: F401  the metadata knows the tables once they are imported
from outlay import migrations
from outlay.database.engine import Database

ROOT = Path(__file__).parents[1]
MAX_LINES = 400
PRODUCT = sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("plugins/**/*.py"), *ROOT.glob("docs/**/*.py")])
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:" + "|".join(("work", "root", "farm", "tmp", "home")) + r")/\w")
INDEX_HOST = re.compile("|".join(("pythonhosted" + r"\.", "extra-" + "index-url", "find-" + "links")))
MAY_STAND_TWICE = {"Action", "View", "Input", "Event"}  # each feature of the Slack face has its own
MACHINES_DAY = re.compile(r"datetime\.(?:utc)?now\(|date\.today\(|\btime\.time\(\)|SystemClock\(\)")
MAY_ASK_THE_MACHINE = {
    "bot/outlay/fakes/slack/signed_requests.py": "Bolt holds the time of a signature against the machine's",
    "tests/slack/test_http.py": "the same",
    "tests/fuzz/test_slack_payloads.py": "the same",
    "tests/plugin/test_read_client_loopback.py": "TLS holds a certificate's time against the machine's",
    "tests/vault/kms/test_azure.py": "Azure's client holds a token's time against the machine's",
    "tests/plugins/test_litellm_real.py": "a real LiteLLM writes the machine's time",
}
LOCKS = ("requirements.lock", "requirements-dev.lock")


def tracked() -> list[Path]:
    """The files that git knows, as far as they are text."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    found = subprocess.run(  # noqa: S603  git itself, asked for names
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    names = [name for name in found.stdout.split("\0") if name and not name.endswith(".png")]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_no_file_of_the_product_is_too_long() -> None:
    read = [path for path in PRODUCT if path.parent.name != "versions"]  # a migration is a list, written once
    long = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in read}

    assert len(long) > 50
    assert {name: lines for name, lines in long.items() if lines > MAX_LINES} == {}


def test_every_module_tells_its_idea_first() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in [*PRODUCT, *ROOT.glob("tests/**/*.py")]
        if (text := path.read_text(encoding="utf-8")).strip() and not ast.get_docstring(ast.parse(text))
    ]

    assert silent == []


def test_no_public_class_name_stands_twice() -> None:
    found: dict[str, set[str]] = {}
    for path in PRODUCT:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, set()).add(path.relative_to(ROOT).as_posix())

    twice = {name: sorted(paths) for name, paths in found.items() if len(paths) > 1}
    assert {name: paths for name, paths in twice.items() if name not in MAY_STAND_TWICE} == {}


def test_the_demo_and_the_tests_do_not_ask_the_machine_what_day_it_is() -> None:
    asking = {
        str(path.relative_to(ROOT))
        for path in [
            *ROOT.glob("bot/outlay/demo/**/*.py"),
            *ROOT.glob("bot/outlay/fakes/**/*.py"),
            *ROOT.glob("tests/**/*.py"),
        ]
        if MACHINES_DAY.search(path.read_text(encoding="utf-8"))
    }

    assert asking == set(MAY_ASK_THE_MACHINE)


def test_nothing_is_left_to_do_in_the_code() -> None:
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

    assert [str(path) for path in PRODUCT if marks.search(path.read_text(encoding="utf-8"))] == []


def test_what_people_read_is_spelled_as_in_america() -> None:
    british = re.compile(r"\b(?:organis(?:ation|e)|authoris|behaviour|colour|favour|cancell(?:ed|ing)|recognis)", re.I)
    texts = {
        f"{path.relative_to(ROOT)}: {node.value[:60]}"
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
        if british.search(node.value)
    }
    pages = {path.name for path in ROOT.glob("docs/*.md") if british.search(path.read_text(encoding="utf-8"))}

    assert texts | pages == set()


def test_no_file_names_a_place_of_one_machine() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if (match := MACHINE_PATH.search(path.read_text(encoding="utf-8")))
    }

    assert found == set()


def test_no_file_names_a_package_index() -> None:
    assert [str(path) for path in tracked() if INDEX_HOST.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    packages = re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==", text, re.M)

    assert "://" not in text
    assert len(packages) > 30
    assert text.count("\\\n    --hash=sha256:") >= len(packages)


def test_the_development_lock_has_what_the_product_runs_with() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in LOCKS]
    running, developing = (set(re.findall(r"^[a-z0-9][^\s;]*==[^\s;]+", text, re.M)) for text in texts)

    assert running < developing


def test_the_script_is_posix_and_ci_runs_the_tests_with_it() -> None:
    script, ci = ROOT / "run", ROOT / ".ci" / "run"
    shell = shutil.which("sh")
    assert shell

    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0  # noqa: S603  only reads it
    assert "./run test" in ci.read_text(encoding="utf-8")
    assert all(path.stat().st_mode & 0o111 for path in (script, ci))


def test_every_test_folder_has_a_line_in_the_readme_of_the_tests() -> None:
    told = set(re.findall(r"`(\w+)/`", (ROOT / "tests" / "README.md").read_text(encoding="utf-8")))
    folders = {path.parent.name for path in ROOT.glob("tests/*/*.py")}

    assert folders <= told


# The tables


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh one, brought to the newest revision by the migrations alone."""
    fresh = Database(f"sqlite+aiosqlite:///{tmp_path / 'fresh.sqlite'}")
    await migrations.upgrade(fresh)
    yield fresh
    await fresh.close()


def test_newest_is_the_head_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))

    assert ScriptDirectory.from_config(config).get_heads() == [migrations.NEWEST]


async def test_the_migrations_make_the_tables_that_the_models_say(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        return list(compare_metadata(context, SQLModel.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
