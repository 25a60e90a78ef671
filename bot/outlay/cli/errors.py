"""Error messages of the commands: one line that a person can act on. Tracebacks go to the log only, at DEBUG."""

import logging
import re
import sqlite3

from sqlalchemy.exc import DBAPIError

from outlay.books.closing.close_month import NotClosableError
from outlay.books.ownership import OwnerError
from outlay.books.pricing.price_list import PricesError
from outlay.connections.lease import BusyError
from outlay.core.errors import OutlayError
from outlay.core.months import MonthError
from outlay.database.engine import describe_database_error
from outlay.logs import error_id, fold, one_line
from outlay.plugin.errors import BadConfig, PluginError
from outlay.services import StartError
from outlay.settings import SettingsError
from outlay.spend.parser import QueryError
from outlay.vault.errors import VaultError
from outlay.workspaces.store import WorkspaceError

log = logging.getLogger("outlay.cli")
_TICKED = re.compile(r"`([^`]*)`")


class UsageError(OutlayError):
    """Wrong usage that argparse cannot detect; exit code 2."""


_FOR_PEOPLE = (
    UsageError,
    MonthError,
    NotClosableError,
    PricesError,
    SettingsError, StartError, VaultError, WorkspaceError, OwnerError, PricesError, PluginError, BusyError,
)  # fmt: skip


def error_line(error: Exception) -> str:
    """Return the message of an error as one line; an unexpected one is logged and shown as an id."""
    log.debug("failed", exc_info=error)
    if isinstance(error, QueryError):
        return _misunderstood(error)
    if isinstance(error, BadConfig):
        return one_line(f"{error.field}: {error}")
    if isinstance(error, _FOR_PEOPLE):
        return one_line(str(error))
    if isinstance(error, DBAPIError):
        return one_line(describe_database_error(error))
    if isinstance(error, (OSError, sqlite3.Error)):
        return one_line(str(error))
    bug = error_id()
    log.error("bug %s: %s", bug, fold(error))
    return f"something went wrong in Outlay itself ({type(error).__name__}); the log has it under the id {bug}"


def _misunderstood(error: QueryError) -> str:
    """Say which word was not understood and what would work instead, with `ticks` turned into «these»."""
    tried = f" Did you mean: outlay spend {error.meant}" if error.meant else f" Try: {error.hint}" if error.hint else ""
    return _TICKED.sub("«\\1»", one_line(f"{error}{tried}"))
