"""The house: what every command works in. Opened once, with the data directory, the master key, the tables and plugins.

It knows nothing of Slack, so that a question in the terminal does not wait for Slack's libraries to load.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.books import migrations
from bot.books.database import Database
from bot.books.prices import PriceList
from bot.books.workspaces import chosen
from bot.core import models
from bot.core.clock import Clock, SystemClock
from bot.plugin import loader
from bot.plugin.loader import Loaded
from bot.settings import Settings
from bot.vault.master import KEY_FILE_NAME, open_vault
from bot.vault.vault import OnSecret, Vault
from bot.work.asking import Asking
from bot.work.bookkeeping import Bookkeeping
from bot.work.budgeting import Budgeting
from bot.work.connecting import Connections
from bot.work.desk import Desk
from bot.work.digesting import Digesting
from bot.work.home import Homes
from bot.work.owning import Owning
from bot.work.polling import Poller
from bot.work.rights import Ruling
from bot.work.undelivered import Undelivered
from bot.work.watching import Watching


class StartError(Exception):
    """The bot cannot start; one line says why and what to do."""


@dataclass(frozen=True, slots=True)
class House:
    """The books, the vault, the plugins, and the services over them."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    loaded: Loaded
    connections: Connections
    poller: Poller
    asking: Asking
    bookkeeping: Bookkeeping
    owning: Owning
    watching: Watching
    desk: Desk
    undelivered: Undelivered
    budgets: Budgeting
    digests: Digesting
    homes: Homes
    ruling: Ruling

    async def workspace(self) -> str:
        """The workspace that a command acts on."""
        async with self.database.read() as session:
            return await chosen(session, self.settings.workspace)


@asynccontextmanager
async def house(
    settings: Settings, *, clock: Clock | None = None, on_secret: OnSecret | None = None
) -> AsyncIterator[House]:
    """Opens the house: data directory, master key, tables at the newest revision, plugins."""
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
    models.use(prices.names)
    loaded = loader.load(folder=settings.plugins_dir, packages=True)
    database = Database(settings.database_url())
    try:
        await migrations.upgrade(database)
        key_files = [path for path in (settings.master_key_file, data_dir / KEY_FILE_NAME) if path]
        connections = Connections(database, vault, loaded.plugins, clock, forbidden_files=key_files)
        poller = Poller(
            database,
            connections,
            clock,
            poll_seconds=settings.poll_seconds,
            admins=settings.admins,
            prices=prices,
        )
        bookkeeping = Bookkeeping(database, loaded.ledgers(), clock, admins=settings.admins)
        owning = Owning(database, clock)
        digests = Digesting(database, clock, channel=settings.digest_channel)
        yield House(
            settings=settings,
            clock=clock,
            database=database,
            vault=vault,
            loaded=loaded,
            connections=connections,
            poller=poller,
            asking=Asking(database, clock),
            bookkeeping=bookkeeping,
            owning=owning,
            desk=Desk(database, clock),
            undelivered=Undelivered(database, clock),
            budgets=Budgeting(database, clock),
            digests=digests,
            homes=Homes(
                database, clock, connections, owning, digests, loaded.found, channel=settings.alert_channel or ""
            ),
            ruling=Ruling(database, clock),
            watching=Watching(database, clock, recovery_minutes=settings.recovery_minutes),
        )
    finally:
        await database.close()
