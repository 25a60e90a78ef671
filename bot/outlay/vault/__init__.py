"""Secrets at rest. `open_vault` gives a Vault that seals, opens and fingerprints; nothing else here is needed."""

from outlay.vault.errors import VaultError
from outlay.vault.key_setup import open_vault
from outlay.vault.key_wrapper import KeyWrapper
from outlay.vault.local_key import decode_key, new_key
from outlay.vault.vault import Vault, key_id_of

__all__ = ["KeyWrapper", "Vault", "VaultError", "decode_key", "key_id_of", "new_key", "open_vault"]
