"""The events of an app that is thrown out of a workspace."""

from enum import StrEnum


class Event(StrEnum):
    """Slack's names."""

    UNINSTALLED = "app_uninstalled"
    REVOKED = "tokens_revoked"
