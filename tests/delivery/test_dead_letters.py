"""What was given up is told in words, and sent again under the same key, by whose workspace it is."""

import pytest

from outlay.delivery.dead_letters import DeadLetterService
from outlay.plugin.errors import Permanent
from tests.books.factories import Books
from tests.delivery.fake_sink import NOW, Bench

pytestmark = pytest.mark.parametrize("empty_books", ["sqlite"], indirect=True)  # nothing here depends on the database


async def test_it_is_told_in_words_and_sent_again_by_its_number(books: Books) -> None:
    bench = Bench(books.database)
    await bench.connect()
    bench.sink.trouble = lambda _step, _event: Permanent("The team was deleted.")
    for subject in ("ana", "bo"):
        await bench.tell("opened", incident=subject, subject=subject)
    await bench.deliveries.run()
    undelivered = DeadLetterService(books.database, bench.clock)

    later, first = await undelivered.given_up("T1")
    assert (first.to, first.what, first.about, first.why) == (
        "tickets",
        "that it began",
        "ana",
        "The team was deleted.",
    )
    assert first.said_at == NOW
    assert await undelivered.given_up("T2") == []
    assert [await undelivered.send_again("T2", [first.number]), await undelivered.send_again("T1", [])] == [0, 0]

    bench.sink.trouble = lambda _step, _event: None
    assert await undelivered.send_again("T1", [first.number]) == 1
    await bench.deliveries.run()
    assert await undelivered.given_up("T1") == [later]
    assert len(bench.sink.tickets) == 1
    assert await undelivered.send_again("T1") == 1
    await bench.deliveries.run()
    assert await undelivered.given_up("T1") == []
    assert len(bench.sink.tickets) == 2
