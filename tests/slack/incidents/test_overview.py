"""`/spend alerts`: what is open and expected, planned work, and what only admins choose."""

from datetime import timedelta
from typing import Any

import pytest

from outlay.connections.views import OwnedKey
from outlay.core.owner import Owner
from outlay.delivery.dead_letters import DeadLetter
from outlay.incidents.alert_settings import SENSITIVITIES, AlertSettings
from outlay.incidents.tables import Expectation
from outlay.slack.incidents.settings_form import MEASURED
from tests.slack.fakes import DOLLAR, NOW, incident
from tests.slack.validity import assert_view
from tests.workspace import ALICE, BEN, FINANCE, GUEST, ROOT, Modal, Workspace

CI = OwnedKey(3, "ci", "sk-3", "main", Owner("agent:ci", "ci", "agent"), 5 * DOLLAR)


def batch(number: int = 1, **more: Any) -> Expectation:
    begins = int(NOW.timestamp())
    found = {"id": number, "workspace_id": "T1", "subject": "agent:ci", "start": begins, "until": begins + 86_400}
    return Expectation(**{**found, "reason": "nightly batch", "who": BEN, "created_at": begins, **more})


async def opened(slack: Workspace, user: str = BEN) -> Modal:
    slack.bot.owning.found = [CI]
    modal = (await slack.command("/spend alerts", user=user)).modal
    assert modal is not None
    assert_view(modal.view)
    return modal


async def form(slack: Workspace, action: str, user: str = ALICE) -> Modal:
    pushed = (await (await opened(slack, user)).click(action)).modal
    assert pushed is not None
    assert_view(pushed.view)
    return pushed


async def test_it_shows_what_is_open_and_opens_it(slack: Workspace) -> None:
    slack.bot.desk.found = {7: incident(), 8: incident(8, name="old", state="resolved", ended_at=NOW)}

    modal = await opened(slack)

    assert "1 incident open" in modal.words
    assert "ci: $83.00 since" in modal.words
    assert "old" not in modal.words
    shown = (await modal.click("alerts:show")).modal
    assert shown is not None
    assert shown.title == "Incident"


async def test_nothing_open_and_nothing_expected_is_said(slack: Workspace) -> None:
    modal = await opened(slack)
    assert "No incident is open." in modal.words
    assert "Nothing is expected." in modal.words


def lost(number: int, **more: Any) -> DeadLetter:
    found: dict[str, Any] = {"to": "tickets", "what": "that it began", "about": "ci", "why": "team: Was it deleted?"}
    return DeadLetter(number, said_at=NOW, **(found | more))


async def test_an_admin_sees_what_was_given_up_and_sends_it_again(slack: Workspace) -> None:
    slack.bot.undelivered.found = [lost(number) for number in range(1, 8)]
    modal = await opened(slack, ALICE)
    assert "7 messages could not be delivered. Mend what they name" in modal.words
    assert "tickets was not told that it began of ci" in modal.words
    assert "and 2 more" in modal.words

    await modal.click("alerts:send_again", value="3")
    assert slack.bot.undelivered.sent == [[3]]
    assert "6 messages could not be delivered" in modal.words
    await modal.click("alerts:send_all_again")
    assert slack.bot.undelivered.sent == [[3], None]
    assert "could not be delivered" not in modal.words


async def test_members_do_not_see_what_was_given_up_and_a_forged_press_sends_nothing(slack: Workspace) -> None:
    slack.bot.undelivered.found = [lost(1)]
    assert "could not be delivered" not in (await opened(slack, BEN)).words
    modal = await opened(slack, ALICE)
    await modal.click("alerts:send_again", value="1", user=BEN)
    assert slack.bot.undelivered.sent == []


@pytest.mark.parametrize("name", ["<!channel> *x*", "](http://evil.example)", "`" * 80])
async def test_what_was_given_up_may_be_called_anything(slack: Workspace, name: str) -> None:
    slack.bot.undelivered.found = [lost(1, to=name, about=name, why=name * 9), lost(2)]
    modal = await opened(slack, ALICE)
    assert "<!channel>" not in str([block["text"]["text"] for block in modal.blocks if block["type"] == "section"])


async def test_a_member_asks_to_be_told_directly_and_stops_it_again(slack: Workspace) -> None:
    await (await opened(slack)).submit({"alerts:direct": ["yes"]})
    assert slack.bot.desk.chosen.direct == {BEN}
    await (await opened(slack)).submit({"alerts:direct": []})
    assert slack.bot.desk.chosen.direct == frozenset()


async def test_what_is_expected_can_be_taken_back(slack: Workspace) -> None:
    slack.bot.desk.plans = [batch(1), batch(2, subject="*", reason="release", below_nano_usd=9 * DOLLAR)]
    modal = await opened(slack)
    assert "ci (all of it) until 22 Nov, says @ben: nightly batch" in modal.words
    assert "everybody (all of it, up to $9.00 a day)" in modal.words

    await modal.click("alerts:take_back", value="1")

    assert slack.bot.desk.said == [("take_back", 1)]
    assert "nightly batch" not in modal.words
    await modal.click("alerts:take_back", value="2")
    assert "Nothing is expected." in modal.words


