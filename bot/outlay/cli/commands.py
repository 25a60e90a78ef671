"""Commands of `outlay`, one function each: open the services, call one, and pass the result to `outlay.terminal`."""

import argparse
import contextlib
import getpass
import logging
import os
import signal
import sys
from asyncio import Event, get_running_loop
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

from outlay import logs
from outlay import settings as bot_settings
from outlay.cli.audit import audit
from outlay.cli.capture_rate import capture
from outlay.cli.close import close
from outlay.cli.deliveries import deliveries
from outlay.cli.errors import UsageError, error_line
from outlay.cli.export import export
from outlay.cli.vault import vault
from outlay.cli.workspace import team, workspace
from outlay.connections.lease import BusyError
from outlay.connections.views import ConnectionView, PollResult
from outlay.core.actor import CLOCK, Actor, acting
from outlay.core.clock import SystemClock
from outlay.core.months import MonthError
from outlay.plugin import forms
from outlay.plugin.errors import BadConfig
from outlay.plugin.secret_references import is_reference
from outlay.services import Services, open_services
from outlay.spend.parser import QueryError
from outlay.spend.serialization import answer_as_json, as_flat, flat_columns, format_utc
from outlay.terminal import output as terminal_output
from outlay.terminal import tables as terminal_tables

WAIT_FOR_POLL_SECONDS = 60
DEMO_YEARS = range(2000, 2100)


async def run(arguments: argparse.Namespace) -> int:
    """Run a command and return its exit code."""
    name = str(arguments.command)
    if name == "vault" and arguments.action == "new-key":
        from outlay.vault.local_key import new_key

        terminal_output.line(new_key())
        return 0
    if name == "demo":
        return await _demo(arguments)
    if name == "replay":
        from outlay.cli.replay import run as run_replay

        return run_replay(arguments)
    os.umask(0o077)  # database, journal and key file: readable by their owner alone
    _leave_no_core()
    environ = dict(os.environ) | ({"OUTLAY_WORKSPACE": arguments.workspace} if arguments.workspace else {})
    settings = bot_settings.load(environ)
    redactor = logs.set_up_logging(settings.log_level or ("INFO" if name == "run" else "WARNING"))
    for secret in settings.secrets():
        redactor.keep(secret)
    try:
        async with open_services(settings, on_secret=redactor.add) as home:
            with acting(CLOCK if name == "run" else Actor(_machine_user(), "command line")):
                return await _COMMANDS[name](home, arguments)
    except BrokenPipeError:
        raise  # the reader closed the pipe; `outlay.cli.parser` handles it
    except (UsageError, QueryError, MonthError) as error:
        sys.stderr.write(redactor.redact(error_line(error)) + "\n")
        return 2
    except Exception as error:  # noqa: BLE001  handled here, not in `outlay.cli.parser`, which cannot redact the secrets
        sys.stderr.write(redactor.redact(error_line(error)) + "\n")
        return 1


async def _demo(arguments: argparse.Namespace) -> int:
    from outlay.demo.story import demo

    try:
        today = _date(arguments.today) if arguments.today else SystemClock().now().date()
        if today.year not in DEMO_YEARS:
            raise UsageError(f"the demo plays in the years {DEMO_YEARS[0]} to {DEMO_YEARS[-1]}")
    except UsageError as error:
        sys.stderr.write(error_line(error) + "\n")
        return 2
    return await demo(serve=arguments.serve, today=today)


def _leave_no_core() -> None:
    """Disable core dumps: an image of the memory would contain the keys."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on this system
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _machine_user() -> str:
    """Return the operating system's name of the user; a container may only have a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


async def _run(home: Services, _: argparse.Namespace) -> int:
    from outlay.app import Bot

    stop = Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        get_running_loop().add_signal_handler(sign, stop.set)
    async with Bot(home).running() as bot:
        sys.stderr.write(f"Outlay is running; health at http://127.0.0.1:{bot.port}/healthz\n")
        await stop.wait()
        logging.getLogger("outlay.app").info("stopping: what is under way is finished first")
    return 0


