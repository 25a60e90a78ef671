"""Setup of the vault's keys: from a key service, the environment, a key file, or generated on first start.

A key file is only as secret as its mode, so one that other people may read is refused. The file of the first start
appears at once and complete: it is written under another name and then linked, which the system does for exactly one of
several processes; the others take the winner's key.
"""

import contextlib
import errno
import os
import secrets
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from outlay.core.clock import Clock
from outlay.vault.errors import VaultError
from outlay.vault.keyring import FileKeyring, FixedKeyring, JoinedKeyring, Keyring
from outlay.vault.kms import KmsKeyUri, kms_key, parse_kms_uri
from outlay.vault.local_key import KEY_WANTED, LocalKey, decode_key, derive, new_key
from outlay.vault.vault import OnSecret, Vault

KEY_FILE_NAME = "master.key"
MAX_KEY_FILE_BYTES = 2048
MAX_KEYS = 8
LOCAL = "local"  # in OUTLAY_KMS_KEY: the master key's position among the others
PUBLIC_FINGERPRINT_KEY = b"outlay"  # without a master key, fingerprints are keyed with this public value
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True, slots=True)
class _Local:
    """Master key and its predecessors. `file`: the file that they are in, if any."""

    ring: Keyring
    first: bytes
    source: str
    file: Path | None = None


def open_vault(
    *,
    data_dir: Path,
    master_key: SecretStr | None = None,
    master_key_file: Path | None = None,
    kms_uris: str | None = None,
    on_secret: OnSecret | None = None,
    clock: Clock | None = None,
) -> Vault:
    """Open the vault under the keys of `kms_uris`, then the master key if there is one; else under that alone.

    Generates a master key in the data directory if there is no key at all. Raises VaultError, one line, if a configured
    key is not available; no key service is called yet.
    """
    services = key_services(kms_uris) if kms_uris else (None,)
    made = data_dir / KEY_FILE_NAME
    local: _Local | None = None
    if None in services or master_key or master_key_file or os.path.lexists(made):
        local = _open_local(made, master_key, master_key_file, on_secret)
    rings: list[Keyring] = []
    for address in services if None in services else (*services, None):
        if address is not None:
            rings.append(FixedKeyring([kms_key(address, clock=clock, on_secret=on_secret)]))
        elif local is not None:
            rings.append(local.ring)
    fingerprint_key = derive(local.first if local else PUBLIC_FINGERPRINT_KEY, "fingerprints")
    if services[0] is None and local is not None:
        return Vault(
            JoinedKeyring(rings), fingerprint_key, source=local.source, on_secret=on_secret, key_file=local.file
        )
    return Vault(JoinedKeyring(rings), fingerprint_key, source="OUTLAY_KMS_KEY", on_secret=on_secret)


def key_services(text: str) -> tuple[KmsKeyUri | None, ...]:
    """Parse OUTLAY_KMS_KEY to key addresses in order; None stands for `local`. Raises VaultError."""
    found = tuple(None if part.strip() == LOCAL else parse_kms_uri(part) for part in text.split(","))
    if len(found) > MAX_KEYS:
        raise VaultError(f"names more than {MAX_KEYS} keys; take those away that nothing is under any more")
    if len({address.id if address else LOCAL for address in found}) < len(found):
        raise VaultError("names a key twice")
    return found


def _open_local(
    made: Path, master_key: SecretStr | None, master_key_file: Path | None, on_secret: OnSecret | None
) -> _Local:
    if master_key is not None:
        try:
            keys = decode_keys(master_key.get_secret_value().split(","), on_secret)
        except VaultError as error:
            raise VaultError(f"OUTLAY_MASTER_KEY: {error}") from None
        return _Local(FixedKeyring([LocalKey(key) for key in keys]), keys[0], "OUTLAY_MASTER_KEY")
    path = master_key_file or made
    if master_key_file is None:
        _first_start(path)

    def read() -> list[bytes]:
        try:
            return decode_keys(lines_of(read_key_file(path)), on_secret)
        except VaultError as error:
            named = "OUTLAY_MASTER_KEY_FILE: " if master_key_file else ""
            raise VaultError(f"{named}{error}" if str(path) in str(error) else f"{named}{path}: {error}") from None

    first = read()[0]
    return _Local(FileKeyring(path, lambda: [LocalKey(key) for key in read()]), first, str(path), path)


def decode_keys(lines: Sequence[str], on_secret: OnSecret | None = None) -> list[bytes]:
    """Decode the keys of these lines: the first seals, the others still open.

    Raises VaultError, which never quotes a key.
    """
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
    """Return the lines of a key file that are keys; `#` begins a comment."""
    return [line for part in text.splitlines() if (line := part.partition("#")[0].strip())]


def add_key(path: Path, *, remark: str) -> None:
    """Put a fresh key before the others in a key file, atomically. Raises VaultError."""
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
    """Read a key file. Raises VaultError if it is missing, not a file, or readable by others."""
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
    # A secret that an orchestrator mounts belongs to root and is group-readable for us on purpose.
    forbidden = 0o077 if status.st_uid == os.geteuid() else 0o037
    if status.st_mode & forbidden:
        raise VaultError(f"the key file {path} is open to others; run: chmod 600 {shlex.quote(str(path))}")


def _first_start(path: Path) -> None:
    """Make sure that there is a key file in the data directory."""
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
    """Create the file unless another process was first; either way it is there, complete, when this returns."""
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
    """Flush the directory entry: the name has to survive a power cut as well as the bytes, or all secrets are lost."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
