"""CSV for spreadsheets: cells that a spreadsheet would run as a formula are made plain text first."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-\d+(\.\d+)?")


def inert(cell: Any) -> Any:
    """Prefix a cell with `'` if a spreadsheet would run it."""
    if not isinstance(cell, str) or cell[:1] not in _FORMULA_STARTS or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Format rows as CSV with a header."""
    found = io.StringIO()
    writer = csv.writer(found, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([inert(row.get(name, "")) for name in columns] for row in rows)
    return found.getvalue()
