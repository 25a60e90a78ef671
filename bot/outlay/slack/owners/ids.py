"""Every id of the owners feature, `feature:verb`, written down once."""

from enum import StrEnum


class Action(StrEnum):
    """What can be pressed; each has a listener."""

    OPEN = "owners:open"
    CHANGE = "owners:change"
    EARLIER = "owners:earlier"
    MORE = "owners:more"


class View(StrEnum):
    """What can be submitted: the form, and the list, which then finds."""

    FORM = "owners:form"
    LIST = "owners:list"


class Input(StrEnum):
    """Fields: each its own block too, so that an error lands on it."""

    FIND = "owners:find"
    KIND = "owners:kind"
    PERSON = "owners:person"
    NAME = "owners:name"
    START = "owners:start"
