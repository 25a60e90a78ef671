"""The one thing that can go wrong with a secret, said in words that name the way out and never the secret."""

DAMAGED = "this stored secret is damaged or belongs to another place; connect again with its credential"


class VaultError(Exception):
    """A secret could not be sealed or opened, or the master key is not usable. The text is for people."""


class VaultUnavailable(VaultError):
    """The key service does not answer now. It passes by itself: whoever needs the secret waits and tries again."""
