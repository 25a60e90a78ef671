"""Console output of the demo: headings, narration, what people type, and what they then see.

Plain text where output is no terminal; in a terminal, muted colors and a progress line that is overwritten.
"""

import io
import sys
import time
from typing import Protocol

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

WIDTH_MAX = 100
PROGRESS_SECONDS = 1.5  # between two lines of progress where they cannot be overwritten
_CLEAR_LINE = "\r\x1b[2K"


class Drawn(Protocol):
    """Anything that can be printed: a reply, a modal, a Home tab."""

    def draw(self, console: Console) -> None:
        """Print it to the console."""
        ...


class _Console(Console):
    """Console that leaves a broken pipe to the command line, where rich itself would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError, which the command line handles."""
        raise BrokenPipeError


class DemoConsole:
    """Printer of the demo's output. `scenes` counts the headings so far."""

    def __init__(self, console: Console | None = None) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing shows question marks, no error
        self.console = console or _Console(highlight=False)
        if self.console.width > WIDTH_MAX:
            self.console.width = WIDTH_MAX
        self.scenes = 0
        self._progress_at = 0.0

    def line(self, text: str = "", style: str = "") -> None:
        """Print a plain line."""
        self.console.print(Text(text, style))

    def scene(self, title: str) -> None:
        """Print the heading of a new scene."""
        self.scenes += 1
        self.console.print()
        self.console.print(Rule(Text(f"{self.scenes}  {title}", "bold"), align="left", style="dim"))
        self.console.print()

    def say(self, text: str) -> None:
        """Print a paragraph of narration."""
        self.console.print(Padding(Text(text, "italic"), (0, 0, 1, 0)))

    def typed(self, who: str, line: str) -> None:
        """Print a line as a person types it."""
        self.console.print(Text.assemble((who, "bold green"), (" › ", "dim"), (line, "bold")))
        self.console.print()

    def shows(self, drawn: Drawn, *, gap: bool = False) -> None:
        """Print what the person then sees. `gap`: with an empty line after it, which messages have by themselves."""
        drawn.draw(self.console)
        if gap:
            self.console.print()

    def progress(self, text: str) -> None:
        """Show what is being done right now."""
        if self.console.is_terminal:
            self.console.file.write(f"{_CLEAR_LINE}  {text}"[: self.console.width + len(_CLEAR_LINE) - 1])
            self.console.file.flush()
        elif time.monotonic() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self.line(f"  {text}")
            self.flush()

    def progress_done(self) -> None:
        """Erase the line of progress."""
        if self.console.is_terminal:
            self.console.file.write(_CLEAR_LINE)

    def prompt(self, text: str) -> None:
        """Print the prompt for input."""
        self.console.file.write(text)
        self.console.file.flush()

    def flush(self) -> None:
        """Write out what was printed so far, also where output is a file."""
        self.console.file.flush()
