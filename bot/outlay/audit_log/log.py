"""Audit log: who did what, when, from where, to which object. It is append-only, and each row is chained by its hash.

A row is written in the transaction of its action, so that neither exists without the other. The hash of a row covers
the hash of the one before: a changed, missing or inserted row breaks the chain there, and the head shows if a row is
gone from the end. Anyone who may write all of the database can write a chain of their own; that shows only against a
head that was noted elsewhere.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core.actor import current_actor
from outlay.database.engine import execute, sha256_hex

VALUE_CHARACTERS_MAX = 200
ROWS_AT_ONCE = 1_000
BEGIN = ""  # the hash before the first row


class AuditedAction(StrEnum):
    """Every action that leaves a row in the audit log."""

    CONNECT = "connection.connect"
    REPLACE = "connection.replace"
    RECONNECT = "connection.reconnect"
    DISCONNECT = "connection.disconnect"
    REWRAP = "vault.rewrap"
    OWN = "owner.set"
    BUDGET_SET = "budget.set"
    BUDGET_REMOVE = "budget.remove"
    DIGEST_SET = "digest.set"
    DIGEST_WANT = "digest.want"
    DIGEST_POST = "digest.post"
    ALERTS_SET = "alerts.set"
    ALERTS_WANT = "alerts.want"
    ACKNOWLEDGE = "incident.acknowledge"
    SNOOZE = "incident.snooze"
    DISMISS = "incident.dismiss"
    EXPECT = "incident.expect"
    UNDO = "incident.undo"
    FILE = "incident.file"
    PLAN = "expectation.plan"
    TAKE_BACK = "expectation.take_back"
    CLOSE = "month.close"
    REPLAY = "deliveries.replay"
    WORKSPACE = "workspace.set"
    ADOPT = "workspace.adopt"
    INSTALL = "workspace.install"
    LEAVE = "workspace.leave"
    RIGHTS = "rights.set"
    TEAM = "team.set"


@dataclass(frozen=True, slots=True)
class AuditLogEntry:
    """Row of the audit log. `detail`: names and figures, never a secret and no free text."""

    seq: int
    at: int
    who: str
    origin: str
    deed: str
    thing: str
    detail: str
    hash: str

    def expected_hash(self, before: str) -> str:
        """Return the hash that the row must have, given the hash of the row before."""
        return _hash(before, self.seq, _body(self.at, self.who, self.origin, self.deed, self.thing, self.detail))


@dataclass(frozen=True, slots=True)
class ChainVerification:
    """Result of verifying a chain. `seq`, `hash`: the head, worth noting elsewhere.

    `broken`: the number of the first row that is not as it was written, or None; `why` says so in words.
    """

    checked: int
    seq: int
    hash: str
    broken: int | None = None
    why: str = ""

    @property
    def ok(self) -> bool:
        return self.broken is None


async def append(
    session: AsyncSession, workspace_id: str, deed: AuditedAction, thing: str, *, now: datetime, **detail: object
) -> None:
    """Append a row about what the current actor has just done, in the caller's transaction.

    Call it last there: until the transaction ends, other actions of the workspace wait.
    """
    told = {name: _short(value) for name, value in detail.items() if value not in (None, "")}
    who, at = current_actor(), int(now.timestamp())
    written = (at, who.who, who.origin, str(deed), thing[:VALUE_CHARACTERS_MAX], json.dumps(told, sort_keys=True))
    values = {"workspace": workspace_id, "body": _body(*written), **dict(zip(_WRITTEN, written, strict=True))}
    connection = await session.connection()
    statement = _APPEND[connection.dialect.name]
    if not (await connection.execute(statement, values)).rowcount:
        await connection.execute(_FIRST, {"workspace": workspace_id})
        await connection.execute(statement, values)


async def rows(session: AsyncSession, workspace_id: str) -> AsyncGenerator[AuditLogEntry]:
    """Yield the audit log in order, reading a page at a time."""
    after = 0
    while True:
        wanted = {"workspace": workspace_id, "after": after, "most": ROWS_AT_ONCE}
        page = await execute(session, _PAGE[_dialect(session)], wanted)
        found = [AuditLogEntry(*map(_readable, row)) for row in page]
        for entry in found:
            yield entry
        if len(found) < ROWS_AT_ONCE:
            return
        after = found[-1].seq


async def verify(
    session: AsyncSession, workspace_id: str, *, noted: tuple[int, str] | None = None
) -> ChainVerification:
    """Verify the chain from its first row. `noted`: an earlier head that must be a row of this chain."""
    before, seq, last = BEGIN, 0, None
    async for entry in rows(session, workspace_id):
        if entry.seq != seq + 1:
            return ChainVerification(seq, seq, before, seq + 1, f"row {seq + 1} is missing")
        if entry.hash != entry.expected_hash(before):
            return ChainVerification(seq, seq, before, entry.seq, f"row {entry.seq} is not as it was written")
        if noted and noted[0] == entry.seq and noted[1] != entry.hash:
            return ChainVerification(seq, seq, before, entry.seq, f"row {entry.seq} is not the one that was noted")
        before, seq, last = entry.hash, entry.seq, entry
    head = await _head(session, workspace_id)
    known = max(head.seq if head else 0, noted[0] if noted else 0)
    if known > seq:
        return ChainVerification(
            seq, seq, before, seq + 1, f"row {seq + 1} is missing: there was one with the number {known}"
        )
    if head != last and (head is None or last is None or head.at or (head.seq, head.hash) != (seq, before)):
        says = "is gone" if head is None else f"names row {head.seq}" if head.seq != seq else "is not as it was written"
        return ChainVerification(seq, seq, before, seq, f"the head is not the last row, which is {seq}: it {says}")
    return ChainVerification(seq, seq, before)


async def _head(session: AsyncSession, workspace_id: str) -> AuditLogEntry | None:
    """Return the last row as the head has it. The head of an older version has no copy until the next append."""
    found = (await execute(session, _HEAD[_dialect(session)], {"workspace": workspace_id})).first()
    return AuditLogEntry(*map(_readable, found)) if found is not None and found[0] else None


def _hash(before: str, seq: int, body: str) -> str:
    """Compute the hash of a row; `_APPEND` does the same in SQL."""
    return sha256_hex(f"{before}\n{seq}\n{body}")


def _body(*parts: object) -> str:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":"))


def _short(value: object) -> Any:
    """Convert a value to what JSON has; long text is cut, since it is no name."""
    if isinstance(value, str):
        return value[:VALUE_CHARACTERS_MAX]
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_short(one) for one in (value if isinstance(value, (list, tuple)) else sorted(value, key=str))]
    return str(value)[:VALUE_CHARACTERS_MAX]


def _readable(value: Any) -> Any:
    """Decode bytes as far as possible: a row that was tampered with may no longer be valid text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _dialect(session: AsyncSession) -> str:
    return session.get_bind().dialect.name


