"""When which stretch is read again: nothing is skipped, nothing older than the ledger remembers is asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.polling.schedule import FIRST_READ, DueRead, ReadSchedule, next_read

NOW = datetime(2026, 11, 21, 10, 20, 30, 123_456, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
NO_TIME, MINUTE, HOUR, DAY = timedelta(0), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = ReadSchedule(HOUR, 10 * MINUTE, 35 * DAY, ((NO_TIME, 3 * HOUR), (HOUR, 26 * HOUR), (DAY, 3 * DAY)))
DAILY = ReadSchedule(DAY, 30 * MINUTE, 30 * DAY, ((6 * HOUR, 3 * DAY), (7 * DAY, 30 * DAY)))
COUNTER = ReadSchedule(None, NO_TIME, 35 * DAY, ((NO_TIME, NO_TIME),))
ALL_DONE = dict.fromkeys(range(3), NOW)


def test_a_counter_is_read_as_it_stands() -> None:
    assert next_read(COUNTER, now=NOW, watermark=NOW, done=ALL_DONE) == DueRead(NOW, NOW, (0,))


def test_the_first_read_goes_back_35_whole_days_and_does_every_reread() -> None:
    found = next_read(HOURLY, now=NOW, watermark=None, done={})
    assert found == DueRead(MIDNIGHT - FIRST_READ, NOW, (0, 1, 2))


def test_the_first_read_of_whole_days_takes_every_past_day_that_the_ledger_still_has() -> None:
    found = next_read(DAILY, now=NOW, watermark=None, done={})
    assert found == DueRead(MIDNIGHT - 30 * DAY, MIDNIGHT, (0, 1))


def test_since_is_the_first_day_read_and_old_ones_stop_at_the_history() -> None:
    asked = next_read(HOURLY, now=NOW, watermark=NOW, done=ALL_DONE, since=MIDNIGHT - 5 * DAY)
    assert asked == DueRead(MIDNIGHT - 5 * DAY, NOW, (0, 1, 2))
    long_ago = next_read(DAILY, now=NOW, watermark=None, done={}, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert long_ago == DueRead(MIDNIGHT - 30 * DAY, MIDNIGHT, (0, 1))


def test_since_today_asks_a_daily_bill_for_nothing_and_an_hourly_report_for_today() -> None:
    assert next_read(DAILY, now=NOW, watermark=MIDNIGHT, done=ALL_DONE, since=MIDNIGHT) is None
    assert next_read(HOURLY, now=NOW, watermark=NOW, done=ALL_DONE, since=MIDNIGHT) == DueRead(MIDNIGHT, NOW, (0, 1, 2))
    assert next_read(HOURLY, now=NOW, watermark=NOW, done=ALL_DONE, since=NOW + DAY) is None


def test_each_poll_reads_the_shortest_reread_from_a_whole_hour() -> None:
    found = next_read(HOURLY, now=NOW, watermark=NOW - 11 * MINUTE, done=ALL_DONE)
    assert found == DueRead((NOW - 3 * HOUR).replace(minute=0, second=0, microsecond=0), NOW, (0,))


def test_of_all_that_are_due_the_longest_is_read_and_all_are_done_by_it() -> None:
    done = {0: NOW - MINUTE, 1: NOW - HOUR, 2: NOW - DAY + MINUTE}
    found = next_read(HOURLY, now=NOW, watermark=NOW, done=done)
    assert found is not None
    assert (found.start, found.rereads) == ((NOW - 26 * HOUR).replace(minute=0, second=0, microsecond=0), (0, 1))


def test_after_a_pause_the_gap_is_closed_by_the_same_read() -> None:
    watermark = NOW - 9 * DAY
    found = next_read(HOURLY, now=NOW, watermark=watermark, done={0: watermark, 1: watermark, 2: NOW})
    assert found is not None
    assert found.start <= watermark
    assert found.end == NOW


def test_a_pause_longer_than_the_history_starts_where_the_history_does() -> None:
    found = next_read(HOURLY, now=NOW, watermark=NOW - 90 * DAY, done={})
    assert found is not None
    assert found.start == MIDNIGHT - 35 * DAY


def test_a_day_that_is_over_is_read_at_once_though_no_reread_is_due() -> None:
    done = {0: NOW, 1: NOW}
    assert next_read(DAILY, now=NOW, watermark=MIDNIGHT, done=done) is None
    assert next_read(DAILY, now=NOW, watermark=MIDNIGHT - DAY, done=done) == DueRead(MIDNIGHT - DAY, MIDNIGHT, ())


def test_a_daily_bill_waits_for_its_lag_after_midnight() -> None:
    early, late = MIDNIGHT + 29 * MINUTE, MIDNIGHT + 30 * MINUTE
    done = {0: early, 1: early}
    assert next_read(DAILY, now=early, watermark=MIDNIGHT - DAY, done=done) is None
    assert next_read(DAILY, now=late, watermark=MIDNIGHT - DAY, done=done) == DueRead(MIDNIGHT - DAY, MIDNIGHT, ())


@pytest.mark.parametrize("terms", [HOURLY, DAILY])
def test_a_clock_that_jumped_back_does_not_stop_the_reading(terms: ReadSchedule) -> None:
    ahead = NOW + 5 * HOUR
    found = next_read(terms, now=NOW, watermark=MIDNIGHT - DAY, done=dict.fromkeys(range(3), ahead))
    assert found is not None
    assert found.rereads == tuple(range(len(terms.rereads)))


MOMENTS = st.timedeltas(NO_TIME, 1000 * DAY).map(lambda ago: NOW - ago)
SPANS = st.timedeltas(NO_TIME, 40 * DAY)


@given(
    terms=st.sampled_from([HOURLY, DAILY, ReadSchedule(5 * MINUTE, NO_TIME, DAY, ((NO_TIME, HOUR),))]),
    now=MOMENTS,
    behind=SPANS,
    done=st.dictionaries(st.integers(0, 2), SPANS),
)
def test_the_stretch_is_on_the_grain_reaches_back_to_the_watermark_and_never_into_the_future(
    terms: ReadSchedule, now: datetime, behind: timedelta, done: dict[int, timedelta]
) -> None:
    watermark = now - behind
    found = next_read(terms, now=now, watermark=watermark, done={place: now - ago for place, ago in done.items()})
    if found is None:
        return
    unit = 86_400 if terms is DAILY else 3_600
    assert found.start < found.end <= now
    assert not found.start.timestamp() % unit
    assert found.start <= max(watermark, now - terms.history + DAY)
    assert found.start >= now.replace(hour=0, minute=0, second=0, microsecond=0) - terms.history
