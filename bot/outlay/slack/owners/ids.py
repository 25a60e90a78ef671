"""Slack ids of the owners feature, each `feature:verb`."""

from enum import StrEnum


class Action(StrEnum):
    """Ids of buttons; each has a listener."""

    OPEN = "owners:open"
    CHANGE = "owners:change"
    EARLIER = "owners:earlier"
    MORE = "owners:more"


class View(StrEnum):
    """Ids of modals that can be submitted: the form, and the list, whose submission is a search."""

    FORM = "owners:form"
    LIST = "owners:list"


class Input(StrEnum):
    """Ids of form fields; each is also its block's id, so that an error is shown under it."""

    FIND = "owners:find"
    KIND = "owners:kind"
    PERSON = "owners:person"
    NAME = "owners:name"
    START = "owners:start"
