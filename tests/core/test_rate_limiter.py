"""Who knocks too often waits; who does not is not held up by others; and memory is bounded."""

from outlay.core import rate_limiter
from outlay.core.rate_limiter import RateLimiter


def test_a_burst_is_free_then_tokens_come_back_slowly() -> None:
    strangers = RateLimiter(burst=3, per_second=0.5)
    assert [strangers.take_token("192.0.2.1", 0.0) for _ in range(4)] == [0, 0, 0, 2]
    assert strangers.take_token("192.0.2.2", 0.0) == 0
    assert strangers.take_token("192.0.2.1", 1.9) == 1
    assert strangers.take_token("192.0.2.1", 2.0) == 0
    assert strangers.take_token("192.0.2.1", 2.0) == 2


def test_looking_takes_nothing() -> None:
    strangers = RateLimiter(burst=1, per_second=1)
    assert [strangers.wait_seconds("192.0.2.1", 0.0) for _ in range(3)] == [0, 0, 0]


def test_all_of_an_ipv6_network_is_one_stranger() -> None:
    strangers = RateLimiter(burst=1, per_second=1)
    assert strangers.take_token("2001:db8:1:2::1", 0.0) == 0
    assert strangers.take_token("2001:db8:1:2:ffff::9", 0.0) == 1
    assert strangers.take_token("2001:db8:1:3::1", 0.0) == 0


def test_no_more_addresses_are_remembered_than_the_bound() -> None:
    strangers = RateLimiter(burst=1)
    for number in range(rate_limiter.MAX_ADDRESSES + 100):
        strangers.take_token(f"host-{number}", 0.0)
    assert len(strangers) == rate_limiter.MAX_ADDRESSES
