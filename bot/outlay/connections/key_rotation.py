"""Key rotation: every stored secret's data key is wrapped again under the current key; no secret is opened.

One secret is one small transaction, so the bot goes on meanwhile, and an interrupted rotation is simply started again:
the key id beside a secret shows what is done already. A key service is called outside of any transaction; a secret that
was replaced meanwhile is left as it is.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import TrailDeed
from outlay.connections import secret_locations
from outlay.connections.secret_locations import Place
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.vault.errors import VaultError, VaultUnavailable
from outlay.vault.vault import Vault, key_id_of

Progress = Callable[[str], None]
TOLD_EACH = 100


@dataclass(slots=True)
class Rotated:
    """Result of a rotation. `failed`: one line for each secret that could not be wrapped again."""

    rewrapped: int = 0
    already: int = 0
    failed: list[str] = field(default_factory=list)


async def under_which_keys(database: Database) -> Counter[str]:
    """Count how many secrets are sealed under each key."""
    async with database.read() as session:
        blobs = [place.blob for place in await secret_locations.places(session)]
    found: Counter[str] = Counter()
    for blob in blobs:
        try:
            found[key_id_of(blob)] += 1
        except VaultError:
            found["unreadable"] += 1
    return found


async def rotate(database: Database, vault: Vault, clock: Clock, *, progress: Progress = lambda _: None) -> Rotated:
    """Wrap again what is not under the vault's first key."""
    async with database.read() as session:
        places = await secret_locations.places(session)
    done = Rotated()
    for number, place in enumerate(places, 1):
        try:
            await _one(database, vault, clock, place, done)
        except VaultUnavailable as error:
            done.failed.append(f"stopped after {number - 1} of {len(places)} secrets: {error}")
            break
        if number % TOLD_EACH == 0:
            progress(f"{number} of {len(places)} secrets")
    return done


async def _one(database: Database, vault: Vault, clock: Clock, place: Place, done: Rotated) -> None:
    try:
        blob = await vault.rewrap(place.workspace_id, place.owner, place.field, place.blob)
    except VaultUnavailable:
        raise
    except VaultError as error:
        done.failed.append(f"{place.title} ({place.field}): {error}")
        return
    if blob is None:
        done.already += 1
        return
    async with database.write() as session:
        if await secret_locations.replace(
            session, place, blob
        ):  # else it was replaced meanwhile, under the current key
            await audit_log.note(
                session, place.workspace_id, TrailDeed.REWRAP, place.thing, now=clock.now(),
                name=place.title, field=place.field, key=vault.key_id, before=key_id_of(place.blob),
            )  # fmt: skip
            done.rewrapped += 1
