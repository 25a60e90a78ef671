"""Every id of the spend feature, `feature:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """Buttons; each has a listener."""

    SHARE = "spend:share"
    CSV = "spend:csv"


class Event(StrEnum):
    """Slack events, by Slack's name."""

    MENTIONED = "app_mention"
