"""Starting, stopping, health, HTTP mode, and the first install that adopts what was there before Slack."""

import asyncio
import sqlite3
from datetime import timedelta
from typing import Any

import httpx
import pytest

from outlay import wording
from outlay.fakes.openrouter.server import MANAGEMENT_KEY
from outlay.services import StartError
from tests.cli.run_cli import Terminal
from tests.journeys.conftest import Open
from tests.journeys.read_answer import nano
from tests.journeys.running_bot import BRUNO, NOW, House
from tests.workspace import ALICE

SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


async def health(home: House) -> tuple[int, dict[str, Any]]:
    """What `/healthz` says, asked over HTTP."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{home.bot.port}/healthz")
    found = answer.json()
    assert isinstance(found, dict)
    return answer.status_code, found


async def test_health_says_slack_the_last_poll_and_the_queue(connected: House) -> None:
    status, found = await health(connected)

    assert status == 200
    assert found["ok"] is True
    assert (found["slack"]["mode"], found["slack"]["connected"]) == ("socket", True)
    fresh_until = found["connections"][0].pop("fresh_until")
    assert "2026-11-21T13:50:00Z" < fresh_until <= "2026-11-21T14:05:30Z"
    assert found["connections"] == [{"name": "main", "state": "ok", "last_poll": "2026-11-21T14:05:30Z"}]
    assert found["outbox_waiting"] == 0


async def test_health_says_what_waits_and_what_fails(connected: House) -> None:
    connected.slack.faults.server_error("chat.postMessage", times=5)
    connected.faults.revoked = True
    await connected.later(minutes=2)

    status, found = await health(connected)

    assert found["outbox_waiting"] == 1
    assert found["connections"][0]["state"] == "needs_reauth"
    assert status == 200


async def test_health_holds_no_secret_and_no_figure(connected: House) -> None:
    _, found = await health(connected)

    assert MANAGEMENT_KEY not in str(found)
    assert "usd" not in str(found)


@pytest.mark.sqlite_file
async def test_a_graceful_stop_lets_a_running_poll_finish(open_connected: Open) -> None:
    async with open_connected() as home:
        home.clock.advance(timedelta(minutes=7))
        home.faults.slow("/analytics/query", 0.5)
        await home.bot.polls.start_due()
        asked = home.openrouter.journal.asked
        await home.until(lambda: _is(any(one.path == "/keys" for one in asked)), "the poll to begin")
        total = home.company.truth(home.company.start, home.clock.now(), of="paid_nano_usd")[()]
        terminal, clock = home.terminal, home.clock

    shown = await asyncio.to_thread(terminal.done, "connections", "--format", "json")
    assert shown.json()[0]["last_poll"] == "2026-11-21T14:12:30Z"
    assert nano((await asyncio.to_thread(terminal.spend, "7d"))["total_usd"]) == total
    with sqlite3.connect(terminal.data_dir / "outlay.sqlite") as books:
        assert books.execute("SELECT lease_owner, lease_until FROM connection").fetchall() == [("", 0)]
    assert clock.now() == NOW + timedelta(minutes=7)


async def _is(value: bool) -> bool:
    return value


async def test_a_graceful_stop_lets_an_answer_finish(open_connected: Open) -> None:
    async with open_connected() as home:
        reply = await home.slack.command("/spend 7d", user=BRUNO, wait=False)
        slack = home.slack

    assert reply.acked
    assert [message.text[:1] for message in slack.messages(user=BRUNO)] == ["$"]


async def test_a_bot_that_comes_back_goes_on_where_the_last_one_stopped(open_connected: Open) -> None:
    async with open_connected() as home:
        await home.later(minutes=5)
        before = await home.truth_holds()
    async with open_connected() as home:
        home.clock.advance(timedelta(minutes=5))
        await home.tick()

        assert await home.truth_holds() == before
        await home.later(minutes=5)
        assert await home.truth_holds() > before
        assert len([one for one in home.openrouter.journal.asked if one.path == "/analytics/query"]) < 20


async def test_two_bots_at_one_database_poll_once(open_connected: Open) -> None:
    async with open_connected() as home:
        home.clock.advance(timedelta(minutes=2))
        asked = home.openrouter.journal.asked
        await asyncio.gather(*(home.bot.tick() for _ in range(3)), *(home.outlay("connections") for _ in range(2)))
        polls = [one for one in asked if one.path == "/credits"]

        assert len(polls) == 1
        await home.truth_holds()


async def test_a_port_that_is_taken_is_said_in_words(open_connected: Open) -> None:
    async with open_connected() as home:
        with pytest.raises(StartError, match="OUTLAY_HTTP_PORT: port"):
            async with open_connected(OUTLAY_HTTP_PORT=str(home.bot.port)):
                pytest.fail("it started")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-wrong-token-0001", "SLACK_BOT_TOKEN: Slack refuses it (invalid_auth)"),
        ("SLACK_APP_TOKEN", "xapp-wrong-token-0001", "SLACK_APP_TOKEN is not valid"),
    ],
)
async def test_a_slack_token_that_is_refused_is_said_in_words(
    open_connected: Open, name: str, value: str, said: str
) -> None:
    with pytest.raises(StartError) as refused:
        async with open_connected(**{name: value}):
            pytest.fail("it started")

    assert str(refused.value).startswith(said)
    assert value not in str(refused.value)


@pytest.mark.sqlite_file
async def test_what_was_connected_before_slack_is_adopted_with_all_its_books(
    open_house: Open, terminal_before_slack: Terminal
) -> None:
    before = await asyncio.to_thread(terminal_before_slack.spend, "7d", "by", "model")

    async with open_house() as home:
        reply = await home.slack.command("/spend 7d by model", user=BRUNO)
        assert reply.text.startswith(wording.money(nano(before["total_usd"])))
        after = await home.spend("7d", "by", "model")
        assert (after["rows"], after["total_usd"]) == (before["rows"], before["total_usd"])
        await home.later(minutes=5)  # with the same credential, sealed anew
        assert (await home.connections())["main"].state == "ok"
        await home.truth_holds()

    with sqlite3.connect(terminal_before_slack.data_dir / "outlay.sqlite") as books:
        assert books.execute("SELECT id, name FROM workspace").fetchall() == [("T01OUTLAY", "Brightloom")]


@pytest.fixture
async def over_http(open_connected: Open) -> Any:
    """A house that Slack reaches over HTTP."""
    async with open_connected(socket_mode=False, SLACK_SIGNING_SECRET=SIGNING_SECRET) as home:
        home.slack.slack.over_http(f"http://127.0.0.1:{home.bot.port}/slack/events", SIGNING_SECRET)
        yield home


async def test_over_http_the_same_questions_get_the_same_answers(over_http: House) -> None:
    reply = await over_http.slack.command("/spend 7d by model", user=BRUNO)
    modal = (await over_http.slack.command("/spend connect openrouter", user=ALICE)).modal

    total = over_http.company.truth(over_http.company.start, NOW, of="paid_nano_usd")[()]
    assert reply.acked
    assert reply.text.startswith(f"{wording.money(total)} in the last 7 days")
    assert modal is not None
    assert (await over_http.submit(modal, "sk-or-v1-" + "0" * 64)).errors
    status, found = await health(over_http)
    assert (status, found["slack"]["mode"], found["slack"]["connected"]) == (200, "http", True)


@pytest.mark.parametrize(("secret", "age_seconds"), [("another", 0), (SIGNING_SECRET, 400)])
async def test_what_slack_has_not_signed_just_now_is_refused(over_http: House, secret: str, age_seconds: int) -> None:
    url = f"http://127.0.0.1:{over_http.bot.port}/slack/events"
    over_http.slack.slack.over_http(url, secret, age_seconds=age_seconds)

    reply = await over_http.slack.command("/spend 7d", user=BRUNO)

    assert not reply.acked
    assert reply.messages == []
    async with httpx.AsyncClient(trust_env=False) as client:
        unsigned = await client.post(url, data={"command": "/spend", "text": "7d"})
    assert unsigned.status_code == 401
