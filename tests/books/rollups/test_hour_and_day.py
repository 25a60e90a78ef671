"""Roll-ups are what the entries say: however a database comes by its sums, deriving them anew gives the same lines."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from outlay.books.closing import audit
from outlay.core.tokens import Tokens
from outlay.database.engine import execute
from outlay.plugin.contract import Page, Report, Row, Window
from tests.books.factories import DAY, HOUR, MONDAY, Books, examples, row

HALF_HOURS = [MONDAY + hour * HOUR + minutes * timedelta(minutes=1) for hour in (0, 1, 23) for minutes in (0, 30)]
HALVES = Report("hours", HOUR / 2)
SEEN = MONDAY + 2 * DAY
NEARLY_ALL = 2**62


@dataclass(frozen=True)
class Poll:
    page: Page
    hours_later: int


@st.composite
def restatements(draw: st.DrawFn) -> Poll:
    """A page over some of a day's hours. Several of its buckets add up in one line; what it does not have vanishes."""
    first, last = sorted(draw(st.sets(st.sampled_from([0, 1, 2, 24]), min_size=2, max_size=2)))
    window = Window(MONDAY + first * HOUR, MONDAY + last * HOUR)
    starts = [at for at in HALF_HOURS if window.start <= at < window.end]
    places = st.tuples(st.sampled_from(starts), st.sampled_from(["k1", "k2"]), st.sampled_from(["", "batch"]))
    return Poll(
        Page(window, [bucket(draw, *place) for place in sorted(draw(st.sets(places, max_size=8)))]),
        draw(st.integers(0, 9)),
    )


def bucket(draw: st.DrawFn, start: Any, key: str, tier: str) -> Row:
    figures: dict[str, Any] = {
        "requests": draw(st.sampled_from([None, None, 0, 3])),
        "tokens": Tokens(*draw(st.tuples(*[st.integers(0, 2)] * 4)), output=2, reasoning=draw(st.integers(0, 2))),
        "byok_usd": Decimal(draw(st.integers(0, 1))),
        "detail": (("tier", tier),) if tier else (),
    }
    if draw(st.booleans()):
        figures["tokens"] = Tokens()
    return row(start, draw(st.sampled_from([None, "0", "0.000000001", "3"])), key, **figures)


@examples(15)
@given(polls=st.lists(restatements(), min_size=1, max_size=5))
async def test_however_pages_come_each_line_is_what_deriving_it_anew_gives(
    polls: list[Poll], empty_books: Any, tmp_path: Path
) -> None:
    """Fresh hours, restated ones, vanished and unknown figures; also pages that were held up on their way."""
    async with Books.copied(empty_books, tmp_path) as books:
        for poll in polls:
            await books.take(poll.page, HALVES, at=SEEN + poll.hours_later * HOUR, reports=(HALVES,))
        found = await audit.audit(books.database, "T1", {"little": (HALVES,)}, now=MONDAY + 9 * DAY)
        assert found.differences == []
        await books.agree()


@pytest.mark.parametrize("column", ["cost_nano_usd", "input"])
async def test_sums_beyond_what_a_number_holds_are_an_error_and_change_nothing(books: Books, column: str) -> None:
    rows = [row(MONDAY, "1", detail=(("tier", tier),), tokens=Tokens(input=1)) for tier in "ab"]
    await books.accept_rows(rows)
    async with books.database.write() as session:
        await execute(session, text(f"UPDATE entry SET {column} = {NEARLY_ALL}"))
    before = await books.dump()
    with pytest.raises((OverflowError, DBAPIError)):
        await books.take(Page(Window(MONDAY, MONDAY + HOUR), [row(MONDAY)], complete=False))
    assert await books.dump() == before
