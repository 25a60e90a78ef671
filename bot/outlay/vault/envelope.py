"""Stored form of a secret: one line of ASCII with everything needed to open it except the key.

    outlay$1$local:5d1e88a07c2b4f19$WRAPPED$NONCE$CIPHERTEXT

Product, version, the id of the key-encryption key, then three values in urlsafe base64 without padding. Each sealed
secret has exactly one spelling; everything else is refused before any key is used.
"""

import base64
import re
from dataclasses import dataclass

from outlay.vault.errors import DAMAGED, VaultError

VERSION = 1
MAX_BLOB_BYTES = 128 * 1024
_B64 = r"[A-Za-z0-9_-]+"
_KEY_ID = r"[a-z][a-z0-9-]{0,31}:[A-Za-z0-9._:/@-]{1,512}"
_BLOB = re.compile(rf"outlay\$([0-9]{{1,4}})\$({_KEY_ID})\$({_B64})\$({_B64})\$({_B64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Parts of a stored secret."""

    key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes


def encode_envelope(sealed: Envelope) -> bytes:
    """Encode to the stored line. Raises VaultError for a key id that the line cannot hold."""
    if not re.fullmatch(_KEY_ID, sealed.key_id, re.ASCII):
        raise VaultError("a key-encryption key has an id that cannot be stored")
    values = (sealed.wrapped_key, sealed.nonce, sealed.ciphertext)
    return "$".join(["outlay", str(VERSION), sealed.key_id, *map(_encode, values)]).encode()


def decode_envelope(blob: bytes) -> Envelope:
    """Decode a stored line. Raises VaultError for anything that `encode_envelope` would not have written."""
    if len(blob) > MAX_BLOB_BYTES:
        raise VaultError(DAMAGED)
    match = _BLOB.fullmatch(blob.decode("latin-1"))
    if match is None:
        raise VaultError(DAMAGED)
    version, key_id, *values = match.groups()
    if version != str(VERSION):
        raise VaultError(f"this secret was stored in form {version}, this Outlay reads form {VERSION}: a newer one can")
    wrapped_key, nonce, ciphertext = map(_decode, values)
    return Envelope(key_id, wrapped_key, nonce, ciphertext)


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise VaultError(DAMAGED) from None
    if _encode(value) != text:  # spare bits at the end of base64: a flip there is a change too
        raise VaultError(DAMAGED)
    return value
