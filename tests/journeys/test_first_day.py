"""The first day: an admin connects the account, the bot reads it by itself, and everybody gets an answer."""

from datetime import datetime, timedelta

import pytest

from outlay import app, wording
from outlay.fakes.openrouter.server import INFERENCE_KEY, MANAGEMENT_KEY
from tests.journeys.conftest import Open
from tests.journeys.read_answer import nano
from tests.journeys.running_bot import BRUNO, NOW, House
from tests.workspace import ALICE, GUEST

SECRET_BLOCK = "connect:secret:openrouter:api_key"


async def test_a_wrong_key_an_inference_key_and_then_the_right_one(home: House) -> None:
    form = await home.form()

    wrong = await home.submit(form, "sk-or-v1-" + "0" * 64)
    assert "OpenRouter does not know this key (401)" in wrong.errors[SECRET_BLOCK]
    inference = await home.submit(form, INFERENCE_KEY)
    assert "This is an inference key" in inference.errors[SECRET_BLOCK]
    assert "management key" in inference.errors[SECRET_BLOCK]
    assert await home.connections() == {}
    right = await home.submit(form, MANAGEMENT_KEY, Name="production")

    assert right.modal is not None
    assert right.modal.title == "Connected"
    assert "Brightloom" in right.modal.words
    assert f"…{MANAGEMENT_KEY[-4:]}" in right.modal.words
    assert list(await home.connections()) == ["production"]


async def test_a_wrong_address_lands_on_its_field(home: House) -> None:
    form = await home.form()
    await form.click("connect:advanced")

    wrong = await form.submit({"Management key": MANAGEMENT_KEY, "Base URL": "not an address"})

    assert "connect:field:openrouter:base_url" in wrong.errors
    assert await home.connections() == {}


async def test_the_same_account_or_name_twice_is_refused_in_the_form(home: House) -> None:
    await home.connect(name="main")

    account = await home.submit(await home.form(), MANAGEMENT_KEY, Name="second")
    name = await home.submit(await home.form(), MANAGEMENT_KEY, Name="main")

    assert "«main»" in account.errors[SECRET_BLOCK]
    assert "in use" in name.errors["connect:name:openrouter"]
    assert list(await home.connections()) == ["main"]


async def test_a_slow_ledger_is_waited_for_in_the_open(home: House) -> None:
    home.faults.slow("/key", 2.3)
    form = await home.form()
    await form.click("connect:advanced")

    reply = await form.submit({"Management key": MANAGEMENT_KEY, "Base URL": home.base_url}, wait=False)
    assert reply.ack is not None
    assert reply.ack.payload is not None
    assert reply.ack.payload["view"]["callback_id"] == "connect:checking"
    await home.slack.settle()

    assert form.title == "Connected"
    assert len(await home.connections()) == 1


@pytest.mark.parametrize("user", [BRUNO, GUEST])
async def test_members_and_guests_connect_nothing(home: House, user: str) -> None:
    reply = await home.slack.command("/spend connect", user=user)

    assert reply.modal is None
    assert reply.ephemeral
    assert "for workspace admins and owners" in reply.text
    forged = await home.slack.submit(await home.form(), {"Management key": MANAGEMENT_KEY}, user=user)
    assert forged.acked
    assert await home.connections() == {}


async def test_the_bots_own_clockwork_reads_the_ledger_and_spend_answers(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for period in ("POLL_CHECK_SECONDS", "DELIVER_SECONDS", "PEOPLE_SECONDS"):
        monkeypatch.setattr(app, period, 0.05)
    async with open_house(clockwork=True) as home:
        first = await home.slack.command("/spend", user=ALICE)
        assert "No ledger is connected yet" in first.text
        opened = await first.click("connect:open")
        assert opened.modal is not None
        await opened.modal.choose("connect:ledger", "openrouter")
        await home.submit(opened.modal, MANAGEMENT_KEY, Name="main")

        async def read_by(moment: datetime) -> bool:
            last_poll = (await home.connections())["main"].last_poll
            return last_poll is not None and last_poll >= moment.replace(microsecond=0)

        await home.until(lambda: read_by(NOW), "the first poll")
        reply = await home.slack.command("/spend 7d", user=BRUNO)

        total = home.company.truth(home.company.start, NOW, of="paid_nano_usd")[()]
        assert reply.text.startswith(f"{wording.money(total)} in the last 7 days")
        assert nano((await home.spend("7d"))["total_usd"]) == total
        home.clock.advance(timedelta(minutes=2))
        await home.until(lambda: read_by(home.clock.now()), "the next poll")
        await home.truth_holds()
