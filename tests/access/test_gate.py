"""The gate before the services: every action, every role, every workspace; and what is let through shows only what it
may, whoever asks and in whatever words."""

import inspect
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest

from outlay.access.gate import FREE, RULES, AccessGate, guarded
from outlay.access.policy import WHO, AccessSettings, NotAllowedError, Permission, TeamAccess
from outlay.access.service import AccessService
from outlay.books.ownership import set_owner
from outlay.budgets.budget import Budget
from outlay.budgets.service import BudgetService
from outlay.core.actor import CLOCK, Actor, acting
from outlay.core.clock import FakeClock
from outlay.digests.service import DigestService
from outlay.incidents.service import IncidentService
from outlay.incidents.tables import Expectation, Incident
from outlay.owners import KeyOwnerService
from outlay.slack import protocols
from outlay.spend.service import SpendService
from tests.books.factories import MONDAY, NOW, Books, row

ALICE, LIA, MIA, BEN, CHIARA, GUS = "U01ALICE", "U0LIA", "U0MIA", "U02BEN", "U03CHIARA", "U05GUS"
XENA = "U0XENA"  # an admin of the workspace T2, and nobody in T1
MEMBERS, ADMINS = frozenset({ALICE, LIA, MIA, BEN}), frozenset({ALICE, LIA})
EXPECTED = {
    "asking": {"spend": MEMBERS},
    "connecting": {"connections": MEMBERS, "connect": ADMINS, "disconnect": ADMINS},
    "owning": {"keys": MEMBERS, "own": ADMINS},
    "desk": {
        "incident": MEMBERS, "recent": MEMBERS, "expected": MEMBERS, "do": MEMBERS, "expect": MEMBERS, "plan": MEMBERS,
        "take_back": MEMBERS, "file": MEMBERS, "alerting": MEMBERS, "choose": ADMINS, "want_direct": MEMBERS,
    },
    "digests": {
        "plan": MEMBERS, "choose": ADMINS, "want": MEMBERS, "last": MEMBERS, "compose": MEMBERS, "post": MEMBERS,
    },
    "budgets": {"standings": MEMBERS, "subjects": ADMINS, "keep": ADMINS, "remove": ADMINS},
    "homes": {"mine": MEMBERS, "admin_summary": ADMINS},
    "ruling": {"rights": ADMINS, "choose": ADMINS, "set_team": ADMINS},
    "bookkeeping": {"close": ADMINS},
    "undelivered": {"given_up": ADMINS, "send_again": ADMINS},
}  # fmt: skip
PORTS = {
    "asking": protocols.SpendProtocol, "connecting": protocols.ConnectionsProtocol,
    "owning": protocols.OwnershipProtocol, "desk": protocols.IncidentsProtocol,
    "digests": protocols.DigestsProtocol, "budgets": protocols.BudgetsProtocol, "homes": protocols.HomeTabProtocol,
    "undelivered": protocols.UndeliveredProtocol, "ruling": protocols.AccessPolicyProtocol,
}  # fmt: skip
TEAM = TeamAccess(managers=(MIA,), members=(BEN,))


class People:
    """Slack's word on people, as told. Whom it does not know is a stranger."""

    admins = frozenset({("T1", ALICE), ("T2", XENA)})
    members = frozenset({("T1", LIA), ("T1", MIA), ("T1", BEN), ("T1", CHIARA)})

    async def is_admin(self, workspace_id: str, user_id: str, *, fresh: bool = False) -> bool:
        return (workspace_id, user_id) in self.admins

    async def is_guest(self, workspace_id: str, user_id: str) -> bool:
        return (workspace_id, user_id) not in self.admins | self.members


@dataclass
class Recorder:
    """A service that does anything that it is asked for, and says so."""

    called: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        async def do(workspace_id: str, user_id: str = "", *args: Any, **more: Any) -> str:
            self.called.append(name)
            return name

        return do


@pytest.fixture
def gate(books: Books) -> AccessGate:
    return AccessGate(books.database, People())


