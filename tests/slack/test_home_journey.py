"""The Home tab, and a workspace that throws the app out."""

from bot.slack.ports import Existing
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
