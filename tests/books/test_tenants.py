"""Nothing crosses from one workspace to another: a second tenant is planted under every read and every write.

Each service method that takes a workspace is called for T1 with whatever numbers and names T2's things have. What it
answers, or refuses with, names nothing of T2; not a row of T2 moves; and what T1 reads is the same with and without it.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import Field, SecretStr
from sqlmodel import SQLModel

from outlay.access.policy import TeamAccess
from outlay.access.service import AccessService
from outlay.books.closing.service import ClosingService
from outlay.budgets.budget import Budget
from outlay.budgets.service import BudgetService
from outlay.connections.service import ConnectionService
from outlay.core.clock import FakeClock
from outlay.delivery.dead_letters import DeadLetterService
from outlay.digests.service import DigestService
from outlay.digests.subscriptions import DigestSubscriptions
from outlay.home import HomeService
from outlay.incidents.alert_settings import AlertSettings
from outlay.incidents.service import IncidentService
from outlay.incidents.watcher import IncidentWatcher
from outlay.owners import KeyOwnerService
from outlay.plugin import CheckResult, Config, Ledger, PluginInfo
from outlay.services import Services as AllServices
from outlay.spend.service import SpendService
from outlay.vault.local_key import LocalKey, derive
from outlay.vault.vault import Vault
from tests.books.factories import MONDAY, NOW, REPORTS, Books
from tests.books.two_tenants import MARK, NOBODYS, furnished, rows_of

THEIR_KEY, THEIR_OWNER = f"k-{MARK}", f"agent:{MARK.lower()}"
LEAKS = (MARK, MARK.lower(), "7777", "7_777", "7,777")
NOT_BY_WORKSPACE = {  # methods without a workspace, and why that is right
    "connections.equipped": "given a row that its caller has found in a workspace",
    "connections.reach_of": "given a row that its caller has found in a workspace",
    "connections.open": "the same, by number",
    "connections.open_ledger": "the same, by number",
    "connections.forms": "what can be connected is alike for all",
    "connections.plugin": "the same",
    "poller.poll": "one connection, whose pages go to its own rows",
    "bookkeeping.audit_nightly": "every workspace in turn",
    "bookkeeping.close_due": "every workspace in turn",
    "bookkeeping.fold_due": "every workspace in turn",
    "bookkeeping.sum_up_due": "every workspace in turn",
    "watching.run": "every workspace in turn",
    "watching.let_go": "every workspace in turn",
    "budgets.run": "every workspace in turn",
    "digests.run": "every workspace in turn",
}


class StillConfig(Config):
    api_key: SecretStr = Field(title="Key")


class Still(Ledger[StillConfig]):
    """A ledger that always knows the account, without being asked; the same that T2 has connected."""

    meta = PluginInfo("little", "Little")
    Config = StillConfig
    reports = REPORTS

    async def check(self) -> CheckResult:
        return CheckResult("theirs", "An account", "key")


@dataclass
class Services:
    """The house's services over the books, at a time that stands still."""

    books: Books
    numbers: dict[str, int]

    def __post_init__(self) -> None:
        database, self.clock = self.books.database, FakeClock(NOW)
        vault = Vault(LocalKey(b"k" * 32), derive(b"k" * 32, "fingerprints"))
        self.connections = ConnectionService(database, vault, {"little": Still}, self.clock, forbidden_files=[])
        self.asking = SpendService(database, self.clock)
        self.bookkeeping = ClosingService(database, {"little": Still}, self.clock)
        self.owning = KeyOwnerService(database, self.clock)
        self.desk = IncidentService(database, self.clock)
        self.undelivered = DeadLetterService(database, self.clock)
        self.budgets = BudgetService(database, self.clock)
        self.digests = DigestService(database, self.clock)
        self.homes = HomeService(database, self.clock, self.connections, self.owning, self.digests, [])
        self.ruling = AccessService(database, self.clock)
        self.watching = IncidentWatcher(database, self.clock)


