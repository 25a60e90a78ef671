"""The Home tab, and a workspace that throws the app out."""

from bot.slack.ports import Existing
from tests.slack.fakes import incident
from tests.workspace import ALICE, BEN, GUEST, Workspace


async def test_an_admin_sees_the_first_step_and_takes_it(slack: Workspace) -> None:
    home = await slack.home(user=ALICE)

    assert "never sees a prompt" in home.words
    reply = await home.click("connect:open")
    assert reply.modal is not None
    assert reply.modal.title == "Connect a Ledger"


async def test_a_member_sees_what_is_connected_and_how_to_ask(slack: Workspace) -> None:
    slack.bot.connecting.existing = [Existing("c1", "main", "openrouter", "OpenRouter", "needs_reauth")]

    home = await slack.home(user=BEN)

    assert "needs a new credential" in home.words
    assert "/spend 7d by model" in home.words
    assert "connect:open" not in str(home.view)


async def test_a_guest_sees_nothing_of_it(slack: Workspace) -> None:
    slack.bot.connecting.existing = [Existing("c1", "main", "openrouter", "OpenRouter")]

    home = await slack.home(user=GUEST)

    assert "guests cannot ask" in home.words
    assert "main" not in home.words


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

    assert slack.bot.removed == [slack.world.team_id] * 2


async def test_open_incidents_are_shown_all_to_an_admin_and_their_own_to_a_member(slack: Workspace) -> None:
    slack.bot.connecting.existing = [Existing("c1", "main", "openrouter", "OpenRouter")]
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
