"""Which report counts for a day: a bill once it is final, until then the finer figures, never both."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.core.precedence import DAY_SECONDS, counting, is_final

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
    assert counting(REPORTS, spoke) is counts


def test_of_two_final_bills_the_one_with_authority_counts() -> None:
    other = Terms("other", timedelta(days=1))
    assert counting((BILL, other, HOURS), {"bill": True, "other": True, "hours": False}) is BILL
    assert counting((BILL, other, HOURS), {"bill": False, "other": True, "hours": False}) is other


def test_final_is_after_the_day_and_the_lag() -> None:
    ready = DAY + DAY_SECONDS + 30 * 60
    assert not is_final(BILL, DAY, ready - 1)
    assert is_final(BILL, DAY, ready)
