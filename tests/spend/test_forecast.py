"""A forecast follows the weekdays and the growth, is not bent by one bad night, and says when it knows too little."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.spend.forecast import FEWEST_DAYS, Forecast, forecast

NANO = 1_000_000_000
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


def office(start: date, end: date, *, weekday: int = 100, weekend: int = 10, more_a_day: float = 0) -> dict[date, int]:
    """What each day of an office costs, [start, end)."""
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    return {
        day: int((weekend if day.weekday() >= 5 else weekday) * NANO * (1 + more_a_day * (day - start).days))
        for day in days
    }


def likely(days: dict[date, int], today: date, gone: float = 0) -> int:
    said = forecast(
        {day: nano for day, nano in days.items() if day < today}, start=FIRST, end=LAST, today=today, gone=gone
    )
    assert said.likely_nano_usd is not None
    assert said.low_nano_usd is not None
    assert said.high_nano_usd is not None
    assert said.spent_nano_usd <= said.low_nano_usd <= said.likely_nano_usd <= said.high_nano_usd
    return said.likely_nano_usd


def test_the_weekdays_have_their_shape() -> None:
    days = office(date(2026, 9, 1), date(2026, 12, 1))
    true = sum(nano for day, nano in days.items() if day >= FIRST)

    for today in (date(2026, 11, 2), date(2026, 11, 7), date(2026, 11, 9), date(2026, 11, 27)):
        assert likely(days, today) == pytest.approx(true, rel=0.02)


def test_a_night_that_ran_away_is_in_the_sum_and_bends_nothing_else() -> None:
    quiet = office(date(2026, 9, 1), date(2026, 12, 1))
    night = date(2026, 11, 10)
    bad = quiet | {night: quiet[night] + 5_000 * NANO}

    rise = likely(bad, date(2026, 11, 14)) - likely(quiet, date(2026, 11, 14))

    assert rise == pytest.approx(5_000 * NANO, rel=0.06)


def test_growth_is_followed() -> None:
    days = office(date(2026, 9, 1), date(2026, 12, 1), more_a_day=0.02)
    true = sum(nano for day, nano in days.items() if day >= FIRST)

    assert likely(days, date(2026, 11, 5)) == pytest.approx(true, rel=0.05)


def test_the_part_of_today_that_is_over_is_not_forecast() -> None:
    days = office(date(2026, 9, 1), date(2026, 11, 13))
    whole = likely(days, date(2026, 11, 13))

    assert whole - likely(days, date(2026, 11, 13), gone=1.0) == pytest.approx(100 * NANO, rel=0.05)


def test_too_little_history_is_said_and_no_figure_invented() -> None:
    days = office(date(2026, 11, 1), date(2026, 11, 4))

    said = forecast(days, start=FIRST, end=LAST, today=date(2026, 11, 4))

    assert said == Forecast(
        sum(days.values()), reason=f"too little history for a forecast: 3 complete days, it takes {FEWEST_DAYS}"
    )
    assert forecast({}, start=FIRST, end=LAST, today=date(2026, 11, 4)).likely_nano_usd is None


def test_a_period_that_is_over_is_what_it_was() -> None:
    days = office(date(2026, 9, 1), date(2026, 12, 1))

    said = forecast(days, start=date(2026, 10, 1), end=date(2026, 10, 31), today=date(2026, 11, 3))

    assert said.low_nano_usd == said.likely_nano_usd == said.high_nano_usd == said.spent_nano_usd > 0


amounts = st.integers(-(10**12), 10**15)


@given(
    st.dictionaries(st.integers(0, 90).map(lambda n: date(2026, 9, 1) + timedelta(days=n)), amounts),
    st.integers(0, 29),
    st.floats(0, 1),
)
def test_whatever_the_days_were_the_range_holds_the_likely_and_never_less_than_was_spent(
    days: dict[date, int], passed: int, gone: float
) -> None:
    today = FIRST + timedelta(days=passed)
    days = {day: nano for day, nano in days.items() if day <= today}

    said = forecast(days, start=FIRST, end=LAST, today=today, gone=gone)

    assert said.spent_nano_usd == sum(nano for day, nano in days.items() if day >= FIRST)
    if said.likely_nano_usd is None:
        assert said.reason
    else:
        assert said.low_nano_usd is not None
        assert said.high_nano_usd is not None
        assert said.spent_nano_usd <= said.low_nano_usd <= said.likely_nano_usd <= said.high_nano_usd


@given(st.integers(2, 1_000))
def test_twice_the_money_is_twice_the_forecast(factor: int) -> None:
    days = office(date(2026, 9, 1), date(2026, 11, 12), more_a_day=0.01)
    today = date(2026, 11, 12)

    assert likely({day: nano * factor for day, nano in days.items()}, today) == pytest.approx(
        likely(days, today) * factor, rel=1e-6
    )
