"""Pytest plugin that fails any test that let a ledger write, or let a plugin request prompts.

Under xdist each worker audits its own tests. Processes that a test starts are watched too, as long as they inherit
PYTHONPATH; what they sent is checked after the test that was running, and once more at the end of all.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlay.plugin import loader, read_client
from tests import request_audit
from tests.request_audit import SentRequest

ROOT = Path(__file__).parents[1]
SITE = """import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests import request_audit
sys.path.remove({root!r})
request_audit.as_it_is_imported(Path({file!r}))
"""


class Watch:
    """Requests recorded and not yet checked, of this process and of those it started."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "seen.jsonl"
        self.here: list[SentRequest] = []
        self.counted = 0
        self._read = 0
        (folder / "sitecustomize.py").write_text(SITE.format(root=str(ROOT), file=str(self.file)), encoding="utf-8")

    def problems(self) -> list[str]:
        """Return the problems since the last call."""
        fresh, self.here = [*self.here, *self._elsewhere()], []
        self.counted += len(fresh)
        return [told for one in fresh if (told := request_audit.problem(one, LEDGERS))]

    def _elsewhere(self) -> list[SentRequest]:
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8") as file:
            file.seek(self._read)
            lines = [line for line in file.readlines() if line.endswith("\n")]
        self._read += sum(len(line.encode()) for line in lines)
        return [SentRequest(**json.loads(line)) for line in lines]


LEDGERS = frozenset(ledger.meta.title for ledger in loader.load().ledgers().values())


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Watch this worker."""
    folder = tmp_path_factory.mktemp("watched")
    watch = Watch(folder)
    stop = request_audit.watch(read_client, lambda one: watch.here.append(one))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), before)))
    yield watch
    stop()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    assert watch.problems() == []


@pytest.fixture(autouse=True)
def _only_reads(watched: Watch) -> Iterator[None]:
    """Fail the test if a ledger was written to while it ran, or prompts were requested."""
    yield
    assert watched.problems() == []
