"""Error messages for when a key service does not return the key: one for each cause, the same for all services."""

from outlay.vault.errors import VaultError, VaultUnavailableError

MAX_REASON_CHARACTERS = 160


def unreachable_error(title: str, reason: str) -> VaultUnavailableError:
    """Build the error for a service that is unreachable, overloaded or failing, which is temporary."""
    return VaultUnavailableError(
        f"{title} does not answer ({_short(reason)}): polling is paused, nothing is lost, and it goes on by itself"
    )


def disabled_error(title: str, key: str, reason: str = "") -> VaultError:
    """Build the error for a key that exists and may not be used."""
    return VaultError(
        f"the key {key} in {title} is disabled or about to be deleted{_in_brackets(reason)}: enable it again; "
        "Outlay goes on by itself"
    )


def permission_error(title: str, key: str, wanted: str, reason: str = "") -> VaultError:
    """Build the error for missing permissions on the key; `wanted` names them."""
    return VaultError(
        f"{title} refuses the use of {key}{_in_brackets(reason)}: give Outlay's identity {wanted}; it goes on by itself"
    )


def credentials_error(title: str, where: str, reason: str = "") -> VaultError:
    """Build the error for credentials that the service does not accept; `where` says how to set them."""
    return VaultError(f"{title} does not accept who we say we are{_in_brackets(reason)}: {where}")


def not_found_error(title: str, key: str) -> VaultError:
    """Build the error for a key that does not exist."""
    return VaultError(f"{title} knows no key {key}: check OUTLAY_KMS_KEY, or restore the key")


def unexpected_response_error(title: str, reason: str) -> VaultError:
    """Build the error for an unexpected response."""
    return VaultError(f"{title} answered in a way that Outlay does not know ({_short(reason)})")


def _in_brackets(reason: str) -> str:
    return f" ({_short(reason)})" if reason else ""


def _short(reason: str) -> str:
    flat = " ".join(reason.split())
    return flat if len(flat) <= MAX_REASON_CHARACTERS else flat[:MAX_REASON_CHARACTERS] + "…"
