"""Months of the books: UTC calendar months, identified by the second at which they start."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from outlay.core.errors import OutlayError


class MonthError(OutlayError, ValueError):
    """Not a valid month; the message says what one looks like."""


@lru_cache(maxsize=4096)
def start_of(seconds: int) -> int:
    """Return the start of the month that contains a moment."""
    at = datetime.fromtimestamp(seconds, UTC)
    return int(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp())


def end_of(month: int) -> int:
    """Return the start of the next month."""
    return start_of(int((datetime.fromtimestamp(month, UTC) + timedelta(days=32)).timestamp()))


def before(month: int) -> int:
    """Return the start of the previous month."""
    return start_of(month - 1)


def parse(word: str) -> int:
    """Parse `2026-10` to the month's start. Raises MonthError."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", word):
        raise MonthError(f"«{word}» is not a month: YYYY-MM, such as 2026-10")
    return int(datetime(int(word[:4]), int(word[5:]), 1, tzinfo=UTC).timestamp())


def name(month: int) -> str:
    """Format a month as `2026-10`."""
    return datetime.fromtimestamp(month, UTC).strftime("%Y-%m")
