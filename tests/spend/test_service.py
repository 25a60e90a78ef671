"""Questions asked of real books: what is not there is said to be so, and nobody else's names are offered for it."""

import pytest

from outlay.access.policy import NotAllowedError, TeamAccess, Viewer
from outlay.access.service import AccessService
from outlay.core.clock import FakeClock
from outlay.core.money import NANO_PER_USD as USD
from outlay.database.tables import Ownership
from outlay.spend.service import SpendService
from tests.books.factories import DAY, MONDAY, NOW, Books, row


@pytest.fixture
async def asking(books: Books) -> SpendService:
    """Books of two workspaces: some of ours, and a model that only others use."""
    ours = [row(MONDAY, "4", key="ci-bot", model="anthropic/claude-sonnet-4.5"), row(MONDAY - 9 * DAY, "1")]
    await books.accept_rows(ours, start=MONDAY - 9 * DAY)
    return SpendService(books.database, FakeClock(NOW))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("model:claud-sonet", [("model", "claud-sonet", "anthropic/claude-sonnet-4.5")]),
        ("key:ci-bto", [("key", "ci-bto", "ci-bot")]),
        ("ledger:litle", [("ledger", "litle", "little")]),
        ("connection:mian", [("connection", "mian", "main")]),
        ("team:empty", [("owner", "team:empty", "")]),
        ("<@U06GONE|gone>", [("owner", "U06GONE", "")]),
        ("project:zzz", [("project", "zzz", "")]),
        ("auto", [("requested", "openrouter/auto", "")]),
        ("model:zz key:yy", [("model", "zz", ""), ("key", "yy", "")]),
        ("model:claude-* 2026-01", []),
        ("key:ci-bot last week", []),
    ],
)
async def test_nothing_of_that_name_is_told_apart_from_nothing_spent(
    asking: SpendService, words: str, told: list[tuple[str, str, str]]
) -> None:
    found = await asking.spend("T1", f"7d {words}" if "2026" not in words and "last" not in words else words)

    assert found.lines == ()
    assert [(one.dimension, one.pattern, one.near) for one in found.unknown] == told


async def test_another_workspaces_names_are_never_offered(asking: SpendService) -> None:
    for words in ("model:claud-sonet", "key:ci-bto", "connection:mian"):
        found = await asking.spend("T2", words)
        assert [one.near for one in found.unknown] == [""], words


async def test_an_answer_with_lines_has_nothing_unknown_and_a_comparison_adds_up(asking: SpendService) -> None:
    found = await asking.spend("T1", "this week vs last week by key")

    assert found.unknown == ()
    assert found.before
    assert (found.total_nano_usd, found.before.total_nano_usd) == (4 * USD, 0)
    longer = await asking.spend("T1", "2026-11-09..18 vs previous by key")
    assert longer.before
    assert longer.before.total_nano_usd == USD
    assert [(line.cost_nano_usd, line.before_nano_usd) for line in longer.lines] == [(4 * USD, 0), (0, USD)]


async def test_a_team_is_its_own_keys_and_those_of_its_members(asking: SpendService, books: Books) -> None:
    await books.accept_rows(
        [row(MONDAY, "8", key="for-all"), row(MONDAY, "2", key="anns"), row(MONDAY, "1", key="bens")]
    )
    keys = {key: number for number, key in await books.rows("SELECT id, ledger_id FROM ledger_key")}
    async with books.database.write() as session:
        for key, owner in (("for-all", "team:core"), ("anns", "U0ANN1"), ("bens", "U0BEN1")):
            session.add(Ownership(key_id=keys[key], from_day=0, owner=owner))
    ruling = AccessService(books.database, FakeClock(NOW))
    assert (await asking.spend("T1", "7d #core")).total_nano_usd == 8 * USD
    await ruling.set_team("T1", "core", TeamAccess(managers=("U0BOSS",), members=("U0ANN1",)))

    found = await asking.spend("T1", "7d #core by key")
    assert {line.key.id for line in found.lines if line.key} == {"for-all", "anns"}
    assert found.total_nano_usd == 10 * USD
    assert found.query.filters == (("owner", "team:core"),)
    assert (await asking.spend("T1", "7d owner:team:core")).total_nano_usd == 8 * USD
    boss = Viewer("U0BOSS", "manager", frozenset({"U0BOSS", "team:core", "U0ANN1"}))
    assert (await asking.spend("T1", "7d #core", me="U0BOSS", viewer=boss)).total_nano_usd == 10 * USD
    await ruling.set_team("T1", "core", TeamAccess(members=("U0ANN1", "U0BEN1")))
    for member in ("U0ANN1", "U0ANN2"):  # of whom one would see her own part of it, and take that for the whole
        with pytest.raises(NotAllowedError):
            await asking.spend("T1", "7d #core", me=member, viewer=Viewer(member, "member", frozenset({member})))


async def test_a_team_without_anybody_and_without_keys_is_said_to_have_none(asking: SpendService) -> None:
    found = await asking.spend("T1", "7d team:nobody")

    assert [(one.dimension, one.pattern) for one in found.unknown] == [("owner", "team:nobody")]
