"""The shipped detector on the public benchmark, by its own scorer: floors a little below what was reached.

The first 34 days, of which 20 are scored; they are harder than the rest, since more subjects are young in them.
"""

import csv
import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from outlay.cli.replay import replay

SHARED = Path(__file__).parents[3] / "shared" / "anomaly"
END = "2026-04-05"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """What the scorer says of the slice."""
    if not (SHARED / "score.py").exists():
        pytest.skip("the public benchmark (../shared/anomaly) is not beside this repository")
    folder = tmp_path_factory.mktemp("slice")
    _slice(SHARED / "stream-public.csv.gz", folder / "stream.csv.gz", "ts")
    _slice(SHARED / "labels-public.csv", folder / "labels.csv", "end")
    replay(folder / "stream.csv.gz", folder / "alerts.csv")
    scorer = _scorer(SHARED / "score.py")
    data = scorer.load(folder / "stream.csv.gz", folder / "labels.csv", SHARED / "burn-public.csv.gz", 14)
    found: dict[str, dict[str, float]] = scorer.score(data, folder / "alerts.csv")
    return found


def test_pages_catch_most_and_interrupt_few(figures: dict[str, dict[str, float]]) -> None:
    pages = figures["pages"]

    assert pages["n"] >= 40
    assert pages["recall"] >= 0.75
    assert pages["false_per_100_dev_days"] <= 0.75
    assert pages["precision"] >= 0.6


def test_with_notices_nearly_all_are_caught_most_on_the_same_day(figures: dict[str, dict[str, float]]) -> None:
    everything = figures["all"]

    assert everything["recall"] >= 0.9
    assert everything["same_utc_day"] >= 0.8
    assert everything["false_per_100_dev_days"] <= 1.9
    assert everything["org_caught"] == everything["org_events"]


def _slice(source: Path, target: Path, column: str) -> None:
    opened = gzip.open if source.suffix == ".gz" else open
    with (
        opened(source, "rt", newline="") as read,
        (gzip.open if target.suffix == ".gz" else open)(target, "wt", newline="") as write,
    ):
        rows = csv.DictReader(read)
        sheet = csv.DictWriter(write, rows.fieldnames or ())
        sheet.writeheader()
        sheet.writerows(row for row in rows if row[column] < END)


def _scorer(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("public_score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
