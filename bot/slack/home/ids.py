"""The event that a Home tab is drawn on."""

from enum import StrEnum


class Event(StrEnum):
    """Slack's name."""

    OPENED = "app_home_opened"
