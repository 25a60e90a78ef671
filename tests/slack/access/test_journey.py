"""An admin says in Slack who sees whom, who else is an admin and who belongs to which team; nobody else gets there."""

import json
from dataclasses import replace

import pytest

from outlay.access.policy import AccessSettings, TeamAccess
from tests.workspace import ALICE, BEN, CHIARA, GUEST, Modal, Workspace


async def opened(slack: Workspace) -> Modal:
    modal = (await slack.command("/spend settings", user=ALICE)).modal
    assert modal is not None
    return modal


async def test_an_admin_chooses_who_sees_whom_and_who_else_is_an_admin(slack: Workspace) -> None:
    modal = await opened(slack)
    assert "Teams: none yet" in modal.words

    done = await modal.submit({"Who sees whose figures?": "People see themselves and the totals", "Admins": [BEN]})

    assert slack.bot.ruling.found == AccessSettings(False, (BEN,), {})
    assert done.modal is not None
    assert "People see themselves and the totals." in done.modal.words
    again = await opened(slack)
    saved = await again.submit({})
    assert slack.bot.ruling.found == AccessSettings(False, (BEN,), {})  # what was chosen stands in the form
    assert saved.modal is not None


async def test_a_team_is_added_and_changed_over_the_form(slack: Workspace) -> None:
    modal = await opened(slack)
    pushed = (await modal.click("settings:add_team")).modal
    assert pushed is not None
    await pushed.submit({"What is the team called?": " core  *team* ", "Who manages it?": [BEN]})
    assert slack.bot.ruling.found.teams == {"core *team*": TeamAccess((BEN,), ())}

    modal = await opened(slack)
    assert ": managed by @ben, of nobody" in modal.words  # a name formats nothing
    change = (await modal.click("settings:change_team")).modal
    assert change is not None
    await change.submit({"Who belongs to it?": [CHIARA]})
    assert slack.bot.ruling.found.teams == {"core *team*": TeamAccess((BEN,), (CHIARA,))}


@pytest.mark.parametrize("user", [BEN, GUEST])
async def test_nobody_else_gets_the_form_or_saves_one(slack: Workspace, user: str) -> None:
    reply = await slack.command("/spend settings", user=user)
    assert reply.modal is None
    assert "workspace admins and owners" in reply.words

    modal = await opened(slack)
    slack.world.people[ALICE] = replace(slack.world.people[ALICE], is_admin=False, is_owner=False)
    slack.bot.people.forget(slack.world.team_id)
    done = await modal.submit({"Admins": [user]})
    assert done.modal is not None
    assert "workspace admins and owners" in done.modal.words
    assert slack.bot.ruling.found == AccessSettings(teams={})


async def test_every_view_is_one_that_slack_takes(slack: Workspace) -> None:
    many = {f"team {number}": TeamAccess((BEN,) * 1, (CHIARA,)) for number in range(30)}
    slack.bot.ruling.found = AccessSettings(False, (BEN, CHIARA), many)
    modal = await opened(slack)  # the stand-in refuses what Slack would
    assert "and 10 more" in modal.words
    assert json.dumps(modal.view).count("settings:change_team") == 20
