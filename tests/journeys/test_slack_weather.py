"""Slack in bad weather: answers still come, nothing is said twice, and a lost socket is opened again."""

import pytest

from outlay import wording
from tests.journeys.running_bot import BRUNO, House
from tests.workspace import ALICE


async def total(home: House) -> str:
    """How an answer about the last week begins."""
    paid = home.company.truth(home.company.start, home.clock.now(), of="paid_nano_usd")[()]
    return f"{wording.money(paid)} in the last 7 days"


async def test_after_a_dropped_socket_the_next_command_works(connected: House) -> None:
    for _ in range(3):
        await connected.slack.drop_socket()
        reply = await connected.slack.command("/spend 7d", user=BRUNO)
        assert reply.acked
        assert reply.text.startswith(await total(connected))


async def test_a_socket_that_slack_wants_renewed_is_renewed(connected: House) -> None:
    before = connected.slack.socket.connections

    await connected.slack.socket.ask_to_reconnect()
    await connected.slack.socket.reconnected(before)

    assert (await connected.slack.command("/spend 7d", user=BRUNO)).text.startswith(await total(connected))


@pytest.mark.parametrize("unknown", [("data_table",), ("data_table", "table")])
async def test_a_workspace_without_the_newest_blocks_gets_the_same_figures_plainer(
    connected: House, unknown: tuple[str, ...]
) -> None:
    connected.slack.faults.forget_blocks(*unknown)

    reply = await connected.slack.command("/spend 7d by model", user=BRUNO)

    assert reply.text.startswith(await total(connected))
    found = await connected.spend("7d", "by", "model")
    for row in found["rows"]:
        assert row["model"]["id"] in reply.words
        assert wording.money(int(row["usd"].replace(".", ""))) in reply.words


@pytest.mark.parametrize("trouble", ["rate_limit", "server_error", "lose"])
async def test_an_answer_that_slack_does_not_take_harms_nobody_and_the_next_one_comes(
    connected: House, trouble: str
) -> None:
    getattr(connected.slack.faults, trouble)("response_url")

    first = await connected.slack.command("/spend 7d", user=BRUNO)
    second = await connected.slack.command("/spend 7d", user=BRUNO)

    assert first.acked
    assert second.text.startswith(await total(connected))
    assert len(second.messages) == 1


async def test_a_slack_that_does_not_say_who_somebody_is_lets_nobody_in(connected: House) -> None:
    connected.slack.faults.server_error("users.info", times=10)

    reply = await connected.slack.command("/spend connect", user=ALICE)

    assert reply.modal is None
    assert "for workspace admins and owners" in reply.text
    connected.slack.faults.clear()
    assert (await connected.slack.command("/spend connect", user=ALICE)).modal is not None


@pytest.mark.parametrize("trouble", ["rate_limit", "server_error", "refuse"])
async def test_a_message_to_the_admin_that_slack_refused_is_said_once_later(connected: House, trouble: str) -> None:
    more = {"error": "internal_error"} if trouble == "refuse" else {}
    getattr(connected.slack.faults, trouble)("chat.postMessage", **more)
    connected.faults.revoked = True

    await connected.later(minutes=2)
    assert connected.slack.dms(ALICE) == []
    for _ in range(3):
        await connected.later(minutes=10)

    assert len(connected.slack.dms(ALICE)) == 1
    assert (await connected.bot.health())["outbox_waiting"] == 0


async def test_a_message_whose_fate_is_unknown_is_rather_said_twice_than_lost(connected: House) -> None:
    connected.slack.faults.lose("chat.postMessage", performed=False)
    connected.faults.revoked = True

    for _ in range(3):
        await connected.later(minutes=10)

    assert len(connected.slack.dms(ALICE)) == 1


async def test_nobody_is_told_of_what_is_mended_before_slack_is_back(connected: House) -> None:
    connected.slack.faults.server_error("chat.postMessage", times=1)
    connected.faults.revoked = True
    await connected.later(minutes=2)
    connected.faults.revoked = False
    await connected.outlay("poll")

    await connected.later(minutes=10)

    assert (await connected.connections())["main"].state == "ok"
    assert connected.slack.dms(ALICE) == []
