"""What Outlay tells unasked, through the whole house: one digest in the morning, one message a budget's mark."""

from datetime import timedelta

from outlay.fakes.company.company import Company
from tests.journeys.conftest import Open
from tests.journeys.running_bot import BRUNO, NOW, House
from tests.workspace import ALICE, FINANCE, GENERAL, RANDOM


def posted(home: House, channel: str, beginning: str) -> list[str]:
    """The texts that the bot has posted in a channel."""
    calls = home.slack.calls("chat.postMessage")
    return [
        call.args["text"]
        for call in calls
        if call.ok and call.args["channel"] == channel and str(call.args["text"]).startswith(beginning)
    ]


async def test_the_next_morning_the_channel_gets_one_digest_with_the_total_of_spend(open_connected: Open) -> None:
    async with open_connected(OUTLAY_DIGEST_CHANNEL=GENERAL) as home:
        await home.tick()
        await home.later(hours=18)
        assert posted(home, GENERAL, "") == []
        for _ in range(4):
            await home.later(minutes=20)

        (text,) = posted(home, GENERAL, "Saturday 21 Nov cost $")
        reply = await home.slack.command("/spend yesterday", user=BRUNO)
        total = reply.text.split(" yesterday")[0]
        assert text.startswith(f"Saturday 21 Nov cost {total}")
        found = (await home.outlay("digest", "--format", "json")).json()
        assert found["total_usd"] == (await home.spend("yesterday"))["total_usd"]

    async with open_connected(OUTLAY_DIGEST_CHANNEL=GENERAL) as home:
        home.clock.advance(timedelta(hours=20))
        await home.tick()
        assert posted(home, GENERAL, "") == []


async def test_a_bot_that_was_down_in_the_morning_says_it_once_and_that_it_is_late(open_connected: Open) -> None:
    async with open_connected(OUTLAY_DIGEST_CHANNEL=GENERAL) as home:
        await home.tick()
    async with open_connected(OUTLAY_DIGEST_CHANNEL=GENERAL) as home:
        await home.later(hours=22)
        await home.later(hours=1)

        (text,) = posted(home, GENERAL, "Saturday 21 Nov cost $")
        assert "late" in text


async def test_a_budget_set_in_slack_is_told_of_once_where_it_was_asked_to_be(connected: House) -> None:
    modal = (await (await connected.slack.command("/spend budget", user=ALICE)).click("budget:add")).modal
    assert modal is not None
    await modal.submit({"budget:limit": "0.01", "budget:channel": FINANCE})
    for _ in range(3):
        await connected.later(minutes=1)

    (text,) = posted(connected, FINANCE, "The budget of everybody is spent")
    listed = await connected.slack.command("/spend budget", user=BRUNO)
    assert "of $0.01" in listed.words
    assert (await connected.spend("mtd"))["total_usd"]
    assert "of $0.01" in text


async def test_the_command_posts_one_beside_the_running_bot_and_says_what_slack_refuses(connected: House) -> None:
    slack = {"SLACK_BOT_TOKEN": connected.slack.slack.bot_token, "SLACK_API_URL": connected.slack.slack.api_url}
    ran = await connected.outlay("digest", "--channel", GENERAL, **slack)
    await connected.tick()
    assert (ran.code, ran.out, ran.err) == (0, f"posted to {GENERAL}\n", "")
    assert len(posted(connected, GENERAL, "Friday 20 Nov cost $")) == 1

    for channel, why in ((RANDOM, "not_in_channel"), ("C0NOWHERE", "channel_not_found")):
        ran = await connected.outlay("digest", "--channel", channel, **slack)
        assert ran.code == 1
        assert why in ran.complaint
        assert channel in ran.complaint


async def test_who_wants_their_own_gets_it_by_direct_message_and_a_deaf_channel_is_told_to_who_chose_it(
    connected: House,
) -> None:
    own = (await connected.slack.command("/spend digest", user=BRUNO)).modal
    chosen = (await connected.slack.command("/spend digest", user=ALICE)).modal
    assert own is not None
    assert chosen is not None
    await own.submit({"digest:own": ["day"]})
    await chosen.submit({"digest:channels": [RANDOM], "digest:periods": ["day"]})
    await connected.later(hours=18)
    for _ in range(3):
        await connected.later(minutes=30)

    texts = [str(call.args["text"]) for call in connected.slack.calls("chat.postMessage") if call.ok]
    (mine,) = [text for text in texts if "you spent" in text]
    reply = await connected.slack.command("/spend yesterday me", user=BRUNO)
    assert mine.startswith(f"Saturday 21 Nov: you spent {reply.text.split(' yesterday')[0]}")
    (deaf,) = [text for text in texts if "does not reach" in text]
    assert f"<#{RANDOM}>: Outlay is not in it" in deaf


async def test_where_slack_does_not_know_the_chart_it_is_a_picture_in_the_digests_thread(open_house: Open) -> None:
    async with open_house(company=Company(now=NOW, days=4), OUTLAY_DIGEST_CHANNEL=GENERAL) as home:
        await home.connect()
        await home.tick()
        home.slack.faults.forget_blocks("data_visualization")
        await home.later(hours=19)
        await home.later(minutes=1)

        (text,) = posted(home, GENERAL, "Saturday 21 Nov cost $")
        (file,) = home.slack.world.files.values()
        (upload,) = home.slack.calls("files.completeUploadExternal")
    assert file["bytes"].startswith(b"\x89PNG")
    assert len(file["bytes"]) > 10_000
    assert file["alt_txt"].startswith(text.partition(";")[0].partition(",")[0])
    assert upload.args["thread_ts"]
