"""What docs/plugins.md tells a stranger to do works: the examples and their tests, copied to a folder of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from outlay.plugin import loader

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.parametrize("example", ["example_ledger", "example_sink"])
def test_an_example_and_its_test_run_in_a_folder_of_ones_own(tmp_path: Path, example: str) -> None:
    shutil.copy(EXAMPLES / f"{example}.py", tmp_path)
    text = (ROOT / "tests" / f"test_{example}.py").read_text(encoding="utf-8")
    own = text.replace(f"from docs.examples.{example} import", f"from {example} import")
    assert own != text
    (tmp_path / "test_mine.py").write_text(own, encoding="utf-8")

    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_mine.py")]
    ran = subprocess.run(  # noqa: S603  pytest, on a copy of our own file
        asked, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert ran.returncode == 0, ran.stdout[-2_000:]
    assert " passed" in ran.stdout


def test_both_examples_load_from_their_folder() -> None:
    found = [found for found in loader.load(folder=EXAMPLES).found if found.source.startswith("folder")]

    by_slug = [(one.slug, one.kind, one.ok, one.error) for one in sorted(found, key=lambda one: one.slug)]
    assert by_slug == [
        ("clapper", "sink", True, None),
        ("tollgate", "ledger", True, None),
    ]