@pytest.fixture
async def ruled(books: Books) -> AccessService:
    """Lia is an admin by the list; Mia manages the team core, of which Ben is."""
    ruling = AccessService(books.database, FakeClock(NOW))
    await ruling.choose("T1", admins=[LIA])
    await ruling.set_team("T1", "core", TEAM)
    return ruling


def slack(user: str, workspace: str = "T1") -> Any:
    return acting(Actor(user, "slack", workspace))


# The matrix


def test_every_method_that_the_slack_face_knows_has_a_rule_and_no_other_can_be_reached() -> None:
    assert {port: set(rules) for port, rules in RULES.items()} == {port: set(rules) for port, rules in EXPECTED.items()}
    for port, protocol in PORTS.items():
        named = {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}
        assert named - set(FREE) <= set(RULES[port]), port
    assert {rule.action for rules in RULES.values() for rule in rules.values()} == set(Permission) == set(WHO)


@pytest.mark.parametrize("open_", [True, False], ids=["everybody sees everybody", "own and totals"])
@pytest.mark.parametrize("port", sorted(EXPECTED))
async def test_every_action_by_every_role_in_every_workspace(
    gate: AccessGate, ruled: AccessService, port: str, open_: bool
) -> None:
    await ruled.choose("T1", open_=open_)
    people = (ALICE, LIA, MIA, BEN, GUS, XENA, "", "U0UNKNOWN")
    for method, user, there, wanted in product(EXPECTED[port], people, ("T1", "T2"), ("T1", "T2")):
        service = Recorder()
        may = there == wanted and (user in EXPECTED[port][method] if wanted == "T1" else user == XENA)
        with slack(user, there):
            call = getattr(guarded(service, gate, port), method)
            if may:
                assert await call(wanted, user) == method, (method, user, there, wanted)
            else:
                with pytest.raises(NotAllowedError):
                    await call(wanted, user)
        assert service.called == ([method] if may else []), (method, user, there, wanted)


@pytest.mark.parametrize("who", [CLOCK, Actor("root", "command line"), Actor("Eve in Linear", "ticket", "T1")])
async def test_nobody_who_is_not_in_slack_comes_through_the_slack_face(gate: AccessGate, who: Actor) -> None:
    with acting(who), pytest.raises(NotAllowedError):
        await guarded(Recorder(), gate, "asking").spend("T1")


async def test_what_no_rule_names_cannot_be_called(gate: AccessGate, books: Books) -> None:
    with slack(ALICE), pytest.raises(AttributeError, match=r"nobody may call desk\.place"):
        _ = guarded(IncidentService(books.database, FakeClock(NOW)), gate, "desk").place


@pytest.mark.parametrize(("port", "method"), [("desk", "want_direct"), ("digests", "want"), ("homes", "mine")])
async def test_what_is_ones_own_is_not_even_an_admins_to_choose(
    gate: AccessGate, ruled: AccessService, port: str, method: str
) -> None:
    for user in (ALICE, BEN):
        with slack(user), pytest.raises(NotAllowedError, match="for themselves alone"):
            await getattr(guarded(Recorder(), gate, port), method)("T1", CHIARA)


async def test_a_role_that_is_taken_away_is_gone_at_the_next_click(gate: AccessGate, ruled: AccessService) -> None:
    service = guarded(Recorder(), gate, "budgets")
    with slack(LIA):
        await service.remove("T1", 1)
        await ruled.choose("T1", admins=[])
        with pytest.raises(NotAllowedError, match="Setting a budget is for workspace admins"):
            await service.remove("T1", 1)


