"""A vendor that is away for a day: the gap is shown while it lasts, no figure moves, and it closes by itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.polling.polled_bot import DAY, House, reading

NOW = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)  # a Wednesday
TODAY = NOW.replace(hour=0, minute=0)
HOUR = timedelta(hours=1)
MANY = 100_000
TROUBLES: dict[str, tuple[tuple[Any, ...], str]] = {
    "status": ((503,), "has trouble of its own (503)"),
    "drop": ((), "dropped the connection"),
}


def close_to(house: House, said: int, truth: int, hours: int) -> bool:
    """Equal; where minutes are priced one by one, but for the rounding of each."""
    keys = len(house.standin.company.keys)
    return said == truth if house.kind.exact else abs(said - truth) <= hours * 60 * keys


@pytest.mark.parametrize(
    ("slug", "trouble"),
    [
        ("openrouter", "status"),
        ("openai", "drop"),
        ("anthropic", "status"),
        ("anthropic without analytics", "drop"),
        ("litellm", "status"),
    ],
)
async def test_a_vendor_away_for_a_day_leaves_a_gap_that_shows_and_closes_by_itself(
    slug: str, trouble: str, tmp_path: Path
) -> None:
    slug, _, without = slug.partition(" ")
    how, said = TROUBLES[trouble]
    async with reading(slug, tmp_path, now=NOW) as house:
        house.faults.no_analytics = 404 if without else None
        assert (await house.poll(since=house.company.start)).ok
        before, fresh = await house.total("7d"), await house.fresh_until()
        assert before
        assert fresh is not None

        getattr(house.faults, trouble)("*", *how, times=MANY)
        waits = []
        while house.clock.now() < NOW + DAY:
            assert not (await house.poll()).ok
            view = await house.view()
            assert view.next_poll is not None
            waits.append((view.next_poll - house.clock.now()).total_seconds())
            assert (view.state, said in view.error) == ("failing", True), view.error
            house.clock.advance(max(view.next_poll - house.clock.now(), 3 * HOUR))
        assert 59 <= waits[0] <= 60
        assert 899 <= max(waits) <= 900
        assert await house.total("7d") == before
        assert await house.fresh_until() == fresh  # which is how the gap shows

        house.faults.clear()
        assert (await house.poll()).ok
        view = await house.view()
        assert (view.state, view.error) == ("ok", "")
        now_fresh = await house.fresh_until()
        assert now_fresh is not None
        assert now_fresh > house.clock.now() - HOUR
        start, end = TODAY - DAY, house.clock.now()
        for day in (TODAY, TODAY + DAY):
            told = await house.total(f"{day:%Y-%m-%d}")
            assert close_to(house, told, house.truth(day, min(day + DAY, end)), 24), day
        assert close_to(house, await house.total("7d"), house.truth(start, end), 48)
        assert (await house.audited()).ok
