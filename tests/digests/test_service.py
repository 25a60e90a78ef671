"""Digests over real books: one for each place and period, whoever runs and dies, through DST; figures of `/spend`."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, delete

from outlay.core.calendar_periods import PERIODS, Period
from outlay.core.clock import FakeClock
from outlay.database.tables import Connection, Workspace
from outlay.digests.digest import LATE_AT_MOST, newest_due
from outlay.digests.service import DigestService
from outlay.digests.subscriptions import DigestSubscriptions
from tests.books.factories import DAY, HOUR, MONDAY, NOW, Books, row, tokens
from tests.books.weeks import fill, in_zone, say_owner

GENERAL = "C01GENERAL"
NANO = 1_000_000_000


class Desk:
    """A clock, and digests beside books in which a poll is not due."""

    def __init__(self, books: Books, channel: str | None = None) -> None:
        self.books = books
        self.clock = FakeClock(NOW)
        self.digests = DigestService(books.database, self.clock, channel=channel)

    async def polled(self, next_at: datetime = NOW + timedelta(days=99)) -> None:
        async with self.books.database.write() as session:
            connection = await session.get(Connection, 1)
            assert connection
            connection.next_poll_at = int(next_at.timestamp())
            session.add(connection)

    async def chosen(self, *periods: Period, at: time = time(9), channels: tuple[str, ...] = (GENERAL,)) -> None:
        await self.polled()
        await self.digests.choose(
            "T1", DigestSubscriptions(channels=channels, periods=periods or ("day",), at=at), by="U1"
        )

    async def run(self, until: datetime, step: timedelta = timedelta(minutes=20)) -> None:
        while self.clock.now() < until:
            self.clock.advance(min(step, until - self.clock.now()))
            await self.digests.run()

    async def said(self) -> list[dict[str, Any]]:
        rows = await self.books.rows("SELECT payload FROM outbox WHERE kind = 'digest' ORDER BY id")
        return [json.loads(payload) for (payload,) in rows]

    async def ends(self) -> list[tuple[str, str]]:
        return [(one["period"], one["end"]) for one in await self.said()]


@pytest.fixture
def desk(books: Books) -> Desk:
    return Desk(books)


async def test_each_day_week_and_month_comes_once(desk: Desk) -> None:
    await desk.chosen("day", "week", "month")
    for day in range(14):
        for hour in (23, 24, 25):  # eight, nine and ten o'clock of the next day
            await desk.run(NOW + timedelta(days=day, hours=hour - 1), timedelta(hours=22))

    ends = await desk.ends()
    assert [end for period, end in ends if period == "day"] == [f"{date(2026, 11, 18) + n * DAY}" for n in range(14)]
    assert [end for period, end in ends if period == "week"] == ["2026-11-22", "2026-11-29"]
    assert [end for period, end in ends if period == "month"] == ["2026-11-30"]
    assert not any(one["late"] for one in await desk.said())


async def test_two_that_run_at_once_and_one_that_starts_anew_say_it_once(desk: Desk) -> None:
    await desk.chosen()
    desk.clock.advance(timedelta(hours=24))
    others = [DigestService(desk.books.database, desk.clock) for _ in range(3)]
    await asyncio.gather(*(one.run() for one in others))
    await DigestService(desk.books.database, desk.clock).run()

    assert await desk.ends() == [("day", "2026-11-18")]


async def test_one_that_dies_before_its_commit_has_said_nothing_and_the_next_says_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.chosen()
    desk.clock.advance(timedelta(hours=24))

    async def dies(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("outlay.outbox.enqueue", dies)
        with pytest.raises(KeyboardInterrupt):
            await desk.digests.run()
    assert await desk.ends() == []
    await desk.digests.run()
    assert await desk.ends() == [("day", "2026-11-18")]


async def test_what_was_missed_comes_once_and_says_that_it_is_late(desk: Desk) -> None:
    await desk.chosen()
    desk.clock.advance(timedelta(days=5, hours=4))  # nobody ran; it is Monday, 14:00
    await desk.run(desk.clock.now() + timedelta(hours=2))

    assert [(one["end"], one["late"]) for one in await desk.said()] == [("2026-11-22", True)]


async def test_what_is_too_late_is_not_sent(desk: Desk) -> None:
    await desk.chosen("day", "week")
    desk.clock.advance(timedelta(days=7, hours=14))  # Wednesday at midnight: the week's is 63 hours late
    await desk.run(desk.clock.now() + timedelta(hours=2))

    assert [(one["period"], one["late"]) for one in await desk.said()] == [("week", True)]


async def test_set_up_in_the_afternoon_it_begins_tomorrow(desk: Desk) -> None:
    await desk.chosen(at=time(9, 30))  # it is ten
    await desk.digests.run()
    assert await desk.ends() == []
    await desk.run(NOW + timedelta(days=1))
    assert await desk.ends() == [("day", "2026-11-18")]


async def test_the_channel_of_the_settings_gets_one_a_day_until_somebody_chooses(books: Books) -> None:
    desk = Desk(books, channel="C09")
    await desk.polled()
    assert (await desk.digests.plan("T1")).channels == (), "with two workspaces nobody knows whose channel it is"
    async with books.database.write() as session:
        await session.exec(delete(Connection).where(col(Connection.workspace_id) == "T2"))
        await session.exec(delete(Workspace).where(col(Workspace.id) == "T2"))
    await desk.run(NOW + timedelta(days=2), timedelta(hours=1))
    assert [(one["to"], one["end"]) for one in await desk.said()] == [("C09", "2026-11-18"), ("C09", "2026-11-19")]

    await desk.digests.choose("T1", DigestSubscriptions(channels=(), periods=("day",)), by="U1")
    await desk.run(NOW + timedelta(days=4), timedelta(hours=1))
    assert len(await desk.said()) == 2


async def test_a_person_who_asked_gets_their_own_and_nobody_else(desk: Desk) -> None:
    await desk.polled()
    await desk.digests.want("T1", "U02BEN", ("day",))
    await desk.run(NOW + timedelta(days=1), timedelta(hours=1))
    await desk.digests.want("T1", "U02BEN", ())
    await desk.run(NOW + timedelta(days=3), timedelta(hours=1))

    assert [one["to"] for one in await desk.said()] == ["U02BEN"]


@pytest.mark.parametrize(
    ("around", "at", "utc"),
    [
        (date(2027, 3, 28), time(2, 30), "01:30"),  # the night in which that hour is skipped in Berlin
        (date(2026, 10, 25), time(2, 30), "00:30"),  # and the one in which it comes twice
        (date(2026, 10, 25), time(9), "08:00"),
        (date(2027, 3, 28), time(9), "07:00"),
    ],
)
async def test_through_the_change_of_clocks_it_comes_once_at_the_local_time(
    desk: Desk, around: date, at: time, utc: str
) -> None:
    await in_zone(desk.books, "Europe/Berlin")
    start = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(hours=3)
    desk.clock = FakeClock(start)
    desk.digests = DigestService(desk.books.database, desk.clock)
    await desk.polled(start + timedelta(days=99))
    await desk.digests.choose("T1", DigestSubscriptions(channels=(GENERAL,), at=at), by="U1")
    moments = {}
    while desk.clock.now() < start + timedelta(hours=14):
        desk.clock.advance(timedelta(minutes=30))
        await desk.digests.run()
        for one in await desk.said():
            moments.setdefault(one["end"], f"{desk.clock.now():%H:%M}")

    assert len(await desk.said()) == len(moments)
    assert moments[f"{around - DAY}"] == utc


async def test_it_waits_for_a_poll_that_would_tell_more_but_not_for_ever(desk: Desk) -> None:
    await desk.chosen()
    desk.clock.advance(timedelta(hours=23, minutes=1))  # 09:01, after a night in which nobody polled
    desk.digests = DigestService(desk.books.database, desk.clock)
    await desk.polled(desk.clock.now() - timedelta(hours=10))
    await desk.digests.run()
    assert await desk.ends() == []

    desk.clock.advance(timedelta(minutes=31))
    await desk.digests.run()
    assert await desk.ends() == [("day", "2026-11-18")]


async def test_with_nothing_connected_there_is_nothing_to_tell(desk: Desk) -> None:
    await desk.chosen()
    async with desk.books.database.write() as session:
        connection = await session.get(Connection, 1)
        assert connection
        connection.disconnected_at = 1
        session.add(connection)
    await desk.run(NOW + timedelta(days=2), timedelta(hours=1))
    assert await desk.said() == []


async def test_its_figures_are_those_of_spend_and_it_says_who_moved_on_what(desk: Desk) -> None:
    mornings = [MONDAY + n * DAY + 9 * HOUR for n in range(-20, 2)]
    usual = [row(at, "10.000000001", key, "m1", tokens=tokens(50)) for at in mornings for key in ("k1", "k2")]
    await fill(desk.books, [*usual, row(MONDAY + DAY + 10 * HOUR, "35.5", "k2", "m9")])
    await say_owner(desk.books, "k1", "ann@x.example")
    await say_owner(desk.books, "k2", "agent:ci")

    found = await desk.digests.last("T1", "day")

    spend = await desk.books.ask("yesterday")
    assert (found.start, found.end) == (spend.query.start, spend.query.end) == (date(2026, 11, 17), date(2026, 11, 17))
    assert found.answer.total_nano_usd == spend.total_nano_usd == 55_500_000_002
    assert [(line.owner, line.cost_nano_usd) for line in found.answer.lines] == [
        (line.owner, line.cost_nano_usd) for line in spend.lines
    ]
    assert found.before_nano_usd == 20_000_000_002
    (move,) = found.moves
    assert (move.owner and move.owner.id, move.change_nano_usd, move.model) == ("agent:ci", 35_500_000_000, "m9")
    assert found.new_models == (("m9", 35_500_000_000),)
    assert found.forecast.likely_nano_usd is not None

    own = await desk.digests.last("T1", "week", person="ann@x.example")
    theirs = await desk.books.ask("from 2026-11-09 to 2026-11-15 owner:ann@x.example")
    assert own.answer.total_nano_usd == theirs.total_nano_usd > 0
    assert own.answer.query.by == ("model",)


async def test_the_days_of_the_chart_are_those_of_spend(desk: Desk) -> None:
    await fill(desk.books, [row(MONDAY + n * DAY, str(20 + n)) for n in range(-20, 2)])
    found = await desk.digests.last("T1", "week")

    assert [found.days[found.start + n * DAY] for n in range(7)] == [(20 - 7 + n) * NANO for n in range(7)]
    assert sum(found.days[found.compared[0] + n * DAY] for n in range(7)) == found.before_nano_usd
    assert sum(found.days[found.start + n * DAY] for n in range(7)) == found.answer.total_nano_usd
    await desk.digests.choose("T1", DigestSubscriptions(channels=(GENERAL,), picture=True), by="U1")
    assert (await desk.digests.plan("T1")).picture
    await desk.digests.choose("T1", DigestSubscriptions(channels=(GENERAL,)), by="U1")
    assert not (await desk.digests.plan("T1")).picture


async def test_half_a_week_of_books_is_nothing_to_compare_a_whole_one_with(desk: Desk) -> None:
    every = [row(MONDAY + n * DAY, "10") for n in range(-14, 0)]
    await fill(desk.books, every[3:])  # from the Thursday on
    assert (await desk.digests.last("T1", "week")).before_nano_usd is None
    await fill(desk.books, every)
    assert (await desk.digests.last("T1", "week")).before_nano_usd == 70 * NANO


async def test_the_other_tenant_is_in_nobodys_digest(desk: Desk) -> None:
    await desk.books.accept_rows([row(MONDAY + DAY, "900")], connection_id=2)
    found = await desk.digests.last("T1", "day")
    assert found.quiet
    assert (await desk.digests.plan("T2")).channels == ()


@given(
    st.sampled_from(PERIODS),
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31)),  # noqa: DTZ001  made aware below
    st.times().map(lambda at: at.replace(second=0, microsecond=0, tzinfo=None)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"]),
)
def test_whenever_one_asks_the_newest_is_over_and_its_time_has_come(
    period: Period, moment: datetime, at: time, zone: str
) -> None:
    now = moment.replace(tzinfo=UTC)
    due = newest_due(period, now, at, ZoneInfo(zone))

    assert due.at <= now
    assert due.end < due.at.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    assert now - due.at < {"day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32)}[period]
    assert newest_due(period, due.at, at, ZoneInfo(zone)) == replace(due)
    assert due.too_late(due.at + LATE_AT_MOST[period] + timedelta(seconds=1))
