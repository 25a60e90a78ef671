"""The events of an app that is thrown out of a workspace, and where it is let in."""

from enum import StrEnum

INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"


class Event(StrEnum):
    """Slack's names."""

    UNINSTALLED = "app_uninstalled"
    REVOKED = "tokens_revoked"
