"""Rotation: every stored secret's data key is wrapped anew under the key that seals now; no secret is opened for it.

One secret is one small transaction, so the bot goes on meanwhile, and a rotation that is interrupted is simply begun
again: what is done already is seen by the id beside it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlmodel import col, select

from bot.books.database import Database
from bot.books.tables import Connection, Secret
from bot.vault.errors import VaultError
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


async def rotate(database: Database, vault: Vault, *, progress: Progress = lambda _: None) -> Rotated:
    """Wraps anew what is not under the vault's first key."""
    async with database.read() as session:
        places = list(
            await session.exec(
                select(Secret.connection_id, Secret.field).order_by(col(Secret.connection_id), col(Secret.field))
            )
        )
    done = Rotated()
    for number, (connection_id, name) in enumerate(places, 1):
        async with database.write() as session:
            found = await session.exec(
                select(Secret, Connection)
                .join(Connection, col(Connection.id) == col(Secret.connection_id))
                .where(Secret.connection_id == connection_id, Secret.field == name)
                .with_for_update()
            )
            pair = found.first()
            if pair is None:
                continue  # disconnected meanwhile
            secret, connection = pair
            try:
                blob = await vault.rewrap(connection.workspace_id, str(connection_id), name, secret.blob)
            except VaultError as error:
                done.failed.append(f"{connection.name} ({name}): {error}")
                continue
            if blob is None:
                done.already += 1
                continue
            secret.blob = blob
            session.add(secret)
            done.rewrapped += 1
        if number % TOLD_EACH == 0:
            progress(f"{number} of {len(places)} secrets")
    return done
