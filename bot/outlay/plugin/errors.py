"""The five errors of a plugin, and no others. The host decides what follows from each.

Every message is read by a person: it says what happened and, where one can, what to do. It never holds a secret.
`status` is the HTTP status behind it, where there was one, so that a plugin can tell a 403 from a 400.
"""

from datetime import datetime

from outlay.core.errors import OutlayError


class PluginError(OutlayError):
    """Base of the five errors."""

    def __init__(self, message: str = "", *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BadConfig(PluginError):
    """Setting that is wrong. `field` names it, so that the error lands on that field of the form."""

    def __init__(self, field: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.field = field


class NeedsReauth(PluginError):
    """Credential that no longer works. The host pauses the connection and notifies its admins once."""


class RateLimited(PluginError):
    """Request to wait from the other side. The host asks again at `retry_at` (aware, UTC), not before."""

    def __init__(self, retry_at: datetime, message: str = "rate limited", *, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_at = retry_at


class Transient(PluginError):
    """Failure that may pass: a time-out, a dropped connection, a 500, a body that was cut off."""


class Permanent(PluginError):
    """Failure that trying again does not cure: a refused report, an unreadable answer, a bug."""
