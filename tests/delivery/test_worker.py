"""The dispatcher on both databases: each thing told once, in order, whoever dies, is slow, or asks to be left alone."""

import asyncio
from datetime import timedelta

import pytest

from outlay import outbox
from outlay.delivery import circuit_breaker
from outlay.delivery.worker import LANE_AT_ONCE, MAX_BACKOFF_SECONDS, MAX_CRASHES
from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, RateLimited, Transient
from tests.books.crash_injection import CrashError, Crashing
from tests.books.factories import Books
from tests.delivery.fake_sink import NOW, Bench


@pytest.fixture
def bench(books: Books) -> Bench:
    return Bench(books.database)


async def settle(bench: Bench, hours: float = 30) -> None:
    """Lets time pass until nothing waits."""
    end = bench.clock.now() + timedelta(hours=hours)
    while await bench.waiting() and bench.clock.now() < end:
        bench.clock.advance(timedelta(seconds=MAX_BACKOFF_SECONDS))
        await bench.deliveries.run()


async def test_an_incident_becomes_one_ticket_with_its_news_in_order(bench: Bench) -> None:
    connection_id = await bench.connect()
    for what, spent in (("opened", "100"), ("updated", "200"), ("resolved", "250")):
        await bench.tell(what, spent)  # type: ignore[arg-type]
        await bench.deliveries.run()

    assert list(bench.sink.tickets.values()) == [["opened 100", "updated 200", "resolved 250"]]
    receipt = await bench.receipt(connection_id)
    assert receipt is not None
    assert (receipt.url, dict(receipt.state)) == ("https://tickets.example/1", {"said": 3})
    assert await bench.waiting() == 0


async def test_the_same_news_said_twice_are_told_once(bench: Bench) -> None:
    await bench.connect()
    for _ in range(2):
        await bench.tell("opened")
        await bench.deliveries.run()
    assert len(bench.sink.calls) == 1


async def test_updates_that_wait_make_room_for_the_newest(bench: Bench) -> None:
    await bench.connect()
    await bench.tell("opened")
    for spent in ("110", "120", "130"):
        await bench.tell("updated", spent)
    await bench.tell("updated", "999", incident="i2", subject="U2")
    await bench.deliveries.run()

    told = [words for said in bench.sink.tickets.values() for words in said]
    assert sorted(told) == ["opened 100", "updated 130", "updated 999"]


async def test_a_lost_answer_makes_no_second_ticket(bench: Bench) -> None:
    await bench.connect()
    lost = [Transient("the answer was lost")]
    bench.sink.trouble = lambda step, _: lost.pop() if step == "after" and lost else None
    await bench.tell("opened")
    await bench.deliveries.run()
    await settle(bench)

    assert len(bench.sink.calls) == 2
    assert list(bench.sink.tickets.values()) == [["opened 100"]]


async def test_whoever_asks_to_wait_is_left_alone_until_then_and_loses_no_attempt(bench: Bench) -> None:
    await bench.connect()
    busy = [RateLimited(NOW + timedelta(minutes=10), "wait")]
    bench.sink.trouble = lambda *_: busy.pop() if busy else None
    await bench.tell("opened")
    await bench.deliveries.run()
    await bench.tell("opened", incident="i2", subject="U2")
    bench.clock.advance(timedelta(minutes=10, seconds=-1))
    await bench.deliveries.run()
    assert len(bench.sink.calls) == 1, "the whole lane waits"

    bench.clock.advance(timedelta(seconds=1))
    await bench.deliveries.run()
    assert len(bench.sink.tickets) == 2


async def test_an_hour_of_outage_costs_few_requests_and_loses_nothing(bench: Bench) -> None:
    connection_id = await bench.connect()
    end = NOW + timedelta(hours=1)
    bench.sink.trouble = lambda *_: Transient("down") if bench.clock.now() < end else None
    for number in range(40):
        await bench.tell("opened", incident=f"i{number}", subject=f"U{number}")
    for minute in range(120):
        if minute % 10 == 0:
            await bench.tell("updated", f"{200 + minute}", incident="i0", subject="U0")
        await bench.post(f"slack {minute}")
        await bench.deliveries.run()
        if minute == 30:
            assert (await bench.connection(connection_id)).state == "failing"
            async with bench.database.read() as session:
                assert "shut until" in (await circuit_breaker.health(session))[connection_id].words(bench.clock.now())
            assert len(bench.sink.calls) < 60
        bench.clock.advance(timedelta(minutes=1))

    assert len(bench.slack) == 120, "Slack is told all the while"
    assert len(bench.sink.calls) < 200
    assert len(bench.sink.tickets) == 40
    assert max(map(len, bench.sink.tickets.values())) >= 2
    assert (await bench.dead(), await bench.waiting()) == ([], 0)
    assert (await bench.connection(connection_id)).state == "ok"


async def test_a_sink_that_hangs_does_not_stop_slack_and_its_lane_is_bounded(bench: Bench) -> None:
    await bench.connect()
    bench.sink.seconds = 0.05
    for number in range(3 * LANE_AT_ONCE):
        await bench.tell("opened", incident=f"i{number}", subject=f"U{number}")
    await bench.post("first")
    running = asyncio.create_task(bench.deliveries.run())
    await bench.slack_was_told.wait()
    assert not bench.sink.tickets, "Slack came first, though it was said last"
    await running

    assert bench.sink.most_under_way == LANE_AT_ONCE
    assert len(bench.sink.tickets) == 3 * LANE_AT_ONCE


