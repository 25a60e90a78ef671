"""An incident through the whole house: an agent runs away at the ledger, and people see it, handle it, and see it end.

One incident is one message, whatever the weather and however often the bot starts anew.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from outlay.fakes.company.company import Company
from outlay.fakes.slack.workspace import FakeMessage
from tests.journeys.conftest import Open
from tests.journeys.running_bot import BRUNO, DANA, NOW, House
from tests.workspace import ALICE, GENERAL, GUEST

USD_PER_HOUR = 240
WHO = "agent-triage"
SETTINGS = {"OUTLAY_ALERT_CHANNEL": GENERAL, "OUTLAY_RECOVERY_MINUTES": "15"}


@pytest.fixture
async def home(open_connected: Open) -> AsyncIterator[House]:
    """A house whose bot has looked around once; its company is its own, so that somebody may run away in it."""
    async with open_connected(company=Company(now=NOW, days=1), **SETTINGS) as found:
        await found.later(minutes=5)
        assert posts(found) == []
        yield found


def run_away(home: House, *, minutes: int | None = None, who: str = WHO) -> None:
    """An agent loops from now on."""
    now = home.clock.now()
    end = None if minutes is None else now + timedelta(minutes=minutes)
    home.company.runaway(home.company.key(who), now, USD_PER_HOUR, end=end)


def posts(home: House) -> list[FakeMessage]:
    """What stands in the channel, replies left out."""
    return [message for message in home.slack.messages(GENERAL) if not message.thread_ts]


def replies(home: House) -> list[str]:
    return [message.text for message in home.slack.messages(GENERAL) if message.thread_ts]


async def alerted(home: House) -> FakeMessage:
    """Runs away, and gives the message that the poll which follows has brought."""
    run_away(home)
    await home.later(minutes=5)
    (message,) = posts(home)
    return message


async def test_it_is_in_the_channel_within_one_poll_with_the_figures_of_spend(home: House) -> None:
    message = await alerted(home)

    assert WHO in message.text
    assert message.metadata == {"event_type": "outlay_incident", "event_payload": {"incident": 1}}
    (incident,) = await home.bot.services.desk.recent(await home.bot.services.workspace())
    looked = await home.slack.click(message, "alerts:look", user=BRUNO)
    assert looked.ephemeral
    spent = (await home.spend("today", f"owner:{incident.subject}"))["total_usd"]
    assert 0 < incident.spent_nano_usd <= int(spent.replace(".", ""))
    assert incident.spent_nano_usd > USD_PER_HOUR // 15 * 10**9


async def test_people_handle_it_and_every_deed_can_be_undone(home: House) -> None:
    message = await alerted(home)

    await home.slack.click(message, "alerts:acknowledge", user=BRUNO)
    assert f"Acknowledged by <@{BRUNO}>" in str(message.blocks)
    await home.slack.click(message, "alerts:undo", user=DANA)
    assert "nobody has taken it yet" in str(message.blocks)
    await home.slack.choose(message, "alerts:snooze", "4 hours", user=DANA)
    assert f"Snoozed by <@{DANA}> until" in str(message.blocks)
    await home.slack.click(message, "alerts:undo", user=DANA)
    modal = (await home.slack.click(message, "alerts:expect", user=DANA)).modal
    assert modal is not None
    await modal.submit({"alerts:reason": "a load test"})
    assert f"Marked as expected by <@{DANA}>" in str(message.blocks)
    assert "a load test" in str(message.blocks)
    overview = (await home.slack.command("/spend alerts", user=ALICE)).modal
    assert overview is not None
    assert "a load test" in overview.words
    await overview.close()
    await home.slack.click(message, "alerts:undo", user=DANA)
    assert "nobody has taken it yet" in str(message.blocks)
    refused = await home.slack.click(message, "alerts:acknowledge", user=GUEST)
    assert "for members" in refused.text
    assert len(posts(home)) == 1


async def test_what_was_expected_does_not_ring_again_not_even_after_a_restart(
    open_connected: Open, open_house: Open
) -> None:
    company = Company(now=NOW, days=1)
    async with open_connected(company=company, **SETTINGS) as home:
        await home.later(minutes=5)
        message = await alerted(home)
        modal = (await home.slack.click(message, "alerts:expect", user=DANA)).modal
        assert modal is not None
        await modal.submit({"alerts:reason": "a load test", "alerts:how": "owner"})
        await home.later(minutes=5)
    async with open_house(company=company, before=home, **SETTINGS) as again:
        for _ in range(3):
            await again.later(minutes=5)
        assert len(posts(again)) == 1
        assert [one.state for one in await again.bot.services.desk.recent(again.slack.world.team_id)] == ["expected"]


async def test_it_grows_in_place_is_told_when_it_doubles_and_ends_by_itself(home: House) -> None:
    run_away(home, minutes=25)
    await home.later(minutes=5)
    (message,) = posts(home)
    first = message.text
    for _ in range(4):
        await home.later(minutes=5)
    assert message.edited
    assert message.text != first
    doubled = len(replies(home))
    assert 1 <= doubled <= 3
    assert all("It has doubled" in text for text in replies(home))

    for _ in range(10):
        await home.later(minutes=5)

    assert message.text.startswith("Over: ")
    assert [text for text in replies(home)[doubled:] if "back to usual" in text] != []
    assert len(posts(home)) == 1


async def test_a_bot_that_starts_anew_goes_on_with_the_same_message(open_connected: Open, open_house: Open) -> None:
    company = Company(now=NOW, days=1)
    async with open_connected(company=company, **SETTINGS) as home:
        await home.later(minutes=5)
        message = await alerted(home)
        first = message.text
    async with open_house(company=company, before=home, **SETTINGS) as again:
        for _ in range(3):
            await again.later(minutes=5)
        assert [one.ts for one in posts(again)] == [message.ts]
        assert message.text != first
        await again.slack.click(message, "alerts:acknowledge", user=BRUNO)
        assert f"Acknowledged by <@{BRUNO}>" in str(message.blocks)


@pytest.mark.parametrize("trouble", ["rate_limit", "server_error", "lost before the call", "lost after the call"])
async def test_bad_weather_makes_it_neither_two_messages_nor_none(home: House, trouble: str) -> None:
    faults = home.slack.faults
    if trouble.startswith("lost"):
        faults.lose("chat.postMessage", performed=trouble.endswith("after the call"))
    else:
        getattr(faults, trouble)("chat.postMessage", times=2)
    run_away(home)
    for _ in range(4):
        await home.later(minutes=5)

    (message,) = posts(home)
    assert home.slack.calls("chat.postMessage")[0].error
    (incident,) = await home.bot.services.desk.recent(await home.bot.services.workspace())
    assert incident.ts == message.ts


@pytest.mark.parametrize("performed", [False, True])
async def test_a_process_that_is_killed_in_the_midst_of_the_call_leaves_one_message(
    open_connected: Open, open_house: Open, performed: bool
) -> None:
    company = Company(now=NOW, days=1)
    async with open_connected(company=company, **SETTINGS) as home:
        await home.later(minutes=5)
        home.slack.faults.hang("chat.postMessage", performed=performed)
        run_away(home)
        home.clock.advance(timedelta(minutes=5))
        killed = asyncio.create_task(home.bot.tick())
        await home.until(lambda: _posting(home), "the call")
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    async with open_house(company=company, before=home, **SETTINGS) as again:
        for _ in range(3):
            await again.later(minutes=5)
        assert len(posts(again)) == 1
        assert len(await again.bot.services.desk.recent(await again.bot.services.workspace())) == 1


async def _posting(home: House) -> bool:
    return any(call.method == "chat.postMessage" for call in home.slack.journal.calls)


async def test_many_at_once_share_a_message_and_each_is_handled_by_itself(home: House) -> None:
    for key in [key for key in home.company.keys if home.company.deleted_at(key) is None][:12]:
        run_away(home, who=key.name)
    await home.later(minutes=5)

    (message,) = posts(home)
    count = int(message.text.split(" owners at once")[0].split()[-1])
    assert count >= 6
    assert f"and {count - 5} more" in str(message.blocks)
    (row,) = [block for block in message.blocks if block["type"] == "actions"]
    modal = (await home.slack.choose(message, "alerts:pick", row["elements"][0]["options"][0]["value"])).modal
    assert modal is not None
    await modal.click("alerts:acknowledge")
    assert "Acknowledged by @alice" in modal.words
    assert "· acknowledged" in str(message.blocks)
    for _ in range(3):
        await home.later(minutes=5)
    assert len(posts(home)) == 1


async def test_an_owner_who_asked_for_it_is_told_directly_and_mentioned_once(home: House) -> None:
    key = next(one for one in home.company.keys if one.owner.owner_id == BRUNO)
    overview = (await home.slack.command("/spend alerts", user=BRUNO)).modal
    assert overview is not None
    await overview.submit({"alerts:direct": ["yes"]})

    run_away(home, who=key.name)
    for _ in range(3):
        await home.later(minutes=5)

    (message,) = posts(home)
    assert f"<@{BRUNO}>" in str(message.blocks)
    (told,) = home.slack.dms(BRUNO)
    assert "spent $" in told.text
    shown = (await home.slack.click(told, "alerts:show", user=BRUNO)).modal
    assert shown is not None
    assert shown.title == "Incident"
