"""Envelope encryption: each secret is encrypted with a data key of its own, and that key is wrapped by another key.

A sealed secret is bound to its location: the workspace, the owner and the field are associated data of both
encryptions, so a row that is copied to another tenant, connection or field does not open there.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from outlay.vault.envelope import VERSION, Envelope, decode_envelope, encode_envelope
from outlay.vault.errors import DAMAGED, VaultError
from outlay.vault.key_wrapper import KeyWrapper
from outlay.vault.keyring import FixedKeyring, Keyring, find_key

DATA_KEY_BYTES = 32
NONCE_BYTES = 12
MAX_SECRET_BYTES = 64 * 1024
SHOWN_CHARACTERS = 4
SHOWN_FROM_CHARACTERS = 20  # below this, four characters would reveal too large a part of the secret

OnSecret = Callable[[str], None]


class Vault:
    """Seals and opens secrets.

    `source` says in words where the keys come from, `key_file` in which file they are. `on_secret` is called with each
    secret that passes, so that the log can redact it.
    """

    def __init__(
        self,
        keys: KeyWrapper | Keyring,
        fingerprint_key: bytes,
        *,
        source: str = "",
        on_secret: OnSecret | None = None,
        key_file: Path | None = None,
    ) -> None:
        self._ring: Keyring = FixedKeyring([keys]) if isinstance(keys, KeyWrapper) else keys
        self._fingerprint_key = fingerprint_key
        self._on_secret = on_secret
        self.source = source
        self.key_file = key_file

    def __repr__(self) -> str:
        return f"Vault({self.key_id})"

    @property
    def key_id(self) -> str:
        """Return the id of the key that seals."""
        return self._ring.available_keys()[0].id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Return the ids of all available keys, the one that seals first."""
        return tuple(key.id for key in self._ring.available_keys())

    async def seal(self, workspace_id: str, owner_id: str, field: str, secret: SecretStr | str) -> bytes:
        """Encrypt the secret for this location. Sealing twice gives two different blobs."""
        text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        plain = _encode(text)
        self._tell(text)
        context = _context(workspace_id, owner_id, field)
        data_key, nonce = os.urandom(DATA_KEY_BYTES), os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(data_key).encrypt(nonce, plain, _associated(context))
        wrapper = self._ring.available_keys()[0]
        return encode_envelope(Envelope(wrapper.id, await wrapper.wrap(data_key, context), nonce, ciphertext))

    async def open(self, workspace_id: str, owner_id: str, field: str, blob: bytes) -> SecretStr:
        """Decrypt the secret.

        Raises VaultError, with what to do in its text, for another location, an unknown key or a changed byte.
        """
        sealed = decode_envelope(blob)
        context = _context(workspace_id, owner_id, field)
        data_key = await self._wrapper_of(sealed.key_id).unwrap(sealed.wrapped_key, context)
        try:
            text = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, _associated(context)).decode()
        except (InvalidTag, ValueError):
            raise VaultError(DAMAGED) from None
        self._tell(text)
        return SecretStr(text)

    async def rewrap(self, workspace_id: str, owner_id: str, field: str, blob: bytes) -> bytes | None:
        """Wrap the secret's data key with the key that seals now; None if it already is.

        The secret itself is not decrypted. Raises VaultError as `open` does.
        """
        sealed, wrapper = decode_envelope(blob), self._ring.available_keys()[0]
        if sealed.key_id == wrapper.id:
            return None
        context = _context(workspace_id, owner_id, field)
        data_key = await self._wrapper_of(sealed.key_id).unwrap(sealed.wrapped_key, context)
        return encode_envelope(replace(sealed, key_id=wrapper.id, wrapped_key=await wrapper.wrap(data_key, context)))

    async def self_test(self) -> None:
        """Check that the sealing key wraps and unwraps a random data key. Raises VaultError."""
        context, data_key = _context("outlay", "doctor", os.urandom(8).hex()), os.urandom(DATA_KEY_BYTES)
        wrapper = self._ring.available_keys()[0]
        if await wrapper.unwrap(await wrapper.wrap(data_key, context), context) != data_key:
            raise VaultError(f"the key {wrapper.id} does not give back what it wrapped")

    def _wrapper_of(self, key_id: str) -> KeyWrapper:
        found = find_key(self._ring, key_id)
        if found is None:
            raise VaultError(
                f"this secret was sealed under another master key (id {key_id}; this one is {self.key_id}): bring that "
                f"key back{', in OUTLAY_KMS_KEY' if not key_id.startswith('local:') else ''}, or connect again with "
                "the credential"
            )
        return found

    async def move(
        self, blob: bytes, owner_id: str, field: str, *, from_workspace_id: str, to_workspace_id: str
    ) -> bytes:
        """Seal the secret for another workspace: the first installation adopts what `local` holds."""
        return await self.seal(
            to_workspace_id, owner_id, field, await self.open(from_workspace_id, owner_id, field, blob)
        )

    def fingerprint(self, secret: str) -> str:
        """Return what people see instead of a secret: `…c3f9 (5d1e-88a0)`.

        Without the master key it reveals no more than those last characters.
        """
        digest = hmac.digest(self._fingerprint_key, _encode(secret), hashlib.sha256).hex()
        mark = f"({digest[:4]}-{digest[4:8]})"
        tail = secret[-SHOWN_CHARACTERS:]
        shown = len(secret) >= SHOWN_FROM_CHARACTERS and tail.isascii() and tail.isalnum()
        return f"…{tail} {mark}" if shown else mark

    def _tell(self, secret: str) -> None:
        if self._on_secret is not None:
            self._on_secret(secret)


def key_id_of(blob: bytes) -> str:
    """Return the id of the key-encryption key of a blob. Needs no key."""
    return decode_envelope(blob).key_id


def _context(workspace_id: str, owner_id: str, field: str) -> dict[str, str]:
    """Return the location of a secret. A KMS logs it, so it holds ids and never a name or a secret."""
    context = {"workspace": workspace_id, "owner": owner_id, "field": field}
    if not all(context.values()):
        raise VaultError("a secret needs a workspace, an owner and a field to belong to")
    return context


def _associated(context: dict[str, str]) -> bytes:
    """Encode version, workspace, owner and field, so that no two locations look alike whatever their ids contain."""
    return json.dumps([VERSION, context["workspace"], context["owner"], context["field"]]).encode()


def _encode(secret: str) -> bytes:
    try:
        plain = secret.encode()
    except UnicodeEncodeError:  # the error's own text and arguments contain the secret
        raise VaultError("this secret holds characters that are not text; copy it again") from None
    if not plain:
        raise VaultError("an empty secret cannot be stored; paste the credential")
    if len(plain) > MAX_SECRET_BYTES:
        raise VaultError(f"a secret may have {MAX_SECRET_BYTES // 1024} KiB at most; this is not a credential")
    return plain
