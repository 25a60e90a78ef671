"""How often a key service is asked, and for how long it is waited for. Time is a FakeClock's."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from outlay.core.clock import FakeClock
from outlay.vault import data_key_cache
from outlay.vault.data_key_cache import HELD_SECONDS, DataKeyCache
from outlay.vault.errors import VaultError, VaultUnavailableError
from outlay.vault.kms import retries
from outlay.vault.kms.retries import SHUT_SECONDS, WAITS_SECONDS, RetryingKey

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLACE = {"workspace": "T1"}


class Counted:
    """A key that counts how often it is asked, and fails as it is told."""

    id = "counted:1"

    def __init__(self) -> None:
        self.asked = 0
        self.failing: Exception | None = None
        self.hangs = False
        self.forgetful = False

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        return await self._answer(data_key[::-1])

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return await self._answer(b"other" if self.forgetful else wrapped[::-1])

    async def _answer(self, value: bytes) -> bytes:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.failing is not None:
            raise self.failing
        return value


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


async def test_a_data_key_is_held_for_minutes_and_no_longer_whether_used_or_not(clock: FakeClock) -> None:
    inner = Counted()
    keys = DataKeyCache(inner, clock)
    assert await keys.unwrap(b"abc", PLACE) == b"cba"
    clock.advance(timedelta(seconds=HELD_SECONDS - 1))
    assert await keys.unwrap(b"abc", PLACE) == b"cba"
    assert inner.asked == 1
    clock.advance(timedelta(seconds=1))  # using it has not made it younger
    inner.failing = VaultUnavailableError("away")
    with pytest.raises(VaultUnavailableError):
        await keys.unwrap(b"abc", PLACE)
    assert "(0 held)" in repr(keys).replace(", ", "(")


async def test_another_place_or_byte_is_asked_for_by_itself(clock: FakeClock) -> None:
    inner = Counted()
    keys = DataKeyCache(inner, clock)
    await keys.unwrap(b"abc", PLACE)
    await keys.unwrap(b"abc", {"workspace": "T2"})
    await keys.unwrap(b"abd", PLACE)
    assert inner.asked == 3


async def test_no_more_are_held_than_the_bound_and_the_least_used_goes(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_key_cache, "MAX_HELD", 2)
    inner = Counted()
    keys = DataKeyCache(inner, clock)
    for wrapped in (b"a", b"b", b"a", b"c"):  # b is the least used
        await keys.unwrap(wrapped, PLACE)
    assert inner.asked == 3
    await keys.unwrap(b"a", PLACE)
    assert inner.asked == 3
    await keys.unwrap(b"b", PLACE)
    assert inner.asked == 4


async def test_what_does_not_open_again_is_not_stored(clock: FakeClock) -> None:
    inner = Counted()
    inner.forgetful = True
    with pytest.raises(VaultError, match="does not give back"):
        await DataKeyCache(inner, clock).wrap(b"abc", PLACE)


async def test_an_outage_is_tried_three_times_and_then_not_at_all_for_a_while(clock: FakeClock) -> None:
    inner = Counted()
    inner.failing = VaultUnavailableError("away: it passes")
    keys = RetryingKey(inner, clock)
    with pytest.raises(VaultUnavailableError, match="away: it passes"):
        await keys.unwrap(b"abc", PLACE)
    assert (inner.asked, clock.slept_seconds) == (3, list(WAITS_SECONDS))
    inner.failing = None
    with pytest.raises(VaultUnavailableError, match="away: it passes"):
        await keys.unwrap(b"abc", PLACE)
    assert inner.asked == 3
    clock.advance(timedelta(seconds=SHUT_SECONDS))
    assert await keys.unwrap(b"abc", PLACE) == b"cba"


async def test_a_refusal_is_not_tried_again(clock: FakeClock) -> None:
    inner = Counted()
    inner.failing = VaultError("disabled")
    with pytest.raises(VaultError, match="disabled"):
        await RetryingKey(inner, clock).wrap(b"abc", PLACE)
    assert inner.asked == 1


async def test_a_service_that_hangs_is_an_outage(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "TRY_SECONDS", 0.001)
    inner = Counted()
    inner.hangs = True
    with pytest.raises(VaultUnavailableError, match="nothing within"):
        await RetryingKey(inner, clock).unwrap(b"abc", PLACE)
    assert inner.asked == 3


async def test_no_more_ask_at_once_than_the_bound(clock: FakeClock) -> None:
    inner = Counted()
    inner.hangs = True
    keys = RetryingKey(inner, clock)
    tasks = [asyncio.create_task(keys.unwrap(bytes([number]), PLACE)) for number in range(20)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert inner.asked == retries.AT_ONCE
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
