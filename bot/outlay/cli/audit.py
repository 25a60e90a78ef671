"""`outlay audit`: derive every figure again and compare; with `--trail`, verify the audit log's hash chain instead."""

import argparse
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditLogEntry, ChainVerification
from outlay.cli.errors import UsageError
from outlay.logs import one_line
from outlay.services import Services
from outlay.spend.serialization import format_utc
from outlay.terminal import output as terminal_output

COLUMNS = ("seq", "at", "who", "origin", "deed", "object", "detail", "hash")


async def audit(home: Services, arguments: argparse.Namespace) -> int:
    """Audit the books, or the audit log. Exit code 1 on any difference."""
    if arguments.trail:
        return await _trail(home, arguments)
    if arguments.format == "csv" or arguments.noted:
        raise UsageError("--format csv and --noted go with --trail")
    found = await home.bookkeeping.audit(await home.workspace())
    if arguments.format == "json":
        terminal_output.document(found.as_plain())
    else:
        terminal_output.line(
            f"{'all agree' if found.ok else 'NOT all agree'}: {found.checked:,} comparisons, closed months: "
            + (", ".join(f"{one['month']} {'ok' if one['ok'] else 'CHANGED'}" for one in found.closed) or "none")
        )
    for words in found.differences:
        sys.stderr.write(one_line(words) + "\n")
    return 0 if found.ok else 1


async def _trail(home: Services, arguments: argparse.Namespace) -> int:
    """Verify the chain and write its rows."""
    workspace, noted = await home.workspace(), _noted(arguments.noted)
    async with home.database.read() as session:
        found = await audit_log.verify(session, workspace, noted=noted)
        async with aclosing(audit_log.rows(session, workspace)) as entries:
            if arguments.format == "csv":
                await terminal_output.stream_table(COLUMNS, (_flat(entry) async for entry in entries))
            elif arguments.format == "json":
                terminal_output.document(_plain(found) | {"rows": [_as_plain(entry) async for entry in entries]})
            else:
                await _text(found, entries)
    if not found.ok:
        sys.stderr.write(f"the audit trail is broken: {one_line(found.why)}\n")
    return 0 if found.ok else 1


async def _text(found: ChainVerification, entries: AsyncIterator[AuditLogEntry]) -> None:
    async for entry in entries:
        who = f"{entry.who} ({entry.origin})" if entry.who else entry.origin
        terminal_output.line(one_line(f"{entry.seq} {_at(entry)} {who}: {entry.deed} {entry.thing} {entry.detail}"))
    terminal_output.line(
        f"{'the trail is whole' if found.ok else 'the trail is NOT whole'}: {found.checked:,} rows are as written"
    )
    terminal_output.line(f"head {found.seq}:{found.hash}" if found.ok else f"the first that is not: {found.broken}")


def _plain(found: ChainVerification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "checked": found.checked,
        "head": {"seq": found.seq, "hash": found.hash},
        "broken": None if found.ok else {"seq": found.broken, "why": found.why},
    }


def _as_plain(entry: AuditLogEntry) -> dict[str, Any]:
    try:
        detail = json.loads(entry.detail)
    except ValueError:  # not as it was written: the row is shown anyway
        detail = entry.detail
    return _flat(entry) | {"detail": detail}


def _flat(entry: AuditLogEntry) -> dict[str, Any]:
    written = (entry.who, entry.origin, entry.deed, entry.thing, entry.detail, entry.hash)
    return dict(zip(COLUMNS, (entry.seq, _at(entry), *written), strict=True))


def _at(entry: AuditLogEntry) -> str:
    try:
        return format_utc(datetime.fromtimestamp(entry.at, UTC)) or ""
    except (ValueError, OverflowError, OSError):  # a row that was tampered with may hold anything
        return str(entry.at)


def _noted(word: str | None) -> tuple[int, str] | None:
    """Parse SEQ:HASH, as the head is printed."""
    if not word:
        return None
    seq, _, hash_ = word.partition(":")
    if not seq.isdecimal() or not hash_:
        raise UsageError(f"--noted takes SEQ:HASH as `outlay audit --trail` prints the head, not «{word}»")
    return int(seq), hash_
