"""Ownership of keys: the owner that a person set, else what the ledger itself says, else none. Never a silent guess.

Ownership is read, not written into the figures: a remap moves money between owners and can never create any. It can
start on a day; earlier spend stays with the earlier owner.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outlay.core.errors import OutlayError
from outlay.core.owner import UNATTRIBUTED, KeyRef, Owner
from outlay.database.engine import execute
from outlay.database.tables import Connection, LedgerKey, Ownership, Person

AGENT_PATTERNS = ("agent-*", "ci-*", "*-bot", "bot-*")  # a key with such a name is an agent's
_AGENT = re.compile("|".join(translate(pattern) for pattern in AGENT_PATTERNS))


class OwnerError(OutlayError, ValueError):
    """Invalid owner or key; the message says what would work."""


def owner_of_id(owner_id: str) -> Owner:
    """Parse `agent:NAME`, `team:NAME`, `unattributed`, a Slack user id or an e-mail. Raise OwnerError otherwise."""
    kind, colon, name = owner_id.partition(":")
    if owner_id == UNATTRIBUTED.id:
        return UNATTRIBUTED
    if colon and kind in ("agent", "team") and name.strip():
        return Owner(owner_id, name, "agent" if kind == "agent" else "team")
    if owner_id[:1] in "UW" and owner_id.isalnum() and owner_id.isupper():
        return Owner(owner_id, owner_id, "person")
    if "@" in owner_id and " " not in owner_id:
        return _by_email(owner_id)
    raise OwnerError(
        f"«{owner_id}» is not an owner: give a Slack user id, an e-mail, agent:NAME, team:NAME or unattributed"
    )


class KeyRow(NamedTuple):
    """Key as an answer needs it: a plain row, since an account has thousands."""

    id: int
    connection_id: int
    ledger_id: str
    reason: str
    name: str
    label: str
    project_id: str
    project_name: str
    email: str


def owner_by_ledger(key: LedgerKey | KeyRow, people: Mapping[str, Person]) -> Owner:
    """Return the owner by the ledger's data: an agent if the key is named so, else the key's e-mail, else none."""
    if not key.ledger_id:
        return UNATTRIBUTED
    if _AGENT.match(key.name.lower()):
        return Owner(f"agent:{key.name}", key.name, "agent")
    return resolve_person(_by_email(key.email), people) if key.email else UNATTRIBUTED


def _by_email(email: str) -> Owner:
    """Return a person by e-mail, in lower case so that two spellings are one person."""
    return Owner(email.lower(), email.lower(), "person")


def resolve_person(owner: Owner, people: Mapping[str, Person]) -> Owner:
    """Replace an e-mail or id by the Slack id and name of the person if known. `people`: by either, in lower case."""
    person = people.get(owner.id.lower()) if owner.kind == "person" else None
    if person is None or not person.slack_user_id:
        return owner
    return Owner(person.slack_user_id, person.name or person.email, "person")


@dataclass(slots=True)
class Owners:
    """Owners of a workspace's keys, by day."""

    _by_ledger: dict[int, Owner] = field(default_factory=dict)
    _days: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _said: dict[int, list[Owner]] = field(default_factory=lambda: defaultdict(list))

    def of(self, key_id: int, day: int) -> Owner:
        """Return the owner of a key on a day (the second at which it starts)."""
        place = bisect_right(self._days.get(key_id, ()), day)
        return self._said[key_id][place - 1] if place else self._by_ledger.get(key_id, UNATTRIBUTED)

    def ever(self, key_id: int) -> list[Owner]:
        """Return every owner that a key has ever had."""
        return [self._by_ledger.get(key_id, UNATTRIBUTED), *self._said.get(key_id, ())]

    def changes(self, after: int, before: int) -> dict[int, list[int]]:
        """Return the keys that change owner strictly between two moments, and the days on which they do."""
        found = {key: [day for day in days if after < day < before] for key, days in self._days.items()}
        return {key: days for key, days in found.items() if days}


async def owners_of(session: AsyncSession, workspace_id: str, keys: Iterable[LedgerKey | KeyRow]) -> Owners:
    """Read the owners of a workspace's keys."""
    owners = Owners()
    people: dict[str, Person] = {}
    for person in await session.exec(select(Person).where(Person.workspace_id == workspace_id)):
        people[person.email.lower()] = people[person.slack_user_id.lower()] = person
    for key in keys:
        owners._by_ledger[key.id or 0] = owner_by_ledger(key, people)
    for row in await execute(session, _SAID, {"workspace": workspace_id}):
        if row.key_id in owners._by_ledger:
            owners._days[row.key_id].append(row.from_day)
            owners._said[row.key_id].append(resolve_person(owner_of_id(row.owner), people))
    return owners


