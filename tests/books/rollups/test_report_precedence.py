"""Which report counts for a day: a bill once it is final, until then the finer figures, never both."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from outlay.books.rollups.report_precedence import (
    DAY_SECONDS,
    HOUR_SECONDS,
    ReportCoverage,
    is_final,
    report_coverage,
    report_for_day,
    report_for_hour,
)

DAY = 20_000 * DAY_SECONDS


@dataclass(frozen=True)
class Terms:
    name: str
    grain: timedelta | None
    lag: timedelta = timedelta(minutes=30)


BILL = Terms("bill", timedelta(days=1))
HOURS = Terms("hours", timedelta(hours=1))
MINUTES = Terms("minutes", timedelta(minutes=1))
COUNTER = Terms("counter", None)
REPORTS = (BILL, HOURS, MINUTES, COUNTER)


@pytest.mark.parametrize(
    ("spoke", "counts"),
    [
        ({}, None),
        ({"counter": False}, None),
        ({"bill": False}, BILL),  # nothing else speaks
        ({"bill": False, "hours": False}, HOURS),  # a half-day bill never hides a fuller figure
        ({"bill": True, "hours": False}, BILL),
        ({"bill": True}, BILL),
        ({"hours": False, "minutes": False}, HOURS),  # in order of authority
        ({"minutes": False}, MINUTES),
        ({"gone": True, "minutes": False}, MINUTES),  # a report that the plugin no longer has
    ],
)
def test_who_counts(spoke: dict[str, bool], counts: Terms | None) -> None:
    assert report_for_day(REPORTS, spoke) is counts


def test_of_two_final_bills_the_one_with_authority_counts() -> None:
    other = Terms("other", timedelta(days=1))
    assert report_for_day((BILL, other, HOURS), {"bill": True, "other": True, "hours": False}) is BILL
    assert report_for_day((BILL, other, HOURS), {"bill": False, "other": True, "hours": False}) is other


def test_final_is_after_the_day_and_the_lag() -> None:
    ready = DAY + DAY_SECONDS + 30 * 60
    assert not is_final(BILL, DAY, ready - 1)
    assert is_final(BILL, DAY, ready)


HOUR = HOUR_SECONDS
LATE = DAY + 100 * HOUR


@pytest.mark.parametrize(
    ("stretches", "told", "spoken"),
    [
        ([], [], []),
        ([(0, 3, LATE)], [0, 1, 2], [0, 1, 2]),
        ([(0.5, 2.5, LATE)], [1], [0, 1, 2]),
        ([(0, 1.5, LATE), (1.5, 2, LATE)], [0, 1], [0, 1]),  # two pages make an hour
        ([(1.5, 2, LATE), (0, 1.5, LATE)], [0, 1], [0, 1]),
        ([(0, 1.25, LATE), (1.5, 2, LATE)], [0], [0, 1]),
        ([(0, 3, DAY + 2 * HOUR + 1799)], [0], [0, 1, 2]),  # a second before the lag of the second hour was over
        ([(0, 3, DAY + 2 * HOUR + 1800)], [0, 1], [0, 1, 2]),
        ([(0, 3, DAY + HOUR)], [], [0]),  # of what is to come nobody has spoken
    ],
)
def test_what_a_report_has_said(stretches: list[tuple[float, float, int]], told: list[int], spoken: list[int]) -> None:
    found = report_coverage(
        HOURS,
        [(DAY + int(start * HOUR), DAY + int(end * HOUR), at) for start, end, at in stretches],
        range(DAY, DAY + 4 * HOUR, HOUR),
    )
    assert sorted(found.told) == [DAY + hour * HOUR for hour in told]
    assert sorted(found.spoken) == [DAY + hour * HOUR for hour in spoken]


@pytest.mark.parametrize(
    ("hours", "minutes", "counts"),
    [
        (ReportCoverage({0}, {0}), ReportCoverage({0}, {0}), HOURS),
        (ReportCoverage({0}, {0}), ReportCoverage(), HOURS),
        (ReportCoverage(set(), {0}), ReportCoverage({0}, {0}), MINUTES),
        (
            ReportCoverage(set(), {0}),
            ReportCoverage(set(), {0}),
            MINUTES,
        ),  # until the better has told it all, the lesser stands
        (ReportCoverage(set(), {0}), ReportCoverage(), HOURS),
        (ReportCoverage(), ReportCoverage(), None),
    ],
)
def test_who_counts_for_an_hour(hours: ReportCoverage, minutes: ReportCoverage, counts: Terms | None) -> None:
    assert report_for_hour((HOURS, MINUTES), {"hours": hours, "minutes": minutes}, 0) is counts
