"""The Home tab, and a workspace that throws the app out."""

import pytest

from outlay.slack.protocols import ConnectionSummary
from tests.slack.fake_digests_budgets import care, connection, month
from tests.slack.fakes import incident
from tests.slack.home.test_blocks import TROUBLED
from tests.workspace import ALICE, BEN, GUEST, Workspace


@pytest.fixture
def unconnected(slack: Workspace) -> Workspace:
    """A workspace in which no ledger is connected yet."""
    slack.bot.homes.month = month(fresh_until={})
    slack.bot.homes.services = care(connections=())
    return slack


async def test_an_admin_sees_the_first_step_and_takes_it(unconnected: Workspace) -> None:
    home = await unconnected.home(user=ALICE)

    assert "never sees a prompt" in home.words
    reply = await home.click("connect:open")
    assert reply.modal is not None
    assert reply.modal.title == "Connect a Ledger"


async def test_a_member_sees_their_month_and_how_to_ask_and_nothing_of_the_house(slack: Workspace) -> None:
    slack.bot.homes.services = care(connections=(connection(state="needs_reauth"),))

    home = await slack.home(user=BEN)

    assert slack.bot.homes.asked == [BEN]
    assert "$412.30 so far" in home.words
    assert "/spend 7d by model" in home.words
    assert "needs a new credential" not in home.words
    assert "connect:" not in str(home.view)


@pytest.mark.parametrize(
    ("button", "title"),
    [("connect:reconnect", "New Credential"), ("owners:open", "Who Answers for It?"), ("alerts:open", "Alerts"),
     ("digest:open", "Digests"), ("budget:add", "Budget")],
)  # fmt: skip
async def test_every_step_opens_what_takes_it(slack: Workspace, button: str, title: str) -> None:
    slack.bot.connecting.existing = [ConnectionSummary("con_2", "bills", "openrouter", "OpenRouter", "needs_reauth")]
    slack.bot.homes.services = TROUBLED

    reply = await (await slack.home(user=ALICE)).click(button)

    assert reply.modal is not None, reply.text
    assert title in reply.modal.title


async def test_a_guest_sees_nothing_of_it(slack: Workspace) -> None:
    home = await slack.home(user=GUEST)

    assert "guests cannot ask" in home.words
    assert "$" not in home.words
    assert slack.bot.homes.asked == []


async def test_a_workspace_that_does_not_know_the_new_table_gets_an_older_one(slack: Workspace) -> None:
    slack.faults.forget_blocks("data_table")

    home = await slack.home(user=BEN)

    assert "table" in {block["type"] for block in home.view["blocks"]}
    assert "$300.00" in home.words


async def test_what_was_just_set_up_is_drawn_at_once(slack: Workspace) -> None:
    home = await slack.home(user=ALICE)
    assert "What to do next" not in home.words
    modal = (await slack.command("/spend digest", user=ALICE)).modal
    assert modal is not None
    slack.bot.homes.services = TROUBLED
    await modal.submit({"digest:own": ["day"]})
    await slack.settle()

    assert "What to do next" in home.words, "the tab that stands open is drawn anew"


async def test_the_same_event_again_is_acknowledged_and_dropped(slack: Workspace) -> None:
    fields = {"user": BEN, "channel": "D02BEN", "tab": "home"}

    await slack.event("app_home_opened", event_id="Ev1", **fields)
    again = await slack.event("app_home_opened", event_id="Ev1", retry=1, **fields)

    assert again.acked
    assert len(slack.calls("views.publish")) == 1


async def test_a_workspace_that_removes_the_app_is_told_on(slack: Workspace) -> None:
    await slack.event("tokens_revoked", tokens={"oauth": ["U1"], "bot": []})
    assert slack.bot.removed == []
    await slack.event("tokens_revoked", tokens={"bot": ["U00OUTLAY"]})
    await slack.event("app_uninstalled")

    assert slack.bot.removed == [(slack.world.team_id, False), (slack.world.team_id, True)]


async def test_open_incidents_are_shown_all_to_an_admin_and_their_own_to_a_member(slack: Workspace) -> None:
    slack.bot.desk.found = {7: incident(), 8: incident(8, subject=BEN, name="Ben", kind="person")}

    admins, bens = await slack.home(user=ALICE), await slack.home(user=BEN)

    assert "2 incidents open" in admins.words
    assert "1 incident open" in bens.words
    assert "ci: $83.00" not in bens.words
    shown = (await bens.click("alerts:show")).modal
    assert shown is not None
    assert shown.title == "Incident"
    await shown.close()
    overview = (await admins.click("alerts:open")).modal
    assert overview is not None
    assert overview.title == "Alerts"
