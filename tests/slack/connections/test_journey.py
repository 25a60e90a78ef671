"""An admin connects a ledger in the modal, in the test workspace, over a real socket."""

import asyncio
import logging
import re
from datetime import UTC, datetime

import pytest

from outlay.connections.views import ChoiceNeeded
from outlay.plugin.errors import BadConfig, NeedsReauth, Permanent, RateLimited, Transient
from outlay.slack.connections.notices import needs_reauth
from outlay.slack.deps import FormTimeouts
from outlay.slack.protocols import ConnectionSummary
from tests.slack.conftest import Start
from tests.slack.fakes import LITELLM, OPENROUTER, SAVED, FakeConnecting, eventually
from tests.workspace import ALICE, BEN, GUEST, Modal, Workspace

SECRET = "sk-or-v1-planted-0123456789abcdef"
SLOW = FormTimeouts(wait_seconds=0.02, settle_seconds=0)


async def form(slack: Workspace, text: str = "/spend connect", user: str = ALICE) -> Modal:
    """Opens the form."""
    modal = (await slack.command(text, user=user)).modal
    assert modal is not None
    return modal


async def test_a_right_key_is_saved_and_the_view_says_what_comes_next(slack: Workspace) -> None:
    modal = await form(slack)
    assert modal.surface.values["connect:name:openrouter", "connect:name"]["value"] == "openrouter"

    reply = await modal.submit({"Management key": SECRET})

    assert slack.bot.connecting.calls == [
        (slack.world.team_id, "openrouter", "openrouter", {"key": SECRET}, False),
    ]
    assert slack.bot.connecting.by == [ALICE]  # who is told when the ledger refuses it one day
    assert reply.modal is not None
    assert reply.modal.title == "Connected"
    for shown in ("Acme Inc.", "7f3a…c2", "• activity", "• keys", "/spend"):
        assert shown in reply.modal.words


async def test_a_wrong_key_is_an_error_on_the_very_field_and_the_next_try_works(slack: Workspace) -> None:
    slack.bot.connecting.outcomes += [BadConfig("key", "That is an inference key; a management key is needed.")]
    modal = await form(slack)

    wrong = await modal.submit({"Management key": SECRET})
    right = await modal.submit({"Management key": SECRET + "2"})

    assert wrong.errors == {"connect:secret:openrouter:key": "That is an inference key; a management key is needed."}
    assert right.modal is not None
    assert right.modal.title == "Connected"


async def test_what_is_left_to_choose_is_a_list_in_the_second_step(slack: Workspace) -> None:
    choices = {"base_url": (("https://eu.example/v1", "Europe"), ("https://us.example/v1", "America"))}
    slack.bot.connecting.outcomes += [ChoiceNeeded("base_url", choices)]
    modal = await form(slack)

    second = await modal.submit({"Management key": SECRET})

    assert second.modal is not None
    assert "The credential is right. Now choose where it goes." in second.modal.words
    assert "Not saved" not in second.modal.words
    assert SECRET not in str(second.modal.view)
    done = await second.modal.submit({"Management key": SECRET, "Base URL": "America"})
    assert done.modal is not None
    assert done.modal.title == "Connected"
    assert slack.bot.connecting.calls[-1][3] == {"key": SECRET, "base_url": "https://us.example/v1"}


async def test_a_name_in_use_is_an_error_on_the_name(slack: Workspace) -> None:
    slack.bot.connecting.outcomes += [BadConfig("name", "openrouter is in use.")]

    reply = await (await form(slack)).submit({"Management key": SECRET})

    assert reply.errors == {"connect:name:openrouter": "openrouter is in use."}


async def test_the_suggested_name_is_free(slack: Workspace) -> None:
    slack.bot.connecting.existing = [ConnectionSummary("c0", "openrouter", "openrouter", "OpenRouter")]

    modal = await form(slack)

    assert modal.surface.values["connect:name:openrouter", "connect:name"]["value"] == "openrouter-2"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NeedsReauth("OpenRouter does not take this key."), "OpenRouter does not take this key."),
        (RateLimited(datetime(2026, 11, 21, 15, 0, tzinfo=UTC)), "until 15:00 UTC"),
        (Transient("OpenRouter dropped the connection."), "dropped the connection. It may pass"),
        (Permanent("OpenRouter <answers> nonsense & more."), "OpenRouter <answers> nonsense & more."),
    ],
)
async def test_other_trouble_is_told_at_the_credential(slack: Workspace, error: Exception, said: str) -> None:
    slack.bot.connecting.outcomes += [error]

    reply = await (await form(slack)).submit({"Management key": SECRET})

    assert said in reply.errors["connect:secret:openrouter:key"]


async def test_an_error_on_a_hidden_field_opens_the_advanced_ones(slack: Workspace) -> None:
    slack.bot.connecting.outcomes += [BadConfig("base_url", "Nobody answers there.")]

    reply = await (await form(slack)).submit({"Management key": SECRET})

    assert reply.modal is not None
    assert "Base URL: Nobody answers there." in reply.modal.words
    assert ("connect:field:openrouter:base_url", "connect:value") in reply.modal.surface.values


