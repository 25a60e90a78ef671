"""Slack event of the Home tab. Its buttons have the ids of the features that they open."""

from enum import StrEnum


class Event(StrEnum):
    """Name of the event in Slack."""

    OPENED = "app_home_opened"
