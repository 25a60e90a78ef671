"""Command-line parser of `outlay`. Commands run in `outlay.cli`; `outlay.terminal` writes.

Exit 0: done. 1: a failure or a refusal, one line each on stderr, never a traceback. 2: wrong usage. Heavy imports wait
until a command needs them, so that `outlay --help` answers at once.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence

Command = Callable[[argparse.Namespace], Awaitable[int]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console script and return the exit code."""
    arguments = _parser().parse_args(argv)
    from outlay.cli import commands
    from outlay.cli.errors import error_line

    try:
        return asyncio.run(commands.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader closed the pipe
        return 0
    except Exception as error:  # noqa: BLE001  the error boundary: any failure becomes one line
        sys.stderr.write(error_line(error) + "\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outlay", description="Who spent what, on which model: read from the ledgers that providers already keep."
    )
    parser.add_argument("--workspace", help="the workspace to act on, where there are several", default=None)
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, what: str, *, formats: Sequence[str] = ()) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        command.add_argument("--workspace", help=argparse.SUPPRESS, default=argparse.SUPPRESS)
        if formats:
            command.add_argument("--format", choices=formats, default=formats[0])
        return command

    demo = add("demo", "the whole story on loopback: no account, no network")
    demo.add_argument("--serve", action="store_true", help="stay, so that you can type /spend … yourself")
    demo.add_argument("--today", metavar="DATE", help="the UTC day on which it plays (YYYY-MM-DD), not today")
    add("run", "run the bot: Socket Mode with SLACK_APP_TOKEN, else HTTP with SLACK_SIGNING_SECRET")
    add("doctor", "check settings, database, Slack and connections, and suggest fixes", formats=("text", "json"))

    connect = add("connect", "connect a ledger: check with it, encrypt the credential, save")
    connect.add_argument("ledger", metavar="LEDGER", help="which kind, such as openrouter; `outlay plugins` lists them")
    connect.add_argument("--name", required=True, help="what to call the connection")
    connect.add_argument(
        "--set", metavar="FIELD=VALUE", action="append", default=[], help="a field of its form, or: role, in_front_of"
    )
    secret = connect.add_mutually_exclusive_group()
    secret.add_argument("--secret-env", metavar="VAR", help="read the credential from this environment variable")
    secret.add_argument("--secret-stdin", action="store_true", help="read the credential from standard input")
    connect.add_argument("--replace", action="store_true", help="rotate the credential of the connection of this name")
    add("connections", "list what is connected, with its health", formats=("text", "json"))
    disconnect = add("disconnect", "remove a credential and keep the books")
    disconnect.add_argument("name", metavar="NAME")

    poll = add("poll", "read the ledgers now, once, all pages", formats=("text", "json"))
    poll.add_argument("names", metavar="NAME", nargs="*", help="only these connections")
    poll.add_argument("--since", metavar="DATE", help="from this UTC day on (YYYY-MM-DD)")
    spend = add("spend", "who spent what? the same words as /spend in Slack", formats=("text", "json", "csv"))
    spend.add_argument(
        "query",
        metavar="QUERY",
        nargs="*",
        help="such as: 7d by model, mtd by key top 5, vs last week by model, 30d trend",
    )

    capture = add("capture", "how much of the bill does each gateway see?", formats=("text", "json"))
    capture.add_argument("period", metavar="PERIOD", nargs="*", help="such as: 7d, yesterday, 2026-10; mtd if not said")

    export = add("export", "a month's rows, to standard output", formats=("focus", "csv", "json"))
    export.add_argument("--month", metavar="YYYY-MM", required=True, help="a UTC calendar month")

    own = add("own", "say who answers for a key")
    own.add_argument("key", metavar="KEY", help="the ledger's id, or CONNECTION:id where two have it")
    own.add_argument("owner", metavar="OWNER", help="a Slack user id, an e-mail, agent:NAME, team:NAME, unattributed")
    own.add_argument("--from", dest="start", metavar="DATE", help="from this day on (YYYY-MM-DD), not in all history")
    add("owners", "list who answers for which keys", formats=("text", "json"))

    close = add("close", "freeze a month: whatever comes for it later is an adjustment", formats=("text", "json"))
    close.add_argument("month", metavar="YYYY-MM")
    close.add_argument("--force", action="store_true", help="even while some of it is not settled")
    audit = add("audit", "derive every figure and closed month once more, and compare", formats=("text", "json", "csv"))
    audit.add_argument(
        "--trail", action="store_true", help="who did what instead: verify the chain, and list or export it"
    )
    audit.add_argument("--noted", metavar="SEQ:HASH", help="with --trail: a head from before, that has to be in it")
    deliveries = add("deliveries", "what waits to be told, and what was given up", formats=("text", "json"))
    deliveries.add_argument("--again", action="store_true", help="send everything that was given up again")
    digest = add("digest", "post the digest of the newest day, week or month now; with --format only print it")
    digest.add_argument(
        "--channel", metavar="ID", help="where to; if not said: OUTLAY_DIGEST_CHANNEL, else what was chosen"
    )
    digest.add_argument("--period", choices=("day", "week", "month"), default="day", help="the newest one that is over")
    digest.add_argument("--format", choices=("text", "json"), help="print it and post nothing; needs no Slack")
    team = add("team", "list teams, or say who manages one and who belongs to it", formats=("text", "json"))
    team.add_argument("name", metavar="NAME", nargs="?", help="as in team:NAME, without the first part")
    for role, does in (("manager", "manages it, and sees its figures"), ("member", "belongs to it")):
        team.add_argument(f"--{role}", metavar="ID", action="append", default=[], help=f"a Slack user who {does}")
    team.add_argument("--forget", action="store_true", help="it has no people any more; its keys stay its own")
    workspace = add("workspace", "show or change how a workspace counts, and who sees whom", formats=("text", "json"))
    workspace.add_argument(
        "--visibility", choices=("everybody", "own"), help="everybody sees everybody, or people themselves and totals"
    )
    workspace.add_argument(
        "--admins", metavar="IDS", help="Slack users besides Slack's own admins, with commas between"
    )
    workspace.add_argument("--time-zone", metavar="ZONE", help="days are counted in it, such as Europe/Berlin")
    workspace.add_argument(
        "--close-day", metavar="DAY", type=int, help="of the month, when the month before closes; 0: never by itself"
    )
    workspace.add_argument(
        "--hours-kept", metavar="DAYS", type=int, help="for so long days can be read by the hour; 0: for ever"
    )

    replay = add("replay", "run the detector over a recorded stream and write its alerts")
    replay.add_argument("stream", metavar="STREAM", help="CSV, also gzipped: ts,developer,key,model,tokens,cost_usd")
    replay.add_argument("--out", metavar="ALERTS", required=True, help="where to write them, as CSV")

    vault = add("vault", "the master key").add_subparsers(dest="action", metavar="ACTION", required=True)
    vault.add_parser("new-key", help="print a fresh master key")
    vault.add_parser("rotate", help="a new master key, and every stored credential wrapped anew under it")
    database = add("db", "the database").add_subparsers(dest="action", metavar="ACTION", required=True)
    database.add_parser("upgrade", help="bring the tables to this version (also done on start)")
    add("plugins", "list what is loaded, from where, and what failed", formats=("text", "json"))
    return parser


def _version() -> str:
    from outlay import __version__

    return f"outlay {__version__}"