Call = Callable[[Services, dict[str, int]], Awaitable[Any]]
WEEK = (MONDAY.date(), MONDAY.date() + timedelta(days=6))
READS: dict[str, list[Call]] = {
    "connections.connections": [lambda s, _: s.connections.connections("T1")],
    "connections.views": [lambda s, _: s.connections.views("T1")],
    "asking.spend": [
        lambda s, _, words=words: s.asking.spend("T1", words, me=THEIR_OWNER)
        for words in (
            "7d", "7d by owner key", "7d by model project", "7d by connection", "7d by ledger hour", "mtd by day",
            "connection:theirs 7d", f"key:{THEIR_KEY} 7d", f"owner:{THEIR_OWNER} 7d", f"model:m-{MARK} 7d by key",
            "me 7d by day", "key:* 7d by key", "top 5 7d by owner",
        )
    ],
    "asking.captures": [lambda s, _: s.asking.captures("T1", "7d")],
    "bookkeeping.audit": [lambda s, _: s.bookkeeping.audit("T1")],
    "owning.keys": [lambda s, _: s.owning.keys("T1")],
    "desk.alerting": [lambda s, _: s.desk.alerting("T1")],
    "desk.expected": [lambda s, _: s.desk.expected("T1")],
    "desk.incident": [lambda s, n: s.desk.incident("T1", n["incident"])],
    "desk.recent": [lambda s, _: s.desk.recent("T1"), lambda s, _: s.desk.recent("T1", subject=THEIR_OWNER)],
    "undelivered.given_up": [lambda s, _: s.undelivered.given_up("T1")],
    "budgets.standings": [lambda s, _: s.budgets.standings("T1")],
    "budgets.subjects": [lambda s, _: s.budgets.subjects("T1")],
    "digests.plan": [lambda s, _: s.digests.plan("T1")],
    "digests.compose": [
        lambda s, _: s.digests.compose("T1", "week", *WEEK),
        lambda s, _: s.digests.compose("T1", "week", *WEEK, person=THEIR_OWNER),
    ],
    "digests.last": [lambda s, _: s.digests.last("T1", "day")],
    "homes.admin_summary": [lambda s, _: s.homes.admin_summary("T1")],
    "homes.mine": [lambda s, _: s.homes.mine("T1", THEIR_OWNER)],
    "ruling.rights": [lambda s, _: s.ruling.rights("T1")],
    "watching.look": [lambda s, _: s.watching.look("T1")],
}  # fmt: skip
ECHO = ("asking.spend", "digests.compose", "homes.mine", "desk.recent")  # they repeat what they were asked
WRITES: dict[str, list[Call]] = {
    "connections.connect": [
        lambda s, _: s.connections.connect("T1", "little", "theirs", {"api_key": "k" * 30}),
        lambda s, _: s.connections.connect("T1", "little", "theirs", {"api_key": "n" * 30}, replace=True),
    ],
    "connections.disconnect": [lambda s, _: s.connections.disconnect("T1", "theirs")] * 2,
    "bookkeeping.set_up": [lambda s, _: s.bookkeeping.set_up("T1", time_zone="Asia/Tokyo", close_day=3)],
    "bookkeeping.close": [lambda s, _: s.bookkeeping.close("T1", int(MONDAY.timestamp()) - 60 * 86_400, force=True)],
    "owning.own": [lambda s, n: s.owning.own("T1", n["key"], "U1", None)],
    "owning.own_named": [
        lambda s, _: s.owning.own_named("T1", THEIR_KEY, "U1", None),
        lambda s, _: s.owning.own_named("T1", f"theirs:{THEIR_KEY}", "U1", date(2026, 11, 1)),
    ],
    "desk.do": [
        lambda s, n, deed=deed: s.desk.do("T1", n["incident"], deed, who="U1", until=NOW + timedelta(hours=1))
        for deed in ("acknowledge", "snooze", "dismiss", "undo", "reopen")
    ],
    "desk.expect": [lambda s, n: s.desk.expect("T1", n["incident"], who="U1", reason="x", until=None)],
    "desk.file": [lambda s, n: s.desk.file("T1", n["incident"], who="U1", who_name="Ann")],
    "desk.place": [lambda s, n: s.desk.place("T1", n["incident"], "C1", "2.2")],
    "desk.plan": [lambda s, _: s.desk.plan("T1", THEIR_OWNER, who="U1", reason="x", start=NOW, until=None)],
    "desk.take_back": [lambda s, n: s.desk.take_back("T1", n["expectation"])],
    "desk.choose": [lambda s, _: s.desk.choose("T1", AlertSettings(channel="C1"))],
    "desk.want_direct": [lambda s, _: s.desk.want_direct("T1", "U1", True)],
    "undelivered.send_again": [
        lambda s, _: s.undelivered.send_again("T1", list(range(50))),
        lambda s, _: s.undelivered.send_again("T1"),
    ],
    "budgets.keep": [
        lambda s, n: s.budgets.keep("T1", Budget(n["budget"], "workspace", "", "day", 10**9), by="U1"),
        lambda s, _: s.budgets.keep("T1", Budget(0, "owner", THEIR_OWNER, "day", 10**9), by="U1"),
    ],
    "budgets.remove": [lambda s, n: s.budgets.remove("T1", n["budget"])],
    "digests.choose": [lambda s, _: s.digests.choose("T1", DigestSubscriptions(channels=("C1",)), by="U1")],
    "digests.want": [lambda s, _: s.digests.want("T1", "U1", ("day",))],
    "digests.post": [lambda s, _: s.digests.post("T1", "C1", "day", once="x")],
    "ruling.choose": [lambda s, _: s.ruling.choose("T1", open_=False, admins=["U1"])],
    "ruling.set_team": [lambda s, _: s.ruling.set_team("T1", MARK.lower(), TeamAccess(("U1",), ("U2",)))],
    "digests.post_leased": [lambda s, _: s.digests.post_leased("T1", "C1", "day", once="y")],
}