async def test_what_an_admin_said_without_end_only_an_admin_takes_back(slack: Workspace) -> None:
    slack.bot.desk.plans = [batch(1, until=None, who=ALICE)]
    modal = await opened(slack)
    await modal.click("alerts:take_back", value="1")
    assert "for workspace admins and owners" in modal.words
    assert slack.bot.desk.said == []


async def test_a_member_declares_planned_work_with_an_end(slack: Workspace) -> None:
    pushed = await form(slack, "alerts:plan", BEN)
    today = slack.world.clock.now().date()
    filled = {"alerts:owner": "agent:ci", "alerts:reason": "backfill", "alerts:until": str(today + timedelta(days=2))}

    await pushed.submit(filled)

    ((what, subject, who, reason, start, until),) = slack.bot.desk.said
    assert (what, subject, who, reason) == ("plan", "agent:ci", BEN, "backfill")
    assert (start.date(), until.date()) == (today, today + timedelta(days=3))


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"alerts:until": "2020-01-01"}, "alerts:until"),
        ({"alerts:from": "2090-01-01"}, "alerts:until"),
        ({"alerts:reason": " "}, "alerts:reason"),
        ({"alerts:owner": "*", "alerts:until": None}, "alerts:until"),
    ],
)
async def test_a_plan_that_cannot_be_is_told_on_its_field(slack: Workspace, filled: dict[str, Any], field: str) -> None:
    pushed = await form(slack, "alerts:plan")
    reply = await pushed.submit({"alerts:owner": "agent:ci", "alerts:reason": "x", **filled})
    assert list(reply.errors) == [field]
    assert slack.bot.desk.said == []


async def test_an_admin_opts_an_agent_out(slack: Workspace) -> None:
    pushed = await form(slack, "alerts:plan")
    await pushed.submit({"alerts:owner": "agent:ci", "alerts:reason": "own budget", "alerts:until": None})
    assert slack.bot.desk.said[0][-1] is None


async def test_an_admin_chooses_how_alerts_go(slack: Workspace) -> None:
    pushed = await form(slack, "alerts:settings")

    await pushed.submit(
        {
            "alerts:sensitivity": "calm",
            "alerts:floor_usd": "25.5",
            "alerts:place": FINANCE,
            "alerts:quiet_from": "22",
            "alerts:quiet_to": "7",
        }
    )

    assert slack.bot.desk.chosen == AlertSettings("calm", 25_500_000_000, FINANCE, (22, 7))
    again = await form(slack, "alerts:settings")
    await again.submit({"alerts:quiet_from": "none", "alerts:quiet_to": "none", "alerts:place": None})
    assert slack.bot.desk.chosen == AlertSettings("calm", 25_500_000_000)


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"alerts:quiet_from": "22"}, "alerts:quiet_to"),
        ({"alerts:quiet_to": "22"}, "alerts:quiet_from"),
        ({"alerts:quiet_from": "3", "alerts:quiet_to": "3"}, "alerts:quiet_to"),
        ({"alerts:floor_usd": "0"}, "alerts:floor_usd"),
    ],
)
async def test_settings_that_cannot_be_are_told_on_their_field(
    slack: Workspace, filled: dict[str, str], field: str
) -> None:
    reply = await (await form(slack, "alerts:settings")).submit(filled)
    assert list(reply.errors) == [field]
    assert slack.bot.desk.chosen == AlertSettings()


async def test_a_team_gets_a_channel_of_its_own_and_gives_it_back(slack: Workspace) -> None:
    await (await form(slack, "alerts:channel")).submit({"alerts:owner": "agent:ci", "alerts:place": FINANCE})
    assert slack.bot.desk.chosen.team_channels == {"agent:ci": FINANCE}
    again = await form(slack, "alerts:channel")
    assert "#finance" in again.words
    await again.submit({"alerts:owner": "agent:ci"})
    assert slack.bot.desk.chosen.team_channels == {}


async def test_without_any_owner_the_form_says_what_comes_first(slack: Workspace) -> None:
    modal = (await slack.command("/spend alerts", user=ALICE)).modal
    assert modal is not None
    pushed = (await modal.click("alerts:channel")).modal
    assert pushed is not None
    assert "/spend owners" in pushed.words


async def test_members_do_not_choose_and_guests_see_nothing(slack: Workspace) -> None:
    admins = await opened(slack, ALICE)
    assert "Alert Settings" in admins.words
    await admins.click("alerts:settings", user=BEN)
    assert "for workspace admins and owners" in admins.words
    assert "Alert Settings" not in (await opened(slack, BEN)).words
    assert "for members" in (await slack.command("/spend alerts", user=GUEST)).text
    pushed = await form(slack, "alerts:settings")
    await slack.submit(pushed, {"alerts:floor_usd": "1"}, user=BEN)
    assert slack.bot.desk.chosen == AlertSettings()


def test_what_a_sensitivity_means_is_what_was_measured() -> None:
    table = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")

    assert tuple(MEASURED) == SENSITIVITIES
    for name, (false, told) in MEASURED.items():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
        _, _, both, _, at_all = [cell.strip() for cell in row.strip("|").split("|")]
        assert f"({false}" in both
        assert f"({told / 100:.2f}" in at_all
