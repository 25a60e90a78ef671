"""People see themselves and the totals, once an admin has said so: in answers, files, Home tabs and digests."""

import re
from collections.abc import AsyncIterator

import pytest

from tests.journeys.conftest import Open
from tests.journeys.running_bot import BRUNO, DANA, House
from tests.workspace import ALICE, GENERAL

OTHERS = "everybody else"


@pytest.fixture
async def home(open_connected: Open) -> AsyncIterator[House]:
    async with open_connected(OUTLAY_ALERT_CHANNEL=GENERAL) as found:
        await found.later(minutes=5)
        form = (await found.slack.command("/spend settings", user=ALICE)).modal
        assert form is not None
        await form.submit({"Who sees whose figures?": "People see themselves and the totals"})
        yield found


def dollars(text: str) -> str:
    found = re.search(r"\$[\d,]+\.\d\d", text)
    assert found, text
    return found[0]


async def test_an_answer_names_the_asker_and_nobody_else_and_keeps_the_total(home: House) -> None:
    mine, all_ = [await home.slack.command("/spend 7d", user=user) for user in (BRUNO, ALICE)]

    assert dollars(mine.text) == dollars(all_.text)
    assert OTHERS in mine.words
    assert "as far as whoever asked may see" in mine.words
    assert "\ndana $" in all_.words
    assert "\nbruno $" in mine.words
    for other in ("dana", "alice", "agent-ci"):
        assert other not in mine.words
    assert OTHERS not in all_.words
    by_model = [await home.slack.command("/spend 7d by model", user=user) for user in (BRUNO, ALICE)]
    answers = [reply.words.partition("[ Share to Channel ]")[0] for reply in by_model]
    assert answers[0] == answers[1], "totals are everybody's"


async def test_nobody_is_asked_after_by_name_key_or_project(home: House) -> None:
    keys = [key["id"] for owner in (await home.outlay("owners", "--format", "json")).json() for key in owner["keys"]]
    for words in (f"<@{DANA}>", f"owner:{DANA} by model", f"key:{keys[-1]}", "owner:agent:*"):
        reply = await home.slack.command(f"/spend 7d {words}", user=BRUNO)
        assert "somebody else's" in reply.words, words
        assert "$" not in reply.words
    assert "somebody else's" not in (await home.slack.command("/spend 7d me", user=BRUNO)).words


async def test_what_is_shared_or_sent_as_a_file_is_no_more_than_the_answer(home: House) -> None:
    reply = await home.slack.command("/spend 7d by key", user=BRUNO)
    for action in ("spend:csv", "spend:share"):
        await home.slack.click(reply.messages[0], action, user=BRUNO)
    said = home.slack.journal.sent_text()
    owners = (await home.outlay("owners", "--format", "json")).json()
    names = {key["name"] for owner in owners if owner["id"] != BRUNO for key in owner["keys"]} - {"laptop"}  # his own
    assert names
    assert [name for name in names if name in said] == []
    assert "everybody else" in said


async def test_a_digest_and_a_home_tab_tell_of_nobody_else(home: House) -> None:
    digest = await home.slack.command("/spend digest now", user=BRUNO)
    tab = await home.slack.home(BRUNO)

    for words in (digest.words, tab.words):
        assert "$" in words
        for other in ("dana", "alice", "agent-ci"):
            assert other not in words
