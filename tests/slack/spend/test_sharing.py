"""What people do with an answer they have: show it to the channel, open it as CSV; and asking by a mention."""

import asyncio
import csv
import io
import re
from dataclasses import replace

import pytest

from outlay.fakes.slack.server import SCOPES
from outlay.slack.errors import UserFacingError
from outlay.slack.spend.command_text import strip_app_mention, unescape_text
from outlay.slack.spend.sharing import SHARED_REMEMBERED_MAX, SharedAnswers
from outlay.spend.answer import AnswerLine
from tests.slack.fakes import DOLLAR, answer_of, key_line, owner_line
from tests.slack.validity import mrkdwn_texts
from tests.workspace import ALICE, BEN, FINANCE, GENERAL, GUEST, RANDOM, Workspace


def public(slack: Workspace, channel: str = GENERAL) -> list[str]:
    """What everybody in a channel can read."""
    return [message.text for message in slack.messages(channel)]


async def test_an_answer_is_shared_as_the_sharer_asked_and_once(slack: Workspace) -> None:
    private = await slack.command("/spend me 7d", user=BEN)
    assert public(slack) == []
    shared = await private.click("spend:share")

    assert len(public(slack)) == 1
    assert public(slack)[0].startswith("$412.40 in the last 7 days, only owner")
    posted = slack.messages(GENERAL)[0]
    assert "Shared by <@U02BEN> · `/spend me 7d`" in str(posted.blocks)
    assert "spend:share" not in str(posted.blocks)
    assert slack.bot.asking.asked == [(slack.world.team_id, "me 7d", BEN)] * 2  # the books were asked again, as Ben
    assert "You have shared this." in shared.words
    assert "spend:share" not in str(shared.blocks)
    assert "spend:csv" in str(shared.blocks)


async def test_two_quick_presses_share_once(slack: Workspace) -> None:
    private = await slack.command("/spend", user=BEN)
    presses = [private.click("spend:share", wait=False) for _ in range(2)]  # the second before the first was answered
    replies = await asyncio.gather(*presses)
    await slack.settle()

    assert all(reply.acked for reply in replies)
    assert len(public(slack)) == 1


async def test_sharing_to_a_channel_that_the_app_is_not_in_works_too(slack: Workspace) -> None:
    private = await slack.command("/spend", user=BEN, channel=RANDOM)
    await private.click("spend:share")

    assert len(public(slack, RANDOM)) == 1


async def test_who_became_a_guest_in_between_shares_nothing(slack: Workspace) -> None:
    private = await slack.command("/spend", user=BEN)
    slack.world.people[BEN] = replace(slack.world.people[BEN], is_guest=True)
    slack.bot.people.forget(slack.world.team_id)
    for action in ("spend:share", "spend:csv"):
        refused = await private.click(action)
        assert refused.ephemeral
        assert "guests cannot ask it" in refused.text

    assert public(slack) == []
    assert slack.world.files == {}
    assert len(slack.bot.asking.asked) == 1


async def test_what_slack_did_not_take_can_be_shared_again(slack: Workspace) -> None:
    private = await slack.command("/spend", user=BEN)
    slack.faults.server_error("response_url")
    failed = await private.click("spend:share")
    assert public(slack) == []
    assert "went wrong" in failed.text
    await private.click("spend:share")

    assert len(public(slack)) == 1


async def test_in_messages_with_the_app_there_is_nobody_to_share_with(slack: Workspace) -> None:
    direct = slack.world.direct(BEN)
    private = await slack.command("/spend", user=BEN, channel=direct.id)

    assert "spend:share" not in str(private.blocks)
    assert "spend:csv" in str(private.blocks)


async def test_all_rows_come_as_csv_to_the_asker_alone(slack: Workspace) -> None:
    lines = [owner_line(f"dev{n:02d}@example.com", 30 - n) for n in range(25)]
    slack.bot.asking.answer = answer_of(*lines, owner_line("=cmd|'/c calc'!A0", 0.5))
    private = await slack.command("/spend 7d", user=BEN)
    pressed = await private.click("spend:csv")

    (file,) = slack.world.files.values()
    rows = list(csv.DictReader(io.StringIO(file["bytes"].decode())))
    assert file["name"] == "outlay-2026-11-15-to-2026-11-21-by-owner.csv"
    assert len(rows) == 26
    assert (rows[0]["owner_id"], rows[0]["usd"]) == ("dev00@example.com", "30.000000000")
    assert rows[-1]["owner_id"] == "'=cmd|'/c calc'!A0"
    assert "26 rows of `/spend 7d`" in slack.dms(BEN)[0].text
    assert pressed.text == "The file is in your messages with Outlay."
    assert pressed.ephemeral
    assert public(slack) == []
    assert slack.dms(ALICE) == []


