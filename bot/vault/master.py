"""Where the master key comes from: the environment, a file the operator names, or a file made on first start.

A key file is only as secret as its mode, so one that other people may read is refused. The file of the first start
appears at once and complete: it is written under another name and then linked, which the system does for exactly one
of several processes; the others take the winner's key.
"""

import contextlib
import errno
import os
import secrets
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from bot.vault.errors import VaultError
from bot.vault.local import KEY_WANTED, LocalKey, decode_key, derive, new_key
from bot.vault.ring import FileRing, FixedRing, Ring
from bot.vault.vault import OnSecret, Vault

KEY_FILE_NAME = "master.key"
MAX_KEY_FILE_BYTES = 2048
MAX_KEYS = 8
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def open_vault(
    *,
    data_dir: Path,
    master_key: SecretStr | None = None,
    master_key_file: Path | None = None,
    kms_key: str | None = None,
    on_secret: OnSecret | None = None,
) -> Vault:
    """The vault under the first master key that is set. Makes one in the data directory if none is.

    Raises VaultError, one line, when the key that was asked for cannot be had.
    """
    if kms_key:
        raise VaultError(
            "OUTLAY_KMS_KEY is set, but this version has no KMS backend: unset it and use OUTLAY_MASTER_KEY or "
            "OUTLAY_MASTER_KEY_FILE"
        )
    if master_key is not None:
        try:
            keys = decode_keys(master_key.get_secret_value().split(","), on_secret)
        except VaultError as error:
            raise VaultError(f"OUTLAY_MASTER_KEY: {error}") from None
        ring: Ring = FixedRing([LocalKey(key) for key in keys])
        return Vault(ring, derive(keys[0], "fingerprints"), source="OUTLAY_MASTER_KEY", on_secret=on_secret)
    path = master_key_file or data_dir / KEY_FILE_NAME
    if master_key_file is None:
        _first_start(path)

    def read() -> list[bytes]:
        try:
            return decode_keys(lines_of(read_key_file(path)), on_secret)
        except VaultError as error:
            named = "OUTLAY_MASTER_KEY_FILE: " if master_key_file else ""
            raise VaultError(f"{named}{error}" if str(path) in str(error) else f"{named}{path}: {error}") from None

    first = read()[0]
    ring = FileRing(path, lambda: [LocalKey(key) for key in read()])
    return Vault(ring, derive(first, "fingerprints"), source=str(path), on_secret=on_secret, key_file=path)


def decode_keys(lines: Sequence[str], on_secret: OnSecret | None = None) -> list[bytes]:
    """The keys in these lines: the first seals, the others still open. Raises VaultError, which never quotes one."""
    if len(lines) > MAX_KEYS:
        raise VaultError(f"more than {MAX_KEYS} keys; take the oldest away")
    keys = [decode_key(line) for line in lines] or [decode_key("")]
    if len(set(keys)) < len(keys):
        raise VaultError(f"a master key is there twice; one of them should be {KEY_WANTED}")
    for line in lines:
        if on_secret is not None:
            on_secret(line.strip().rstrip("="))
    return keys


def lines_of(text: str) -> list[str]:
    """The lines of a key file that are keys: a `#` begins a remark."""
    return [line for part in text.splitlines() if (line := part.partition("#")[0].strip())]


def add_key(path: Path, *, remark: str) -> None:
    """Puts a fresh key before the others of a key file, at once and completely. Raises VaultError."""
    before = read_key_file(path)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                kept = lines_of(before)[: MAX_KEYS - 1]
                file.write("\n".join([new_key(), *(f"{line}  # {remark}" for line in kept)]) + "\n")
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise VaultError(f"the key file {path} cannot be changed: {error.strerror}") from None


def read_key_file(path: Path) -> str:
    """What a key file holds. Raises VaultError if it is missing, not a file, or readable by others."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # never hangs on a pipe
    except FileNotFoundError:
        raise VaultError(f"the key file {path} does not exist: `outlay vault new-key` prints a key for it") from None
    except OSError as error:
        raise VaultError(f"the key file {path} cannot be read: {error.strerror}") from None
    try:
        _refuse_if_open_to_others(path, os.fstat(descriptor))
        return os.read(descriptor, MAX_KEY_FILE_BYTES).decode("latin-1")
    finally:
        os.close(descriptor)


def _refuse_if_open_to_others(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise VaultError(f"the key file {path} is not a file")
    # A secret that an orchestrator mounts belongs to root and is lent to our group: that reading is meant.
    forbidden = 0o077 if status.st_uid == os.geteuid() else 0o037
    if status.st_mode & forbidden:
        raise VaultError(f"the key file {path} is open to others; run: chmod 600 {shlex.quote(str(path))}")


def _first_start(path: Path) -> None:
    """Sees to it that there is a key in the data directory."""
    if not os.path.lexists(path):
        try:
            _make_key_file(path)
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise VaultError(
                    f"{path.parent} cannot hold a key file (no hard links there): set OUTLAY_MASTER_KEY; "
                    "`outlay vault new-key` prints one"
                ) from None
            raise VaultError(f"the key file {path} cannot be made: {error.strerror}") from None


def _make_key_file(path: Path) -> None:
    """Makes the file unless another process was first; either way it is there, complete, when this returns."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """The name must survive a power cut as well as the bytes: a lost key is every secret lost."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
