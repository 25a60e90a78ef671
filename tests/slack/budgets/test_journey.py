"""Budgets in the test workspace: listed in words for everybody, set, changed and removed by admins in a form."""

from typing import Any

import pytest

from outlay.budgets.budget import FORECAST, Budget
from outlay.budgets.service import BudgetError, BudgetSubjects
from outlay.core.owner import Owner
from outlay.slack.budgets import blocks, form, wording
from tests.slack.fake_digests_budgets import DOLLAR, standing
from tests.slack.snapshots import same_message, same_view
from tests.slack.validity import assert_message, assert_view
from tests.workspace import ALICE, BEN, FINANCE, GUEST, Modal, Workspace

OWNED = {"scope": "owner", "subject": "agent:ci", "name": "ci"}


async def opened(slack: Workspace, action: str = "budget:add", **which: str) -> Modal:
    modal = (await (await slack.command("/spend budget", user=ALICE)).click(action, **which)).modal
    assert modal is not None
    return modal


async def test_everybody_sees_them_in_words_the_nearest_to_its_limit_first(slack: Workspace) -> None:
    slack.bot.budgets.found = [standing(), standing(590, 600, 700, id=4, **OWNED)]

    reply = await slack.command("/spend budget", user=BEN)

    assert reply.ephemeral
    assert "Everybody, a month: $412.00 of $600.00, 69 %, day 21 of 30, likely $590.00" in reply.words
    assert reply.words.index("agent ci") < reply.words.index("Everybody")
    assert reply.text.startswith("2 budgets. Nearest to its limit: agent ci")
    assert "stops nothing" in reply.words
    assert "Change" not in reply.words


async def test_an_admin_adds_one(slack: Workspace) -> None:
    modal = await opened(slack)
    await modal.choose("budget:scope", "owner")

    await modal.submit(
        {"budget:owner": "U02BEN", "budget:limit": "$1,240.50", "budget:period": "week",
         "budget:shares": "100, 50 80", "budget:channel": FINANCE}
    )  # fmt: skip

    assert slack.bot.budgets.kept == [
        Budget(0, "owner", "U02BEN", "week", 1_240_500_000_000, "Ben", (50, 80, 100), True, FINANCE)
    ]
    assert "Saved" in modal.words
    assert "$1,241 a week" in modal.words


async def test_an_admin_changes_and_removes_one(slack: Workspace) -> None:
    slack.bot.budgets.found = [standing(id=4, **OWNED)]
    modal = await opened(slack, "budget:change")
    await modal.submit({"budget:limit": "700", "budget:forecast": []})
    (kept,) = slack.bot.budgets.kept
    assert (kept.id, kept.subject, kept.limit_nano_usd, kept.on_forecast) == (4, "agent:ci", 700 * DOLLAR, False)

    modal = await opened(slack, "budget:change")
    await modal.click("budget:remove")
    assert slack.bot.budgets.found == []
    assert "Removed." in modal.words


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"budget:limit": "much"}, "budget:limit"),
        ({"budget:limit": "0"}, "budget:limit"),
        ({"budget:limit": "1e9"}, "budget:limit"),
        ({"budget:limit": "-5"}, "budget:limit"),
        ({"budget:limit": "6", "budget:shares": "eighty"}, "budget:shares"),
        ({"budget:limit": "6", "budget:shares": "1 2 3 4 5 6"}, "budget:shares"),
    ],
)
async def test_what_is_wrong_is_told_on_its_field(slack: Workspace, filled: dict[str, Any], field: str) -> None:
    reply = await (await opened(slack)).submit(filled)
    assert list(reply.errors) == [field]
    assert slack.bot.budgets.kept == []


@pytest.mark.parametrize(
    ("scope", "field", "value"),
    [
        ("owner", "budget:owner", "agent:ci"),
        ("model", "budget:model", "*claude*"),
        ("ledger", "budget:ledger", "openrouter"),
    ],
)
async def test_the_form_asks_for_which_one_of_what_was_chosen_alone(
    slack: Workspace, scope: str, field: str, value: str
) -> None:
    modal = await opened(slack)
    fields = {"budget:owner", "budget:model", "budget:ledger"}
    assert not fields & set(inputs(modal))
    await modal.choose("budget:scope", scope)
    assert fields & set(inputs(modal)) == {field}
    assert list((await modal.submit({"budget:limit": "6"})).errors) == [field]
    await modal.submit({field: value})
    (kept,) = slack.bot.budgets.kept
    assert (kept.scope, kept.subject, kept.limit_nano_usd) == (scope, value, 6 * DOLLAR), "what was typed stays"


async def test_where_there_is_nobody_to_choose_it_says_the_step_before(slack: Workspace) -> None:
    slack.bot.budgets.known = BudgetSubjects((), ())
    modal = await opened(slack)
    for scope, step in (("owner", "/spend owners"), ("ledger", "/spend connect")):
        await modal.choose("budget:scope", scope)
        assert step in modal.words
        assert list((await modal.submit({"budget:limit": "6"})).errors) == ["budget:scope"]
    assert slack.bot.budgets.kept == []


def inputs(modal: Modal) -> list[str]:
    """The fields of a form."""
    return [block["block_id"] for block in modal.blocks if block["type"] == "input"]


