"""Runs `outlay …` as typed: the real `main` in this process, with an environment of its own, and all its output.

    ran = terminal("spend", "7d", "--format", "json")
    assert ran.code == 0 and ran.json()["total_usd"] == "12.000000000"

Time is the test's, so that nothing here depends on the hour at which the tests run, and no wait is a real one.
"""

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from outlay.cli.parser import main
from outlay.core.clock import Clock
from outlay.logs import FLOORS, OURS

_NAMED = (*OURS, *FLOORS, "slack_bolt.outlay")


@dataclass(frozen=True, slots=True)
class Ran:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Parse standard output as the one JSON document that it has to be."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def complaint(self) -> str:
        """Return the only line on stderr. Fails if there is another, or anything at all on stdout, or a traceback."""
        assert self.out == "", self.out
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


class Terminal:
    """A shell on a machine with a data directory and no other variable of Outlay in the environment."""

    def __init__(self, data_dir: Path, clock: Clock, **environ: str) -> None:
        self.data_dir = data_dir
        self.clock = clock
        self.environ = {"OUTLAY_DATA_DIR": str(data_dir), **environ}

    def __call__(self, *words: str, typed: str = "", **environ: str) -> Ran:
        """Run a command. `typed`: standard input; the rest: variables for this command alone."""
        out, err = io.StringIO(), io.StringIO()
        with ExitStack() as stack:
            stack.enter_context(_environment(self.environ | environ))
            stack.enter_context(_logging_as_it_was())
            stack.enter_context(mock.patch("outlay.services.SystemClock", return_value=self.clock))
            stack.enter_context(mock.patch.object(sys, "stdin", io.StringIO(typed)))
            stack.enter_context(redirect_stdout(out))
            stack.enter_context(redirect_stderr(err))
            try:
                code = main(list(words))
            except SystemExit as left:  # argparse
                code = left.code if isinstance(left.code, int) else 1
        return Ran(code, out.getvalue(), err.getvalue())

    def done(self, *words: str, typed: str = "", **environ: str) -> Ran:
        """Run a command that has to succeed."""
        ran = self(*words, typed=typed, **environ)
        assert ran.code == 0, ran.err or ran.out
        assert ran.err == "", ran.err
        return ran

    def spend(self, *words: str) -> dict[str, Any]:
        """Return the answer to a query as JSON."""
        found = self.done("spend", *words, "--format", "json").json()
        assert isinstance(found, dict)
        return found


@contextmanager
def _environment(environ: dict[str, str]) -> Iterator[None]:
    """Replace Outlay's and Slack's variables; restore them and the umask afterward."""
    umask = os.umask(0o022)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLACK_", "OUTLAY_"))}
    try:
        with mock.patch.dict(os.environ, kept | environ, clear=True):
            yield
    finally:
        os.umask(umask)


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in ("", *_NAMED)}
    try:
        with warnings.catch_warnings():  # pytest shows deprecation warnings that Python hides by default
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
