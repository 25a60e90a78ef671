"""Several workspaces in one bot: each installs from a browser, sees its own books alone, and leaves without a trace of
its secrets."""

import html
import sqlite3
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from outlay import outbox
from outlay import settings as bot_settings
from outlay.app import Bot
from outlay.cli.digest import digest
from outlay.connections.key_rotation import count_secrets_by_key, rewrap_secrets
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.openrouter.server import MANAGEMENT_KEY
from outlay.fakes.slack.oauth import Oauth
from outlay.fakes.slack.server import FakeSlack
from outlay.fakes.slack.workspace import FakeWorkspace
from outlay.health.checks import vault_check
from outlay.services import StartError, open_services
from outlay.slack.health_check import installed_checks
from outlay.vault.key_setup import add_key
from outlay.workspaces import installations
from tests.cli.threaded_fakes import Door, behind
from tests.journeys.running_bot import LOOPBACK, NOW, LedgerClock, WallClock
from tests.workspace import ALICE, BEN, GENERAL, GUEST, Workspace

CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET = "1234.5678", "c" * 32, "8f742231b10e8888abcd99yyyzzz85a5"
COMMAND = "/slack/events"


@dataclass
class Town:
    """Two workspaces, the bot that both may install, and a ledger."""

    bot: Bot
    oauth: Oauth
    first: Workspace
    second: Workspace
    clock: WallClock
    ledger_url: str
    data_dir: Path

    def address(self, bot: Bot, path: str) -> str:
        """Where a bot serves a path."""
        return f"http://{LOOPBACK}:{bot.port}{path}"

    async def begin(self, bot: Bot | None = None) -> tuple[str, str]:
        """Somebody follows the link to install; the address at Slack, and the cookie that their browser keeps."""
        async with httpx.AsyncClient(trust_env=False) as browser:
            sent = await browser.get(self.address(bot or self.bot, "/slack/install"))
        assert sent.status_code == 302
        return sent.headers["location"], sent.headers["set-cookie"].split(";")[0]

    async def finish(self, back: str, cookie: str, bot: Bot | None = None) -> httpx.Response:
        """Slack sends them back."""
        address = self.address(bot or self.bot, "/slack/oauth_redirect")
        async with httpx.AsyncClient(trust_env=False) as browser:
            return await browser.get(f"{address}?{back.split('?', 1)[1]}", headers={"cookie": cookie})

    async def install(self, slack: Workspace, user: str = ALICE) -> None:
        """The whole way."""
        link, cookie = await self.begin()
        done = await self.finish(self.oauth.allow(link, slack.slack, user), cookie)
        assert done.status_code == 200, done.text
        assert html.escape(slack.world.team_name) in done.text

    async def connect(self, slack: Workspace) -> None:
        """The workspace's admin connects the ledger in the modal."""
        modal = (await slack.command("/spend connect openrouter", user=ALICE)).modal
        assert modal is not None
        await modal.click("connect:advanced")
        fields = {"Management key": MANAGEMENT_KEY, "Base URL": self.ledger_url, "Name": "main"}
        reply = await modal.submit(fields)
        assert reply.modal is not None
        assert reply.modal.title == "Connected", reply.errors

    async def later(self, **by: float) -> None:
        """Time passes, and the bot does what is due."""
        self.clock.advance(timedelta(**by))
        await self.bot.tick()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What stands in the books."""
        with sqlite3.connect(self.data_dir / "outlay.sqlite") as books:
            return books.execute(sql).fetchall()

    async def remove_workspace(self, slack: Workspace, *events: str) -> None:
        """The workspace throws the app out: the token is worthless, and Slack says so."""
        slack.slack.revoke()
        for event in events:
            more = {"tokens": {"oauth": [], "bot": ["U00OUTLAY"]}} if event == "tokens_revoked" else {}
            await slack.event(event, **more)


@asynccontextmanager
async def bots(data_dir: Path, api_url: str, clock: WallClock, **environ: str) -> AsyncIterator[Bot]:
    """A bot in HTTP mode, which several workspaces may install."""
    own = {
        "SLACK_CLIENT_ID": CLIENT_ID,
        "SLACK_CLIENT_SECRET": CLIENT_SECRET,
        "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "SLACK_API_URL": api_url,
        "OUTLAY_DATA_DIR": str(data_dir),
        "OUTLAY_HTTP_PORT": "0",
        "OUTLAY_PRIVATE_HOSTS": LOOPBACK,
    }
    async with open_services(bot_settings.load(own | environ), clock=LedgerClock(clock)) as inside:
        bot = Bot(replace(inside, clock=clock))
        async with bot.running(clockwork=False, host=LOOPBACK):
            yield bot


@pytest.fixture
async def town(tmp_path: Path, place: tuple[Door, str], company: Company) -> AsyncIterator[Town]:
    """Nobody has installed anything yet."""
    clock, oauth = WallClock(NOW), Oauth(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    worlds = [FakeWorkspace(clock=clock), FakeWorkspace(clock=clock, team_id="T02OTHER", team_name="Other & Sons")]
    slacks = [
        FakeSlack(world, oauth=oauth, bot_token=f"xoxb-before-{number}", app_token=f"xapp-{number}")
        for number, world in enumerate(worlds)
    ]
    slacks[0].add_workspace(slacks[1])
    async with AsyncExitStack() as stack:
        for slack in slacks:
            slack.api.tokens.clear()  # nobody has a token before an installation
            slack.base_url = await stack.enter_async_context(serving(slack.app))
        served = stack.enter_context(behind(place, company, clock))
        bot = await stack.enter_async_context(bots(tmp_path, slacks[0].api_url, clock))
        oauth.redirect_urls = (f"http://{LOOPBACK}:{bot.port}/slack/oauth_redirect",)
        for slack in slacks:
            slack.over_http(f"http://{LOOPBACK}:{bot.port}{COMMAND}", SIGNING_SECRET)
        first, second = (Workspace(slack, idle=bot.tasks.idle) for slack in slacks)
        yield Town(bot, oauth, first, second, clock, served.base_url, tmp_path)


async def test_each_workspace_sees_its_own_books_and_is_spoken_to_with_its_own_token(town: Town) -> None:
    await town.install(town.first)
    await town.install(town.second)
    await town.connect(town.first)
    await town.later(seconds=1)

    ours = await town.first.command("/spend 7d", user=BEN)
    theirs = await town.second.command("/spend 7d", user=BEN)
    assert "$" in ours.text
    assert "$" not in theirs.text
    assert "connect" in theirs.words
    names = [row[1] for row in town.rows("SELECT id, name FROM workspace ORDER BY id")]
    assert names == ["Example Company", "Other & Sons"]

    tokens = {slack.slack.bot_token for slack in (town.first, town.second)}
    raw = (town.data_dir / "outlay.sqlite").read_bytes() + (town.data_dir / "outlay.sqlite-wal").read_bytes()
    assert len(tokens) == 2
    assert all(token.encode() not in raw for token in tokens)
    trail = town.rows("SELECT who, origin, deed FROM trail WHERE workspace_id = 'T02OTHER'")
    assert trail == [(ALICE, "slack", "workspace.install")]


async def test_a_notice_goes_to_the_workspace_that_it_is_about(town: Town) -> None:
    await town.install(town.first)
    await town.install(town.second)
    await town.connect(town.second)
    before = len(town.first.slack.journal.calls)
    async with town.bot.services.database.write() as session:
        payload = {"model": "m", "name": "main", "to": ""}
        await outbox.enqueue(
            session, workspace_id="T02OTHER", key="n", stream="n", kind="unpriced_model", payload=payload, now=NOW
        )
    await town.later(seconds=1)

    assert town.second.calls("chat.postMessage")
    assert len(town.first.slack.journal.calls) == before


async def test_an_installation_is_good_in_the_browser_that_began_it_and_once(town: Town) -> None:
    link, cookie = await town.begin()
    _, other = await town.begin()
    back = town.oauth.allow(link, town.first.slack, ALICE)
    elsewhere = await town.finish(back, other)
    bare = await town.finish(back, "")
    done = await town.finish(back, cookie)
    again = await town.finish(back, cookie)

    assert [answer.status_code for answer in (elsewhere, bare, done, again)] == [400, 400, 200, 401]
    assert "another browser" in elsewhere.text
    assert "finished already" in again.text
    assert done.headers["x-frame-options"] == "DENY"
    assert "SameSite" in done.headers["set-cookie"]


async def test_what_goes_wrong_is_said_and_nothing_is_kept(town: Town) -> None:
    link, cookie = await town.begin()
    cancelled = await town.finish(town.oauth.cancel(link), cookie)
    refused = await town.finish(town.oauth.allow(link, town.first.slack, GUEST), cookie)
    made_up = await town.finish(f"x?code=made-up&state={cookie.split('=', 1)[1]}", cookie)
    link, cookie = await town.begin()
    back = town.oauth.allow(link, town.first.slack, ALICE)
    town.clock.advance(installations.STATE_LIFE)
    late = await town.finish(back, cookie)

    assert [one.status_code for one in (cancelled, refused, made_up, late)] == [200, 200, 401, 401]
    assert "not allowed it" in cancelled.text
    assert "Begin again" in made_up.text
    assert town.rows("SELECT * FROM installation") == town.rows("SELECT * FROM workspace") == []
    assert all("<script" not in one.text for one in (cancelled, refused, made_up, late))


async def test_another_replica_may_see_to_the_end(town: Town) -> None:
    link, cookie = await town.begin()
    async with bots(town.data_dir, town.first.slack.api_url, town.clock) as replica:
        done = await town.finish(town.oauth.allow(link, town.first.slack, ALICE), cookie, replica)

    assert done.status_code == 200
    assert (await town.first.command("/spend", user=BEN)).acked  # the first knows of it without being told


async def test_a_workspace_that_leaves_is_polled_no_more_and_comes_back_to_its_books(town: Town) -> None:
    await town.install(town.first)
    await town.install(town.second)
    for slack in (town.first, town.second):
        await town.connect(slack)
    await town.later(seconds=1)
    before = (await town.first.command("/spend 7d", user=BEN)).text
    assert await town.remove_workspace(town.first, "tokens_revoked", "app_uninstalled") is None

    assert town.rows("SELECT workspace_id FROM installation") == [("T02OTHER",)]
    kept = "SELECT c.workspace_id FROM secret s JOIN connection c ON c.id = s.connection_id"
    assert town.rows(kept) == [("T02OTHER",)]
    polled = dict(town.rows("SELECT workspace_id, last_poll_at FROM connection"))  # type: ignore[arg-type]
    await town.later(minutes=5)
    after = dict(town.rows("SELECT workspace_id, last_poll_at FROM connection"))  # type: ignore[arg-type]
    assert (after["T01OUTLAY"], after["T02OTHER"] > polled["T02OTHER"]) == (polled["T01OUTLAY"], True)
    assert "not set up" in (await town.first.command("/spend 7d", user=BEN)).words
    assert "$" in (await town.second.command("/spend 7d", user=BEN)).text

    await town.install(town.first)
    await town.connect(town.first)
    assert (await town.first.command("/spend 7d", user=BEN)).text == before


async def test_after_a_revoked_token_the_credentials_are_there_still(town: Town) -> None:
    await town.install(town.first)
    await town.connect(town.first)
    await town.remove_workspace(town.first, "tokens_revoked")
    await town.later(minutes=5)
    stopped = town.rows("SELECT last_poll_at FROM connection")
    lags = [gauge for gauge in await town.bot.metrics() if gauge.name == "poll_lag_seconds"]
    assert [gauge.values for gauge in lags] == [[]]  # nobody is woken because nothing is read there
    await town.install(town.first)
    await town.later(minutes=5)

    assert town.rows("SELECT count(*) FROM secret") == [(1,)]
    assert town.rows("SELECT last_poll_at FROM connection") != stopped


async def test_the_doctor_looks_at_each_workspace_and_a_rotation_wraps_their_tokens_too(town: Town) -> None:
    await town.install(town.first)
    await town.install(town.second)
    home = town.bot.services
    url = town.first.slack.api_url
    town.second.slack.revoke()
    checks = await installed_checks(home.database, home.vault, url)
    assert home.vault.key_file is not None
    add_key(home.vault.key_file, remark="a test")
    done = await rewrap_secrets(home.database, home.vault, home.clock)

    assert [(check.name, check.ok) for check in checks] == [
        ("slack Example Company", True),
        ("slack Other & Sons", False),
    ]
    assert "/slack/install" in checks[1].mend
    assert (done.rewrapped, done.failed) == (2, [])
    assert await count_secrets_by_key(home.database) == {home.vault.key_id: 2}
    assert (await town.first.command("/spend", user=BEN)).acked
    assert (await vault_check(home.database, home.vault)).detail.startswith("2 secrets open")


async def test_a_digest_is_posted_from_the_command_line_with_the_workspace_s_own_token(town: Town) -> None:
    await town.install(town.second)

    code = await digest(town.bot.services, Namespace(period="day", format=None, channel=GENERAL))

    assert code == 0
    assert town.second.calls("chat.postMessage")
    assert not town.first.calls("chat.postMessage")


async def test_half_of_a_pair_stops_the_start(town: Town) -> None:
    with pytest.raises(StartError, match="SLACK_CLIENT_SECRET is not set"):
        async with bots(town.data_dir, town.first.slack.api_url, town.clock, SLACK_CLIENT_SECRET=""):
            raise AssertionError("it started")