async def test_a_slow_check_says_checking_and_then_connected(start: Start) -> None:
    async with start(patience=SLOW) as slack:
        slack.bot.connecting.gate.clear()
        modal = await form(slack)

        reply = await modal.submit({"Management key": SECRET}, wait=False)
        assert reply.ack is not None
        assert reply.ack.payload["view"]["callback_id"] == "connect:checking"
        assert modal.title == "Checking…"
        slack.bot.connecting.gate.set()
        await slack.settle()

        assert modal.title == "Connected"
        assert len(slack.bot.connecting.calls) == 1


async def test_a_slow_refusal_brings_the_form_back_with_the_secret_field_empty(start: Start) -> None:
    async with start(patience=SLOW) as slack:
        slack.bot.connecting.gate.clear()
        slack.bot.connecting.outcomes += [BadConfig("key", "OpenRouter does not know this key.")]
        modal = await form(slack)

        await modal.submit({"Management key": SECRET, "Name": "prod"}, wait=False)
        slack.bot.connecting.gate.set()
        await slack.settle()

        assert "Management key: OpenRouter does not know this key." in modal.words
        assert modal.surface.values["connect:secret:openrouter:key", "connect:value"]["value"] is None
        assert modal.surface.values["connect:name:openrouter", "connect:name"]["value"] == "prod"
        again = await modal.submit({"Management key": SECRET})
        assert again.modal is not None
        assert again.modal.title == "Connected"


async def test_whoever_closed_the_view_meanwhile_is_told_directly(start: Start) -> None:
    async with start(patience=SLOW) as slack:
        slack.bot.connecting.gate.clear()
        modal = await form(slack)
        await modal.submit({"Management key": SECRET}, wait=False)
        await slack.close(modal, wait=False)
        slack.bot.connecting.gate.set()
        await slack.settle()

        assert "*openrouter* is connected to OpenRouter" in slack.dms(ALICE)[-1].text


async def test_submitted_twice_it_is_asked_once(start: Start) -> None:
    async with start(patience=FormTimeouts(wait_seconds=1, settle_seconds=0)) as slack:
        slack.bot.connecting.gate.clear()
        modal = await form(slack)

        first = asyncio.create_task(modal.submit({"Management key": SECRET}, wait=False))
        second = asyncio.create_task(modal.submit({"Management key": SECRET}, wait=False))
        await eventually(lambda: len(slack.bot.tasks) == 3)  # both listeners and the one check
        slack.bot.connecting.gate.set()
        replies = await asyncio.gather(first, second)
        await slack.settle()

        assert all(reply.acked for reply in replies)
        assert modal.title == "Connected"
        assert len(slack.bot.connecting.calls) == 1


@pytest.mark.parametrize("user", [BEN, GUEST])
async def test_only_admins_open_it(slack: Workspace, user: str) -> None:
    reply = await slack.command("/spend connect", user=user)

    assert reply.modal is None
    assert reply.ephemeral
    assert "workspace admins and owners" in reply.text


async def test_the_refusal_names_who_else_can_and_they_can(start: Start) -> None:
    async with start(admins=(BEN,)) as slack:
        assert f"<@{BEN}>" in (await slack.command("/spend connect", user="U03CHIARA")).text
        assert (await slack.command("/spend connect", user=BEN)).modal is not None


async def test_whoever_is_no_admin_any_more_cannot_submit(slack: Workspace) -> None:
    modal = await form(slack)
    slack.world.change_person(ALICE, is_admin=False, is_owner=False)
    slack.bot.people.forget(slack.world.team_id)

    reply = await modal.submit({"Management key": SECRET})

    assert slack.bot.connecting.calls == []
    assert reply.modal is not None
    assert "workspace admins and owners" in reply.modal.words


async def test_a_forged_submission_by_a_member_is_refused(slack: Workspace) -> None:
    modal = await form(slack)

    await modal.submit({"Management key": SECRET}, user=BEN)

    assert slack.bot.connecting.calls == []


async def test_when_slack_does_not_say_who_it_is_nothing_opens(slack: Workspace) -> None:
    slack.faults.server_error("users.info", times=5)

    reply = await slack.command("/spend connect", user=ALICE)

    assert reply.modal is None


async def test_a_ledger_that_there_is_not_is_named_with_those_there_are(slack: Workspace) -> None:
    reply = await slack.command("/spend connect opnrouter", user=ALICE)

    assert reply.modal is None
    assert reply.text == "There is no ledger `opnrouter`. Try `/spend connect openrouter`."


async def test_with_several_ledgers_choosing_one_draws_its_form(start: Start) -> None:
    async with start(connecting=FakeConnecting(LITELLM, OPENROUTER)) as slack:
        modal = await form(slack, "/spend connect openrouter")
        assert ("connect:secret:openrouter:key", "connect:value") in modal.surface.values

        await modal.choose("connect:ledger", "litellm")

        assert modal.surface.values["connect:name:litellm", "connect:name"]["value"] == "litellm"
        await modal.submit({"Base URL": "http://litellm:4000", "Master key": SECRET, "Role": "books"})
        expected = {"base_url": "http://litellm:4000", "key": SECRET, "role": "books"}
        assert slack.bot.connecting.calls[0][1:4] == ("litellm", "litellm", expected)


