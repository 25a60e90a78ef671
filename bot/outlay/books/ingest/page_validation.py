"""Validation of pages: a page must not contradict itself, the calendar, or the range of numbers that fit the books.

An invalid page is refused whole, with a message that names the row and the reason.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from outlay.books.rollups.report_precedence import DAY_SECONDS, is_whole_day
from outlay.core.errors import OutlayError
from outlay.core.money import MAX_NANO_USD, MoneyError, to_nano
from outlay.plugin.contract import CounterReading, Page, Report, Row

MAX_AHEAD = timedelta(minutes=5)  # a bucket may start this far in the future, to allow for clocks that differ
MAX_ROWS_A_PAGE = 500_000
MAX_LIST_SHARE = 100  # times the list price
MAX_SUM_A_PAGE = MAX_NANO_USD // 100  # 92 million dollars: so that the sums of a day stay far from overflowing


class BadPageError(OutlayError, ValueError):
    """Invalid page. Nothing of it is stored; the message names the row and the reason."""


def validate_page(report: Report, page: Page, now: datetime) -> None:
    """Raise BadPageError if the page or one of its rows is invalid."""
    if page.absent and (page.rows or page.readings):
        raise BadPageError(f"{report.name}: a page of a report that the account does not have, with rows in it")
    if len(page.rows) > MAX_ROWS_A_PAGE:
        raise BadPageError(f"{report.name}: {len(page.rows):,} rows in one page, more than {MAX_ROWS_A_PAGE:,}")
    first, end = page.window.start, page.window.end
    if first.tzinfo is None or end.tzinfo is None:
        raise BadPageError(f"{report.name}: a page from {first} to {end}, in no time zone")
    if is_whole_day(report) and (first.timestamp() % DAY_SECONDS or end.timestamp() % DAY_SECONDS):
        raise BadPageError(f"{report.name}: a page of whole days has a window from {first} to {end}")
    grain = min(int((report.grain or timedelta(0)).total_seconds()), DAY_SECONDS)
    latest = now + MAX_AHEAD
    counted = reasoning = requests = 0
    start: datetime | None = None  # most rows of a page share it
    share: Decimal | None = None  # likewise
    for row in page.rows:  # maybe a hundred thousand: common checks are inline, without a call
        tokens, asked = row.tokens, row.requests
        if (
            row.start != start
            or row.list_price_factor is not share
            or min(tokens) < 0
            or tokens[5] > tokens[4]
            or not (asked is None or 0 <= asked <= MAX_SUM_A_PAGE)
            or not (row.key or row.reason)
        ):
            if problem := _figures_problem(row) or _time_problem(row, page, latest, grain):
                raise BadPageError(f"{report.name}: {problem} at {row.start}, {row.model or 'no model'}")
            start, share = row.start, row.list_price_factor
        counted += sum(tokens)
        reasoning += tokens[5]
        requests += asked or 0
    counted -= reasoning  # reasoning is a part of output
    if max(counted, requests) > MAX_SUM_A_PAGE:
        what = f"{counted:,} tokens" if counted > requests else f"{requests:,} requests"
        raise BadPageError(f"{report.name}: {what} in one page are more than the books can hold")


def _time_problem(row: Row, page: Page, latest: datetime, grain: int) -> str:
    """Return what is wrong with a bucket's start; '' if nothing is."""
    if row.start.tzinfo is None:
        return "a bucket in no time zone"
    if not page.window.start <= row.start < page.window.end:
        return f"a bucket outside its page ({page.window.start} to {page.window.end})"
    if row.start > latest:
        return "a bucket in the future"
    return "a bucket that does not start on its grain" if row.start.timestamp() % grain else ""


def _figures_problem(row: Row) -> str | None:
    """Return what is wrong with a row's figures or key; None if nothing is."""
    if problem := row.tokens.problem():
        return problem
    if row.requests is not None and not 0 <= row.requests <= MAX_SUM_A_PAGE:
        return f"{row.requests} requests"
    if (part := row.list_price_factor) is not None and not (part.is_finite() and 0 <= part <= MAX_LIST_SHARE):
        return f"{row.list_price_factor} times the list price"
    return None if row.key or row.reason else "a row without a key and without a reason"


def validate_readings(report: Report, readings: Sequence[CounterReading], now: datetime) -> None:
    """Raise BadPageError for counter readings that are no amount of money, or are from the future."""
    for reading in readings:
        whose = f"{report.name}: the counter of {reading.key or 'the account'}"
        if reading.at.tzinfo is None or reading.at > now + MAX_AHEAD:
            raise BadPageError(f"{whose} was read at {reading.at}: in the future, or in no time zone")
        try:
            total = to_nano(reading.total_usd)
        except MoneyError as error:
            raise BadPageError(f"{whose}: {error}") from error
        if total < 0:
            raise BadPageError(f"{whose} shows less than nothing ({reading.total_usd})")