async def test_a_member_who_forges_a_click_changes_nothing(
    gate: AccessGate, ruled: AccessService, books: Books
) -> None:
    await ruled.choose("T1", open_=False)
    clock = FakeClock(NOW)
    await spending(books)
    before = await books.dump()
    desk = guarded(IncidentService(books.database, clock), gate, "desk")
    budgets = guarded(BudgetService(books.database, clock), gate, "budgets")
    owning = guarded(KeyOwnerService(books.database, clock), gate, "owning")
    digests = guarded(DigestService(books.database, clock), gate, "digests")
    ruling = guarded(ruled, gate, "ruling")
    alerting = await IncidentService(books.database, clock).alerting("T1")
    plan = await DigestService(books.database, clock).plan("T1")
    forged = [
        lambda: budgets.keep("T1", Budget(0, "workspace", "", "month", 10**9), by=BEN),
        lambda: owning.own("T1", 1, BEN, None),
        lambda: desk.choose("T1", alerting),
        lambda: digests.choose("T1", plan, by=BEN),
        lambda: ruling.choose("T1", admins=[BEN]),
        lambda: ruling.set_team("T1", "core", TeamAccess(managers=(BEN,))),
        lambda: desk.do("T1", 1, "acknowledge", who=BEN),  # it is Chiara's, and not his to see
        lambda: desk.expect("T1", 1, who=BEN, reason="", until=None),
        lambda: desk.file("T1", 1, who=BEN, who_name="ben"),
        lambda: desk.plan("T1", CHIARA, who=BEN, reason="", start=NOW, until=None),
        lambda: desk.take_back("T1", 1),
        lambda: desk.incident("T1", 1),
        lambda: desk.want_direct("T1", CHIARA, True),
        lambda: digests.want("T1", CHIARA, ()),
        lambda: digests.last("T1", "day", person=CHIARA),
    ]
    for call in forged:
        with slack(BEN), pytest.raises(NotAllowedError):
            await call()
    assert await books.dump() == before


# Who sees whom


async def spending(books: Books) -> None:
    """Ben has spent $1 and Chiara $20, the team core $300 and nobody $4,000, all on Monday; each with a key."""
    amounts = {"ben": ("1", BEN), "chiara": ("20", CHIARA), "shared": ("300", "team:core"), "stray": ("4000", "")}
    await books.accept_rows([row(MONDAY, usd, key, model=f"m-{key}") for key, (usd, _) in amounts.items()])
    async with books.database.write() as session:
        for key, (_, owner) in amounts.items():
            if owner:
                await set_owner(session, "T1", f"main:{key}", owner, 0)
        for subject in (CHIARA, BEN, "team:core", "key:4", "*"):
            incident = Incident(
                workspace_id="T1", subject=subject, name=subject, kind="person", severity="page", verdict="{}",
                since=int(MONDAY.timestamp()), opened_at=int(NOW.timestamp()), seen_at=int(NOW.timestamp()),
            )  # fmt: skip
            session.add(incident)
            await session.flush()
            session.add(Expectation(workspace_id="T1", subject=subject, start=0, created_at=0, incident_id=incident.id))


Lines = dict[tuple[str, ...], int]


@dataclass
class Eyes:
    """What somebody is shown."""

    books: Books
    gate: AccessGate
    user: str

    async def spend(self, words: str) -> tuple[Lines, int]:
        asking = guarded(SpendService(self.books.database, FakeClock(NOW)), self.gate, "asking")
        with slack(self.user):
            found = await asking.spend("T1", words, me=self.user)
        lines: Lines = {}
        for line in found.lines:
            names = []
            for dimension in found.query.by:
                value = getattr(line, dimension)
                names.append(str(getattr(value, "id", value) or line.reason))
            lines[tuple(names)] = (line.cost_nano_usd or 0) // 10**9
        return lines, found.total_nano_usd // 10**9

    async def lines(self, words: str) -> Lines:
        return (await self.spend(words))[0]


async def eyes(books: Books, gate: AccessGate, ruled: AccessService, user: str, *, open_: bool = False) -> Eyes:
    await spending(books)
    await ruled.choose("T1", open_=open_)
    return Eyes(books, gate, user)


