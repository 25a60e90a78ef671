"""The seam behind which a key-encryption key lives: a local master key today, a cloud's KMS when there is one.

A secret is never encrypted with that key itself. Each has a data key of its own; the key-encryption key only wraps
data keys, so rotating it re-wraps a few bytes for each secret and touches no secret.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class KeyWrapper(Protocol):
    """Wraps data keys. `id` is `BACKEND:KEY`, is stored beside what it wrapped, and tells nothing about the key."""

    @property
    def id(self) -> str:
        """Such as `local:5d1e88a07c2b4f19`."""
        ...

    async def wrap(self, data_key: bytes, context: Mapping[str, str]) -> bytes:
        """The data key, encrypted and bound to this context."""
        ...

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The data key again. Raises VaultError for another context, another key or a changed byte."""
        ...
