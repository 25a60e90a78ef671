"""Standard output, which holds nothing but the requested result; progress goes to stderr."""

import json
import sys
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from outlay.core.csv_cells import csv_of, csv_writer, escape_formula

CLEAR_LINE = "\r\x1b[2K"


def line(text: str) -> None:
    """Write one line."""
    sys.stdout.write(text + "\n")


def document(data: Any) -> None:
    """Write one JSON document."""
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write CSV with a header; a cell that a spreadsheet would take for a formula is made plain text."""
    sys.stdout.write(csv_of(columns, rows))


async def stream_table(columns: Sequence[str], rows: AsyncIterable[Mapping[str, Any]]) -> None:
    """Write CSV like `table`, from rows that arrive one by one and are never all in memory."""
    writer = csv_writer(sys.stdout)
    writer.writerow(columns)
    async for row in rows:
        writer.writerow([cell and escape_formula(cell) for cell in map(row.get, columns)])


async def stream_array(items: AsyncIterable[Any]) -> None:
    """Write one JSON array, one item a line, from items that arrive one by one."""
    before = "[\n"
    async for item in items:
        sys.stdout.write(before + json.dumps(item, ensure_ascii=False))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def progress(text: str) -> None:
    """Show on stderr what is being done; the next call overwrites it. Does nothing if stderr is not a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(CLEAR_LINE + text[:100])
        sys.stderr.flush()


def progress_done() -> None:
    """Clear the line of `progress`."""
    if sys.stderr.isatty():
        sys.stderr.write(CLEAR_LINE)


def console() -> Console:
    """Return the console for tables: plain text, 140 columns wide, if the output is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=140, color_system=None, force_terminal=False)
