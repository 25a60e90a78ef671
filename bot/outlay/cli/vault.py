"""`outlay vault rotate`: make a new master key and re-wrap every stored credential under it, while the bot runs."""

import argparse
import sys
from datetime import UTC

from outlay.connections.key_rotation import count_secrets_by_key, rewrap_secrets
from outlay.services import Services
from outlay.terminal import output as terminal_output
from outlay.vault.errors import VaultError
from outlay.vault.key_setup import add_key


async def vault(home: Services, arguments: argparse.Namespace) -> int:
    """Continue a rotation, or begin one. Raises VaultError where no new key can be made."""
    keys = home.vault
    if not await _under_others(home):
        if keys.key_file is not None:
            day = home.clock.now().astimezone(UTC).strftime("%Y-%m-%d")
            add_key(keys.key_file, remark=f"replaced on {day}")
        elif not keys.key_id.startswith("local:"):
            raise VaultError(
                f"every secret is under key {keys.key_id}, which its key service renews by itself: to move to another, "
                "put that one and a comma before it in OUTLAY_KMS_KEY (`local` is the master key), start the bot "
                "again, and then rotate"
            )
        elif len(keys.key_ids) == 1:
            raise VaultError(
                f"every secret is under key {keys.key_id}, the only one in {keys.source}: put a fresh key "
                "(`outlay vault new-key`) and a comma before it, start the bot again, and then rotate"
            )
    done = await rewrap_secrets(home.database, keys, home.clock, progress=terminal_output.progress)
    terminal_output.line(f"wrapped anew under key {keys.key_id}: {done.rewrapped}; under it already: {done.already}")
    for line in done.failed:
        sys.stderr.write(f"{line}\n")
    if done.failed:
        return 1
    if len(keys.key_ids) > 1:
        others = ", ".join(keys.key_ids[1:])
        terminal_output.line(
            f"still at hand, for backups made until now: {others}; what is no longer needed can be taken away"
        )
    return 0


async def _under_others(home: Services) -> int:
    """Count the secrets that a rotation still has to re-wrap."""
    found = await count_secrets_by_key(home.database)
    return sum(count for key_id, count in found.items() if key_id != home.vault.key_id)
