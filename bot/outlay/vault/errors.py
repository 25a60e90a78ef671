"""Errors of the vault. Their texts say what to do and never contain the secret."""

from outlay.core.errors import OutlayError

DAMAGED = "this stored secret is damaged or belongs to another place; connect again with its credential"


class VaultError(OutlayError):
    """A secret could not be sealed or opened, or the master key is not usable. The text is for people."""


class VaultUnavailableError(VaultError):
    """The key service does not answer now. It is temporary, so the caller waits and tries again."""