async def test_a_member_sees_their_own_and_the_total_by_owner_and_by_key(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    ben = await eyes(books, gate, ruled, BEN)
    assert await ben.spend("7d") == ({("unattributed",): 4000, ("others",): 320, (BEN,): 1}, 4321)
    assert await ben.lines("7d by key") == {("everybody else's",): 4320, ("ben",): 1}
    assert (await ben.spend("7d by key day"))[1] == 4321
    assert ("others", "m-chiara") in await ben.lines("7d by owner model")


async def test_a_member_sees_totals_by_model_and_day(books: Books, gate: AccessGate, ruled: AccessService) -> None:
    ben = await eyes(books, gate, ruled, BEN)
    assert await ben.spend("7d by day") == ({("2026-11-16",): 4321}, 4321)
    assert (await ben.lines("7d by model"))[("m-chiara",)] == 20
    assert (await ben.spend("7d model:m-chiara"))[1] == 20  # of everybody: who it was is not said
    assert await ben.lines("7d model:m-chiara") == {("others",): 20}


@pytest.mark.parametrize(
    "words",
    [
        f"7d owner:{CHIARA}", f"7d <@{CHIARA}>", f"7d <@{CHIARA}> by model", "7d owner:team:core",
        "7d owner:unattributed", "7d key:chiara", "7d key:c*", "7d key:stray by day", "7d owner:U03*",
        "mtd key:chiara", f"7d owner:{CHIARA} vs last week", f"7d owner:{CHIARA} trend", "7d key:chiara by model top 1",
    ],
)  # fmt: skip
async def test_a_member_cannot_narrow_a_question_to_somebody_else(
    books: Books, gate: AccessGate, ruled: AccessService, words: str
) -> None:
    ben = await eyes(books, gate, ruled, BEN)
    with pytest.raises(NotAllowedError, match="somebody else's"):
        await ben.spend(words)


async def test_a_wildcard_gives_a_member_their_own_alone(books: Books, gate: AccessGate, ruled: AccessService) -> None:
    ben = await eyes(books, gate, ruled, BEN)
    for words in ("7d owner:*", "7d key:*", "7d me", "7d key:ben", "7d owner:U*", "mtd key:*"):
        assert await ben.spend(words) == ({(BEN,): 1}, 1), words


async def test_of_a_key_that_changed_hands_everybody_sees_their_own_days(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    ben = await eyes(books, gate, ruled, BEN)
    await books.accept_rows(
        [row(MONDAY + timedelta(days=1), "7", "ben", model="m-ben")], start=MONDAY + timedelta(days=1)
    )
    async with books.database.write() as session:
        await set_owner(session, "T1", "main:ben", CHIARA, int((MONDAY + timedelta(days=1)).timestamp()))
    assert await ben.lines("7d by key") == {("everybody else's",): 4327, ("ben",): 1}
    assert await ben.spend("7d key:ben") == ({(BEN,): 1}, 1)


async def test_a_manager_sees_the_team_and_its_members_and_nobody_else(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    mia = await eyes(books, gate, ruled, MIA)
    assert await mia.lines("7d") == {("unattributed",): 4000, ("team:core",): 300, ("others",): 20, (BEN,): 1}
    assert (await mia.spend(f"7d <@{BEN}>"))[1] == 1
    assert (await mia.spend("7d owner:team:core by key"))[0] == {("shared",): 300}
    with pytest.raises(NotAllowedError):
        await mia.spend("7d key:chiara")


@pytest.mark.parametrize(("user", "open_"), [(ALICE, False), (LIA, False), (ALICE, True), (BEN, True), (MIA, True)])
async def test_admins_and_where_everybody_sees_everybody_all_see_all(
    books: Books, gate: AccessGate, ruled: AccessService, user: str, open_: bool
) -> None:
    somebody = await eyes(books, gate, ruled, user, open_=open_)
    assert await somebody.lines("7d by key") == {("stray",): 4000, ("shared",): 300, ("chiara",): 20, ("ben",): 1}
    assert await somebody.spend("7d key:chiara") == ({(CHIARA,): 20}, 20)


async def test_keys_incidents_expectations_and_budgets_are_shown_to_whom_they_concern(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    await eyes(books, gate, ruled, BEN)
    clock = FakeClock(NOW)
    budgeting = BudgetService(books.database, clock)
    for subject in ("", BEN, CHIARA, "team:core"):
        await budgeting.keep("T1", Budget(0, "owner" if subject else "workspace", subject, "month", 10**9), by=ALICE)
    desk, owning = (
        guarded(IncidentService(books.database, clock), gate, "desk"),
        guarded(KeyOwnerService(books.database, clock), gate, "owning"),
    )
    budgets = guarded(budgeting, gate, "budgets")
    mine = {
        BEN: ({BEN}, {"ben"}),
        CHIARA: ({CHIARA}, {"chiara"}),
        MIA: ({BEN, "team:core"}, {"ben", "shared"}),
        ALICE: ({BEN, CHIARA, "team:core"}, {"ben", "chiara", "shared", "stray"}),
    }
    for user, (owners, keys) in mine.items():
        with slack(user):
            assert {one.subject for one in await desk.recent("T1")} == {*owners, "key:4", "*"}, user
            assert {one.subject for one in await desk.expected("T1")} == {*owners, "key:4", "*"}, user
            assert {one.name for one in await owning.keys("T1")} == keys, user
            assert {one.budget.subject for one in await budgets.standings("T1")} == {*owners, ""}, user


async def test_those_who_share_a_message_are_shown_only_as_far_as_they_are_ones_own(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    await eyes(books, gate, ruled, BEN)
    async with books.database.write() as session:
        for number in (1, 2, 3):
            incident = await session.get(Incident, number)
            assert incident
            incident.group_id = 1
            session.add(incident)
    desk = guarded(IncidentService(books.database, FakeClock(NOW)), gate, "desk")
    with slack(BEN):
        assert (await desk.incident("T1", 2)).members == ()
    with slack(MIA):
        assert {one.subject for one in (await desk.incident("T1", 2)).members} == {BEN, "team:core"}
    with slack(ALICE):
        assert len((await desk.incident("T1", 2)).members) == 3


async def test_a_digest_for_a_channel_names_nobody_where_people_see_only_themselves(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    await eyes(books, gate, ruled, BEN)
    clock = FakeClock(NOW)
    await BudgetService(books.database, clock).keep("T1", Budget(0, "owner", CHIARA, "month", 10**9), by=ALICE)
    digesting = DigestService(books.database, clock)
    day = date(2026, 11, 16)
    for digest in (
        await digesting.compose("T1", "day", day, day),
        await digesting.compose("T1", "week", day, day + timedelta(days=6)),
    ):
        assert digest.answer.total_nano_usd == 4321 * 10**9
        assert digest.answer.query.by == ("model",)
        assert digest.budgets == ()
        assert {one.name for one in digest.episodes} <= {"*"}
        assert all(move.owner is None for move in digest.moves)
    with slack(ALICE):
        whole = await guarded(digesting, gate, "digests").compose("T1", "day", day, day)
    assert whole.answer.query.by == ("owner",)
    assert len(whole.budgets) == 1
    await ruled.choose("T1", open_=True)
    assert (await digesting.compose("T1", "day", day, day)).answer.query.by == ("owner",)


async def test_a_person_gets_a_digest_of_their_own_all_the_same(
    books: Books, gate: AccessGate, ruled: AccessService
) -> None:
    await eyes(books, gate, ruled, BEN)
    day = date(2026, 11, 16)
    digest = await DigestService(books.database, FakeClock(NOW)).compose("T1", "day", day, day, person=BEN)
    assert digest.answer.total_nano_usd == 10**9
    assert {one.name for one in digest.episodes} == {BEN}


# What was chosen


async def test_what_was_chosen_is_read_back_and_is_the_workspaces_own(books: Books, ruled: AccessService) -> None:
    await ruled.choose("T1", open_=False)
    assert await ruled.rights("T1") == AccessSettings(False, (LIA,), {"core": TEAM})
    assert await ruled.rights("T2") == AccessSettings(True, (), {})
    await ruled.set_team("T1", "team:core", TeamAccess())
    await ruled.choose("T1", open_=True, admins=[])
    assert await ruled.rights("T1") == AccessSettings(True, (), {})


async def test_choosing_leaves_a_row_in_the_audit_trail(books: Books, ruled: AccessService) -> None:
    found = await books.rows("SELECT deed, thing, detail FROM trail WHERE workspace_id = 'T1' ORDER BY seq")
    assert found == [
        ("rights.set", "workspace:T1", '{"admins": ["U0LIA"], "everybody_sees_everybody": true}'),
        ("team.set", "team:core", '{"managers": ["U0MIA"], "members": ["U02BEN"]}'),
    ]
