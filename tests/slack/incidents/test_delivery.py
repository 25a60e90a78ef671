"""One living message an incident: posted once, edited in place, found again, and somewhere rather than nowhere."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from outlay.core.clock import FakeClock
from outlay.delivery.worker import UndeliverableError
from outlay.fakes.http_server import serving
from outlay.fakes.slack.server import SCOPES, FakeSlack
from outlay.fakes.slack.workspace import FakeMessage as Posted
from outlay.incidents.alert_settings import AlertSettings
from outlay.incidents.store import DIRECT, SHOW, THREAD
from outlay.outbox import OutboxMessage
from outlay.plugin.errors import RateLimited
from outlay.slack.client import web_client
from outlay.slack.incidents.delivery import IncidentSender
from outlay.slack.message_poster import Poster
from tests.slack.fakes import DOLLAR, NOW, FakeDesk, incident
from tests.workspace import FINANCE, GENERAL, RANDOM, a_world

LOG = logging.getLogger("outlay.slack")


class PlacingDesk(FakeDesk):
    """Remembers where the message is. `dies`: the process is killed just before that is noted."""

    dies = False

    async def place(self, workspace_id: str, number: int, channel: str, ts: str) -> None:
        if self.dies:
            raise ConnectionAbortedError("killed")
        self.found[number] = replace(self.found[number], channel=channel, ts=ts)


class Office:
    """A Slack, the desk, and the delivery between them."""

    def __init__(self, slack: FakeSlack) -> None:
        self.slack = slack
        self.clock = FakeClock(NOW)
        self.nobody_else = False
        self.desk = PlacingDesk(incident())
        client = web_client(slack.bot_token, slack.api_url, LOG)
        self.alerts = IncidentSender(client, self.desk, Poster(self.clock, LOG), self.clock, self._somewhere)  # type: ignore[arg-type]

    async def _somewhere(self) -> str:
        if self.nobody_else:
            raise UndeliverableError("Slack names no admin")
        return GENERAL

    async def open_modal(self, *, attempts: int = 1) -> None:
        await self.alerts.deliver(OutboxMessage(1, "T1", SHOW, {"incident": 7}, attempts, 1))

    async def reply(self, what: str, **more: Any) -> None:
        await self.alerts.deliver(OutboxMessage(2, "T1", THREAD, {"incident": 7, "what": what, **more}, 1, 1))

    def become(self, **more: Any) -> None:
        self.desk.found[7] = replace(self.desk.found[7], **more)

    def posted(self, channel: str = GENERAL) -> list[Posted]:
        return [one for one in self.slack.world.messages.values() if one.channel == channel and not one.deleted]


Open = Callable[..., AbstractAsyncContextManager[Office]]


@asynccontextmanager
async def opened(*without: str) -> AsyncIterator[Office]:
    slack = FakeSlack(a_world(), scopes=[scope for scope in SCOPES if scope not in without])
    async with serving(slack.app) as base_url:
        slack.base_url = base_url
        office = Office(slack)
        office.slack.world.clock = office.clock
        yield office


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with opened() as found:
        yield found


async def test_it_is_posted_once_with_metadata_that_holds_no_amount(office: Office) -> None:
    await office.open_modal()

    (message,) = office.posted()
    assert "$83.00" in message.text
    assert message.metadata == {"event_type": "outlay_incident", "event_payload": {"incident": 7}}
    assert (office.desk.found[7].channel, office.desk.found[7].ts) == (GENERAL, message.ts)


async def test_afterwards_the_same_message_is_edited(office: Office) -> None:
    await office.open_modal()
    office.become(spent_nano_usd=166 * DOLLAR)
    await office.open_modal()

    (message,) = office.posted()
    assert "$166.00" in message.text


async def test_a_message_that_somebody_deleted_is_posted_anew(office: Office) -> None:
    await office.open_modal()
    office.slack.world.delete(office.posted()[0])
    await office.open_modal()

    (message,) = office.posted()
    assert office.desk.found[7].ts == message.ts


async def test_replies_go_under_the_message_and_what_matters_into_the_channel_too(office: Office) -> None:
    await office.open_modal()
    parent = office.posted()[0].ts
    await office.reply("doubled", nano_usd=166 * DOLLAR, aloud=False)
    await office.reply("raised", aloud=True)

    replies = [one for one in office.posted() if one.thread_ts == parent]
    assert [reply.text.split(":")[0] for reply in replies] == ["It has doubled", "This has become urgent"]
    asked = [call.args.get("reply_broadcast") for call in office.slack.journal.of("chat.postMessage")][1:]
    assert [str(one).lower() in ("1", "true") for one in asked] == [False, True]


@pytest.mark.parametrize(("without", "replies"), [((), 1), (("channels:history",), 2)])
async def test_a_reply_of_unknown_outcome_is_looked_for_where_the_scope_was_granted(
    without: tuple[str, ...], replies: int
) -> None:
    async with opened(*without) as office:
        await office.open_modal()
        said = OutboxMessage(2, "T1", THREAD, {"incident": 7, "what": "doubled"}, 1, 1, key="incident:7:7:doubled:1")
        await office.alerts.deliver(said)
        await office.alerts.deliver(replace(said, attempts=2))
        await office.alerts.deliver(replace(said, key="incident:7:7:doubled:2"))

        assert len([one for one in office.posted() if one.thread_ts]) == replies + 1


async def test_nothing_is_replied_to_a_message_that_is_not_there(office: Office) -> None:
    await office.reply("doubled")
    assert office.posted() == []


@pytest.mark.parametrize("killed", ["after the call", "in the midst of it"])
async def test_when_nobody_knows_whether_it_was_posted_it_is_looked_for(office: Office, killed: str) -> None:
    if killed == "after the call":
        office.desk.dies = True
    else:
        office.slack.faults.lose("chat.postMessage", performed=True)
    with pytest.raises((ConnectionAbortedError, OSError, Exception)):
        await office.open_modal()
    office.desk.dies = False
    office.become(spent_nano_usd=100 * DOLLAR)
    await office.open_modal(attempts=2)

    (message,) = office.posted()
    assert "$100.00" in message.text
    assert office.desk.found[7].ts == message.ts


async def test_a_newer_wish_to_show_it_looks_too(office: Office) -> None:
    office.desk.dies = True
    with pytest.raises(ConnectionAbortedError):
        await office.open_modal()
    office.desk.dies = False
    await office.desk.do("T1", 7, "acknowledge", who="U02BEN")
    await office.open_modal(attempts=1)
    assert len(office.posted()) == 1


async def test_without_the_scope_it_is_rather_said_twice_than_lost_and_the_newest_lives_on() -> None:
    async with opened("channels:history", "groups:history", "im:history") as office:
        office.desk.dies = True
        with pytest.raises(ConnectionAbortedError):
            await office.open_modal()
        office.desk.dies = False
        await office.open_modal(attempts=2)
        office.become(spent_nano_usd=100 * DOLLAR)
        await office.open_modal()

        old, new = office.posted()
        assert ("$83.00" in old.text, "$100.00" in new.text) == (True, True)


async def test_another_incidents_message_is_not_taken_for_ours(office: Office) -> None:
    office.desk.found[8] = incident(8)
    await office.alerts.deliver(OutboxMessage(1, "T1", SHOW, {"incident": 8}, 1, 1))
    await office.open_modal(attempts=2)
    assert len(office.posted()) == 2


async def test_where_slack_asks_to_wait_the_outbox_waits(office: Office) -> None:
    office.slack.faults.rate_limit("chat.postMessage", retry_after_seconds=40)
    with pytest.raises(RateLimited) as caught:
        await office.open_modal()
    assert (caught.value.retry_at - NOW).total_seconds() == 40
    await office.open_modal()
    assert len(office.posted()) == 1


async def test_a_server_that_is_broken_is_tried_again(office: Office) -> None:
    office.slack.faults.server_error("chat.postMessage")
    with pytest.raises(SlackApiError):
        await office.open_modal()
    await office.open_modal(attempts=2)
    assert len(office.posted()) == 1


async def test_the_channel_is_the_teams_then_the_workspaces_then_the_settings(office: Office) -> None:
    office.desk.chosen = AlertSettings(channel=RANDOM, team_channels={"agent:ci": FINANCE})
    office.nobody_else = True
    await office.open_modal()
    assert len(office.posted(FINANCE)) == 1


async def test_a_channel_that_does_not_take_it_is_named_where_it_goes_instead(office: Office) -> None:
    office.desk.chosen = AlertSettings(channel="G04BOARD")
    await office.open_modal()

    (message,) = office.posted()
    assert "This belongs in <#G04BOARD>" in str(message.blocks)
    await office.open_modal()
    assert len(office.posted()) == 1


async def test_where_nothing_takes_it_it_is_given_up_and_says_why(office: Office) -> None:
    office.slack.faults.refuse("chat.postMessage", "not_in_channel", times=5)
    with pytest.raises(UndeliverableError, match="not_in_channel"):
        await office.open_modal()


async def test_the_owner_is_told_directly_with_the_way_to_the_message_and_once(office: Office) -> None:
    await office.open_modal()
    told = OutboxMessage(3, "T1", DIRECT, {"incident": 7, "to": "U02BEN"}, 1, 1)
    await office.alerts.deliver(told)
    await office.alerts.deliver(replace(told, attempts=2))

    (message,) = office.posted("D02BEN")
    assert "$83.00" in message.text
    assert f"/p{office.posted()[0].ts.replace('.', '')}|" in str(message.blocks)


async def test_somebody_who_takes_no_direct_messages_is_given_up(office: Office) -> None:
    office.slack.faults.refuse("conversations.open", "user_disabled")
    with pytest.raises(UndeliverableError, match="user_disabled"):
        await office.alerts.deliver(OutboxMessage(3, "T1", DIRECT, {"incident": 7, "to": "U02BEN"}, 1, 1))


async def test_an_incident_that_is_not_there_is_given_up(office: Office) -> None:
    office.desk.found.clear()
    with pytest.raises(UndeliverableError):
        await office.open_modal()
