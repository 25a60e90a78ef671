"""The bot as it runs, for one `async with`: what people do goes in through Slack, what a ledger says through HTTP.

    async with opened(place, tmp_path) as home:
        await home.connect()                    # Alice, in the modal
        await home.later(minutes=1)             # the clock moves on, and the bot does what is due
        reply = await home.slack.command("/spend", user=BRUNO)

The wall clock stands still until a test moves it, so that every figure can be compared to the nano-dollar. Waits that a
ledger asks for pass at once, and are written down; Slack's own waits are real.
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
from outlay.fakes.openrouter.server import MANAGEMENT_KEY, OpenRouterStandin
from outlay.fakes.slack.people import Person
from outlay.fakes.slack.workspace import World
from outlay.services import house
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
    """Stands still until it is moved. Durations are real."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        """Moves on."""
        self._now += by


class LedgerClock(SystemClock):
    """The same time for whoever talks to ledgers; their waits pass at once."""

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
    """Everything in it."""

    slack: Workspace
    bot: Bot
    company: Company
    openrouter: OpenRouterStandin
    base_url: str
    clock: WallClock
    ledger_clock: LedgerClock
    data_dir: Path

    @property
    def faults(self) -> OpenRouterFaults:
        """What goes wrong at the ledger."""
        return self.openrouter.faults

    @cached_property
    def terminal(self) -> Terminal:
        """A shell on the bot's own machine."""
        return Terminal(self.data_dir, self.ledger_clock)

    async def outlay(self, *words: str, **how: str) -> Ran:
        """Types a command there, beside the running bot."""
        return await asyncio.to_thread(self.terminal, *words, **how)

    async def spend(self, *words: str) -> dict[str, Any]:
        """What the command line answers, as programs read it."""
        return await asyncio.to_thread(self.terminal.spend, *words)

    async def form(self, user: str = ALICE) -> Modal:
        """Opens the form for connecting."""
        reply = await self.slack.command("/spend connect openrouter", user=user)
        assert reply.modal is not None, reply.text
        return reply.modal

    async def submit(self, modal: Modal, key: str, **more: str) -> Reply:
        """Fills the form in, with the ledger's address under Advanced, and submits it."""
        if "Base URL" not in modal.words:
            await modal.click("connect:advanced")
        return await modal.submit({"Management key": key, "Base URL": self.base_url, **more})

    async def connect(self, key: str = MANAGEMENT_KEY, name: str = "main") -> Reply:
        """Alice connects the ledger in the modal."""
        reply = await self.submit(await self.form(), key, Name=name)
        assert reply.modal is not None
        assert reply.modal.title == "Connected", reply.errors
        return reply

    async def tick(self) -> None:
        """Lets the bot do what its timetable does every so often, and waits until that is done."""
        await self.bot.tick()
        await self.slack.settle()

    async def later(self, **by: float) -> None:
        """Time passes, and the bot does what is due then."""
        self.clock.advance(timedelta(**by))
        await self.tick()

    async def connections(self) -> dict[str, ConnectionView]:
        """What is connected, with its health, by name."""
        views = await self.bot.house.connections.views(await self.bot.house.workspace())
        return {view.name: view for view in views}

    async def until(self, condition: Callable[[], Awaitable[object]], what: str) -> None:
        """Returns as soon as something holds that has no event to wait on. Raises TimeoutError, naming it."""
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                while True:
                    if await condition():
                        return
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"waited {BOUND_SECONDS} s for {what}") from None

    async def truth_holds(self, period: str = "7d") -> int:
        """Checks the total and every model of a period against the ledger's truth; gives the total."""
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


def people(company: Company) -> list[Person]:
    """The company's developers as members of its Slack, Alice their admin, and a guest."""
    members = [
        Person(one.slack_id, one.name.split()[0].lower(), one.name, one.email, is_admin=one.admin, is_owner=one.admin)
        for one in company.staff.people
    ]
    return [*members, Person(GUEST, "gus", "Gus Guest", "gus@elsewhere.example", is_guest=True)]


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
    """Opens the house, with the ledger at `place`. `clockwork`: the timetable runs by itself.

    `before`: the house that stood here, whose Slack and whose time go on.
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
        }
        async with house(bot_settings.load(own | environ), clock=quick, on_secret=on_secret) as inside:
            bot = Bot(replace(inside, clock=wall))
            async with bot.running(clockwork=clockwork, host=LOOPBACK):
                yield bot

    world = (
        before.slack.world if before else World(people(company), team_name=company_employees.COMPANY_NAME, clock=wall)
    )
    world.clock = wall
    with behind(place, company, quick, key=key) as served:
        async with test_workspace(start, world=world, socket_mode=socket_mode) as slack:
            slack.idle = slack.bot.tasks.idle
            yield House(slack, slack.bot, company, served.standin, served.base_url, wall, quick, data_dir)