_SAID = text(
    "SELECT o.key_id, o.from_day, o.owner FROM ownership o JOIN ledger_key k ON k.id = o.key_id "
    "JOIN connection c ON c.id = k.connection_id WHERE c.workspace_id = :workspace ORDER BY o.key_id, o.from_day"
)
_KEYS = text(
    f"SELECT {', '.join(f'k.{name}' for name in KeyRow._fields)} FROM ledger_key k "
    "JOIN connection c ON c.id = k.connection_id WHERE c.workspace_id = :workspace"
)


async def key_rows(session: AsyncSession, workspace_id: str) -> list[KeyRow]:
    """Return all rows of keys of a workspace, in no order; some have no ledger's key but a reason."""
    return [KeyRow(*row) for row in (await execute(session, _KEYS, {"workspace": workspace_id})).all()]


async def keys_of(session: AsyncSession, workspace_id: str) -> list[tuple[LedgerKey, Connection]]:
    """Return all rows of keys of a workspace with their connections; some have no ledger's key but a reason."""
    rows = await session.exec(
        select(LedgerKey, Connection)
        .join(Connection, col(Connection.id) == col(LedgerKey.connection_id))
        .where(Connection.workspace_id == workspace_id)
        .order_by(col(Connection.name), col(LedgerKey.name), col(LedgerKey.id))
    )
    return list(rows)


async def set_owner(session: AsyncSession, workspace_id: str, key: str, owner_id: str, from_day: int) -> LedgerKey:
    """Set the owner of a key for all history (0) or from a day. `key`: the ledger's id, or `CONNECTION:id`.

    Raise OwnerError if the owner is invalid, or if the key is unknown or ambiguous.
    """
    owner = owner_of_id(owner_id)
    found = [
        (row, f"{connection.name}:{row.ledger_id}")
        for row, connection in await keys_of(session, workspace_id)
        if row.ledger_id and key in (row.ledger_id, f"{connection.name}:{row.ledger_id}")
    ]
    if not found:
        raise OwnerError(f"no key «{key}» in the books; `outlay owners` lists them")
    if len(found) > 1:
        raise OwnerError(f"several connections have a key «{key}»: say {' or '.join(name for _, name in found)}")
    await _say(session, found[0][0], owner, from_day)
    return found[0][0]


async def set_owner_by_id(
    session: AsyncSession, workspace_id: str, number: int, owner_id: str, from_day: int
) -> LedgerKey | None:
    """Set the owner of a key by the books' own number; return None if this workspace has no such key."""
    owner = owner_of_id(owner_id)
    statement = select(LedgerKey).join(Connection, col(Connection.id) == col(LedgerKey.connection_id))
    mine = statement.where(LedgerKey.id == number, Connection.workspace_id == workspace_id, LedgerKey.ledger_id != "")
    row = (await session.exec(mine)).first()
    if row is not None:
        await _say(session, row, owner, from_day)
    return row


async def _say(session: AsyncSession, row: LedgerKey, owner: Owner, from_day: int) -> None:
    for before in await session.exec(select(Ownership).where(Ownership.key_id == row.id)):
        if from_day == 0 or before.from_day == from_day:
            await session.delete(before)
    await session.flush()
    session.add(Ownership(key_id=row.id or 0, from_day=from_day, owner=owner.id))


async def email_of(session: AsyncSession, workspace_id: str, owner_id: str) -> str:
    """Return the e-mail of an owner who is a person; '' if unknown."""
    if "@" in owner_id:
        return owner_id
    found = await session.exec(
        select(Person.email).where(Person.workspace_id == workspace_id, Person.slack_user_id == owner_id)
    )
    return found.first() or ""


async def owners_now(session: AsyncSession, workspace_id: str, now: int) -> list[tuple[Owner, list[KeyRef]]]:
    """Return each owner with their keys at `now`; unattributed ones last."""
    rows = [(row, connection) for row, connection in await keys_of(session, workspace_id) if row.ledger_id]
    owners = await owners_of(session, workspace_id, [row for row, _ in rows])
    found: dict[str, tuple[Owner, list[KeyRef]]] = {}
    for row, connection in rows:
        owner = owners.of(row.id or 0, now)
        key = KeyRef(row.ledger_id, row.name or row.label, connection.ledger, connection.name)
        found.setdefault(owner.id, (owner, []))[1].append(key)
    return sorted(found.values(), key=lambda pair: (pair[0].kind == "unattributed", pair[0].kind, pair[0].name))
