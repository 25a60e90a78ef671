"""Rotation: every stored secret's data key is wrapped anew under the key that seals now; no secret is opened for it.

One secret is one small transaction, so the bot goes on meanwhile, and a rotation that is interrupted is simply begun
again: what is done already is seen by the id beside it. A key service is asked outside of any transaction: what was
replaced meanwhile is left as it is.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlmodel import col, select

from bot.books import trail
from bot.books.database import Database
from bot.books.tables import Connection, Secret
from bot.books.trail import TrailDeed
from bot.core.clock import Clock
from bot.vault.errors import VaultError, VaultUnavailable
from bot.vault.vault import Vault, key_id_of

Progress = Callable[[str], None]
TOLD_EACH = 100


@dataclass(slots=True)
class Rotated:
    """What a rotation did. `failed`: in words, one line for each secret that could not be wrapped anew."""

    rewrapped: int = 0
    already: int = 0
    failed: list[str] = field(default_factory=list)


async def under_which_keys(database: Database) -> Counter[str]:
    """How many secrets are sealed under which key."""
    async with database.read() as session:
        blobs = list(await session.exec(select(Secret.blob)))
    found: Counter[str] = Counter()
    for blob in blobs:
        try:
            found[key_id_of(blob)] += 1
        except VaultError:
            found["unreadable"] += 1
    return found


async def rotate(database: Database, vault: Vault, clock: Clock, *, progress: Progress = lambda _: None) -> Rotated:
    """Wraps anew what is not under the vault's first key."""
    async with database.read() as session:
        places = list(
            await session.exec(
                select(Secret.connection_id, Secret.field).order_by(col(Secret.connection_id), col(Secret.field))
            )
        )
    done = Rotated()
    for number, (connection_id, name) in enumerate(places, 1):
        try:
            await _one(database, vault, clock, connection_id, name, done)
        except VaultUnavailable as error:
            done.failed.append(f"stopped after {number - 1} of {len(places)} secrets: {error}")
            break
        if number % TOLD_EACH == 0:
            progress(f"{number} of {len(places)} secrets")
    return done


async def _one(database: Database, vault: Vault, clock: Clock, connection_id: int, name: str, done: Rotated) -> None:
    async with database.read() as session:
        found = await session.exec(
            select(Secret.blob, Connection.name, Connection.workspace_id)
            .join(Connection, col(Connection.id) == col(Secret.connection_id))
            .where(Secret.connection_id == connection_id, Secret.field == name)
        )
        row = found.first()
    if row is None:
        return  # disconnected meanwhile
    before, title, workspace_id = row
    try:
        blob = await vault.rewrap(workspace_id, str(connection_id), name, before)
    except VaultUnavailable:
        raise
    except VaultError as error:
        done.failed.append(f"{title} ({name}): {error}")
        return
    if blob is None:
        done.already += 1
        return
    async with database.write() as session:
        kept = await session.exec(
            select(Secret)
            .join(Connection, col(Connection.id) == col(Secret.connection_id))
            .where(
                Secret.connection_id == connection_id,
                Secret.field == name,
                Secret.blob == before,
                Connection.workspace_id == workspace_id,
            )
            .with_for_update(of=Secret)
        )
        secret = kept.first()
        if secret is not None:  # else given anew meanwhile, and so under the key that seals now
            secret.blob = blob
            session.add(secret)
            await trail.note(
                session, workspace_id, TrailDeed.REWRAP, f"connection:con_{connection_id}", now=clock.now(),
                name=title, field=name, key=vault.key_id, before=key_id_of(before),
            )  # fmt: skip
            done.rewrapped += 1
