"""One boundary: words for people where there are any, else an id that the log has too."""

import logging
import re

import pytest
from slack_bolt.request.async_request import AsyncBoltRequest

from outlay.plugin.errors import Permanent
from outlay.slack import errors
from outlay.slack.connections.ids import Action
from outlay.slack.errors import PermissionRefusedError, message_for_user
from outlay.spend.parser import QueryError
from tests.slack.app_without_slack import an_app
from tests.slack.conftest import Start
from tests.workspace import ALICE, BEN, Workspace

LOG = logging.getLogger("outlay.slack")


def test_errors_with_words_for_people_show_them_and_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    assert message_for_user(PermissionRefusedError("Ask <@U1>."), LOG) == "Ask <@U1>."
    assert message_for_user(QueryError("x", "I do not understand `x`.", "7d"), LOG).startswith(
        "I do not understand `x`."
    )
    assert message_for_user(Permanent("a <b> & c"), LOG) == "a &lt;b&gt; &amp; c"
    assert caplog.records == []


def test_a_secret_in_play_shows_neither_to_the_person_nor_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said = message_for_user(Permanent("refused sk-planted-1"), LOG, {"sk-planted-1"})
    message_for_user(ValueError("bad sk-planted-1"), LOG, {"sk-planted-1"})

    assert said == "refused …"
    assert "sk-planted-1" not in caplog.text
    assert "ValueError: bad …" in caplog.text


def test_the_id_that_people_see_is_the_one_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said = re.fullmatch(
        r"Something went wrong on our side \(id (\w+)\)\. It is in the log\.", message_for_user(KeyError("x"), LOG)
    )

    assert said
    assert caplog.text.count(said[1]) == 1


async def test_on_the_home_tab_the_error_comes_as_a_small_modal(slack: Workspace) -> None:
    home = await slack.home(user=ALICE)
    slack.bot.connecting.ledgers = ()

    reply = await home.click("connect:open")

    assert reply.modal is not None
    assert "No ledger plugin is loaded" in reply.modal.words


async def test_in_a_modal_the_error_takes_the_place_of_the_form(slack: Workspace) -> None:
    modal = (await slack.command("/spend connect", user=ALICE)).modal
    assert modal is not None
    slack.bot.connecting.ledgers = ()

    await modal.click("connect:advanced")

    assert "plugin of that ledger is not loaded" in modal.words or "No ledger plugin" in modal.words


async def test_a_boundary_that_cannot_reach_anybody_gives_up_quietly(
    slack: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    slack.bot.asking.error = ZeroDivisionError("a bug")
    slack.faults.refuse("response_url", "expired_url", times=5)

    reply = await slack.command("/spend", user=BEN)

    assert reply.acked
    assert "could not tell the person about an error: NotDeliveredError" in caplog.text


async def test_an_acknowledgement_holds_even_if_the_listener_fails_at_once() -> None:
    action = {"type": "button", "action_id": Action.OPEN, "block_id": "b"}
    body = {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1", "team_id": "T1"}, "actions": [action]}

    response = await an_app().async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))

    assert response.status == 200


async def test_too_much_at_once_is_refused_in_words(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start() as slack:
        modal = (await slack.command("/spend connect", user=ALICE)).modal
        assert modal is not None
        monkeypatch.setattr(slack.bot.tasks, "_limit", 0)

        reply = await modal.submit({"Management key": "sk-or-v1-x"})

        assert reply.modal is not None
        assert "too much under way" in reply.modal.words


def test_only_what_may_be_a_credential_is_hidden() -> None:
    values = {
        "connect:secret:x:key": {"v": {"type": "plain_text_input", "value": "sk-123"}},
        "connect:field:x:base_url": {"v": {"type": "plain_text_input", "value": "short"}},
        "connect:name:x": {"v": {"type": "plain_text_input", "value": "sk-pasted-in-the-wrong-field"}},
        "connect:ledger": {"v": {"type": "static_select", "selected_option": {"value": "x"}}},
    }
    found = errors._typed({"view": {"state": {"values": values}}})

    assert found == {"sk-123", "sk-pasted-in-the-wrong-field"}
