"""Connection checks for `outlay doctor`: each connection is asked now whose credential it has and what it may read.

Each line also says how fresh the figures are, what went wrong last, when the next poll is and, where something is
wrong, how a person can fix it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlmodel import select

from outlay.connections.service import ConnectionService
from outlay.connections.views import ConnectionView
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.database.tables import Cursor
from outlay.health.checks import HealthCheck
from outlay.plugin.contract import CheckResult
from outlay.plugin.errors import BadConfig, NeedsReauth, PluginError, RateLimited, Transient
from outlay.vault.errors import VaultError, VaultUnavailableError

CHECK_SECONDS = 20
OVERDUE = timedelta(minutes=5)  # a poll overdue by so much: no bot is running


async def connection_checks(
    database: Database, connections: ConnectionService, views: Iterable[ConnectionView], clock: Clock
) -> AsyncIterator[HealthCheck]:
    """Yield one check for each connection."""
    for view in views:
        yield await _connection(database, connections, view, clock.now())


async def _connection(
    database: Database, connections: ConnectionService, view: ConnectionView, now: datetime
) -> HealthCheck:
    name = f"connection {view.name}"
    try:
        async with asyncio.timeout(CHECK_SECONDS), connections.open(int(view.id.removeprefix("con_"))) as plugin:
            checked = await plugin.check()
    except TimeoutError:
        detail = "; ".join([f"no answer within {CHECK_SECONDS} s", *_reading(view, now)])
        return HealthCheck(name, False, detail, "check base_url and the network")
    except (PluginError, VaultError) as error:
        detail = "; ".join([str(error).removesuffix("."), *_reading(view, now)])
        return HealthCheck(name, False, detail, _mend(error, view))
    if view.role == "sink":
        return _sink(name, view, checked)
    refused = await _refused(database, view)
    said = [f"{checked.credential} of {checked.account_title or checked.account_id}"]
    said += [f"sees {'; '.join(checked.can_read)}"] if checked.can_read else []
    said += [*_role(view), *_reading(view, now)]
    said += [f"noted: {view.notes}"] if view.notes else []
    if refused:
        mend = "the other reports go on; let the credential read these too, or see docs/ledgers.md"
        return HealthCheck(name, False, "; ".join([*said, f"refused: {'; '.join(refused)}"]), mend)
    if view.state == "ok":
        return HealthCheck(name, True, "; ".join(said))
    again = "it goes on by itself" if view.next_poll else "nobody asks it again by itself"
    mend = f"it answers now, and {again}; `outlay poll {view.name}` asks it at once"
    return HealthCheck(name, False, "; ".join([*said, f"the last poll failed: {view.error.removesuffix('.')}"]), mend)


def _mend(error: PluginError | VaultError, view: ConnectionView) -> str:
    """Return what a person can do about an error. The connection's figures stand in any case."""
    replace = f"outlay connect {view.ledger} --name {view.name} --replace"
    if isinstance(error, VaultUnavailableError):
        return "see to the key service; polling goes on by itself"
    if isinstance(error, VaultError):
        return f"bring the master key back, or connect again: {replace}"
    if isinstance(error, BadConfig | NeedsReauth):
        return f"give it a credential or setting that works: {replace}"
    if isinstance(error, RateLimited):
        return f"nothing to mend: it is asked again after {_stamp(error.retry_at)}"
    if isinstance(error, Transient):
        return "nothing to mend if it passes: polls go on, farther apart, and close the gap; else check base_url"
    return f"see docs/ledgers.md; if the credential is the cause: {replace}"


def _role(view: ConnectionView) -> list[str]:
    """Describe the role of a connection whose dollars do not count by themselves; [] for the others."""
    if view.role != "attribution":
        return []
    if view.in_front_of:
        return [f"splits the dollars of {view.in_front_of}"]
    return [f"its dollars are in no total; `connection:{view.name}` shows them"]


def _reading(view: ConnectionView, now: datetime) -> list[str]:
    """Describe how fresh the figures are and when they are read again."""
    if view.role == "sink":
        return []
    fresh = f"read up to {_stamp(view.fresh_until)}" if view.fresh_until else "not polled yet"
    last = [f"last poll {_stamp(view.last_poll)}"] if view.last_poll else []
    if view.state == "needs_reauth":
        return [fresh, *last, "no next poll until it has a credential that works"]
    if view.next_poll is None:
        return [fresh, *last, "next poll as soon as the bot runs"]
    if view.next_poll + OVERDUE < now:
        waits = f"next poll due since {_stamp(view.next_poll)}: the bot does it when it runs, or `outlay poll`"
        return [fresh, *last, waits]
    return [fresh, *last, f"next poll {_stamp(view.next_poll)}"]


async def _refused(database: Database, view: ConnectionView) -> Sequence[str]:
    """List the refused reports, with the reason and when they are asked for again."""
    connection_id = int(view.id.removeprefix("con_"))
    async with database.read() as session:
        cursors = (await session.exec(select(Cursor).where(Cursor.connection_id == connection_id))).all()
    return [
        f"{cursor.report}: {cursor.error.removesuffix('.')}"
        + (f" (asked again {_stamp(datetime.fromtimestamp(cursor.ask_again_at, UTC))})" if cursor.ask_again_at else "")
        for cursor in cursors
        if cursor.error
    ]


def _sink(name: str, view: ConnectionView, checked: CheckResult) -> HealthCheck:
    """Build a sink's check: it has nothing to read, so the last delivery decides."""
    can = f"; can {'; '.join(checked.can_read)}" if checked.can_read else ""
    noted = f"; noted: {view.notes}" if view.notes else ""
    detail = f"{checked.credential} of {checked.account_title or checked.account_id}{can}{noted}"
    if view.state == "ok":
        return HealthCheck(name, True, detail)
    mend = f"if a setting is the cause: outlay connect {view.ledger} --name {view.name} --replace"
    return HealthCheck(name, False, f"{detail}; the last delivery failed: {view.error}", mend)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
