"""The pacer keeps a vendor's limit over any stretch of time, and hands back what would wait too long."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.core.clock import FakeClock
from outlay.plugin import RateLimit, RateLimited
from outlay.plugin.rate_limits import MAX_TRACKS, MAX_TURN_SECONDS, RequestPacer

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [("/keys", "/keys", True), ("/keys", "/keys/1", False), ("/keys*", "/keys/1", True), ("*", "/any", True)],
)
def test_what_a_pace_covers(pattern: str, path: str, covered: bool) -> None:
    assert RateLimit("GET", pattern, 1, 1.0).covers("GET", path) == covered
    assert not RateLimit("GET", pattern, 1, 1.0).covers("POST", path)


@given(
    calls=st.integers(1, 5),
    per_seconds=st.floats(0.5, 60),
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=25),
)
async def test_no_stretch_of_time_has_more_calls_than_the_limit(
    calls: int, per_seconds: float, gaps: list[float]
) -> None:
    clock = FakeClock(NOW)
    pacer, pace = RequestPacer(clock), RateLimit("GET", "/a", calls, per_seconds)
    sent: list[float] = []
    for gap in gaps:
        clock.advance(timedelta(seconds=gap))
        await pacer.acquire("me", [pace])
        sent.append(clock.monotonic())
    for early, late in zip(sent, sent[calls:], strict=False):
        assert late - early >= per_seconds - 1e-5
    unhindered = sum(gaps)
    assert clock.monotonic() <= unhindered + per_seconds * (len(gaps) // calls) + 0.01 * len(gaps), "it waits no longer"


async def test_a_request_keeps_all_the_limits_it_is_under() -> None:
    clock = FakeClock(NOW)
    pacer = RequestPacer(clock)
    second, minute = RateLimit("GET", "/a", 1, 1.0), RateLimit("GET", "*", 3, 60.0)
    for _ in range(4):
        await pacer.acquire("me", [second, minute])
    assert clock.monotonic() == pytest.approx(60.0, abs=0.01)


async def test_others_do_not_wait_for_me() -> None:
    clock = FakeClock(NOW)
    pacer, pace = RequestPacer(clock), RateLimit("GET", "/a", 1, 60.0)
    await pacer.acquire("me", [pace])
    await pacer.acquire("you", [pace])
    assert clock.slept_seconds == []


async def test_a_turn_that_is_far_off_is_handed_to_the_host() -> None:
    clock = FakeClock(NOW)
    pacer, pace = RequestPacer(clock), RateLimit("GET", "/a", 1, MAX_TURN_SECONDS + 1)
    await pacer.acquire("me", [pace])
    with pytest.raises(RateLimited) as caught:
        await pacer.acquire("me", [pace])
    assert caught.value.retry_at == NOW + timedelta(seconds=MAX_TURN_SECONDS + 1)
    assert clock.slept_seconds == []


async def test_credentials_that_went_quiet_are_forgotten() -> None:
    clock = FakeClock(NOW)
    pacer, pace = RequestPacer(clock), RateLimit("GET", "/a", 5, 1.0)
    for number in range(MAX_TRACKS):
        await pacer.acquire(f"credential {number}", [pace])
    clock.advance(timedelta(seconds=2))
    await pacer.acquire("one more", [pace])
    assert len(pacer._sent) == 1
