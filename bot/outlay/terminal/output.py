"""Standard output, and nothing on it but what was asked for; progress goes to stderr, where a person watches it."""

import csv
import json
import sys
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from outlay.core.csv_cells import csv_of, inert

CLEAR_LINE = "\r\x1b[2K"


def line(text: str) -> None:
    """One line."""
    sys.stdout.write(text + "\n")


def document(data: Any) -> None:
    """One JSON document."""
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """CSV with a header. A cell that a spreadsheet would take for a formula is quoted into plain text."""
    sys.stdout.write(csv_of(columns, rows))


async def stream_table(columns: Sequence[str], rows: AsyncIterable[Mapping[str, Any]]) -> None:
    """`table`, of rows that come in one by one and are never all in memory."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    async for row in rows:
        writer.writerow([cell and inert(cell) for cell in map(row.get, columns)])


async def stream_array(items: AsyncIterable[Any]) -> None:
    """One JSON array, an item a line, of items that come in one by one."""
    before = "[\n"
    async for item in items:
        sys.stdout.write(before + json.dumps(item, ensure_ascii=False))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def progress(text: str) -> None:
    """What is being done right now; overwritten by the next. Silent where nobody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(CLEAR_LINE + text[:100])
        sys.stderr.flush()


def progress_done() -> None:
    """Clears the line of `progress`."""
    if sys.stderr.isatty():
        sys.stderr.write(CLEAR_LINE)


def console() -> Console:
    """For tables. Plain text where the output is not a terminal, as wide as it needs to be."""
    return Console() if sys.stdout.isatty() else Console(width=140, color_system=None, force_terminal=False)
