"""Encryption of secrets at rest. `open_vault` returns a Vault, which seals, opens and fingerprints."""

from outlay.vault.errors import VaultError
from outlay.vault.key_setup import open_vault
from outlay.vault.key_wrapper import KeyWrapper
from outlay.vault.local_key import decode_key, new_key
from outlay.vault.vault import Vault, key_id_of

__all__ = ["KeyWrapper", "Vault", "VaultError", "decode_key", "key_id_of", "new_key", "open_vault"]
