"""Slack events of an app that is removed from a workspace, and the paths of its installation."""

from enum import StrEnum

INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"


class Event(StrEnum):
    """Names of the events in Slack."""

    UNINSTALLED = "app_uninstalled"
    REVOKED = "tokens_revoked"
