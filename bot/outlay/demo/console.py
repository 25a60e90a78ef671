"""The voice of the demo: headings, the narrator's lines, what people type, and what they then see.

Plain text where nobody watches a terminal; in one, quiet colours and a line of progress that is overwritten.
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
    """A reply, a modal, a Home tab."""

    def draw(self, console: Console) -> None:
        """Prints it."""
        ...


class _Console(Console):
    """rich would end the process when whoever reads us has enough; the command line knows what to do then."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Narrator:
    """Prints. `scenes` counts the headings so far."""

    def __init__(self, console: Console | None = None) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing shows question marks, no error
        self.console = console or _Console(highlight=False)
        if self.console.width > WIDTH_MAX:
            self.console.width = WIDTH_MAX
        self.scenes = 0
        self._progress_at = 0.0

    def line(self, text: str = "", style: str = "") -> None:
        """A plain line."""
        self.console.print(Text(text, style))

    def scene(self, title: str) -> None:
        """A new scene."""
        self.scenes += 1
        self.console.print()
        self.console.print(Rule(Text(f"{self.scenes}  {title}", "bold"), align="left", style="dim"))
        self.console.print()

    def say(self, text: str) -> None:
        """The narrator speaks."""
        self.console.print(Padding(Text(text, "italic"), (0, 0, 1, 0)))

    def typed(self, who: str, line: str) -> None:
        """What somebody types."""
        self.console.print(Text.assemble((who, "bold green"), (" › ", "dim"), (line, "bold")))
        self.console.print()

    def shows(self, drawn: Drawn, *, gap: bool = False) -> None:
        """What they then see. `gap`: with an empty line after it, which messages have by themselves."""
        drawn.draw(self.console)
        if gap:
            self.console.print()

    def progress(self, text: str) -> None:
        """What is being done right now."""
        if self.console.is_terminal:
            self.console.file.write(f"{_CLEAR_LINE}  {text}"[: self.console.width + len(_CLEAR_LINE) - 1])
            self.console.file.flush()
        elif time.monotonic() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self.line(f"  {text}")
            self.flush()

    def progress_done(self) -> None:
        """Takes the line of progress away."""
        if self.console.is_terminal:
            self.console.file.write(_CLEAR_LINE)

    def prompt(self, text: str) -> None:
        """Says that somebody may type."""
        self.console.file.write(text)
        self.console.file.flush()

    def flush(self) -> None:
        """Shows what was printed so far, also where output is a file."""
        self.console.file.flush()