async def test_what_the_books_refuse_lands_on_a_field(slack: Workspace) -> None:
    slack.bot.budgets.error = BudgetError("scope", "There is a budget for that and that period already.")
    reply = await (await opened(slack)).submit({"budget:limit": "600"})
    assert reply.errors == {"budget:scope": "There is a budget for that and that period already."}


async def test_only_admins_press_and_submit_and_guests_see_nothing(slack: Workspace) -> None:
    slack.bot.budgets.found = [standing()]
    assert "members of this workspace" in (await slack.command("/spend budget", user=GUEST)).text
    modal = await opened(slack)
    await slack.submit(modal, {"budget:limit": "600"}, user=BEN)
    assert slack.bot.budgets.kept == []
    modal = await opened(slack, "budget:change")
    await modal.click("budget:remove", user=BEN)
    assert len(slack.bot.budgets.found) == 1


async def test_one_that_is_gone_meanwhile_is_told(slack: Workspace) -> None:
    slack.bot.budgets.found = [standing()]
    reply = await slack.command("/spend budget", user=ALICE)
    slack.bot.budgets.found = []
    assert "somebody has removed it" in (await reply.click("budget:change")).text
    slack.bot.budgets.found = [standing()]
    modal = await opened(slack, "budget:change")
    slack.bot.budgets.found = []
    await modal.choose("budget:scope", "model")
    assert "somebody has removed it" in modal.words


@pytest.mark.parametrize(
    ("spent", "likely", "mark", "said"),
    [
        (490, 590, 80, "The budget of *everybody* is spent to 82 %: $490.00 of $600.00 this month. The forecast says"),
        (612, 800, 100, "The budget of *everybody* is spent: $612.00 of $600.00 this month (102 %)."),
        (300, 700, FORECAST, "The budget of *everybody* will not last: $300.00 of $600.00 are spent this month, and"),
    ],
)
def test_news_of_one_is_a_sentence_with_the_number(spent: int, likely: int, mark: int, said: str) -> None:
    message = blocks.alert_message(standing(spent, 600, likely), mark)
    assert wording.alert_sentence(standing(spent, 600, likely), mark).startswith(said)
    assert f"${spent}.00" in message.text
    assert_message(message)


def test_all_views_are_what_slack_takes_and_no_name_does_anything() -> None:
    from tests.slack.fake_digests_budgets import FakeBudgets

    evil = standing(id=5, scope="model", subject="<!channel>*x*", likely=None)
    assert_message(blocks.list_message([standing(), evil], is_admin=True))
    assert_message(blocks.list_message([], is_admin=True))
    assert_message(blocks.list_message([standing(id=n) for n in range(200)], is_admin=True))
    assert_message(blocks.alert_message(evil, 80))
    for budget in (None, evil.budget, standing(id=4, **OWNED).budget):
        assert_view(form.view(FakeBudgets().known, budget))
    assert_view(form.saved(evil.budget))


def test_a_bar_is_full_when_the_limit_is_reached_and_never_fuller() -> None:
    assert [wording.bar(standing(spent)) for spent in (0, 300, 599, 600, 9_000)] == [
        "░" * 10, "█" * 5 + "░" * 5, "█" * 9 + "░", "█" * 10, "█" * 10,
    ]  # fmt: skip


async def test_an_old_button_a_second_press_and_a_second_submission_change_nothing_more(slack: Workspace) -> None:
    slack.bot.budgets.found = [standing(id=4, **OWNED)]
    modal = await opened(slack, "budget:change")
    await modal.click("budget:remove")
    listed = await slack.command("/spend budget", user=ALICE)
    assert "There is no budget yet" in listed.words
    slack.bot.budgets.error = BudgetError("scope", "That budget is gone; somebody has removed it.")
    slack.bot.budgets.found = [standing(id=4, **OWNED)]
    late = await opened(slack, "budget:change")
    assert (await late.submit({"budget:limit": "700"})).errors == {
        "budget:scope": "That budget is gone; somebody has removed it."
    }
    assert slack.bot.budgets.kept == []


def test_each_view_is_as_it_was() -> None:
    two = [standing(), standing(590, 600, 700, id=4, **OWNED), standing(20, 600, None, id=5, period="week")]
    same_message("budget_none_admin", blocks.list_message([], is_admin=True))
    same_message("budget_list_admin", blocks.list_message(two, is_admin=True))
    same_message("budget_list_member", blocks.list_message(two, is_admin=False))
    same_message("budget_news_share", blocks.alert_message(standing(490), 80))
    same_message("budget_news_forecast", blocks.alert_message(standing(300, 600, 700), FORECAST))
    known = BudgetSubjects((Owner("U02BEN", "Ben", "person"), Owner("team:web", "web", "team")), ("openrouter",))
    for name, budget in (
        ("budget_form_new", None),
        ("budget_form_team", Budget(3, "owner", "team:web", "month", DOLLAR)),
    ):
        assert_view(view := form.view(known, budget))
        same_view(name, view)


def test_a_team_that_has_no_key_any_more_stays_in_its_budgets_form_and_says_what_it_is() -> None:
    nobody = BudgetSubjects((), ())
    budget = Budget(3, "owner", "team:web", "month", DOLLAR, name="web")
    view = form.view(nobody, budget)
    assert "web" in str(view["blocks"])
    assert "team:web" in str(view["blocks"])
    assert wording.subject(budget) == "team web"
    assert wording.standing_line(standing(0, 600, None, scope="owner", subject="team:web", name="web")).startswith(
        "*team web*, a month: $0 of $600.00, 0 %"
    )