async def _doctor(home: Services, arguments: argparse.Namespace) -> int:
    from outlay.doctor import run_checks
    from outlay.health import checks as health_checks

    checks = await run_checks(home)
    found = health_checks.as_plain(checks)
    if arguments.format == "json":
        terminal_output.document(found)
    else:
        terminal_tables.print_checks(checks)
    return 0 if found["ok"] else 1


async def _connect(home: Services, arguments: argparse.Namespace) -> int:
    values = {}
    for setting in arguments.set:
        field, equals, value = setting.partition("=")
        if not equals or not field:
            raise UsageError(f"--set takes FIELD=VALUE, not «{setting}»")
        values[field] = value
    plugin = home.connections.plugin(arguments.ledger)
    secrets = [field.name for field in forms.fields_of(plugin) if field.kind == "secret"]
    for field in values:
        if field in secrets and not is_reference(values[field]):
            raise BadConfig(
                field,
                "a credential is not given as an argument, where others could read it: use --secret-stdin or "
                f"--secret-env VAR, or let --set point to it: {field}=env:VAR or {field}=file:/path",
            )
    if arguments.secret_env or arguments.secret_stdin:
        if not secrets:
            raise BadConfig("secret", f"{plugin.meta.title} has no credential to give")
        values[secrets[0]] = _secret(arguments)
    done = await home.connections.connect(
        await home.workspace(), arguments.ledger, arguments.name, values, replace=arguments.replace
    )
    terminal_output.line(f"connected {done.name}: {done.ledger_title}, {done.account_title or 'its account'}")
    terminal_output.line(f"id {done.id}")
    terminal_output.line(f"fingerprint {done.fingerprint}")
    return 0


def _secret(arguments: argparse.Namespace) -> str:
    if arguments.secret_env:
        found = os.environ.get(arguments.secret_env, "").strip()
        if not found:
            raise BadConfig("--secret-env", f"{arguments.secret_env} is not set, or empty")
        return found
    found = sys.stdin.readline().strip()
    if not found:
        raise BadConfig("--secret-stdin", "nothing came in on standard input")
    return found


async def _connections(home: Services, arguments: argparse.Namespace) -> int:
    views = await home.connections.views(await home.workspace())
    if arguments.format == "text":
        terminal_tables.print_connections(views)
        return 0
    terminal_output.document(
        [
            {
                "id": view.id,
                "name": view.name,
                "ledger": view.ledger,
                "role": view.role,
                **({"in_front_of": view.in_front_of or None} if view.role == "attribution" else {}),
                "account": {"id": view.account_id, "title": view.account_title},
                "fingerprint": view.fingerprint,
                "state": view.state,
                "fresh_until": format_utc(view.fresh_until),
                "last_poll": format_utc(view.last_poll),
                "next_poll": format_utc(view.next_poll),
                "error": view.error or None,
            }
            for view in views
        ]
    )
    return 0


async def _disconnect(home: Services, arguments: argparse.Namespace) -> int:
    await home.connections.disconnect(await home.workspace(), arguments.name)
    terminal_output.line(f"disconnected {arguments.name}: its credential is gone, its books stay")
    return 0


async def _poll(home: Services, arguments: argparse.Namespace) -> int:
    since = _day(arguments.since) if arguments.since else None
    views = [view for view in await home.connections.views(await home.workspace()) if view.role != "sink"]
    unknown = sorted(set(arguments.names) - {view.name for view in views})
    if unknown:
        raise BadConfig("name", f"nothing is connected as «{unknown[0]}»; there is: {_names(views)}")
    results = []
    for view in views:
        if arguments.names and view.name not in arguments.names:
            continue
        connection_id = int(view.id.removeprefix("con_"))
        try:
            result = await home.poller.poll(
                connection_id, since=since, wait_seconds=WAIT_FOR_POLL_SECONDS, progress=terminal_output.progress
            )
        except BusyError as error:
            result = PollResult(view.name, ok=False, error=str(error))
        if result:
            results.append(result)
    await home.watching.look(await home.workspace())  # no-op while a running bot does this and delivers the alerts
    await home.watching.let_go()
    if arguments.format == "json":
        terminal_output.document(
            {
                "connections": [
                    {
                        "name": one.name,
                        "ok": one.ok,
                        "new": one.new,
                        "changed": one.changed,
                        "same": one.same,
                        "requests": one.requests,
                        "error": one.error or None,
                    }
                    for one in results
                ]
            }
        )
    else:
        terminal_tables.print_poll_results(results)
    for one in results:
        if not one.ok:
            sys.stderr.write(f"{one.name}: {logs.one_line(one.error)}\n")
    return 0 if all(one.ok for one in results) else 1


