"""Two replicas on one PostgreSQL: what the clock runs is done once, and one that dies leaves nothing half done."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from outlay import outbox
from outlay import settings as bot_settings
from outlay.books.closing import audit as auditing
from outlay.books.closing.close_month import share_workspace
from outlay.core.clock import FakeClock
from outlay.database.engine import execute
from outlay.database.tables import Connection
from outlay.delivery.worker import DeliveryWorker
from outlay.fakes.company.company import Company
from outlay.polling.due_polls import DuePolls
from outlay.services import Services, open_services
from tests.books.closed_month import OCTOBER, SETTLED, clerk, closed_october, set_workspace
from tests.books.factories import DAY, MONDAY, Books, connection, row
from tests.cli.threaded_fakes import Served, behind, doors
from tests.postgres import Server

NOW = datetime(2026, 11, 21, 14, 5, 30, tzinfo=UTC)
LATER = MONDAY + 5 * DAY + timedelta(hours=9)


@pytest.fixture
async def books(books: Books) -> Books:
    if books.database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer, and one replica")
    return books


@asynccontextmanager
async def replicas(server: Server, folder: Path, clock: FakeClock) -> AsyncIterator[list[Services]]:
    """Two houses over one database and one master key, as two machines would have them."""
    url = await asyncio.to_thread(server.database)
    environ = {"OUTLAY_DATABASE_URL": url, "OUTLAY_DATA_DIR": str(folder)}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_services(bot_settings.load(environ), clock=clock)) for _ in range(2)
        ]


async def connect(home: Services, ledger: Served) -> None:
    await home.connections.connect(
        await home.workspace(), "openrouter", name="main", values={"api_key": ledger.key, "base_url": ledger.base_url}
    )


async def poll_all(homes: list[Services]) -> None:
    """Every replica's clock strikes at the same moment."""
    polls = [DuePolls(home.database, home.poller, home.clock) for home in homes]
    await asyncio.gather(*(one.start_due() for one in polls))
    await asyncio.gather(*(one.idle() for one in polls))


async def test_a_connection_is_polled_by_one_of_them(server: Server, tmp_path: Path) -> None:
    asked, figures = [], []
    for count in (1, 2):
        clock = FakeClock(NOW)
        with doors() as place, behind(place, Company(now=NOW, days=2), clock) as ledger:
            async with replicas(server, tmp_path, clock) as homes:
                await connect(homes[0], ledger)
                before = len(ledger.paths())
                for _ in range(3):
                    await poll_all(homes[:count])
                    clock.advance(timedelta(minutes=2))
                asked.append(Counter(ledger.paths()[before:]))
                answer = await homes[0].asking.spend(await homes[0].workspace(), "7d by key model")
                figures.append(answer.total_nano_usd)
    assert asked[0] == asked[1]
    assert figures[0] == figures[1] > 0


async def test_both_close_and_one_month_is_closed_with_one_hash(books: Books) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        await execute(session, text("DELETE FROM closed_month"))
    closed = await asyncio.gather(*(clerk(books).close("T1", OCTOBER) for _ in range(4)))
    assert sorted(one.new for one in closed) == [False, False, False, True]
    assert len({one.hash for one in closed}) == 1
    assert len(await books.rows("SELECT hash FROM closed_month")) == 1


async def test_the_closing_day_comes_for_all_of_them_and_it_is_closed_once(books: Books) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        await execute(session, text("DELETE FROM closed_month"))
    await asyncio.gather(*(clerk(books).close_due() for _ in range(3)))
    assert len(await books.rows("SELECT month FROM closed_month WHERE workspace_id = 'T1'")) == 1


async def test_a_night_has_one_audit_of_each_workspace(books: Books) -> None:
    await books.accept_rows([row(MONDAY)])
    for minutes in (0, 5, 65):
        clerks = [clerk(books, LATER + timedelta(minutes=minutes)) for _ in range(3)]
        await asyncio.gather(*(one.audit_nightly() for one in clerks))
    audits = await books.rows("SELECT workspace_id FROM audit_run ORDER BY workspace_id")
    assert audits == [("T1",), ("T2",)]
    await clerk(books, LATER + DAY).audit_nightly()
    assert len(await books.rows("SELECT id FROM audit_run")) == 4


async def test_a_replica_that_dies_while_it_audits_leaves_the_night_to_another(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(auditing, "audit", dies)
        with pytest.raises(asyncio.CancelledError):
            await clerk(books).audit_nightly()
    await clerk(books, SETTLED + timedelta(minutes=61)).audit_nightly()
    assert len(await books.rows("SELECT id FROM audit_run")) == 2


async def test_hours_are_folded_once(books: Books) -> None:
    await books.accept_rows([row(MONDAY)])
    before = await books.rows("SELECT SUM(cost_nano_usd) FROM spend_day")
    await set_workspace(books, hours_kept_days=1)
    await asyncio.gather(*(clerk(books, LATER + DAY).fold_due() for _ in range(3)))
    assert await books.rows("SELECT COUNT(*) FROM tick WHERE job = 'fold'") == [(1,)]
    assert await books.rows("SELECT SUM(cost_nano_usd) FROM spend_day") == before
    assert (await clerk(books, LATER + DAY).audit("T1")).differences == []


async def test_a_message_is_delivered_by_one_of_them(books: Books) -> None:
    said: list[int] = []

    async def deliver(message: outbox.OutboxMessage) -> None:
        await asyncio.sleep(0)
        said.append(message.id)

    clock = FakeClock(NOW)
    async with books.database.write() as session:
        for number in range(12):
            await outbox.enqueue(
                session, workspace_id="T1", key=f"k{number}", stream=f"s{number % 4}", kind="note", payload={}, now=NOW
            )
    workers = [DeliveryWorker(books.database, clock, deliver) for _ in range(3)]
    for _ in range(12):
        await asyncio.gather(*(worker.run() for worker in workers))
    assert sorted(said) == sorted(set(said))
    assert len(said) == 12


async def test_a_connection_made_while_the_month_closes_waits_with_what_it_has_to_say(books: Books) -> None:
    await closed_october(books)
    async with books.database.write() as session:
        await execute(session, text("DELETE FROM closed_month"))
        late = await connection(session, "T1", "late")
    holds, goes_on = asyncio.Event(), asyncio.Event()

    async def writes() -> None:
        async with books.database.write() as session:
            await share_workspace(session, late)
            await session.exec(select(Connection.id).where(Connection.id == late).with_for_update())
            holds.set()
            await goes_on.wait()

    writing = asyncio.create_task(writes())
    await holds.wait()
    closing = asyncio.create_task(clerk(books).close("T1", OCTOBER, force=True))
    waited = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while await books.rows(waited) == [(0,)]:  # noqa: ASYNC110  PostgreSQL has no event for it
            await asyncio.sleep(0)
    assert not closing.done()
    goes_on.set()
    await writing
    assert (await closing).new


async def test_both_start_on_an_empty_database_at_once(server: Server, tmp_path: Path) -> None:
    url = await asyncio.to_thread(server.database)
    settings = bot_settings.load({"OUTLAY_DATABASE_URL": url, "OUTLAY_DATA_DIR": str(tmp_path)})

    async def start() -> str:
        async with open_services(settings, clock=FakeClock(NOW)) as home:
            return await home.workspace()

    assert await asyncio.gather(*(start() for _ in range(3))) == ["local"] * 3
