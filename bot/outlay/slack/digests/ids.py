"""Every id of the digest feature, `feature:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """What can be pressed; each has a listener."""

    POST = "digest:post"
    OPEN = "digest:open"  # what `/spend digest` opens


class View(StrEnum):
    """What can be submitted."""

    FORM = "digest:form"


class Input(StrEnum):
    """Fields: each its own block too, so that an error lands on it."""

    CHANNELS = "digest:channels"
    PERIODS = "digest:periods"
    AT = "digest:at"
    PICTURE = "digest:picture"
    OWN = "digest:own"