async def _spend(home: Services, arguments: argparse.Namespace) -> int:
    answer = await home.asking.spend(await home.workspace(), " ".join(arguments.query))
    if arguments.format == "json":
        terminal_output.document(answer_as_json(answer))
    elif arguments.format == "csv":
        terminal_output.table(flat_columns(answer), as_flat(answer))
    else:
        terminal_tables.print_answer(answer)
    return 0


async def _digest(home: Services, arguments: argparse.Namespace) -> int:
    from outlay.cli.digest import digest  # lazy: Slack's libraries load slowly

    return await digest(home, arguments)


async def _own(home: Services, arguments: argparse.Namespace) -> int:
    from outlay.books.ownership import owner_of_id

    owner = owner_of_id(arguments.owner)
    start = _date(arguments.start) if arguments.start else None
    key = await home.owning.own_named(await home.workspace(), arguments.key, owner.id, start)
    terminal_output.line(
        f"{key.name or key.ledger_id} belongs to {owner.id}" + (f" from {arguments.start}" if start else "")
    )
    return 0


async def _owners(home: Services, arguments: argparse.Namespace) -> int:
    from outlay.books.ownership import owners_now

    async with home.database.read() as session:
        found = await owners_now(session, await home.workspace(), int(home.clock.now().timestamp()))
    if arguments.format == "json":
        terminal_output.document(
            [
                {
                    "id": owner.id,
                    "name": owner.name,
                    "kind": owner.kind,
                    "keys": [
                        {"id": key.id, "name": key.name, "ledger": key.ledger, "connection": key.connection}
                        for key in keys
                    ],
                }
                for owner, keys in found
            ]
        )
    else:
        terminal_tables.print_owners(found)
    return 0


async def _db(home: Services, _: argparse.Namespace) -> int:
    from outlay import migrations

    terminal_output.line(f"the tables are at {await migrations.revision(home.database)}, the newest")
    return 0


async def _plugins(home: Services, arguments: argparse.Namespace) -> int:
    found = home.loaded.found
    if arguments.format == "json":
        terminal_output.document(
            [
                {
                    "slug": one.slug,
                    "kind": one.kind,
                    "version": one.version,
                    "source": one.source,
                    "ok": one.ok,
                    "error": one.error,
                }
                for one in found
            ]
        )
    else:
        terminal_tables.print_plugins(found)
    return 0 if all(one.ok for one in found) else 1


def _names(views: list[ConnectionView]) -> str:
    return ", ".join(view.name for view in views) or "nothing yet"


def _date(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise UsageError(f"«{word}» is not a day: YYYY-MM-DD, such as 2026-10-01") from None


def _day(word: str) -> datetime:
    day = _date(word)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_COMMANDS: dict[str, Callable[[Services, argparse.Namespace], Awaitable[int]]] = {
    "run": _run,
    "doctor": _doctor,
    "connect": _connect,
    "connections": _connections,
    "disconnect": _disconnect,
    "poll": _poll,
    "spend": _spend,
    "capture": capture,
    "export": export,
    "own": _own,
    "owners": _owners,
    "close": close,
    "audit": audit,
    "deliveries": deliveries,
    "digest": _digest,
    "team": team,
    "workspace": workspace,
    "db": _db,
    "vault": vault,
    "plugins": _plugins,
}

__all__ = ["error_line", "run"]
