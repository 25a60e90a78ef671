"""A fake ledger on loopback, its own plugin, the real poller and real books, on a clock that a test moves.

async with reading("openai", tmp_path, now=NOW) as house:
    await house.poll()
    assert await house.total("today") == house.truth(start, end)
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from outlay import migrations
from outlay.books.closing.audit import AuditResult, audit
from outlay.books.pricing.price_list import PriceList
from outlay.connections.service import ConnectionService
from outlay.connections.views import ConnectionView, PollResult
from outlay.core.clock import FakeClock
from outlay.database.engine import Database
from outlay.fakes.anthropic import server as anthropic_server
from outlay.fakes.company.company import Company
from outlay.fakes.http_server import serving
from outlay.fakes.litellm import server as litellm_server
from outlay.fakes.openai import server as openai_server
from outlay.fakes.openrouter import server as openrouter_server
from outlay.plugin.contract import Ledger
from outlay.polling.poller import Poller
from outlay.spend.service import SpendService
from outlay.vault.key_setup import open_vault
from outlay.workspaces.store import LOCAL, ensure
from outlay_plugins.anthropic import Anthropic
from outlay_plugins.litellm import LiteLLM
from outlay_plugins.openai import OpenAI
from outlay_plugins.openrouter import OpenRouter

PRICES = PriceList()  # shared, since loading the list takes a while
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a ledger is connected. `exact`: its figures of today are to the nano-dollar, not rounded by the minute."""

    plugin: type[Ledger[Any]]
    app: Callable[[Company, FakeClock], Starlette]
    root: str
    secret: str
    settings: tuple[tuple[str, str], ...] = ()
    exact: bool = False


KINDS = {
    "openrouter": Kind(
        OpenRouter,
        openrouter_server.openrouter_app,
        openrouter_server.ROOT,
        openrouter_server.MANAGEMENT_KEY,
        exact=True,
    ),
    "openai": Kind(OpenAI, openai_server.openai_app, openai_server.ROOT, openai_server.ADMIN_KEY),
    "anthropic": Kind(Anthropic, anthropic_server.anthropic_app, "", anthropic_server.ADMIN_KEY),
    "litellm": Kind(
        LiteLLM, litellm_server.litellm_app, "", litellm_server.VIEWER_KEY, (("role", "books"),), exact=True
    ),
}


@dataclass
class House:
    """One connection, `main`, and everything around it."""

    kind: Kind
    company: Company
    clock: FakeClock
    database: Database
    connections: ConnectionService
    poller: Poller
    standin: Any

    @property
    def faults(self) -> Any:
        """Return the switches for faults at the ledger."""
        return self.standin.faults

    async def poll(self, **more: Any) -> PollResult:
        """Poll once."""
        result = await self.poller.poll(1, **more)
        assert result is not None
        return result

    async def view(self) -> ConnectionView:
        """Return the connection's current view."""
        (found,) = await self.connections.views(LOCAL)
        return found

    async def total(self, question: str) -> int:
        """Return the total of `/spend`, in nano-dollars."""
        return (await SpendService(self.database, self.clock).spend(LOCAL, question)).total_nano_usd

    async def fresh_until(self) -> datetime | None:
        """Return up to when `/spend` says that the ledger has been read."""
        return (await SpendService(self.database, self.clock).spend(LOCAL, "today")).fresh_until["main"]

    def truth(self, start: datetime, end: datetime) -> int:
        """Return what the ledger should report for [start, end)."""
        if self.kind.plugin is LiteLLM:
            written = self.clock.now() - self.faults.write_lag
            calls = self.standin.traffic.calls(start, end)
            return sum(call.cost_nano_usd for call in calls if call.ended_at <= written)
        return self.standin.company.truth(start, end, of="paid_nano_usd").get((), 0)  # type: ignore[no-any-return]

    async def audited(self) -> AuditResult:
        """Run the whole audit."""
        reports = {self.kind.plugin.meta.slug: self.kind.plugin.reports}
        return await audit(self.database, LOCAL, reports, now=self.clock.now())


@asynccontextmanager
async def reading(slug: str, folder: Path, *, now: datetime, days: int = 1) -> AsyncIterator[House]:
    """Connect the ledger, without a poll. Its story begins `days` days before today."""
    kind, clock = KINDS[slug], FakeClock(now)
    company = Company(seed=7, now=now, days=days)
    app = kind.app(company, clock)
    database = Database(f"sqlite+aiosqlite:///{folder / 'books.sqlite'}")
    await migrations.upgrade(database)
    vault = open_vault(data_dir=folder, master_key=None, master_key_file=None, kms_uris=None, on_secret=None)
    connections = ConnectionService(database, vault, {slug: kind.plugin}, clock)
    try:
        async with serving(app) as url:
            async with database.write() as session:
                await ensure(session, LOCAL, now=now)
            values = {"api_key": kind.secret, "base_url": url + kind.root, **dict(kind.settings)}
            await connections.connect(LOCAL, slug, "main", values)
            clock.advance(MINUTE)
            if slug == "openai":
                app.state.standin.faults.skips_empty = True  # faster
            poller = Poller(database, connections, clock, prices=PRICES)
            yield House(kind, company, clock, database, connections, poller, app.state.standin)
            assert not app.state.standin.journal.violations
    finally:
        await database.close()
