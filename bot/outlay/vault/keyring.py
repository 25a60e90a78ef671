"""The keys that are at hand: one seals, all of them open. So a key can be changed while what it sealed is still there.

A key file is read again as soon as it changes, so that a bot which runs knows a new key before it meets what the new
key has sealed.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from outlay.vault.key_wrapper import KeyWrapper


class Ring(Protocol):
    """Keys by id; the first seals."""

    def at_hand(self) -> Sequence[KeyWrapper]:
        """All keys at hand, at least one. Raises VaultError if they cannot be had."""
        ...


class FixedRing:
    """Keys that stay as they are for as long as the process lives."""

    def __init__(self, keys: Sequence[KeyWrapper]) -> None:
        self._keys = tuple(keys)

    def at_hand(self) -> Sequence[KeyWrapper]:
        return self._keys


class FileRing:
    """The keys of a file, read anew when the file is another or has another time."""

    def __init__(self, path: Path, read: Callable[[], Sequence[KeyWrapper]]) -> None:
        self._path = path
        self._read = read
        self._stamp = self._look()
        self._keys = tuple(read())

    def at_hand(self) -> Sequence[KeyWrapper]:
        stamp = self._look()
        if stamp is not None and stamp != self._stamp:
            self._keys, self._stamp = tuple(self._read()), stamp
        return self._keys

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None  # it was there at the start: what was read from it still holds
        return found.st_ino, found.st_mtime_ns, found.st_size


class JoinedRing:
    """Several rings as one: the first key of the first seals."""

    def __init__(self, rings: Sequence[Ring]) -> None:
        self._rings = tuple(rings)

    def at_hand(self) -> Sequence[KeyWrapper]:
        return [key for ring in self._rings for key in ring.at_hand()]


def find(ring: Ring, key_id: str) -> KeyWrapper | None:
    """The key with this id, if it is at hand."""
    return next((key for key in ring.at_hand() if key.id == key_id), None)
