"""The running bot between fakes, for one `async with`: people act through Slack, the ledger answers over HTTP.

    async with opened(place, tmp_path) as home:
        await home.connect()                    # Alice, in the modal
        await home.later(minutes=1)             # the clock moves on, and the bot does what is due
        reply = await home.slack.command("/spend", user=BRUNO)

The wall clock stands still until a test moves it, so that every figure can be compared to the nano-dollar. Waits that a
ledger asks for pass at once, and are recorded; Slack's own waits are real.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from outlay import settings as bot_settings
from outlay.app import Bot
from outlay.connections.views import ConnectionView
from outlay.core.clock import SystemClock
from outlay.fakes.company import employees as company_employees
from outlay.fakes.company.company import Company
from outlay.fakes.openrouter.faults import OpenRouterFaults
from outlay.fakes.openrouter.server import MANAGEMENT_KEY, FakeOpenRouter
from outlay.fakes.slack.people import FakeSlackUser
from outlay.fakes.slack.workspace import FakeWorkspace
from outlay.services import open_services
from outlay.vault.vault import OnSecret
from tests.cli.run_cli import Ran, Terminal
from tests.cli.threaded_fakes import Door, behind
from tests.workspace import ALICE, GUEST, Modal, Reply, Workspace, test_workspace

LOOPBACK = "127.0.0.1"
BOUND_SECONDS = 30
LOOK_AGAIN_SECONDS = 0.02
NOW = datetime(2026, 11, 21, 14, 5, 30, tzinfo=UTC)
BRUNO, DANA = "U02BRUNO", "U04DANA"


class WallClock(SystemClock):
    """Clock that stands still until it is moved. Durations are real."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move the clock ahead."""
        self._now += by


class LedgerClock(SystemClock):
    """The wall clock for ledger clients; their waits pass at once."""

    def __init__(self, wall: WallClock) -> None:
        self._wall = wall
        self._slept = 0.0
        self.slept_seconds: list[float] = []

    def now(self) -> datetime:
        return self._wall.now()

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    async def sleep(self, seconds: float) -> None:
        self._slept += seconds
        self.slept_seconds.append(seconds)
        await asyncio.sleep(0)


@dataclass
class House:
    """The running bot with its Slack, ledger, clocks and data directory."""

    slack: Workspace
    bot: Bot
    company: Company
    openrouter: FakeOpenRouter
    base_url: str
    clock: WallClock
    ledger_clock: LedgerClock
    data_dir: Path

    @property
    def faults(self) -> OpenRouterFaults:
        """Return the switches for faults at the ledger."""
        return self.openrouter.faults

    @cached_property
    def terminal(self) -> Terminal:
        """Return a shell on the bot's own machine."""
        return Terminal(self.data_dir, self.ledger_clock, OUTLAY_PRIVATE_HOSTS=LOOPBACK)

    async def outlay(self, *words: str, **how: str) -> Ran:
        """Run a command there, beside the running bot."""
        return await asyncio.to_thread(self.terminal, *words, **how)

    async def spend(self, *words: str) -> dict[str, Any]:
        """Return the command line's answer as JSON."""
        return await asyncio.to_thread(self.terminal.spend, *words)

    async def form(self, user: str = ALICE) -> Modal:
        """Open the form for connecting."""
        reply = await self.slack.command("/spend connect openrouter", user=user)
        assert reply.modal is not None, reply.text
        return reply.modal

    async def submit(self, modal: Modal, key: str, **more: str) -> Reply:
        """Fill in the form, with the ledger's address under Advanced, and submit it."""
        if "Base URL" not in modal.words:
            await modal.click("connect:advanced")
        return await modal.submit({"Management key": key, "Base URL": self.base_url, **more})

    async def connect(self, key: str = MANAGEMENT_KEY, name: str = "main") -> Reply:
        """Connect the ledger in the modal, as Alice."""
        reply = await self.submit(await self.form(), key, Name=name)
        assert reply.modal is not None
        assert reply.modal.title == "Connected", reply.errors
        return reply

    async def tick(self) -> None:
        """Run what is due on the schedule, and wait until that is done."""
        await self.bot.tick()
        await self.slack.settle()

    async def later(self, **by: float) -> None:
        """Advance the clock, then run what is due."""
        self.clock.advance(timedelta(**by))
        await self.tick()

    async def connections(self) -> dict[str, ConnectionView]:
        """Return the connections with their health, by name."""
        views = await self.bot.services.connections.views(await self.bot.services.workspace())
        return {view.name: view for view in views}

    async def until(self, condition: Callable[[], Awaitable[object]], what: str) -> None:
        """Wait for a condition that has no event to wait on. Raises TimeoutError, naming it."""
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                while True:
                    if await condition():
                        return
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"waited {BOUND_SECONDS} s for {what}") from None

    async def truth_holds(self, period: str = "7d") -> int:
        """Check the total and every model of a period against the ledger's truth; return the total."""
        found = await self.spend(period, "by", "model")
        start = max(datetime.fromisoformat(found["query"]["from"] + "T00:00:00+00:00"), self.company.start)
        models = {
            model: amount
            for (model,), amount in self.company.truth(start, self.clock.now(), ("model",), of="paid_nano_usd").items()
        }
        rows = {row["model"]["id"]: int(row["usd"].replace(".", "")) for row in found["rows"] if row["model"]}
        assert {model: amount for model, amount in rows.items() if amount} == models
        total = int(found["total_usd"].replace(".", ""))
        assert total == sum(models.values())
        return total


