"""People ask, in the test workspace, over a real socket."""

import logging
import re

import pytest

from tests.slack.conftest import Start
from tests.slack.fakes import answer_of
from tests.workspace import ALICE, BEN, GUEST, Workspace


async def test_a_question_is_answered_to_the_asker_alone(slack: Workspace) -> None:
    reply = await slack.command("/spend 7d", user=BEN)

    assert reply.acked
    assert reply.ephemeral
    assert reply.text.startswith("$412.40 in the last 7 days")
    assert "data_table" in [block["type"] for block in reply.blocks]
    assert "billed by the ledger · provisional" in reply.words
    assert slack.bot.asking.asked == [(slack.world.team_id, "7d", BEN)]


async def test_a_person_is_named_by_id_whatever_slack_makes_of_the_at_sign(slack: Workspace) -> None:
    reply = await slack.command("/spend @ben by model", user=ALICE)

    assert re.fullmatch(rf"<@{BEN}\|\w+> by model", slack.bot.asking.asked[0][1])
    assert f"only owner {BEN}" in reply.text


async def test_an_unknown_word_is_named_and_something_that_works_is_shown(slack: Workspace) -> None:
    reply = await slack.command("/spend by modle", user=BEN)

    assert reply.ephemeral
    assert "`modle`" in reply.text
    assert "`/spend by model`" in reply.text


async def test_a_word_that_would_call_everybody_calls_nobody(slack: Workspace) -> None:
    reply = await slack.command("/spend <!channel>", user=BEN)

    assert "<!channel>" not in reply.text
    assert "&lt;!channel&gt;" in reply.text


async def test_guests_are_refused_and_nothing_is_asked(slack: Workspace) -> None:
    reply = await slack.command("/spend", user=GUEST)

    assert reply.ephemeral
    assert "guests" in reply.text
    assert slack.bot.asking.asked == []


async def test_help_shows_connecting_to_admins_only(slack: Workspace) -> None:
    assert "/spend connect" in (await slack.command("/spend help", user=ALICE)).words
    assert "/spend connect" not in (await slack.command("/spend help", user=BEN)).words


async def test_before_anything_is_connected_the_admin_gets_the_first_step_as_a_button(slack: Workspace) -> None:
    slack.bot.asking.answer = answer_of(fresh_until={})

    for_ben = await slack.command("/spend", user=BEN)
    for_alice = await slack.command("/spend", user=ALICE)
    opened = await for_alice.click("connect:open")

    assert "admin starts with `/spend connect`" in for_ben.text
    assert opened.modal is not None
    assert opened.modal.title == "Connect a Ledger"


@pytest.mark.parametrize(("unknown", "form"), [(("data_table",), "table"), (("data_table", "table"), "section")])
async def test_where_slack_refuses_the_newest_blocks_a_plainer_form_comes_and_is_remembered(
    slack: Workspace, unknown: tuple[str, ...], form: str
) -> None:
    slack.faults.forget_blocks(*unknown)

    first = await slack.command("/spend", user=BEN)
    second = await slack.command("/spend", user=BEN)

    for reply in (first, second):
        assert reply.text.startswith("$412.40")
        assert "dev@example.com" in reply.words
        assert form in [block["type"] for block in reply.blocks]
    assert [call.error for call in first.calls if call.error] == ["invalid_blocks"] * len(unknown)
    assert not [call.error for call in second.calls if call.error]


async def test_a_failure_shows_an_id_that_is_in_the_log_once_with_the_traceback(
    slack: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    slack.bot.asking.error = ZeroDivisionError("a bug")

    with caplog.at_level(logging.DEBUG):
        reply = await slack.command("/spend private-words", user=BEN)

    found = re.search(r"id (\w+)\)", reply.text)
    assert found
    records = [record for record in caplog.records if found[1] in record.getMessage()]
    assert len(records) == 1
    assert "ZeroDivisionError: a bug" in records[0].getMessage()
    assert "private-words" not in caplog.text
    assert reply.ephemeral


async def test_fifty_questions_in_a_row_are_all_answered(start: Start) -> None:
    async with start() as slack:
        replies = [await slack.command("/spend", user=BEN, wait=False) for _ in range(50)]
        await slack.settle()

        assert all(reply.acked for reply in replies)
        assert len(slack.messages(user=BEN)) == 50
