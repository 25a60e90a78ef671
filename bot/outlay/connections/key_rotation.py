"""Key rotation: every stored secret's data key is wrapped again under the current key; no secret is opened.

One secret is one small transaction, so the bot goes on meanwhile, and an interrupted rotation is simply started again:
the key id beside a secret shows what is done already. A key service is called outside of any transaction; a secret that
was replaced meanwhile is left as it is.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from outlay.audit_log import log as audit_log
from outlay.audit_log.log import AuditedAction
from outlay.connections import secret_locations
from outlay.connections.secret_locations import SecretLocation
from outlay.core.clock import Clock
from outlay.database.engine import Database
from outlay.vault.errors import VaultError, VaultUnavailableError
from outlay.vault.vault import Vault, key_id_of

Progress = Callable[[str], None]
TOLD_EACH = 100


@dataclass(slots=True)
class RotationResult:
    """Result of a rotation. `failed`: one line for each secret that could not be wrapped again."""

    rewrapped: int = 0
    already: int = 0
    failed: list[str] = field(default_factory=list)


async def count_secrets_by_key(database: Database) -> Counter[str]:
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


async def rewrap_secrets(
    database: Database, vault: Vault, clock: Clock, *, progress: Progress = lambda _: None
) -> RotationResult:
    """Wrap again what is not under the vault's first key."""
    async with database.read() as session:
        places = await secret_locations.places(session)
    done = RotationResult()
    for number, place in enumerate(places, 1):
        try:
            await _one(database, vault, clock, place, done)
        except VaultUnavailableError as error:
            done.failed.append(f"stopped after {number - 1} of {len(places)} secrets: {error}")
            break
        if number % TOLD_EACH == 0:
            progress(f"{number} of {len(places)} secrets")
    return done


async def _one(database: Database, vault: Vault, clock: Clock, place: SecretLocation, done: RotationResult) -> None:
    try:
        blob = await vault.rewrap(place.workspace_id, place.owner, place.field, place.blob)
    except VaultUnavailableError:
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
            await audit_log.append(
                session, place.workspace_id, AuditedAction.REWRAP, place.thing, now=clock.now(),
                name=place.title, field=place.field, key=vault.key_id, before=key_id_of(place.blob),
            )  # fmt: skip
            done.rewrapped += 1