_WRITTEN = ("at", "who", "origin", "deed", "thing", "detail")
_FIRST = text(
    "INSERT INTO trail_head (workspace_id, seq, hash, at, who, origin, deed, thing, detail) "
    "VALUES (:workspace, 0, '', 0, '', '', '', '', '') ON CONFLICT (workspace_id) DO NOTHING"
)
_TO_HASH = "hash || {newline} || CAST(seq + 1 AS VARCHAR) || {newline} || CAST(:body AS VARCHAR)"
_SHA256 = {
    "sqlite": f"sha256_hex({_TO_HASH.format(newline='char(10)')})",  # see `database`
    "postgresql": f"encode(sha256(convert_to({_TO_HASH.format(newline='chr(10)')}, 'UTF8')), 'hex')",
}
_APPEND = {  # one statement: triggers copy the new head into the log, see the migrations
    dialect: text(
        f"UPDATE trail_head SET seq = seq + 1, hash = {sha256}, "
        f"{', '.join(f'{name} = :{name}' for name in _WRITTEN)} WHERE workspace_id = :workspace"
    )
    for dialect, sha256 in _SHA256.items()
}
_COLUMNS = ("who", "origin", "deed", "thing", "detail", "hash")
_FORM = {"sqlite": "CAST({} AS BLOB)", "postgresql": "{}"}  # SQLite stores any bytes as text
_ALL = {
    dialect: f"SELECT seq, at, {', '.join(form.format(name) for name in _COLUMNS)}" for dialect, form in _FORM.items()
}
_PAGE = {
    dialect: text(f"{columns} FROM trail WHERE workspace_id = :workspace AND seq > :after ORDER BY seq LIMIT :most")
    for dialect, columns in _ALL.items()
}
_HEAD = {
    dialect: text(f"{columns} FROM trail_head WHERE workspace_id = :workspace") for dialect, columns in _ALL.items()
}
