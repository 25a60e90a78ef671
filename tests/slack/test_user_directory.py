"""Who may do what: asked of Slack, remembered for a minute, and no when in doubt."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outlay.core.clock import FakeClock
from outlay.fakes.http_server import serving
from outlay.fakes.slack.server import FakeSlack
from outlay.slack import user_directory
from outlay.slack.client import one_workspace, web_client
from outlay.slack.user_directory import SlackUserDirectory
from tests.workspace import ALICE, BEN, CHIARA, GONE, GUEST, a_world

LOG = logging.getLogger("outlay.slack")


class House:
    """A Slack, and the people asked of it."""

    def __init__(self, slack: FakeSlack) -> None:
        self.slack = slack
        self.team = slack.world.team_id
        self.clock = FakeClock(datetime(2026, 11, 21, tzinfo=UTC))
        self.people = SlackUserDirectory(
            one_workspace(slack.bot_token, self.team),
            lambda token: web_client(token, slack.api_url, LOG),
            self.clock,
            LOG,
            admins=(CHIARA, GUEST),
        )

    @property
    def asked(self) -> int:
        return len(self.slack.journal.of("users.info"))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    slack = FakeSlack(a_world())
    async with serving(slack.app) as url:
        slack.base_url = url
        yield House(slack)


async def test_admins_are_slacks_own_and_those_named_in_the_settings(house: House) -> None:
    found = {user: await house.people.is_admin(house.team, user) for user in (ALICE, BEN, CHIARA, GUEST, GONE, "U404")}

    assert found == {ALICE: True, BEN: False, CHIARA: True, GUEST: False, GONE: False, "U404": False}


async def test_guests_the_deactivated_and_strangers_are_guests(house: House) -> None:
    found = {user: await house.people.is_guest(house.team, user) for user in (ALICE, BEN, GUEST, GONE, "U404")}

    assert found == {ALICE: False, BEN: False, GUEST: True, GONE: True, "U404": True}


async def test_an_answer_holds_for_a_minute_and_for_a_submission_five_seconds(house: House) -> None:
    await house.people.is_admin(house.team, ALICE)
    house.slack.world.change_person(ALICE, is_admin=False, is_owner=False)

    house.clock.advance(timedelta(seconds=6))
    assert await house.people.is_admin(house.team, ALICE)
    assert house.asked == 1
    assert not await house.people.is_admin(house.team, ALICE, fresh=True)
    assert house.asked == 2

    house.slack.world.change_person(ALICE, is_admin=True)
    house.clock.advance(timedelta(seconds=61))
    assert await house.people.is_admin(house.team, ALICE)


async def test_when_slack_cannot_be_asked_nobody_is_admin_and_all_are_guests(house: House) -> None:
    house.slack.faults.server_error("users.info", times=4)

    assert not await house.people.is_admin(house.team, ALICE)
    assert await house.people.is_guest(house.team, ALICE)
    assert await house.people.is_admin("T0OTHER", ALICE) is False


async def test_a_slack_that_hangs_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_directory, "ASK_SECONDS", 0.05)
    house.slack.faults.hang("users.info")

    assert not await house.people.is_admin(house.team, ALICE)
    house.slack.faults.release()


async def test_only_so_many_are_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_directory, "REMEMBERED_MAX", 1)
    for user in (ALICE, BEN, ALICE):
        await house.people.is_guest(house.team, user)

    assert house.asked == 3


@pytest.mark.parametrize(
    ("user", "guest"),
    [
        ({"team_id": "T1"}, False),
        ({"team_id": "T2"}, True),
        ({"team_id": "E1", "enterprise_user": {"teams": ["T1"]}}, False),
        ({"is_stranger": True}, True),
        ({"is_ultra_restricted": True}, True),
        ({"is_bot": True}, True),
    ],
)
def test_people_of_other_workspaces_are_guests(user: dict[str, Any], guest: bool) -> None:
    assert user_directory._person(user, "T1").is_guest is guest
