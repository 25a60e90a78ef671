"""People press the buttons of an incident in the test workspace: each deed, its refusals, and the form of Expected."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outlay.fakes.slack.workspace import FakeMessage
from outlay.slack.incidents import blocks
from outlay.slack.incidents.actions import snoozed_until
from tests.slack.fakes import incident
from tests.workspace import BEN, GENERAL, GUEST, Modal, Workspace


def posted(slack: Workspace, **more: Any) -> FakeMessage:
    """The message of an incident, as the delivery posts it."""
    view = incident(**more)
    slack.bot.desk.found[view.number] = view
    for member in view.members:
        slack.bot.desk.found[member.number] = member
    said = blocks.message(view, slack.world.clock.now())
    return slack.world.post(GENERAL, said.text, said.forms[0][1])


async def expected(slack: Workspace, message: FakeMessage) -> Modal:
    modal = (await slack.click(message, "alerts:expect", user=BEN)).modal
    assert modal is not None
    assert modal.title == "Was This Expected?"
    return modal


async def test_a_member_acknowledges_and_takes_it_back(slack: Workspace) -> None:
    message = posted(slack)

    await slack.click(message, "alerts:acknowledge", user=BEN)
    assert slack.bot.desk.found[7].state == "acknowledged"
    message.blocks = blocks.message(slack.bot.desk.found[7], slack.world.clock.now()).forms[0][1]
    await slack.click(message, "alerts:undo", user=BEN)

    assert [said[:3] for said in slack.bot.desk.said] == [("acknowledge", 7, BEN), ("undo", 7, BEN)]


@pytest.mark.parametrize(
    ("choice", "hours"), [("1 hour", (1, 1)), ("4 hours", (4, 4)), ("Until tomorrow morning", (9, 33))]
)
async def test_a_snooze_has_an_end(slack: Workspace, choice: str, hours: tuple[int, int]) -> None:
    before = slack.world.clock.now()
    await slack.choose(posted(slack), "alerts:snooze", choice, user=BEN)

    ((deed, number, who, until),) = slack.bot.desk.said
    assert (deed, number, who) == ("snooze", 7, BEN)
    assert hours[0] <= round((until - before).total_seconds() / 3600, 1) <= hours[1]


def test_tomorrow_morning_is_the_workspaces() -> None:
    from zoneinfo import ZoneInfo

    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # already the 22nd in Berlin
    assert snoozed_until("morning", late, ZoneInfo("Europe/Berlin")) == datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize("action", ["acknowledge", "expect", "look"])
async def test_guests_press_nothing(slack: Workspace, action: str) -> None:
    reply = await slack.click(posted(slack), f"alerts:{action}", user=GUEST)

    assert "for members of this workspace" in reply.text
    assert reply.modal is None
    assert slack.bot.desk.said == []


async def test_what_was_done_already_is_told_with_who_did_it(slack: Workspace) -> None:
    message = posted(slack)
    await slack.click(message, "alerts:acknowledge", user=BEN)

    reply = await slack.click(message, "alerts:acknowledge", user="U03CHIARA")

    assert reply.ephemeral
    assert "It is acknowledged already" in reply.text
    assert "Acknowledged by" in reply.text
    assert BEN in reply.text


async def test_a_button_of_an_incident_that_nobody_knows_says_so(slack: Workspace) -> None:
    message = posted(slack)
    slack.bot.desk.found.clear()

    reply = await slack.click(message, "alerts:acknowledge", user=BEN)

    assert reply.ephemeral
    assert "not in the books" in reply.text


async def test_the_figures_come_as_an_answer_of_spend_for_the_asker_alone(slack: Workspace) -> None:
    reply = await slack.click(posted(slack), "alerts:look", user=BEN)

    assert reply.ephemeral
    ((_, asked, me),) = slack.bot.asking.asked
    assert asked.endswith("owner:agent:ci by hour")
    assert me == BEN


async def test_filing_names_who_asked_and_is_refused_without_a_tracker(slack: Workspace) -> None:
    await slack.click(posted(slack, sinks=1, unfiled=((2, "tickets"),)), "alerts:file", user=BEN)
    several = posted(slack, sinks=2, unfiled=((2, "tickets"), (3, "board")))
    await slack.choose(several, "alerts:file", "board", user=BEN)
    await slack.choose(several, "alerts:file", "All of them", user=BEN)
    asked = [("file", 7, BEN, "ben", places) for places in ([2], [3], None)]
    assert slack.bot.desk.said == asked

    message = posted(slack, sinks=1, unfiled=((2, "tickets"),))
    slack.bot.desk.found[7] = incident(sinks=0)
    reply = await slack.click(message, "alerts:file", user=BEN)
    assert "No issue tracker is connected" in reply.text


@pytest.mark.parametrize(
    ("filled", "only_key", "below", "days"),
    [
        ({"alerts:how": "once"}, False, None, 1),
        ({"alerts:how": "key"}, True, None, 31),
        ({"alerts:how": "owner"}, False, None, 31),
        ({"alerts:how": "raise", "alerts:day_usd": "99.5"}, False, 99_500_000_000, None),
    ],
)
async def test_expected_says_until_when_of_what_and_up_to_how_much(
    slack: Workspace, filled: dict[str, str], only_key: bool, below: int | None, days: int | None
) -> None:
    modal = await expected(slack, posted(slack))

    await modal.submit({"alerts:reason": "the nightly  batch", **filled})

    ((deed, number, who, reason, until, of_key, up_to),) = slack.bot.desk.said
    assert (deed, number, who, reason) == ("expect", 7, BEN, "the nightly batch")
    assert (of_key, up_to) == (only_key, below)
    midnight = slack.world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert until == (None if days is None else midnight + timedelta(days=days))
    assert modal.closed


async def test_nothing_is_said_there_too(slack: Workspace) -> None:
    modal = await expected(slack, posted(slack))
    await modal.submit({"alerts:reason": "a test", "alerts:how": "nothing"})
    assert slack.bot.desk.said[0][0] == "dismiss"


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"alerts:reason": "   "}, "alerts:reason"),
        ({"alerts:how": "key", "alerts:until": None}, "alerts:until"),
        ({"alerts:how": "owner", "alerts:until": "2020-01-01"}, "alerts:until"),
        ({"alerts:how": "owner", "alerts:until": "2090-01-01"}, "alerts:until"),
        ({"alerts:how": "raise", "alerts:day_usd": None}, "alerts:day_usd"),
        ({"alerts:how": "raise", "alerts:day_usd": "0"}, "alerts:day_usd"),
    ],
)
async def test_what_is_missing_or_wrong_is_told_on_its_field(
    slack: Workspace, filled: dict[str, Any], field: str
) -> None:
    modal = await expected(slack, posted(slack))

    reply = await modal.submit({"alerts:reason": "batch", **filled})

    assert list(reply.errors) == [field]
    assert slack.bot.desk.said == []


async def test_submitting_twice_does_no_harm(slack: Workspace) -> None:
    modal = await expected(slack, posted(slack))
    await slack.bot.desk.expect("T1", 7, who=BEN, reason="batch", until=None)

    reply = await modal.submit({"alerts:reason": "batch"})

    assert [said[0] for said in slack.bot.desk.said] == ["expect"]
    assert reply.closed


async def test_what_is_over_meanwhile_cannot_be_expected_any_more(slack: Workspace) -> None:
    modal = await expected(slack, posted(slack))
    await slack.bot.desk.do("T1", 7, "resolve", who="")

    await modal.submit({"alerts:reason": "batch"})

    assert "It is over already" in modal.words


async def test_one_of_many_is_opened_and_handled_in_a_modal(slack: Workspace) -> None:
    members = tuple(incident(number, name=f"dev-{number}") for number in range(1, 9))
    message = posted(slack, number=1, members=members)

    modal = (await slack.choose(message, "alerts:pick", "3", user=BEN)).modal
    assert modal is not None
    assert "dev-3" in modal.words
    await modal.click("alerts:acknowledge")
    assert "Acknowledged by @ben" in modal.words
    pushed = (await modal.click("alerts:expect")).modal
    assert pushed is not None
    await pushed.submit({"alerts:reason": "release day"})
    assert "Marked as expected by @ben" in modal.words
    looked = (await modal.click("alerts:look")).modal
    assert looked is not None
    assert "$412" in looked.words
    assert slack.bot.desk.found[3].state == "expected"
