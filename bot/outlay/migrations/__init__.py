"""Migrations from each released version of the tables to the next. `upgrade` runs them in-process, on start."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from outlay.audit_log import tables as audit_tables
from outlay.books.closing import tables as closing_tables
from outlay.books.pricing import tables as pricing_tables
from outlay.books.rollups import tables as rollup_tables
from outlay.budgets import tables as budget_tables
from outlay.database.engine import Database
from outlay.incidents import tables as incident_tables
from outlay.workspaces import tables as workspace_tables

if TYPE_CHECKING:
    from alembic.config import Config

_EVERY_DOMAINS_TABLES = (
    audit_tables,
    closing_tables,
    pricing_tables,
    rollup_tables,
    budget_tables,
    incident_tables,
    workspace_tables,
)  # imported, so that the metadata knows them
NEWEST = "0013"  # the revision that this version of Outlay works with; a test holds it to the files in `versions`
_ADVISORY_LOCK = 0x0A71A7  # one migration at a time on PostgreSQL, where several replicas may start at once


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


async def upgrade(database: Database, *, to: str = NEWEST) -> None:
    """Migrate the tables to the newest revision, or an older one. Do nothing if they are there already.

    Alembic is loaded only if there is something to do: it takes half a second.
    """

    def run(connection: Connection) -> None:
        from alembic import command

        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)

    if await revision(database) != to:
        async with database.engine.begin() as connection:
            await connection.run_sync(run)


async def revision(database: Database) -> str:
    """Return the database's revision; '' if it is empty."""

    def look(connection: Connection) -> str:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")

    async with database.engine.begin() as connection:
        return await connection.run_sync(look)
