"""Checks of what a ledger says, in words that its author can act on. Pure: pages in, a problem out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from outlay.core.money import MoneyError, to_nano
from outlay.core.tokens import Tokens
from outlay.plugin.contract import Ledger, Page, Report, Row, Window
from outlay.plugin.testing.ledger_trial import bucket


def bucketed(plugin: type[Ledger[Any]]) -> list[Report]:
    """Return the reports that are made of buckets, without the counters."""
    return [report for report in plugin.reports if report.grain is not None]


def canonical_statement(pages: Sequence[Page]) -> list[tuple[Any, ...]]:
    """Return all that pages say, in a canonical order, so that two polls can be compared."""
    return [(page.window, page.complete, sorted(page.rows, key=lambda row: repr(bucket(row)))) for page in pages]


def is_utc(moment: datetime) -> bool:
    """Report whether a moment is aware, and in UTC."""
    return isinstance(moment, datetime) and moment.tzinfo is not None and moment.utcoffset() == UTC.utcoffset(None)


def is_money(usd: object) -> bool:
    """Report whether a value is a Decimal that the books can hold."""
    if not isinstance(usd, Decimal):
        return False
    try:
        to_nano(usd)
    except MoneyError:
        return False
    return True


def row_problem(row: Row) -> str | None:
    """Return what is wrong with a row's figures, in words, or None."""
    if row.cost_usd is not None and not is_money(row.cost_usd):
        return f"its cost is {row.cost_usd!r}: neither None nor a Decimal that the books can hold."
    if not is_money(row.byok_usd):
        return f"its byok_usd is {row.byok_usd!r}, not a Decimal that the books can hold."
    if not isinstance(row.tokens, Tokens) or not all(type(count) is int for count in row.tokens):
        return f"its tokens are {row.tokens!r}, not Tokens of whole numbers."
    if problem := row.tokens.problem():
        return f"its tokens: {problem}."
    if row.requests is not None and (type(row.requests) is not int or row.requests < 0):
        return f"its requests are {row.requests!r}: neither None nor a count."
    if not row.key and not row.reason:
        return "it names neither a key nor a reason why there is none."
    return None


def coverage_problem(report: Report, pages: Sequence[Page], asked: Window, now: datetime) -> str | None:
    """Return what the pages leave out, repeat or cover unasked, or None.

    What the ledger cannot give may be missing at either end: buckets older than the report's history, and buckets that
    are not complete yet.
    """
    position = pages[0].window.start
    if position < asked.start:
        return f"its first page begins at {position}, before the {asked.start} that was asked for."
    for page in pages:
        if page.window.start < position:
            return f"a page begins at {page.window.start}, before the end of the one before it."
        if page.window.start > position:
            return f"nothing is said of {position} to {page.window.start}, between two pages."
        if page.window.end < page.window.start:
            return f"a page ends at {page.window.end}, before it begins."
        position = page.window.end
    if position > asked.end:
        return f"its last page ends at {position}, after the {asked.end} that was asked for."
    grain = report.grain or timedelta(0)
    oldest, newest = now - report.history, now - report.lag
    if pages[0].window.start > asked.start and pages[0].window.start - grain >= oldest:
        return f"it begins at {pages[0].window.start}, though its history reaches further back."
    if position < asked.end and position + grain <= newest:
        return f"it ends at {position}, though what follows was complete by then."
    return None