async def test_without_the_scope_it_says_which_and_what_else_gives_the_rows(slack: Workspace) -> None:
    slack.faults.refuse("files.getUploadURLExternal", "missing_scope")
    refused = await (await slack.command("/spend", user=BEN)).click("spend:csv")

    assert "`files:write`" in refused.text
    assert "--format csv" in refused.text
    assert "files:write" in SCOPES


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal", "conversations.open"])
async def test_a_file_that_slack_does_not_take_is_said_to_be_so(slack: Workspace, method: str) -> None:
    slack.faults.refuse(method, "internal_error")
    refused = await (await slack.command("/spend", user=BEN)).click("spend:csv")

    assert "Slack did not take the file" in refused.text
    assert refused.ephemeral


async def test_a_mention_is_answered_to_whoever_asked_alone(slack: Workspace) -> None:
    reply = await slack.mention("7d by model", user=BEN)

    assert reply.ephemeral
    assert reply.text.startswith("$412.40 in the last 7 days")
    assert slack.bot.asking.asked == [(slack.world.team_id, "7d by model", BEN)]
    assert public(slack) == []
    await reply.click("spend:share")
    assert len(public(slack)) == 1


def test_only_the_apps_own_name_is_taken_out_of_a_mention() -> None:
    own = {"authorizations": [{"user_id": "U00OUTLAY", "is_bot": True}]}

    assert strip_app_mention("<@U02BEN> <@U00OUTLAY|outlay> 7d", own).split() == ["<@U02BEN>", "7d"]
    assert unescape_text(strip_app_mention("<@U00OUTLAY> <@U02BEN> 7d", {})) == "<@U02BEN> 7d"


async def test_a_mention_in_a_thread_is_answered_and_shared_there(slack: Workspace) -> None:
    words = f"<@{slack.world.bot.id}> today"
    reply = await slack.event("app_mention", user=BEN, channel=FINANCE, text=words, ts="1.2", thread_ts="1.1")

    assert reply.message.thread_ts == "1.1"
    assert reply.ephemeral
    await reply.click("spend:share")
    assert [message.thread_ts for message in slack.messages(FINANCE)] == ["1.1"]


async def test_a_mention_that_is_not_understood_is_told_what_was_meant(slack: Workspace) -> None:
    reply = await slack.mention("7d by modle", user=BEN)

    assert reply.ephemeral
    assert "Did you mean `/spend 7d by model`?" in reply.text


async def test_a_mention_helps_opens_no_form_and_tells_guests_nothing(slack: Workspace) -> None:
    assert "Words go in any order" in (await slack.mention("help", user=BEN)).words
    assert "Type `/spend connect`" in (await slack.mention("connect openrouter", user=ALICE)).text
    refused = await slack.mention("", user=GUEST)

    assert "guests cannot ask it" in refused.text
    assert slack.bot.asking.asked == []


async def test_another_apps_mention_and_one_told_twice_are_not_answered(slack: Workspace) -> None:
    words = f"<@{slack.world.bot.id}> 7d"
    await slack.event("app_mention", user=BEN, channel=GENERAL, text=words, ts="1.2", bot_id="B0OTHER")
    assert slack.bot.asking.asked == []
    for retry in (0, 1):
        await slack.event("app_mention", user=BEN, channel=GENERAL, text=words, ts="1.3", event_id="Ev1", retry=retry)
    assert len(slack.bot.asking.asked) == 1


