"""Environment of the demo: fakes on loopback, and the real services and bot between them, for one `with` block.

    async with stage(date(2026, 11, 24)) as on_stage:
        reply = await on_stage.chat.command("/spend", user="U04DANA")

Nothing of the user's is touched: settings come from a mapping made here, the database and the key file are in a folder
that is deleted after the block, and SLACK_…, OUTLAY_… and proxies are hidden from the environment meanwhile.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import text

from outlay import logs
from outlay import settings as bot_settings
from outlay.app import Bot
from outlay.connections.views import ConnectionView
from outlay.core.clock import ShiftedClock
from outlay.core.errors import OutlayError
from outlay.fakes.anthropic.server import FakeAnthropic, anthropic_app
from outlay.fakes.anthropic.server import fake_anthropic_of as anthropic_standin
from outlay.fakes.company import employees as company_employees
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.linear.server import PATH as LINEAR_PATH
from outlay.fakes.linear.server import FakeLinear, linear_app
from outlay.fakes.openrouter.server import ROOT, FakeOpenRouter, fake_openrouter_of, openrouter_app
from outlay.fakes.slack.people import FakeSlackUser
from outlay.fakes.slack.server import FakeSlack
from outlay.fakes.slack.user_driver import UserDriver
from outlay.fakes.slack.workspace import FakeWorkspace
from outlay.services import Services, open_services
from outlay.settings import Settings
from outlay.spend.answer import Answer

LOOPBACK = "127.0.0.1"
BEGINS = timedelta(hours=2, minutes=3, seconds=5)  # of its day, UTC
WEEK = timedelta(days=7)
CATCH_UP_SECONDS = 120.0  # many times the usual duration, since a machine may be very busy
LOOK_AGAIN_SECONDS = 0.1
LOG_FILE = "outlay.log"
ALERT_CHANNEL = "G03FINANCE"  # #finance
_USERS_OWN = ("SLACK_", "OUTLAY_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class DemoCheckFailedError(OutlayError):
    """Expectation of the demo that was not met; the text says what, in one line."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of reading the ledger. `days`: different UTC days with entries."""

    entries: int
    days: int
    requests: int


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """Running environment: clock, company, fakes, services and bot."""

    clock: ShiftedClock
    company: Company
    slack: FakeSlack
    chat: UserDriver
    openrouter: FakeOpenRouter
    openrouter_url: str
    linear: FakeLinear
    linear_url: str
    anthropic: FakeAnthropic
    anthropic_url: str
    home: Services
    bot: Bot
    folder: Path

    def user(self, name: str) -> str:
        """Return a person's Slack id by first name. Raises LookupError if there is no such person."""
        for person in self.slack.world.people.values():
            if person.name == name.lower() and not person.is_bot:
                return person.id
        raise LookupError(name)

    async def ask(self, words: str) -> Answer:
        """Return the answer of the books to a question, as figures."""
        return await self.home.asking.spend(await self.home.workspace(), words)

    async def connections(self) -> list[ConnectionView]:
        """Return all connections."""
        return await self.home.connections.views(await self.home.workspace())

    async def progress(self) -> Progress:
        """Count entries and days in the database, and requests at the fake OpenRouter."""
        async with self.home.database.read() as session:
            row = (await session.execute(text("SELECT COUNT(*), COUNT(DISTINCT start / 86400) FROM entry"))).one()
        return Progress(int(row[0]), int(row[1]), len(self.openrouter.journal.asked))

    def move_to(self, hour: int, minute: int) -> None:
        """Move the clock on to a few seconds after this time of today; never back."""
        midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = midnight + timedelta(hours=hour, minutes=minute, seconds=BEGINS.seconds % 60)
        self.clock.advance(max(wanted - self.clock.now(), timedelta(0)))

    async def catch_up(self) -> None:
        """Run the jobs of the bot that are due by now.

        Raises DemoCheckFailedError if a ledger is not read in time, or a connection is not ok.
        """
        wanted = self.clock.now().replace(microsecond=0)
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while True:
                    await self.bot.tick()
                    views = await self.connections()
                    read = [view for view in views if view.role != "sink"]
                    if all(view.last_poll and view.last_poll >= wanted for view in read):
                        break
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise DemoCheckFailedError(f"the ledger was not read within {CATCH_UP_SECONDS:g} s") from None
        for view in views:
            if view.state != "ok":
                raise DemoCheckFailedError(f"the connection {view.name} is {view.state}: {view.error}")


@asynccontextmanager
async def stage(today: date) -> AsyncIterator[DemoEnvironment]:
    """Open the environment, with its clock shortly after 02:00 UTC of this day."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_without_the_users_own())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outlay-demo-")))
        redactor = logs.set_up_logging(
            "INFO", stream=stack.enter_context((folder / LOG_FILE).open("w", encoding="utf-8"))
        )
        midnight = datetime.combine(today, time.min, UTC)
        clock = ShiftedClock(midnight + BEGINS)
        company = Company(now=clock.now())
        openrouter = openrouter_app(company, clock)
        openrouter_url = await stack.enter_async_context(serving(openrouter)) + ROOT
        linear = linear_app(clock)
        linear_url = await stack.enter_async_context(serving(linear)) + LINEAR_PATH
        anthropic = anthropic_app(_since_last_week(company.view_of("anthropic"), midnight), clock)
        anthropic_url = await stack.enter_async_context(serving(anthropic))
        slack = FakeSlack(FakeWorkspace(_people(company), team_name=company_employees.COMPANY_NAME, clock=clock))
        slack.base_url = await stack.enter_async_context(serving(slack.app))
        settings = _settings(slack, folder / "data")
        for secret in settings.secrets():
            redactor.keep(secret)
        home = await stack.enter_async_context(open_services(settings, clock=clock, on_secret=redactor.add))
        bot = await stack.enter_async_context(Bot(home).running(host=LOOPBACK))
        await slack.socket.connected()
        chat = UserDriver(slack, idle=bot.tasks.idle)
        yield DemoEnvironment(
            clock, company, slack, chat, fake_openrouter_of(openrouter), openrouter_url, linear.state.standin,
            linear_url,
            anthropic_standin(anthropic), anthropic_url, home, bot, folder,
        )  # fmt: skip


def _settings(slack: FakeSlack, data_dir: Path) -> Settings:
    return bot_settings.load(
        {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_URL": slack.api_url,
            "OUTLAY_DATA_DIR": str(data_dir),
            "OUTLAY_HTTP_PORT": "0",
            "OUTLAY_ALERT_CHANNEL": ALERT_CHANNEL,
            "OUTLAY_PRIVATE_HOSTS": LOOPBACK,
        }
    )


def _since_last_week(company: Company, midnight: datetime) -> Company:
    """Shorten the company's history at this ledger to a week, since the audience waits while it is read."""
    company.start = max(company.start, midnight - WEEK)
    return company


def _people(company: Company) -> list[FakeSlackUser]:
    """Build the members of the fake Slack from the company's developers."""
    return [
        FakeSlackUser(
            one.slack_id, one.name.split()[0].lower(), one.name, one.email, is_admin=one.admin, is_owner=one.admin
        )
        for one in company.staff.people
    ]  # fmt: skip


@contextmanager
def _without_the_users_own() -> Iterator[None]:
    """Hide the user's own settings of a real bot, and their proxies, which may not reach loopback."""
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(_USERS_OWN) or name.lower() in _PROXIES
    }
    try:
        yield
    finally:
        os.environ.update(hidden)
