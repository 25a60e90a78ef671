"""Secrets at rest. `open_vault` gives a Vault that seals, opens and fingerprints; nothing else here is needed."""

from bot.vault.errors import VaultError
from bot.vault.keys import KeyWrapper
from bot.vault.local import decode_key, new_key
from bot.vault.master import open_vault
from bot.vault.vault import Vault, key_id_of

__all__ = ["KeyWrapper", "Vault", "VaultError", "decode_key", "key_id_of", "new_key", "open_vault"]
