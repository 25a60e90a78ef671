"""An incident and its issue through the whole house, to a Linear that holds every request to its published schema.

Nobody files it, there is one, both sides know each other, and what people do on either side is known on the other.
"""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from outlay.fakes.company.company import Company
from outlay.fakes.http_common import HttpFaults
from outlay.fakes.linear.server import API_KEY, CLIENT_ID, CLIENT_SECRET, PATH, FakeLinear, linear_app
from outlay.fakes.slack.workspace import FakeMessage
from tests.cli.threaded_fakes import doors
from tests.journeys.conftest import Open
from tests.journeys.running_bot import BOUND_SECONDS, BRUNO, NOW, House
from tests.journeys.test_incident import SETTINGS, WHO, posts, replies, run_away
from tests.plugins.linear_vendor import published_schema
from tests.workspace import ALICE, Modal

SECRET = "whsec-of-the-webhook-0123456789"
FIRST_TICKET_SECONDS = 5


@dataclass
class Desk:
    """The house, and Linear beside it."""

    home: House
    linear: FakeLinear
    url: str

    @property
    def issue(self) -> dict[str, Any]:
        """The one issue."""
        (only,) = self.linear.issues.values()
        return only

    @property
    def message(self) -> FakeMessage:
        """The one message."""
        (only,) = posts(self.home)
        return only

    def said(self) -> list[str]:
        """The comments, by what they begin with."""
        return [text.split("**")[1] for text in self.linear.world.comment_bodies(self.issue["id"])]

    async def connect(self, **more: str) -> Modal:
        """Alice connects it: the credential first, then the team out of those that there are."""
        form = (await self.home.slack.command("/spend connect linear", user=ALICE)).modal
        assert form is not None
        await form.click("connect:advanced")
        credential = more.pop("credential", "")
        known = {"Client ID": CLIENT_ID, "Client secret": CLIENT_SECRET} if credential else {"API key": API_KEY}
        first = {"Base URL": self.url, "File from, in dollars": "5", "State on recovery": "Done", **known, **more}
        await form.submit(first)
        assert "Now choose where it goes" in form.words, form.errors or form.words
        kinds = {block["label"]["text"]: block["element"]["type"] for block in form.blocks if block["type"] == "input"}
        lists = ("Team", "Label", "State on recovery", "Assignee", "File from severity")
        assert {kinds[name] for name in lists} == {"static_select"}
        again = {name: value for name, value in first.items() if name in ("API key", "Client secret", "Webhook secret")}
        await form.submit({"Team": "Engineering", **again})
        assert form.title == "Connected", form.errors or form.words
        return form

    async def minutes(self, count: int) -> None:
        """Time passes, five minutes at a time."""
        for _ in range(count // 5):
            await self.home.later(minutes=5)

    async def hook(self, state: str, by: str = "Bob", *, secret: str = SECRET) -> int:
        """Somebody changes the issue in Linear, which says so; the status of the answer."""
        self.issue["state"] = self.linear.world.state(state)
        (number,) = [view.id for view in (await self.home.connections()).values() if view.role == "sink"]
        headers, body = self.linear.world.webhook(secret, self.issue["id"], by=by)
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{self.home.bot.port}/hooks/{number}"
            status = (await client.post(url, headers=headers, content=body)).status_code
        await self.home.bot.deliver()
        await self.home.slack.settle()
        return status


@pytest.fixture(scope="module")
def beside() -> Iterator[tuple[Any, str]]:
    """Where Linear is."""
    with doors() as found:
        yield found


@pytest.fixture
async def desk(open_connected: Open, beside: tuple[Any, str]) -> AsyncIterator[Desk]:
    """A house whose bot has looked around once, and a Linear that nobody has connected yet."""
    async with open_connected(company=Company(now=NOW, days=1), **SETTINGS) as home:
        await home.later(minutes=5)
        yield at_work(home, beside)


def at_work(home: House, beside: tuple[Any, str]) -> Desk:
    door, url = beside
    door.app = linear_app(home.clock, schema=published_schema())
    return Desk(home, door.app.state.standin, url + PATH)


async def test_it_files_itself_once_and_each_side_leads_to_the_other(desk: Desk) -> None:
    await desk.connect(credential="client")
    tokens = desk.linear.tokens_given
    run_away(desk.home, who="dana-ide")
    await desk.minutes(20)

    issue, message = desk.issue, desk.message
    assert issue["assignee"]["email"] == "dana@brightloom.example"
    assert [label["name"] for label in issue["labels"](None)["nodes"]] == ["ai-spend"]
    assert issue["title"].startswith("dana: $")
    for part in (
        "has spent $",
        "an hour right now",
        "**What to do**",
        "Why this was noticed",
        "When it was noticed",
        "Hour by hour",
    ):
        assert part in issue["description"]
    assert issue["url"] in str(message.blocks)
    assert "Filed in linear" in str(message.blocks)
    (link,) = desk.linear.world.attachments.values()
    assert link["url"].endswith(f"/archives/{message.channel}/p{message.ts.replace('.', '')}")
    assert re.match(r"\$\d+\.\d\d since 2026-11-21 14:1", link["subtitle"])
    assert [re.sub(r"[\d.]+", "…", text) for text in desk.said()] == ["$… by now"]
    assert desk.linear.tokens_given == tokens + 1, "kept, and not fetched for each request"


async def test_the_first_ticket_is_there_within_seconds_of_detection(
    open_connected: Open, beside: tuple[Any, str]
) -> None:
    """The clockwork runs by itself; only the wall clock is moved, once, so that a poll is due."""
    async with open_connected(company=Company(now=NOW, days=1), clockwork=True, **SETTINGS) as home:
        desk = at_work(home, beside)
        workspace = await home.bot.services.workspace()
        await desk.connect()
        home.clock.advance(timedelta(minutes=5))
        await home.until(lambda: read_up_to_now(home), "the poll before")
        run_away(home)
        home.clock.advance(timedelta(minutes=5))
        await home.until(lambda: home.bot.services.desk.recent(workspace), "the incident")
        detected = time.monotonic()
        await home.until(lambda: filed(desk), "the ticket")
        assert time.monotonic() - detected < FIRST_TICKET_SECONDS


async def test_what_is_too_small_is_filed_by_a_button_once(desk: Desk) -> None:
    run_away(desk.home)
    await desk.minutes(5)
    assert "alerts:file" not in str(desk.message.blocks), "there is nowhere to file it yet"
    await desk.connect(**{"File from, in dollars": "100000"})
    await desk.minutes(5)
    assert desk.linear.issues == {}

    for _ in range(2):
        if "alerts:file" in str(desk.message.blocks):
            await desk.home.slack.click(desk.message, "alerts:file", user=BRUNO)
        await desk.minutes(5)
    assert "Filed by Outlay for bruno" in desk.issue["description"]
    assert desk.issue["url"] in str(desk.message.blocks)
    assert "alerts:file" not in str(desk.message.blocks)


async def test_what_people_do_in_linear_is_done_in_slack_by_a_signed_webhook(desk: Desk) -> None:
    await desk.connect(**{"Webhook secret": SECRET})
    run_away(desk.home)
    await desk.minutes(5)
    assert await desk.hook("In Progress", secret="another-secret-0123456789") == 401
    assert "nobody has taken it yet" in str(desk.message.blocks)
    assert await desk.hook("In Progress") == 200
    assert "Acknowledged by Bob in Linear" in str(desk.message.blocks)
    assert await desk.hook("Canceled", by="<!channel> ](http://evil.example)") == 200
    assert "Marked as nothing by" in str(desk.message.blocks)
    assert "<!channel>" not in str(desk.message.blocks)
    said = len(desk.said())
    await desk.minutes(20)
    assert (len(posts(desk.home)), len(desk.said())) == (1, said), "muted"


async def test_without_a_webhook_it_is_asked_and_an_undo_opens_the_issue_again(desk: Desk) -> None:
    await desk.connect()
    run_away(desk.home)
    await desk.minutes(5)
    desk.issue["state"] = desk.linear.world.state("Done")
    await desk.minutes(10)
    assert "Acknowledged by somebody in Linear" in str(desk.message.blocks)

    modal = (await desk.home.slack.click(desk.message, "alerts:expect", user=BRUNO)).modal
    assert modal is not None
    desk.issue["state"] = desk.linear.world.state("Triage")
    await modal.submit({"alerts:reason": "a load test"})
    assert desk.issue["state"]["name"] == "Done", "as was asked for on recovery"
    assert "it was expected: a load test" in desk.linear.world.comment_bodies(desk.issue["id"])[-1]
    await desk.home.slack.click(desk.message, "alerts:undo", user=BRUNO)
    assert desk.issue["state"]["name"] == "Todo"
    assert desk.said()[-1] == "It is back."


async def test_it_ends_and_comes_back_in_the_same_issue(desk: Desk) -> None:
    await desk.connect()
    run_away(desk.home, minutes=10)
    await desk.minutes(45)
    assert desk.said()[-1] == "It is over."
    assert desk.issue["state"]["name"] == "Done"
    await desk.minutes(30)
    assert desk.said()[-1] == "It is over.", "what is over does not come back by itself"
    run_away(desk.home)
    await desk.minutes(15)
    assert "It is back." in desk.said()
    assert desk.issue["state"]["name"] == "Todo"
    assert len(posts(desk.home)) == 1


async def test_linear_is_down_for_an_hour_and_then_says_all_of_it_in_order(desk: Desk) -> None:
    await desk.connect()
    desk.linear.faults.status(PATH, 503, times=10_000)
    run_away(desk.home, minutes=35)
    await desk.minutes(60)
    assert desk.linear.issues == {}
    assert any("It has doubled" in text for text in replies(desk.home)), "Slack does not wait for it"
    assert len(desk.linear.journal.asked) < 60
    desk.linear.faults.clear()
    await desk.minutes(45)
    assert [text.strip("$0123456789.") for text in desk.said()] == [" by now", "It is over"]
    assert desk.issue["url"] in str(desk.message.blocks)


@pytest.mark.parametrize("nth", [5, 6, 7])
async def test_a_bot_that_dies_while_it_files_leaves_one_issue(
    open_connected: Open, open_house: Open, beside: tuple[Any, str], nth: int
) -> None:
    """Linear does what it is asked for the nth time, and nobody is there any more to hear that it did."""
    company = Company(now=NOW, days=1)
    async with open_connected(company=company, **SETTINGS) as home:
        await home.later(minutes=5)
        desk = at_work(home, beside)
        await desk.connect()
        run_away(home)
        home.clock.advance(timedelta(minutes=5))
        killed = asyncio.create_task(home.bot.tick())
        dying(desk, nth, asyncio.get_running_loop(), killed)
        await asyncio.gather(killed, return_exceptions=True)
        assert killed.cancelled()
    desk.linear.faults.pop = HttpFaults.pop.__get__(desk.linear.faults)  # type: ignore[method-assign]
    async with open_house(company=company, before=home, **SETTINGS) as again:
        desk.home = again
        await desk.minutes(20)
        assert desk.issue["url"] in str(desk.message.blocks)
        assert WHO in desk.issue["title"]


async def test_a_key_that_is_revoked_is_asked_for_once_and_what_waited_is_told(desk: Desk) -> None:
    await desk.connect()
    desk.linear.rotate("lin_api_anotherKeyAnotherKeyAnotherKeyAnother0002")
    run_away(desk.home)
    await desk.minutes(20)
    assert desk.linear.issues == {}
    (asked,) = [one for one in desk.home.slack.dms(ALICE) if "has refused the credential" in one.text]
    assert "Linear has refused the credential of linear" in asked.text
    assert "waits in order" in asked.text

    form = (await desk.home.slack.click(asked, "connect:reconnect", user=ALICE)).modal
    assert form is not None
    await form.submit({"API key": "lin_api_anotherKeyAnotherKeyAnotherKeyAnother0002"})
    assert form.title == "Connected", form.errors or form.words
    await desk.minutes(5)
    assert desk.issue["url"] in str(desk.message.blocks)


async def test_what_was_given_up_stands_in_spend_alerts_and_a_button_sends_it_again(desk: Desk) -> None:
    await desk.connect()
    team = desk.linear.world.teams.pop(0)
    run_away(desk.home)
    await desk.minutes(5)
    overview = (await desk.home.slack.command("/spend alerts", user=ALICE)).modal
    assert overview is not None
    assert "linear was not told that it began of agent-triage" in overview.words
    assert "Linear has no team 'ENG'; there is: OPS." in overview.words
    theirs = (await desk.home.slack.command("/spend alerts", user=BRUNO)).modal
    assert theirs is not None
    assert "could not be delivered" not in theirs.words

    desk.linear.world.teams.insert(0, team)
    again = "alerts:send_again" if "Send All Again" not in overview.words else "alerts:send_all_again"
    await overview.click(again)
    await desk.home.tick()
    assert "could not be delivered" not in overview.words
    assert desk.issue["url"] in str(desk.message.blocks)


def dying(desk: Desk, nth: int, loop: asyncio.AbstractEventLoop, killed: "asyncio.Task[None]") -> None:
    """Kills a task at the nth request to Linear, which does it once the task is gone, and whose answer is lost."""
    faults, left, gone = desk.linear.faults, [nth], threading.Event()
    before = faults.pop
    killed.add_done_callback(lambda _: gone.set())

    def take(path: str) -> Any:
        left[0] -= 1
        if left[0] == 0:
            faults.cut(PATH)
            loop.call_soon_threadsafe(killed.cancel)
            gone.wait(BOUND_SECONDS)
        return before(path)

    faults.pop = take  # type: ignore[method-assign]


async def read_up_to_now(home: House) -> bool:
    """Has everything been read since the clock was moved?"""
    found = [view.last_poll for view in (await home.connections()).values() if view.role != "sink"]
    return all(read is not None and read >= home.clock.now() for read in found)


async def filed(desk: Desk) -> bool:
    return bool(desk.linear.issues)
