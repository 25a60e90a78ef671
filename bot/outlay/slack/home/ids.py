"""Every id of the Home tab: the event on which it is drawn. Its buttons are those of the features they open."""

from enum import StrEnum


class Event(StrEnum):
    """Slack's name."""

    OPENED = "app_home_opened"
