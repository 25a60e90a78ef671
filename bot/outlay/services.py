"""Service container: settings, database, vault, plugins and the services over them, opened once for each command.

It imports nothing of Slack, so that a question in the terminal does not wait for Slack's libraries to load.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from outlay import migrations
from outlay.access.service import AccessService
from outlay.books.closing.service import ClosingService
from outlay.books.pricing.price_list import PriceList
from outlay.budgets.service import BudgetService
from outlay.connections.service import ConnectionService
from outlay.core import model_names
from outlay.core.clock import Clock, SystemClock
from outlay.core.errors import OutlayError
from outlay.database.engine import Database
from outlay.delivery.dead_letters import DeadLetterService
from outlay.digests.service import DigestService
from outlay.home import HomeService
from outlay.incidents.service import IncidentService
from outlay.incidents.watcher import IncidentWatcher
from outlay.owners import KeyOwnerService
from outlay.plugin import loader
from outlay.plugin.loader import LoadedPlugins
from outlay.polling.poller import Poller
from outlay.settings import Settings
from outlay.spend.service import SpendService
from outlay.vault.key_setup import KEY_FILE_NAME, open_vault
from outlay.vault.vault import OnSecret, Vault
from outlay.workspaces.store import chosen


class StartError(OutlayError):
    """The bot cannot start; one line says why and what to do."""


@dataclass(frozen=True, slots=True)
class Services:
    """Settings, clock, database, vault, plugins, and the services that use them."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    loaded: LoadedPlugins
    connections: ConnectionService
    poller: Poller
    asking: SpendService
    bookkeeping: ClosingService
    owning: KeyOwnerService
    watching: IncidentWatcher
    desk: IncidentService
    undelivered: DeadLetterService
    budgets: BudgetService
    digests: DigestService
    homes: HomeService
    ruling: AccessService

    async def workspace(self) -> str:
        """Return the id of the workspace that a command acts on."""
        async with self.database.read() as session:
            return await chosen(session, self.settings.workspace)


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock | None = None, on_secret: OnSecret | None = None
) -> AsyncIterator[Services]:
    """Open the services: data directory, master key, tables at the newest revision, plugins."""
    clock = clock or SystemClock()
    data_dir = settings.prepare_data_dir()
    vault = open_vault(
        data_dir=data_dir,
        master_key=settings.master_key,
        master_key_file=settings.master_key_file,
        kms_uris=settings.kms_key,
        on_secret=on_secret,
        clock=clock,
    )
    prices = PriceList.read(data_dir)
    model_names.set_custom_names(prices.names)
    loaded = loader.load(folder=settings.plugins_dir, packages=True)
    database = Database(settings.database_url())
    try:
        await migrations.upgrade(database)
        key_files = [path for path in (settings.master_key_file, data_dir / KEY_FILE_NAME) if path]
        connections = ConnectionService(
            database,
            vault,
            loaded.plugins,
            clock,
            forbidden_files=[*key_files, data_dir],
            private_hosts=settings.private_hosts,
            listed=settings.references_from_slack(),
        )
        poller = Poller(
            database,
            connections,
            clock,
            poll_seconds=settings.poll_seconds,
            admins=settings.admins,
            prices=prices,
        )
        bookkeeping = ClosingService(database, loaded.ledgers(), clock, admins=settings.admins)
        owning = KeyOwnerService(database, clock)
        digests = DigestService(database, clock, channel=settings.digest_channel)
        yield Services(
            settings=settings,
            clock=clock,
            database=database,
            vault=vault,
            loaded=loaded,
            connections=connections,
            poller=poller,
            asking=SpendService(database, clock),
            bookkeeping=bookkeeping,
            owning=owning,
            desk=IncidentService(database, clock),
            undelivered=DeadLetterService(database, clock),
            budgets=BudgetService(database, clock),
            digests=digests,
            homes=HomeService(
                database, clock, connections, owning, digests, loaded.found, channel=settings.alert_channel or ""
            ),
            ruling=AccessService(database, clock),
            watching=IncidentWatcher(database, clock, recovery_minutes=settings.recovery_minutes),
        )
    finally:
        await database.close()
