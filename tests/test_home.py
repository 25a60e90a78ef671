"""The Home tab's figures over real books: they are those of `/spend`, of nobody else's workspace, and nobody else's."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from outlay.access.policy import TeamAccess
from outlay.access.service import AccessService
from outlay.budgets.budget import Budget
from outlay.budgets.service import BudgetService
from outlay.connections.service import ConnectionService
from outlay.core.clock import FakeClock
from outlay.database.engine import execute
from outlay.database.tables import AuditRun, Connection, Person
from outlay.digests.service import DigestService
from outlay.digests.subscriptions import DigestSubscriptions
from outlay.home import HomeService, UnownedKeys
from outlay.owners import KeyOwnerService
from outlay.plugin.loader import FoundPlugin
from outlay.spend.service import SpendService
from outlay.vault.vault import Vault
from tests.books.factories import DAY, MONDAY, NOW, Books, row
from tests.books.weeks import fill, say_owner

NANO = 1_000_000_000
BEN, DANA = "U02BEN", "U04DANA"
PLUGINS = (
    FoundPlugin("openrouter", "ledger", "1", "plugins", True),
    FoundPlugin("acme", None, "", "folder", False, "broken"),
)


class Desk:
    """Homes beside books; the month began with the Sunday, and it is Thursday the 19th."""

    def __init__(self, books: Books) -> None:
        self.books = books
        clock = FakeClock(NOW)
        self.budgets = BudgetService(books.database, clock)
        self.digests = DigestService(books.database, clock)
        self.asking = SpendService(books.database, clock)
        connections = ConnectionService(books.database, Vault.__new__(Vault), {}, clock)
        self.homes = HomeService(
            books.database,
            clock,
            connections,
            KeyOwnerService(books.database, clock),
            self.digests,
            PLUGINS,
            channel="C1",
        )

    async def add(self, *rows: Any) -> None:
        async with self.books.database.write() as session:
            session.add_all(rows)


@pytest.fixture
async def desk(books: Books) -> Desk:
    await fill(books, [row(MONDAY + n * DAY, "10", "k1") for n in range(-20, 3)])
    await fill(books, [row(MONDAY + DAY, "7", "k1"), row(MONDAY + DAY, "5", "k2"), row(MONDAY + DAY, "2", "k3")])
    await say_owner(books, "k1", BEN)
    await say_owner(books, "k2", DANA)
    return Desk(books)


async def test_ones_own_month_is_what_spend_says_of_me(desk: Desk) -> None:
    mine = await desk.homes.mine("T1", BEN)
    spend = await desk.asking.spend("T1", "mtd me by model", me=BEN)

    assert mine.month.answer.total_nano_usd == spend.total_nano_usd > 0
    assert [line.model for line in mine.month.answer.lines] == [line.model for line in spend.lines]
    assert mine.month.forecast.spent_nano_usd == spend.total_nano_usd
    assert mine.month.forecast.likely_nano_usd is not None
    nobody = await desk.homes.mine("T1", "U09NOBODY")
    assert (nobody.month.answer.lines, nobody.month.answer.total_nano_usd) == ((), 0)
    assert nobody.month.forecast.reason.startswith("too little history")


async def test_ones_budgets_are_ones_own_by_id_or_by_email_and_everybodys(desk: Desk) -> None:
    await desk.add(Person(workspace_id="T1", email="ben@acme.example", slack_user_id=BEN, name="Ben", looked_up_at=0))
    monthly = Budget(0, "owner", BEN, "month", 600 * NANO)
    for budget in (
        monthly,
        replace(monthly, subject="Ben@Acme.Example", period="week"),
        replace(monthly, subject=DANA),
        replace(monthly, subject="team:web"),
        replace(monthly, scope="workspace", subject=""),
        replace(monthly, scope="model", subject="m1"),
    ):
        await desk.budgets.keep("T1", budget, by="U1")

    found = (await desk.homes.mine("T1", BEN)).budgets

    assert [(one.budget.scope, one.budget.subject) for one in found] == [
        ("owner", BEN),
        ("owner", "Ben@Acme.Example"),
        ("workspace", ""),
    ]
    assert (await desk.homes.mine("T2", BEN)).budgets == ()
    own = await desk.digests.compose("T1", "day", date(2026, 11, 18), date(2026, 11, 18), person=BEN)
    assert [one.budget.subject for one in own.budgets] == [BEN, "Ben@Acme.Example"]


async def test_the_budgets_of_ones_teams_are_there_where_one_may_see_them(desk: Desk) -> None:
    ruling = AccessService(desk.books.database, FakeClock(NOW))
    await ruling.set_team("T1", "web", TeamAccess(managers=(DANA,), members=(BEN,)))
    await ruling.set_team("T1", "empty", TeamAccess())
    for team in ("web", "ops", "empty"):
        await desk.budgets.keep("T1", Budget(0, "owner", f"team:{team}", "month", NANO), by="U1")

    async def seen(user: str) -> list[str]:
        return [one.budget.subject for one in (await desk.homes.mine("T1", user)).budgets]

    assert (await seen(BEN), await seen(DANA), await seen("U09NOBODY")) == (["team:web"], ["team:web"], [])
    await ruling.choose("T1", open_=False)
    assert (await seen(BEN), await seen(DANA)) == ([], ["team:web"])


async def test_the_house_says_how_it_stands(desk: Desk) -> None:
    at = int(NOW.timestamp())
    await desk.add(
        AuditRun(workspace_id="T1", at=at - 90_000, ok=False, checked=1, differences='["old"]'),
        AuditRun(workspace_id="T1", at=at - 3_600, ok=True, checked=40),
        AuditRun(workspace_id="T2", at=at, ok=False, checked=1, differences='["theirs"]'),
    )
    async with desk.books.database.write() as session:
        connection = await session.get(Connection, 1)
        assert connection
        connection.credential, connection.state, connection.error = "management key", "failing", "no answer"
        session.add(connection)

    care = await desk.homes.admin_summary("T1")

    assert care.month.answer.total_nano_usd == (await desk.asking.spend("T1", "mtd")).total_nano_usd
    assert care.unmapped == UnownedKeys(1, 2 * NANO)
    (view,) = care.connections
    assert (view.credential, view.state, view.error) == ("management key", "failing", "no answer")
    assert care.audited is not None
    assert (care.audited.ok, care.audited.checked, care.audited.first) == (True, 40, "")
    assert [one.slug for one in care.plugins if not one.ok] == ["acme"]
    assert (care.given_up, care.budgets, care.alerts, care.digests) == (None, 0, True, False)


async def test_what_was_set_up_is_missing_no_more_and_what_was_given_up_is_told(desk: Desk) -> None:
    await desk.budgets.keep("T1", Budget(0, "workspace", "", "month", NANO), by="U1")
    await desk.digests.choose("T1", DigestSubscriptions(channels=("C1",)), by="U1")
    await desk.digests.post("T1", "C1", "day", once="1")
    async with desk.books.database.write() as session:
        await execute(session, text("UPDATE outbox SET status = 'dead', error = 'is_archived'"), {})

    care, theirs = await desk.homes.admin_summary("T1"), await desk.homes.admin_summary("T2")

    assert (care.budgets, care.digests) == (1, True)
    assert care.given_up is not None
    assert (care.given_up.count, care.given_up.last_for, care.given_up.error) == (1, "Slack", "is_archived")
    assert (theirs.budgets, theirs.digests, theirs.given_up) == (0, False, None)
    assert theirs.month.answer.total_nano_usd == 0