async def test_where_slack_knows_no_charts_the_course_comes_as_bars(slack: Workspace) -> None:
    days = [AnswerLine(n * DOLLAR, "settled", "billed", day=f"2026-11-{n:02d}") for n in range(1, 11)]
    slack.bot.asking.answer = answer_of(*days, words="2026-11-01..10 by day")
    drawn = await slack.command("/spend 2026-11-01..10 by day", user=BEN)
    slack.faults.forget_blocks("data_visualization")
    barred = await slack.command("/spend 2026-11-01..10 by day", user=BEN)

    assert "data_visualization" in [block["type"] for block in drawn.blocks]
    assert "▁" not in str(drawn.blocks)
    assert [block["type"] for block in barred.blocks][:3] == ["section", "context", "data_table"]
    assert "highest 10 Nov, $10.00" in barred.words


@pytest.mark.parametrize("words", ["by key " * 1_500, "x" * 10_000, "model:" + "*a" * 5_000, "<@U02BEN|ben> " * 800])
async def test_a_command_of_ten_thousand_characters_is_refused_in_one_sentence(slack: Workspace, words: str) -> None:
    reply = await slack.command(f"/spend {words[:10_000]}", user=BEN)

    assert reply.acked
    assert reply.ephemeral
    assert re.search(r"characters; a question has at most 1,000", reply.text)
    assert len(reply.text) < 300
    assert slack.bot.asking.asked[0][1].startswith(words.strip()[:5])


async def test_somebody_who_left_can_be_asked_about(slack: Workspace) -> None:
    reply = await slack.command("/spend @gone last month", user=ALICE)

    assert "only owner U06GONE" in reply.text


async def test_names_that_would_format_link_or_mention_do_nothing(slack: Workspace) -> None:
    evil = "<!channel> *b* <http://evil.example|x> `c`"
    slack.bot.asking.answer = answer_of(key_line(evil, "k1", 5), key_line("b", "k2", 1), words="by key")
    private = await slack.command("/spend by key", user=BEN)
    await private.click("spend:share")

    for message in (private.message, slack.messages(GENERAL)[0]):
        for text in (message.text, *mrkdwn_texts(message.blocks)):
            assert "<!channel>" not in text
            assert "<http" not in text
            assert "*b*" not in text


def test_what_is_remembered_of_shares_is_bounded() -> None:
    shares = SharedAnswers()
    for number in range(SHARED_REMEMBERED_MAX + 5):
        shares.mark_shared("T", str(number))
    with pytest.raises(UserFacingError):
        shares.mark_shared("T", str(SHARED_REMEMBERED_MAX))
    shares.mark_shared("T", "0")  # the oldest is forgotten


@pytest.mark.parametrize("trouble", ["rate_limit", "server_error", "lose"])
async def test_a_mention_in_bad_weather_harms_nobody_and_the_next_is_answered(slack: Workspace, trouble: str) -> None:
    getattr(slack.faults, trouble)("chat.postEphemeral", times=2)
    await slack.mention("7d", user=BEN)
    slack.faults.clear()
    answered = await slack.mention("7d", user=BEN)

    assert answered.text.startswith("$412.40")
    assert public(slack) == []


@pytest.mark.parametrize("trouble", ["rate_limit", "server_error", "lose"])
@pytest.mark.parametrize("action", ["spend:share", "spend:csv"])
async def test_a_button_in_bad_weather_shares_and_files_nothing_twice(
    slack: Workspace, trouble: str, action: str
) -> None:
    private = await slack.command("/spend", user=BEN)
    getattr(slack.faults, trouble)("response_url" if action == "spend:share" else "files.completeUploadExternal")
    await private.click(action)
    slack.faults.clear()
    await private.click(action)

    lost = trouble == "lose"  # Slack did it, and the answer to that was lost: nobody can know
    assert len(public(slack)) == (0 if action == "spend:csv" else 2 if lost else 1)
    assert len(slack.dms(BEN)) == (0 if action == "spend:share" else 2 if lost else 1)


async def test_a_share_after_the_socket_broke_is_shared_once(slack: Workspace) -> None:
    private = await slack.command("/spend", user=BEN)
    await slack.drop_socket()
    await private.click("spend:share")

    assert len(public(slack)) == 1


async def test_a_mention_in_an_archived_channel_is_not_answered_and_breaks_nothing(slack: Workspace) -> None:
    slack.world.channels[FINANCE].is_archived = True
    await slack.mention("7d", user=BEN, channel=FINANCE)

    assert slack.messages(FINANCE, user=BEN) == []
    assert (await slack.mention("7d", user=BEN)).text.startswith("$412.40")
