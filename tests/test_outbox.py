"""The outbox: said once, in order, by whoever holds the row; who lost it has no say any more."""

from datetime import datetime, timedelta
from typing import Any

from outlay import outbox
from outlay.outbox import LEASE_SECONDS, DeliveryOutcome, OutboxMessage, Status
from tests.books.factories import NOW, Books

LATER = NOW + timedelta(seconds=LEASE_SECONDS)


async def say(books: Books, *keys: str, stream: str = "s") -> None:
    async with books.database.write() as session:
        for key in keys:
            await outbox.enqueue(
                session, workspace_id="T1", key=key, stream=stream, kind="alert", payload={"key": key}, now=NOW
            )


async def take(books: Books, now: datetime = NOW) -> list[OutboxMessage]:
    async with books.database.write() as session:
        return list(await outbox.lease_batch(session, now))


async def end(books: Books, message: OutboxMessage, **how: Any) -> bool:
    async with books.database.write() as session:
        return bool(await outbox.finish_attempts(session, [DeliveryOutcome(message, **how)], NOW))


async def close(books: Books, message: OutboxMessage, status: Status = "done") -> bool:
    return await end(books, message, status=status)


async def test_the_same_thing_said_twice_is_one_message(books: Books) -> None:
    await say(books, "a", "a")
    await say(books, "a")
    assert [message.payload["key"] for message in await take(books)] == ["a"]


async def test_a_stream_keeps_its_order_and_streams_do_not_wait_for_one_another(books: Books) -> None:
    await say(books, "a1", "a2", stream="a")
    await say(books, "b1", stream="b")
    first, other = await take(books)
    assert (first.payload["key"], other.payload["key"]) == ("a1", "b1")
    assert await take(books) == []
    assert await close(books, first)
    assert [message.payload["key"] for message in await take(books)] == ["a2"]


async def test_a_worker_that_lost_its_lease_may_not_close_the_message(books: Books) -> None:
    await say(books, "a")
    (late,) = await take(books)
    (now_theirs,) = await take(books, LATER)
    assert (now_theirs.id, now_theirs.attempts) == (late.id, 2)
    assert not await close(books, late)
    assert not await end(books, late, again_at=NOW, error="late")
    assert await close(books, now_theirs)
    async with books.database.read() as session:
        assert await outbox.waiting(session) == 0


async def test_a_message_put_back_comes_again_at_its_time(books: Books) -> None:
    await say(books, "a")
    (message,) = await take(books)
    assert await end(books, message, again_at=LATER, error="Slack answered 500")
    assert await take(books) == []
    assert [again.attempts for again in await take(books, LATER)] == [2]


async def test_a_dead_message_does_not_hold_up_those_behind_it(books: Books) -> None:
    await say(books, "a", "b")
    (message,) = await take(books)
    assert await close(books, message, "dead")
    assert [after.payload["key"] for after in await take(books)] == ["b"]
