"""Local key backend: one master key of 32 bytes, from which everything else is derived.

The master key itself encrypts nothing. HKDF derives three values from it that reveal nothing about one another: the key
that wraps data keys, the key of the fingerprints, and the key's public id.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from outlay.vault.errors import DAMAGED, VaultError

MASTER_KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_ID_BYTES = 8
_SPELLING = re.compile(r"[A-Za-z0-9_-]{43}=?")

KEY_WANTED = f"the urlsafe base64 of {MASTER_KEY_BYTES} bytes (`outlay vault new-key` prints one)"


def new_key() -> str:
    """Generate a master key, encoded as the settings expect it."""
    return base64.urlsafe_b64encode(os.urandom(MASTER_KEY_BYTES)).decode()


def decode_key(text: str) -> bytes:
    """Decode a master key to its 32 bytes; padding is optional. Raises VaultError, which never quotes the text."""
    spelled = text.strip().rstrip("=")
    if not _SPELLING.fullmatch(text.strip()):
        raise VaultError(f"a master key is {KEY_WANTED}; this is something else")
    try:
        key = base64.urlsafe_b64decode(spelled + "=")
    except binascii.Error:
        raise VaultError(f"a master key is {KEY_WANTED}; this is something else") from None
    if base64.urlsafe_b64encode(key).decode().rstrip("=") != spelled:
        raise VaultError(f"a master key is {KEY_WANTED}; the last character of this one cannot be right")
    return key


def derive(master_key: bytes, purpose: str, length_bytes: int = 32) -> bytes:
    """Derive an independent value for each purpose."""
    return HKDF(algorithm=SHA256(), length=length_bytes, salt=None, info=f"outlay {purpose} v1".encode()).derive(
        master_key
    )


class LocalKey:
    """KeyWrapper with a key derived from the master key: AES-256-GCM, the context as associated data."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise VaultError(f"a master key is {KEY_WANTED}")
        self._cipher = AESGCM(derive(master_key, "data key wrapping"))
        self._id = f"local:{derive(master_key, 'key id', _KEY_ID_BYTES).hex()}"

    def __repr__(self) -> str:
        return f"LocalKey({self._id})"

    @property
    def id(self) -> str:
        return self._id

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, _spell(context))

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _spell(context))
        except (InvalidTag, ValueError):
            raise VaultError(DAMAGED) from None


def _spell(context: Mapping[str, str]) -> bytes:
    """Encode a context in one way only, whatever the order or the characters of its parts."""
    return json.dumps(sorted(context.items())).encode()
