"""Keyrings: the first key seals, all of them open, so that a key can be replaced while secrets under it still exist.

A key file is read again as soon as it changes, so that a running bot knows a new key before it meets a secret sealed
under it.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from outlay.vault.key_wrapper import KeyWrapper


class Keyring(Protocol):
    """Available keys; the first one seals."""

    def available_keys(self) -> Sequence[KeyWrapper]:
        """Return all available keys, at least one. Raises VaultError if they cannot be read."""
        ...


class FixedKeyring:
    """Keyring that never changes."""

    def __init__(self, keys: Sequence[KeyWrapper]) -> None:
        self._keys = tuple(keys)

    def available_keys(self) -> Sequence[KeyWrapper]:
        return self._keys


class FileKeyring:
    """Keyring of a file, read again when its inode, size or modification time changes."""

    def __init__(self, path: Path, read: Callable[[], Sequence[KeyWrapper]]) -> None:
        self._path = path
        self._read = read
        self._stamp = self._look()
        self._keys = tuple(read())

    def available_keys(self) -> Sequence[KeyWrapper]:
        stamp = self._look()
        if stamp is not None and stamp != self._stamp:
            self._keys, self._stamp = tuple(self._read()), stamp
        return self._keys

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None  # the file is gone: the keys that were read from it stay valid
        return found.st_ino, found.st_mtime_ns, found.st_size


class JoinedKeyring:
    """Several keyrings as one: the first key of the first seals."""

    def __init__(self, rings: Sequence[Keyring]) -> None:
        self._rings = tuple(rings)

    def available_keys(self) -> Sequence[KeyWrapper]:
        return [key for ring in self._rings for key in ring.available_keys()]


def find_key(ring: Keyring, key_id: str) -> KeyWrapper | None:
    """Return the key with this id, or None."""
    return next((key for key in ring.available_keys() if key.id == key_id), None)
