"""What is said when a key service does not give the key. The same for all, with its name and the key's."""

from outlay.vault.errors import VaultError, VaultUnavailable

MAX_REASON_CHARACTERS = 160


def out_of_reach(title: str, reason: str) -> VaultUnavailable:
    """It cannot be reached, is overloaded, or fails by itself."""
    return VaultUnavailable(
        f"{title} does not answer ({_short(reason)}): polling is paused, nothing is lost, and it goes on by itself"
    )


def disabled(title: str, key: str, reason: str = "") -> VaultError:
    """The key is there and may not be used."""
    return VaultError(
        f"the key {key} in {title} is disabled or about to be deleted{_in_brackets(reason)}: enable it again; "
        "Outlay goes on by itself"
    )


def refused(title: str, key: str, wanted: str, reason: str = "") -> VaultError:
    """We may not use it."""
    return VaultError(
        f"{title} refuses the use of {key}{_in_brackets(reason)}: give Outlay's identity {wanted}; it goes on by itself"
    )


def no_credentials(title: str, where: str, reason: str = "") -> VaultError:
    """It does not know who we are."""
    return VaultError(f"{title} does not accept who we say we are{_in_brackets(reason)}: {where}")


def missing(title: str, key: str) -> VaultError:
    """There is no such key."""
    return VaultError(f"{title} knows no key {key}: check OUTLAY_KMS_KEY, or restore the key")


def odd(title: str, reason: str) -> VaultError:
    """It said something that we do not know."""
    return VaultError(f"{title} answered in a way that Outlay does not know ({_short(reason)})")


def _in_brackets(reason: str) -> str:
    return f" ({_short(reason)})" if reason else ""


def _short(reason: str) -> str:
    flat = " ".join(reason.split())
    return flat if len(flat) <= MAX_REASON_CHARACTERS else flat[:MAX_REASON_CHARACTERS] + "…"