BELOW_SERVICES = ("core", "database", "logs", "plugin", "settings", "vault")  # packages whose classes are no services


def methods() -> dict[str, bool]:
    """Every public method of every service in the house; whether it takes a workspace."""
    found = {}
    for name, kind in typing.get_type_hints(AllServices).items():
        if (
            inspect.isclass(kind)
            and kind.__module__.startswith("outlay.")
            and kind.__module__.split(".")[1] not in BELOW_SERVICES
        ):
            for method, function in inspect.getmembers(kind, inspect.isfunction):
                if not method.startswith("_"):
                    found[f"{name}.{method}"] = "workspace_id" in inspect.signature(function).parameters
    return found


def test_every_method_of_every_service_is_tried_or_argued_for() -> None:
    found = methods()

    assert {name for name, bounded in found.items() if bounded} == READS.keys() | WRITES.keys()
    assert {name for name, bounded in found.items() if not bounded} == NOT_BY_WORKSPACE.keys()


async def said(call: Call, services: Services) -> str:
    """What a call answers, or refuses with, as one text."""
    try:
        return repr(await call(services, services.numbers))
    except Exception as error:  # noqa: BLE001  whatever it is, it may name nobody else's
        return f"{type(error).__name__}: {error}"


def every_read() -> list[tuple[tuple[str, int], Call]]:
    """Each call with its place."""
    return [((name, number), call) for name, calls in READS.items() for number, call in enumerate(calls)]


async def both(books: Books) -> Services:
    """T1 and T2, each with one of everything."""
    await furnished(books, "T1")
    return Services(books, await furnished(books, "T2"))


async def test_every_table_has_rows_of_the_second_tenant_or_is_nobody_s(books: Books) -> None:
    await both(books)
    theirs = await rows_of(books, "T2")
    rare = {"adjustment", "counter", "period", "spend_period", "spend_period_key", "coverage", "cursor"}

    assert set(theirs) | set(NOBODYS) >= set(SQLModel.metadata.tables)
    assert {name for name, rows in theirs.items() if not rows} <= rare


async def test_what_one_workspace_reads_names_nothing_of_another_and_is_the_same_without_it(books: Books) -> None:
    ours = await furnished(books, "T1")
    services = Services(books, {name: number + 1_000 for name, number in ours.items()})
    for _ in range(2):  # the first pass settles what looking itself changes: a verdict is taken in, an audit noted
        before = {place: await said(call, services) for place, call in every_read()}
    services.numbers = await furnished(books, "T2")  # and the same services go on
    theirs = await rows_of(books, "T2")
    leaks, changed = {}, {}
    for place, call in every_read():
        told = await said(call, services)
        asked = told.replace(THEIR_KEY, "").replace(THEIR_OWNER, "").replace(f"m-{MARK}", "")  # what T1 itself has said
        if any(leak in (asked if place[0] in ECHO else told) for leak in LEAKS):
            leaks[place] = told[:400]
        if told != before[place]:
            changed[place] = (before[place][:400], told[:400])

    assert leaks == {}
    assert changed == {}
    assert await rows_of(books, "T2") == theirs
    assert "cost_nano_usd=90000000000" in before["asking.spend", 0]  # 30 hours of 3 dollars: there is something to read


@pytest.mark.parametrize("name", sorted(WRITES))
async def test_no_write_of_one_workspace_moves_a_row_of_another(books: Books, name: str) -> None:
    services = await both(books)
    theirs = await rows_of(books, "T2")
    leaks = []
    for call in WRITES[name]:
        told = await said(call, services)
        assert "TypeError" not in told, told
        named = told.replace(THEIR_KEY, "").replace(THEIR_OWNER, "")  # what T1 itself has said
        named = named.replace(f"'{MARK.lower()}'", "")
        leaks += [told for leak in LEAKS if leak in named]

    assert leaks == []
    assert await rows_of(books, "T2") == theirs


async def test_what_the_clock_does_for_all_says_each_thing_to_its_own(books: Books) -> None:
    services = await both(books)
    for chosen in ("T1", "T2"):
        await services.digests.choose(chosen, DigestSubscriptions(channels=(f"C{chosen}",)), by="U1")
    services.clock.advance(timedelta(days=1))
    for job in (services.watching.run, services.budgets.run, services.digests.run, services.bookkeeping.audit_nightly):
        await job()

    messages = await books.rows("SELECT workspace_id, payload FROM outbox")
    assert {workspace for workspace, _ in messages} == {"T1", "T2"}
    assert [payload for workspace, payload in messages if workspace == "T1" and MARK in payload] == []
    assert [payload for workspace, payload in messages if workspace == "T2" and "OURS" in payload] == []