def people(company: Company) -> list[FakeSlackUser]:
    """Return the company's developers as members of its Slack, Alice as their admin, and a guest."""
    members = [
        FakeSlackUser(
            one.slack_id, one.name.split()[0].lower(), one.name, one.email, is_admin=one.admin, is_owner=one.admin
        )
        for one in company.staff.people
    ]
    return [*members, FakeSlackUser(GUEST, "gus", "Gus Guest", "gus@elsewhere.example", is_guest=True)]


@asynccontextmanager
async def opened(
    place: tuple[Door, str],
    data_dir: Path,
    *,
    company: Company,
    key: str = MANAGEMENT_KEY,
    clockwork: bool = False,
    on_secret: OnSecret | None = None,
    socket_mode: bool = True,
    before: House | None = None,
    **environ: str,
) -> AsyncIterator[House]:
    """Start the bot, with the ledger at `place`. `clockwork`: the schedule runs by itself.

    `before`: the earlier bot on the same data directory, whose Slack and whose time go on.
    """
    wall = WallClock(before.clock.now() if before else NOW)
    quick = LedgerClock(wall)

    @asynccontextmanager
    async def start(api_url: str, bot_token: str, app_token: str) -> AsyncIterator[Bot]:
        own = {
            "SLACK_BOT_TOKEN": bot_token,
            "SLACK_APP_TOKEN": app_token if socket_mode else "",
            "SLACK_API_URL": api_url,
            "OUTLAY_DATA_DIR": str(data_dir),
            "OUTLAY_HTTP_PORT": "0",
            "OUTLAY_PRIVATE_HOSTS": LOOPBACK,
        }
        async with open_services(bot_settings.load(own | environ), clock=quick, on_secret=on_secret) as inside:
            bot = Bot(replace(inside, clock=wall))
            async with bot.running(clockwork=clockwork, host=LOOPBACK):
                yield bot

    world = (
        before.slack.world
        if before
        else FakeWorkspace(people(company), team_name=company_employees.COMPANY_NAME, clock=wall)
    )
    world.clock = wall
    with behind(place, company, quick, key=key) as served:
        async with test_workspace(start, world=world, socket_mode=socket_mode) as slack:
            slack.idle = slack.bot.tasks.idle
            yield House(slack, slack.bot, company, served.standin, served.base_url, wall, quick, data_dir)
