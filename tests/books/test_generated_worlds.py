"""Small worlds of pages, delivered in any order and more than once, against a plain model of what should count."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from outlay.core.money import to_nano
from outlay.core.tokens import Tokens
from outlay.database.tables import BILLED, UNPRICED
from outlay.plugin.contract import Page, Report, Row, Window
from tests.books.factories import BILL, DAY, HOUR, HOURS, MEASURED, MONDAY, REPORTS, ROLLUPS, Books, examples, row

DAYS = 3
BUSY_HOURS = (0, 5, 23)  # of each day: few buckets, so that pages speak of the same ones
KEYS = ("k1", "k2", "")
MODELS = ("m1", "m2")
Place = tuple[datetime, str, str]


@dataclass(frozen=True)
class Delivery:
    report: Report
    page: Page
    at: datetime


def of_tokens(value: int) -> Tokens:
    return Tokens(value, value // 2, value // 3, value // 5, 2 * value, value)


@st.composite
def rows_at(draw: st.DrawFn, starts: list[datetime]) -> list[Row]:
    places = st.tuples(st.sampled_from(starts), st.sampled_from(KEYS), st.sampled_from(MODELS))
    rows = []
    for start, key, model in sorted(draw(st.sets(places, max_size=8))) if starts else []:
        usd = draw(st.sampled_from([None, "0", "0.000000001", "0.1", "3"]))
        more: dict[str, Any] = {
            "tokens": of_tokens(draw(st.integers(0, 4))),
            "byok_usd": Decimal(draw(st.integers(0, 1))),
        }
        if key == "k1":
            more["requests"] = draw(st.integers(0, 3))
        if not key:
            more["reason"] = "console"
        rows.append(row(start, usd, key, model, **more))
    return rows


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    minutes = draw(st.integers(60, (DAYS + 1) * 24 * 60))
    at = MONDAY + timedelta(minutes=minutes)
    report = draw(st.sampled_from([HOURS, BILL]))
    step = HOUR if report is HOURS else DAY
    slots = min(int((at - MONDAY) / step) + 1, DAYS * 24 if report is HOURS else DAYS)
    first = draw(st.integers(0, slots - 1))
    last = draw(st.integers(first + 1, slots))
    start, end = MONDAY + first * step, MONDAY + last * step
    starts = [
        MONDAY + day * DAY + hour * HOUR for day in range(DAYS) for hour in (BUSY_HOURS if report is HOURS else (0,))
    ]
    rows = draw(rows_at([moment for moment in starts if start <= moment < end and moment <= at]))
    return Delivery(report, Page(Window(start, end), rows), at)


def what_counts(
    worlds: list[Delivery], first: datetime = MONDAY, days: int = DAYS
) -> dict[tuple[Any, ...], list[int | None]]:
    """The model: of each bucket the newest word, of each day the report that has the say. Sums by day, key, model."""
    said: dict[str, dict[Place, Row]] = {report.name: {} for report in REPORTS}
    spoke: dict[datetime, dict[str, bool]] = defaultdict(dict)
    for one in sorted(worlds, key=lambda one: one.at):
        held = said[one.report.name]
        for place in [place for place in held if one.page.window.start <= place[0] < one.page.window.end]:
            del held[place]
        held |= {(found.start, found.key, found.model): found for found in one.page.rows}
        for place in range(days):
            day = first + place * DAY
            if one.page.window.start < day + DAY and one.page.window.end > day:
                final = one.report is BILL and one.at >= day + DAY + BILL.lag
                spoke[day][one.report.name] = spoke[day].get(one.report.name, False) or final
    sums: dict[tuple[Any, ...], list[int | None]] = {}
    for day, who in spoke.items():
        event(f"final: {who.get('bill')}, hours: {'hours' in who}")
        winner = "bill" if who.get("bill") or "hours" not in who else "hours"
        for found in said[winner].values():
            if day <= found.start < day + DAY:
                add(sums, day, found)
    return sums


def add(sums: dict[tuple[Any, ...], list[int | None]], day: datetime, found: Row) -> None:
    cost = None if found.cost_usd is None else to_nano(found.cost_usd)
    figures = [cost, to_nano(found.byok_usd), found.requests, *found.tokens]
    if not any(figures):
        return
    unpriced = found.tokens.total if cost is None else 0
    place = (int(day.timestamp()), found.key, found.model, UNPRICED if cost is None else BILLED)
    before = sums.get(place, [None] * (len(MEASURED) + 1))
    sums[place] = [plus(*both) for both in zip(before, [*figures, unpriced], strict=True)]


def plus(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


async def held(books: Books) -> dict[tuple[Any, ...], list[int | None]]:
    sums = ", ".join(f"r.{name}" for name in (*MEASURED, "unpriced_tokens"))
    rows = await books.rows(
        f"SELECT r.day, k.ledger_id, m.name, r.basis, {sums} FROM spend_day r "
        "JOIN ledger_key k ON k.id = r.key_id JOIN model m ON m.id = r.model_id"
    )
    return {tuple(found[:4]): list(found[4:]) for found in rows}


WORLDS = st.lists(deliveries(), min_size=1, max_size=6, unique_by=lambda one: one.at)


@examples(30)
@given(world=WORLDS, random=st.randoms(use_true_random=False))
async def test_in_any_order_and_more_than_once_the_same_counts(
    world: list[Delivery], random: Any, empty_books: Path, tmp_path: Path
) -> None:
    doubled = world + random.sample(world, random.randint(0, len(world)))
    random.shuffle(doubled)
    async with Books.copied(empty_books, tmp_path) as books:
        for one in doubled:
            await books.take(one.page, one.report, at=one.at)
        assert await held(books) == what_counts(world)
        await books.agree()
        broken = "output < reasoning OR input < 0 OR cache_read < 0 OR unpriced_tokens < 0 OR cost_nano_usd < 0"
        for table in ROLLUPS:
            assert await books.rows(f"SELECT * FROM {table} WHERE {broken}") == []


@examples(10)
@given(world=WORLDS)
async def test_each_page_once_more_changes_no_figure(world: list[Delivery], empty_books: Path, tmp_path: Path) -> None:
    async with Books.copied(empty_books, tmp_path) as books:
        for one in world:
            await books.take(one.page, one.report, at=one.at)
        before = await books.dump()
        for one in world:
            accepted = await books.take(one.page, one.report, at=one.at)
            assert (accepted.new, accepted.changed) == (0, 0)
        assert await books.dump() == before


async def test_a_spread_bill_never_reasons_more_than_it_puts_out(books: Books) -> None:
    """Shared out each by itself, an hour could get a token of reasoning and none of output."""
    hours = [
        row(MONDAY + hour * HOUR, None, tokens=Tokens(input=weight))
        for hour, weight in enumerate([5, 17, 17, 17, 17, 17])
    ]
    await books.accept_rows(hours, end=MONDAY + DAY)
    await books.accept_rows([row(MONDAY, "1", tokens=Tokens(output=9, reasoning=7))], end=MONDAY + DAY, report=BILL)
    assert await books.rows("SELECT hour, output, reasoning FROM spend_hour WHERE reasoning > output") == []
    assert (await books.rows("SELECT SUM(output), SUM(reasoning) FROM spend_hour")) == [(9, 7)]
