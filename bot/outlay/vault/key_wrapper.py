"""Interface to a key-encryption key: a local master key, or a key of a cloud's KMS.

A secret is never encrypted with that key itself. Each secret has a data key of its own; the key-encryption key only
wraps data keys, so rotating it re-wraps a few bytes for each secret and touches no secret.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class KeyWrapper(Protocol):
    """Wrapper of data keys. `id` is `BACKEND:KEY`, is stored beside what it wrapped, and reveals nothing of the key."""

    @property
    def id(self) -> str:
        """Return the key's id, such as `local:5d1e88a07c2b4f19`."""
        ...

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        """Encrypt the data key and bind it to this context."""
        ...

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Decrypt the data key. Raises VaultError for another context, another key or a changed byte."""
        ...
