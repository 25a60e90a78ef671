"""The audit trail: who did what, when, from where, to which object. It is only appended to, and each row is chained.

A row is written in the transaction of its deed, so that there is neither a deed without its row nor a row without its
deed. The hash of a row covers the hash of the one before: a changed, missing or inserted row breaks the chain there,
and a row that is gone from its end is missed by the head. Who may write all of the database can write a chain of their
own; that shows only against a head that was noted elsewhere.
"""

import hashlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.books.database import execute
from bot.core.acting import actor

VALUE_CHARACTERS_MAX = 200
ROWS_AT_ONCE = 1_000
BEGIN = ""  # the hash before the first row


class TrailDeed(StrEnum):
    """Every deed that leaves a row."""

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
class Entry:
    """A row of the trail. `detail`: names and figures, never a secret and no free text."""

    seq: int
    at: int
    who: str
    origin: str
    deed: str
    thing: str
    detail: str
    hash: str

    def expected_hash(self, before: str) -> str:
        """What its hash has to be, after that of the row before."""
        return _hash(before, self.seq, self.at, self.who, self.origin, self.deed, self.thing, self.detail)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of looking at a chain. `broken`: the number of the first row that is not as it was written, or None;
    `why` says so in words. `seq`, `hash`: the head, worth noting elsewhere."""

    checked: int
    seq: int
    hash: str
    broken: int | None = None
    why: str = ""

    @property
    def ok(self) -> bool:
        return self.broken is None


async def note(
    session: AsyncSession, workspace_id: str, deed: TrailDeed, thing: str, *, now: datetime, **detail: object
) -> None:
    """Appends a row about what whoever acts has just done, in the caller's transaction.

    Do it last there: until the transaction ends, other deeds of the workspace wait.
    """
    head = await execute(session, _HEAD[_dialect(session)], {"workspace": workspace_id})
    found = head.first()
    if found is None:
        await execute(session, _FIRST, {"workspace": workspace_id})
        found = (await execute(session, _HEAD[_dialect(session)], {"workspace": workspace_id})).one()
    who, seq = actor(), int(found.seq) + 1
    told = {name: _short(value) for name, value in detail.items() if value not in (None, "")}
    said = json.dumps(told, sort_keys=True)
    row = (seq, int(now.timestamp()), who.who, who.origin, str(deed), thing[:VALUE_CHARACTERS_MAX], said)
    hash_ = _hash(found.hash, *row)
    values = dict(zip(("seq", "at", "who", "origin", "deed", "thing", "detail"), row, strict=True))
    await execute(session, _ROW, values | {"workspace": workspace_id, "hash": hash_})
    await execute(session, _MOVE, {"workspace": workspace_id, "seq": seq, "hash": hash_})


async def rows(session: AsyncSession, workspace_id: str) -> AsyncGenerator[Entry]:
    """The trail in order, a page at a time."""
    after = 0
    while True:
        wanted = {"workspace": workspace_id, "after": after, "most": ROWS_AT_ONCE}
        page = await execute(session, _PAGE[_dialect(session)], wanted)
        found = [Entry(*map(_readable, row)) for row in page]
        for entry in found:
            yield entry
        if len(found) < ROWS_AT_ONCE:
            return
        after = found[-1].seq


async def verify(session: AsyncSession, workspace_id: str, *, noted: tuple[int, str] | None = None) -> Verified:
    """Walks the chain from its first row. `noted`: a head from before, that has to be a row of this chain."""
    before, seq = BEGIN, 0
    async for entry in rows(session, workspace_id):
        if entry.seq != seq + 1:
            return Verified(seq, seq, before, seq + 1, f"row {seq + 1} is missing")
        if entry.hash != entry.expected_hash(before):
            return Verified(seq, seq, before, entry.seq, f"row {entry.seq} is not as it was written")
        if noted and noted[0] == entry.seq and noted[1] != entry.hash:
            return Verified(seq, seq, before, entry.seq, f"row {entry.seq} is not the one that was noted")
        before, seq = entry.hash, entry.seq
    head = (await execute(session, _HEAD["sqlite"], {"workspace": workspace_id})).first()
    ends_at, ends_with = (int(head.seq), str(head.hash)) if head else (0, BEGIN)
    known = max(ends_at, noted[0] if noted else 0)
    if known > seq:
        return Verified(seq, seq, before, seq + 1, f"row {seq + 1} is missing: there was one with the number {known}")
    if (ends_at, ends_with) != (seq, before):
        return Verified(seq, seq, before, seq, f"the head is not the last row, which is {seq}: it says {ends_at}")
    return Verified(seq, seq, before)


def _hash(before: str, *parts: object) -> str:
    return hashlib.sha256(json.dumps([before, *parts], ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _short(value: object) -> Any:
    """What JSON can say; long words are cut, since they are no name."""
    if isinstance(value, str):
        return value[:VALUE_CHARACTERS_MAX]
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_short(one) for one in (value if isinstance(value, (list, tuple)) else sorted(value, key=str))]
    return str(value)[:VALUE_CHARACTERS_MAX]


def _readable(value: Any) -> Any:
    """Bytes that are no text any more, since somebody has been at them, are shown as far as they are."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _dialect(session: AsyncSession) -> str:
    return session.get_bind().dialect.name


_HEAD = {
    "sqlite": text("SELECT seq, hash FROM trail_head WHERE workspace_id = :workspace"),  # the writer is alone anyway
    "postgresql": text("SELECT seq, hash FROM trail_head WHERE workspace_id = :workspace FOR UPDATE"),
}
_FIRST = text(
    "INSERT INTO trail_head (workspace_id, seq, hash) VALUES (:workspace, 0, '') ON CONFLICT (workspace_id) DO NOTHING"
)
_ROW = text(
    "INSERT INTO trail (workspace_id, seq, at, who, origin, deed, thing, detail, hash) "
    "VALUES (:workspace, :seq, :at, :who, :origin, :deed, :thing, :detail, :hash)"
)
_MOVE = text("UPDATE trail_head SET seq = :seq, hash = :hash WHERE workspace_id = :workspace")
_COLUMNS = ("who", "origin", "deed", "thing", "detail", "hash")
_PAGE = {
    dialect: text(
        f"SELECT seq, at, {', '.join(form.format(name) for name in _COLUMNS)} FROM trail "
        "WHERE workspace_id = :workspace AND seq > :after ORDER BY seq LIMIT :most"
    )
    for dialect, form in (("sqlite", "CAST({} AS BLOB)"), ("postgresql", "{}"))  # SQLite stores any bytes as text
}