async def test_a_refused_credential_holds_the_lane_and_tells_once(bench: Bench) -> None:
    connection_id = await bench.connect()
    bench.sink.trouble = lambda *_: NeedsReauth("no such key")
    await bench.tell("opened")
    await bench.tell("opened", incident="i2", subject="U2")
    for _ in range(5):
        await bench.deliveries.run()
        bench.clock.advance(timedelta(hours=1))

    assert len(bench.sink.calls) == 2
    assert (await bench.connection(connection_id)).state == "needs_reauth"
    assert [key.split(":")[0] for key in bench.slack] == ["reauth"]

    async with bench.database.write() as session:
        row = await session.get(type(await bench.connection(connection_id)), connection_id)
        assert row is not None
        row.state, row.fingerprint = "ok", "new"
        session.add(row)
    bench.sink.trouble = lambda *_: None
    await bench.deliveries.run()
    assert len(bench.sink.tickets) == 2


@pytest.mark.parametrize("error", [Permanent("the team is archived"), BadConfig("team", "there is no team ENG")])
async def test_what_cannot_work_is_given_up_in_sight_and_sent_again_when_asked(bench: Bench, error: Exception) -> None:
    await bench.connect()
    bench.sink.trouble = lambda *_: error
    await bench.tell("opened")
    await bench.deliveries.run()
    (words,) = await bench.dead()
    assert str(error) in words

    bench.sink.trouble = lambda *_: None
    await bench.tell("updated", "200")
    await bench.deliveries.run()
    assert len(bench.sink.tickets) == 1, "what was given up holds up nothing that comes after it"
    async with bench.database.write() as session:
        assert await outbox.replay(session, "T2", bench.clock.now()) == 0
        assert await outbox.replay(session, "T1", bench.clock.now()) == 1
    await bench.deliveries.run()
    assert (len(bench.sink.tickets), await bench.dead()) == (1, [])


async def test_a_plugin_with_a_bug_is_given_up_after_a_few_attempts_and_stops_nobody(bench: Bench) -> None:
    await bench.connect()
    bench.sink.trouble = lambda _step, event: KeyError("x") if event.incident == "i1" else None
    await bench.tell("opened")
    await bench.tell("opened", incident="i2", subject="U2")
    await bench.deliveries.run()
    assert len(bench.sink.tickets) == 1
    await settle(bench)

    assert len(bench.sink.calls) == MAX_CRASHES + 1
    assert len(await bench.dead()) == 1


async def test_a_connection_that_was_let_go_is_told_nothing_more(bench: Bench) -> None:
    from outlay.connections.service import ConnectionService
    from outlay.delivery.sinks import SinkDispatcher
    from outlay.delivery.worker import DeliveryWorker

    connection_id = await bench.connect()
    await bench.tell("opened")
    async with bench.database.write() as session:
        row = await session.get(type(await bench.connection(connection_id)), connection_id)
        assert row is not None
        row.disconnected_at = 1
        session.add(row)
    connections = ConnectionService(bench.database, None, {}, bench.clock)  # type: ignore[arg-type]
    await DeliveryWorker(
        bench.database, bench.clock, bench.to_slack, sinks=SinkDispatcher(connections, bench.clock)
    ).run()
    assert (await bench.waiting(), await bench.dead()) == (0, [])


async def test_a_process_that_dies_between_any_two_statements_makes_no_second_ticket(books: Books) -> None:
    bench = Bench(books.database)
    await bench.connect()
    crashing = Crashing(books)
    for steps in range(60):
        incident = f"i{steps}"
        await bench.tell("opened", incident=incident, subject=incident)
        await bench.tell("updated", "150", incident=incident, subject=incident)
        crashing.left = steps
        try:
            await bench.dispatcher().run()
        except CrashError:
            bench.clock.advance(timedelta(seconds=outbox.LEASE_SECONDS))
        whole = crashing.left is not None
        crashing.left = None
        await bench.tell("resolved", "160", incident=incident, subject=incident)
        await bench.dispatcher().run()
        (said,) = bench.sink.tickets.values()
        assert said == ["opened 100", "updated 150", "resolved 160"], steps
        bench.sink.tickets.clear()
        if whole:
            assert steps > 8
            return
    raise AssertionError("it never went through")


async def test_two_dispatchers_at_once_tell_each_thing_once_and_in_order(books: Books) -> None:
    bench = Bench(books.database)
    await bench.connect()
    bench.sink.seconds = 0.001
    for number in range(20):
        await bench.tell("opened", incident=f"i{number}", subject=f"U{number}")
        await bench.tell("updated", "150", incident=f"i{number}", subject=f"U{number}")
        await bench.tell("resolved", "160", incident=f"i{number}", subject=f"U{number}")
    while await bench.waiting():
        await asyncio.gather(bench.dispatcher().run(), bench.dispatcher().run(), bench.deliveries.run())

    assert list(bench.sink.tickets.values()) == [["opened 100", "updated 150", "resolved 160"]] * 20
    assert len(bench.sink.calls) == len(set(bench.sink.calls)) == 60


async def test_what_was_said_long_ago_is_forgotten_and_what_died_is_not(bench: Bench) -> None:
    await bench.connect()
    bench.sink.trouble = lambda *_: Permanent("no")
    await bench.tell("opened")
    await bench.post("old")
    await bench.deliveries.run()
    bench.clock.advance(outbox.KEPT + timedelta(seconds=1))
    async with bench.database.write() as session:
        assert await outbox.forget_old(session, bench.clock.now()) == 1
    assert len(await bench.dead()) == 1
