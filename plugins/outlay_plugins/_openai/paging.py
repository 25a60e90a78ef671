"""OpenAI's two ways of paging: buckets by `page` and `next_page`, lists by `after`. Both end or raise an error."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from outlay.plugin import GuardedClient, Permanent
from outlay_plugins._openai.schemas import (
    Buckets,
    Listed,
    OpenAIApiKey,
    OpenAIBucket,
    OpenAIMember,
    OpenAIProject,
    OpenAISchema,
    read,
)

MAX_PAGES = 500  # of one query
LIST_ROWS = 100  # the most that a page of a list may have
Params = Sequence[tuple[str, str | int]]
Line = TypeVar("Line", bound=OpenAISchema)
Item = TypeVar("Item", OpenAIProject, OpenAIApiKey, OpenAIMember)


async def fetch_buckets(
    http: GuardedClient, path: str, params: Params, shape: type[Buckets[Line]], start: datetime, end: datetime
) -> list[OpenAIBucket[Line]]:
    """Return all buckets of a query about [start, end), in order of time. Raises one of the five errors."""
    found: dict[datetime, OpenAIBucket[Line]] = {}
    page, seen = "", set[str]()
    for _ in range(MAX_PAGES):
        body = await http.get(path, [*params, ("page", page)] if page else list(params))
        answer = read(shape, body, path)
        for bucket in answer.data:
            if bucket.start in found:
                raise Permanent(f"OpenAI's {path} told {bucket.start:%Y-%m-%d %H:%M} twice; its pages repeat.")
            if bucket.results and not start <= bucket.start < end:
                raise Permanent(f"OpenAI's {path} told {bucket.start:%Y-%m-%d %H:%M}, which was not asked for.")
            found[bucket.start] = bucket
        if not (bool(answer.next_page) if answer.has_more is None else answer.has_more):
            return [found[moment] for moment in sorted(found)]
        page = answer.next_page
        if not page or page in seen:
            raise Permanent(f"OpenAI's {path} says there is more, and {'repeats' if page else 'not'} where.")
        seen.add(page)
    raise Permanent(f"OpenAI's {path} goes on beyond {MAX_PAGES} pages for one question.")


async def fetch_list(http: GuardedClient, path: str, params: Params, shape: type[Listed[Item]]) -> list[Item]:
    """Return everything in a list, each id once."""
    found: dict[str, Item] = {}
    after: str = ""
    for _ in range(MAX_PAGES):
        asked: list[tuple[str, str | int]] = [*params, ("limit", LIST_ROWS), *([("after", after)] if after else [])]
        answer = read(shape, await http.get(path, asked), path)
        known = len(found)
        found |= {one.id: one for one in answer.data}
        if not answer.has_more:
            return list(found.values())
        if len(found) == known:
            raise Permanent(f"OpenAI's {path} says there is more, and repeats what it has told.")
        after = answer.last_id or answer.data[-1].id
    raise Permanent(f"OpenAI's {path} goes on beyond {MAX_PAGES * LIST_ROWS:,} rows; that is more than Outlay reads.")
