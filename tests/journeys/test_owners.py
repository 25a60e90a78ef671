"""Whose key it is: said in Slack, and every answer, in Slack and in the terminal, follows at once."""

from outlay.fakes.company.company import Company
from tests.journeys.read_answer import nano
from tests.journeys.running_bot import House
from tests.workspace import ALICE


async def test_a_key_given_to_an_agent_takes_its_history_along(connected: House, company: Company) -> None:
    key = company.key("dana-ide")
    before, hers = await connected.spend("7d"), await connected.spend("7d", f"key:{key.name}")
    modal = (await connected.slack.command("/spend owners", user=ALICE)).modal
    assert modal is not None
    await modal.submit({"Find": "dana-ide"})
    form = (await modal.click("owners:change")).modal
    assert form is not None

    await form.submit({"owners:kind": "agent", "owners:name": "ide"})

    assert "agent ide" in modal.words
    assert (await connected.spend("7d", "owner:agent:ide"))["total_usd"] == hers["total_usd"]
    assert nano(hers["total_usd"]) > 0
    assert (await connected.spend("7d"))["total_usd"] == before["total_usd"]
