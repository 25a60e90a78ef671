"""CSV for spreadsheets: every field is quoted, and what a spreadsheet would run as a formula is made plain text.

A spreadsheet whose separator is the semicolon takes commas and quotes for text and splits within our fields. So a
formula is defused after a semicolon, a tab or a line break too, and not only where a field begins.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

_STARTS = "=+\\-@＝＋－＠"  # and the full-width forms, which spreadsheets take for the others
_BLANKS = r"[ \"'\u00a0\u3000\ufeff\u200b]*"
_FORMULA = re.compile(rf"(?:\A|(?<=[;\t\r\n]))(?={_BLANKS}[{_STARTS}])|\A(?=[\t\r\n])")
_NUMBER = re.compile(r"-\d+(\.\d+)?")


def escape_formula(cell: Any) -> Any:
    """Put a `'` before each part of a cell that a spreadsheet would run; a plain negative number stays one."""
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    return _FORMULA.sub("'", cell)


def csv_writer(file: IO[str]) -> Any:
    """Return the one kind of writer there is: commas, every field quoted, rows that end in a line feed."""
    return csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Format rows as CSV with a header."""
    found = io.StringIO()
    writer = csv_writer(found)
    writer.writerow(columns)
    writer.writerows([escape_formula(row.get(name, "")) for name in columns] for row in rows)
    return found.getvalue()