async def test_a_name_that_was_typed_survives_another_ledger(start: Start) -> None:
    async with start(connecting=FakeConnecting(LITELLM, OPENROUTER)) as slack:
        modal = await form(slack, "/spend connect openrouter")
        fill(modal, "connect:name:openrouter", "connect:name", "prod")

        await modal.choose("connect:ledger", "litellm")

        assert modal.surface.values["connect:name:litellm", "connect:name"]["value"] == "prod"


async def test_advanced_shows_more_and_keeps_what_was_typed_without_sending_the_secret_back(slack: Workspace) -> None:
    modal = await form(slack)
    fill(modal, "connect:secret:openrouter:key", "connect:value", SECRET)

    await modal.click("connect:advanced")

    assert modal.surface.values["connect:secret:openrouter:key", "connect:value"]["value"] == SECRET
    assert SECRET not in str(modal.view)
    fill(modal, "connect:field:openrouter:base_url", "connect:value", "http://127.0.0.1:9/v1")
    await modal.click("connect:advanced")
    assert ("connect:field:openrouter:base_url", "connect:value") not in modal.surface.values


async def test_an_unexpected_failure_is_an_id_on_the_form_and_in_the_log_without_the_secret(
    slack: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    slack.bot.connecting.outcomes += [RuntimeError(f"cannot use {SECRET}")]

    with caplog.at_level(logging.DEBUG):
        reply = await (await form(slack)).submit({"Management key": SECRET})

    found = re.search(r"id (\w+)\)", reply.errors["connect:secret:openrouter:key"])
    assert found
    assert len([record for record in caplog.records if found[1] in record.getMessage()]) == 1
    assert "RuntimeError: cannot use …" in caplog.text
    assert SECRET not in caplog.text


async def test_a_planted_secret_is_in_no_call_and_in_no_log_at_debug(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with start(patience=SLOW) as slack:
            slack.bot.connecting.outcomes += [
                BadConfig("key", f"The ledger echoes {SECRET}."),
                Permanent(f"{SECRET} again"),
                ValueError(SECRET),
                SAVED,
            ]
            modal = await form(slack)
            for _ in range(4):
                fill(modal, "connect:secret:openrouter:key", "connect:value", SECRET)
                await modal.click("connect:advanced")
                await modal.submit({"Management key": SECRET})
            said = slack.journal.sent_text()
            shown = str([modal.view, modal.errors])

        assert modal.title == "Connected"
        assert SECRET not in said
        assert SECRET not in shown
    assert SECRET not in caplog.text


async def test_a_refused_credential_is_renewed_from_the_notice(slack: Workspace) -> None:
    existing = ConnectionSummary("c7", "main", "openrouter", "OpenRouter", "needs_reauth")
    slack.bot.connecting.existing = [existing]
    at = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    notice = needs_reauth(existing, at, at)
    message = slack.world.post(slack.world.direct(ALICE).id, notice.text, notice.forms[0][1])

    modal = (await slack.click(message, "connect:reconnect", user=ALICE)).modal
    assert modal is not None
    assert "main" in modal.words
    reply = await modal.submit({"Management key": SECRET})

    assert slack.bot.connecting.calls == [(slack.world.team_id, "openrouter", "main", {"key": SECRET}, True)]
    assert reply.modal is not None
    assert reply.modal.title == "Connected"


async def test_a_notice_about_a_connection_that_is_gone_says_so(slack: Workspace) -> None:
    at = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    notice = needs_reauth(ConnectionSummary("c7", "main", "openrouter", "OpenRouter"), at, at)
    message = slack.world.post(slack.world.direct(ALICE).id, notice.text, notice.forms[0][1])

    reply = await slack.click(message, "connect:reconnect", user=ALICE)

    assert reply.modal is None
    assert "no longer there" in reply.text


def fill(modal: Modal, block_id: str, action_id: str, value: str) -> None:
    """Types into a field, and presses nothing."""
    modal.surface.values[block_id, action_id] = {"type": "plain_text_input", "value": value}


async def test_a_ledger_that_never_answers_is_given_up(start: Start) -> None:
    async with start(patience=FormTimeouts(check_seconds=0.02, settle_seconds=0)) as slack:
        slack.bot.connecting.gate.clear()

        reply = await (await form(slack)).submit({"Management key": SECRET})

        assert reply.errors == {
            "connect:secret:openrouter:key": "The ledger did not answer in time. Try again in a few minutes."
        }


async def test_when_two_clicks_cross_the_later_one_counts(slack: Workspace) -> None:
    modal = await form(slack)
    slack.faults.refuse("views.update", "hash_conflict")

    await modal.click("connect:advanced")

    assert modal.title == "Connect a Ledger"
    assert len(slack.calls("views.update")) == 1
