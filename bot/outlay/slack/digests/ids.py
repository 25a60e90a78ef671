"""Slack ids of the digest feature, each `feature:verb`."""

from enum import StrEnum


class Action(StrEnum):
    """Ids of buttons; each has a listener."""

    POST = "digest:post"
    OPEN = "digest:open"  # opens what `/spend digest` opens


class View(StrEnum):
    """Ids of modals that can be submitted."""

    FORM = "digest:form"


class Input(StrEnum):
    """Ids of form fields; each is also its block's id, so that an error is shown under it."""

    CHANNELS = "digest:channels"
    PERIODS = "digest:periods"
    AT = "digest:at"
    PICTURE = "digest:picture"
    OWN = "digest:own"
