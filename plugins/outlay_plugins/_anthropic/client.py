"""Client of Anthropic's Admin API: reads all pages of a report or a list, and interprets its refusals.

A cursor that has expired (410: the figures were refreshed between two pages) starts the report over. A grouping that
the account does not have is recognized, so that the caller can ask again with fewer dimensions. A report that the
organization does not have (AbsentReportError) is told apart from one that fails.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from outlay.core.errors import OutlayError
from outlay.plugin import Context, Permanent
from outlay.plugin import Page as Reported
from outlay.plugin.read_client import TOO_LARGE, Params
from outlay_plugins._anthropic.rows import PageRange
from outlay_plugins._anthropic.schemas import AnthropicPage, Listing, read
from outlay_plugins._common.repeats import CountedLines

ROOT = "/v1/organizations"
FAST_MODE = {"anthropic-beta": "fast-mode-2026-02-01"}  # without it, speed is no dimension
BETA = {"anthropic-beta": "analytics-usage-cost-2026-08-24"}
MAX_PAGES = 100  # of one query: a hundred thousand rows
MAX_RESTARTS = 3  # of one query whose cursor expires
LIST_ROWS = 1_000
GONE = 410
T = TypeVar("T", bound=BaseModel)
V = TypeVar("V")
Pair = tuple[str, str | int]
Query = Sequence[Pair]
Line = tuple[Hashable, V]  # its identity, as Anthropic tells it, and its content


class AbsentReportError(OutlayError):
    """Raised when the organization does not have this report; the message is Anthropic's."""


class TooMuch(Permanent):
    """Raised when a query returns more than one query should; half of the time range may do."""


async def page_by_halving(page: Callable[[PageRange], Awaitable[Reported]], part: PageRange) -> Reported:
    """Return the page of a time range, halving the range until it fits. Raises TooMuch if one hour does not."""
    while True:
        try:
            return await page(part)
        except TooMuch:
            if (half := part.half()) is None:
                raise
            part = half


class AnthropicClient:
    """API client on top of one task's guarded HTTP client."""

    def __init__(self, context: Context) -> None:
        self._http = context.http

    async def report(
        self,
        path: str,
        shape: type[AnthropicPage[T]],
        query: Query,
        lines: Callable[[AnthropicPage[T]], Iterable[Line[V]]],
        *,
        beta: bool = False,
        headers: dict[str, str] | None = None,
    ) -> list[V]:
        """Return all lines of a report's pages; a line that a later page repeats counts once.

        Raises the five errors (TooMuch is a Permanent), and AbsentReportError if this organization
        does not have a beta report.
        """
        restarts = 0
        while True:
            try:
                return await self._pages(path, shape, query, lines, headers or (BETA if beta else None), beta)
            except Permanent as error:
                restarts += 1
                if error.status != GONE or restarts > MAX_RESTARTS:
                    raise

    async def _pages(
        self,
        path: str,
        shape: type[AnthropicPage[T]],
        query: Query,
        lines: Callable[[AnthropicPage[T]], Iterable[Line[V]]],
        headers: dict[str, str] | None,
        beta: bool,
    ) -> list[V]:
        found = CountedLines[V]()
        token, seen = "", set[str]()
        for _ in range(MAX_PAGES):
            params: Params = [*query, ("page", token)] if token else query
            try:
                answer = await self._http.get(ROOT + path, params, headers=headers)
            except Permanent as error:
                if beta and is_absent(error):
                    raise AbsentReportError(str(error)) from None
                if TOO_LARGE in str(error):
                    raise TooMuch(str(error)) from None
                raise
            page = read(shape, answer, path)
            found.add_page(lines(page))
            token = page.next_page or ""
            if not token or page.has_more is False:
                return found.all()
            if token in seen:
                raise Permanent(f"Anthropic's pages of {path} go in circles.")
            seen.add(token)
        raise TooMuch(f"Anthropic's answer about {path} goes on beyond {MAX_PAGES} pages.")

    async def listing(self, path: str, shape: type[Listing[T]], query: Query = ()) -> list[T]:
        """Return all items of a list."""
        found: list[T] = []
        after, seen = "", set[str]()
        for _ in range(MAX_PAGES):
            params: Params = [*query, ("limit", LIST_ROWS), *([("after_id", after)] if after else [])]
            page = read(shape, await self._http.get(ROOT + path, params), path)
            found += page.data
            after = page.last_id or ""
            if not page.has_more or not page.data:
                return found
            if not after or after in seen:
                raise Permanent(f"Anthropic's pages of {path} go in circles.")
            seen.add(after)
        raise Permanent(f"Anthropic's list of {path} goes on beyond {MAX_PAGES} pages.")


def is_absent(error: Permanent) -> bool:
    """Return whether a refusal means that there is no such report here: forbidden, not found, or a closed beta."""
    return error.status in (403, 404) or (error.status == 400 and "beta" in str(error).lower())


def is_about_grouping(error: Permanent) -> bool:
    """Return whether a query was refused because of its `group_by`."""
    return error.status == 400 and "group_by" in str(error)


def group_by_params(dimensions: Sequence[str]) -> list[Pair]:
    """Build the `group_by[]` parameters; Anthropic accepts at most five dimensions."""
    return [("group_by[]", name) for name in dimensions]
